"""The commands besides training, the two languages, and the program as a process of its own."""

import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import chainrule as cr
from chainrule import data, storage, words
from chainrule.cli import commands
from chainrule.cli.commands import make_app
from chainrule.cli.options import OPTIMIZERS

Run = Callable[..., tuple[int, str, str]]

PROGRAM = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"chainrule {cr.__version__}\n", "")


def test_without_a_command_it_says_what_there_is(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert "train" in out and "datasets" in out


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_data_sets_are_listed(run: Run, lang: str) -> None:
    code, out, err = run("datasets", "--lang", lang)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(data.datasets.names())
    assert words.text("cli.task_regression", lang) in out


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_every_option_is_explained(monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, lang)
    shown = CliRunner().invoke(make_app(), ["train", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    options = ["hidden", "activation", "dropout", "optimizer", "learning-rate", "epochs", "seed"]
    options += ["batch-size", "test", "validation", "runs-dir", "lang", "quiet", "no-header"]
    options += ["target", "task", "categorical", "drop", "group", "time", "encoding", "separator"]
    options += ["patience", "statistics"]
    for option in options:
        assert f"--{option} " in shown.output
        key = f"cli.help_{option.replace('-', '_')}"
        assert words.text(key, lang, known=", ".join(OPTIMIZERS))[:20] in shown.output


@pytest.mark.parametrize(
    "arguments", [["--lang", "ko", "train", "x"], ["train", "x", "--lang", "ko"]]
)
@pytest.mark.parametrize(
    "form", [list, lambda words: " ".join(words).replace("g k", "g=k").split()]
)
def test_lang_is_understood_anywhere(
    run: Run, arguments: list[str], form: Callable[[list[str]], list[str]]
) -> None:
    code, _, err = run(*form(arguments))
    assert code == 2
    assert err.startswith("오류: 'x'")


def test_the_environment_chooses_the_language(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, "ko")
    assert run("train", "x")[2].startswith("오류: 'x'")
    assert run("train", "x", "--lang", "en")[2].startswith(
        "Error: There is neither a file nor a data set 'x'"
    )


def test_the_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    arguments = ["train", "iris", "--epochs", "2", "--statistics", "0"]
    done = subprocess.run([*PROGRAM, *arguments], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "runs/iris-001/model.safetensors").exists()


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Also where the terminal has no Korean."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", words.ENVIRONMENT_VARIABLE: "ko"}
    done = subprocess.run(
        [*PROGRAM, "train", "iri"],
        cwd=tmp_path,
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 2
    assert b"iris" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_long_training_within_a_moment(tmp_path: Path) -> None:
    arguments = ["train", "iris", "--epochs", "1000000", "--quiet"]
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        log = tmp_path / "runs/iris-001/metrics.jsonl"
        while not log.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.decode() == (
        "Interrupted. The run is saved; go on with: chainrule resume runs/iris-001\n"
    )
    epochs = storage.read_json_lines(log)
    assert cr.load(tmp_path / "runs/iris-001").history.records == tuple(epochs)


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices and shells")
@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("datasets >&-", 0, ""),
        ("datasets | true", 0, ""),
        ("datasets >/dev/full", 2, "Error: The system refused: No space left on device.\n"),
        ("train nothing 2>&-", 2, ""),
    ],
)
def test_nobody_reads_what_it_says(tmp_path: Path, command: str, code: int, message: str) -> None:
    program = "python() { " + shlex.join(PROGRAM) + ' "$@"; }; set -o pipefail; python '
    done = subprocess.run(
        ["bash", "-c", program + command], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (code, message)


def test_a_warning_is_a_note(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> None:
        warnings.simplefilter("always")
        warnings.warn("the disk is full", UserWarning, stacklevel=1)

    monkeypatch.setattr(commands, "show_datasets", warn)
    assert run("datasets") == (0, "", "Note: the disk is full\n")


def test_importing_the_library_imports_nothing_of_the_command_line() -> None:
    code = "import sys, chainrule; print({'rich', 'sklearn', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
