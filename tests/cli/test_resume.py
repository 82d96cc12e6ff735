"""``chainrule resume``: the run that is gone on with is the one that was never interrupted."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import runs, storage

from .conftest import QUICK, table

Run = Callable[..., tuple[int, str, str]]

PROGRAM = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]


def learned(directory: str) -> tuple[list[object], dict[str, bytes]]:
    """What must not depend on interruptions: the losses, the score, the weights."""
    records = storage.read_json_lines(f"{directory}/metrics.jsonl")
    kept = [
        {
            name: value
            for name, value in record.items()
            if name not in ("seconds", "rows_per_second")
        }
        for record in records
    ]
    weights = cr.load(directory).weights
    return kept, {name: array.tobytes() for name, array in weights.items()}


def stopped_by(sent: signal.Signals, *arguments: str) -> int:
    """Send a signal to a training after 20 more epochs; returns its exit code."""
    log = Path("runs/people-001/metrics.jsonl")

    def epochs() -> int:
        return log.read_bytes().count(b"\n") if log.exists() else 0

    before = epochs()
    with subprocess.Popen([*PROGRAM, *arguments, "--quiet"], stderr=subprocess.DEVNULL) as process:
        while epochs() < before + 20:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sent)
    return process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_run_that_was_interrupted_and_killed_ends_as_if_nothing_had_happened(
    run: Run, csv: Path
) -> None:
    options = ("train", "people.csv", "--dropout", "0.1", "--batch-size", "8")
    assert stopped_by(signal.SIGINT, *options, "--epochs", "1000000") == 130
    assert stopped_by(signal.SIGKILL, "resume", "runs/people-001") == -signal.SIGKILL
    assert runs.describe("runs/people-001").task == "classification"
    epochs = str(len(storage.read_json_lines("runs/people-001/metrics.jsonl")) + 50)
    assert run("resume", "runs/people-001", "--epochs", epochs, "--quiet")[0] == 0
    assert runs.describe("runs/people-001").status == "finished"
    run(*options, "--epochs", epochs, "--quiet")
    assert learned("runs/people-001") == learned("runs/people-002")


def test_two_cannot_go_on_with_the_same_run(run: Run) -> None:
    run("train", "iris", *QUICK, "--test", "0")
    with runs.training("runs/iris-001"):
        code, _, err = run("resume", "runs/iris-001", "--epochs", "3", "--quiet")
        assert (code, len(err.splitlines())) == (2, 1)
        assert "runs/iris-001" in err
    assert run("resume", "runs/iris-001", "--epochs", "3", "--quiet")[0] == 0


def test_a_finished_run_can_be_trained_for_longer(run: Run) -> None:
    run("train", "iris", *QUICK)
    assert run("resume", "runs/iris-001", "--epochs", "4", "--quiet")[0] == 0
    run("train", "iris", *QUICK, "--epochs", "4")
    assert learned("runs/iris-001") == learned("runs/iris-002")
    assert "--epochs 4" in run("show", "runs/iris-001")[1]


def test_how_long_was_asked_for_latest_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    run("train", "iris", *QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(runs, "save", interrupt)
        assert run("resume", "runs/iris-001", "--epochs", "3", "--quiet")[0] == 130
    assert run("resume", "runs/iris-001", "--quiet")[0] == 0
    assert len(cr.load("runs/iris-001").history) == 3


def test_rows_that_have_changed_meanwhile_are_refused_and_the_run_stays_as_it_is(
    run: Run, csv: Path
) -> None:
    run("train", "people.csv", *QUICK)
    before = {path: path.read_bytes() for path in Path("runs/people-001").iterdir()}
    csv.write_text(table().replace("\n27", "\n28", 1))
    code, _, err = run("resume", "runs/people-001", "--epochs", "3")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "people.csv does not hold what runs/people-001 was trained on" in err
    csv.unlink()
    assert run("resume", "runs/people-001", "--epochs", "3")[0] == 2
    assert {path: path.read_bytes() for path in Path("runs/people-001").iterdir()} == before
