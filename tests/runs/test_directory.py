"""Directories of runs: what state they are in, found from the disk alone, and a list of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, runs
from chainrule.errors import StorageError

X = np.random.default_rng(0).standard_normal((12, 4))
MODEL = nn.Linear(4, 1, rng=0)


def status(directory: Path) -> str:
    return runs.describe(directory).status


# ---------------------------------------------------------------------- one process
def test_a_run_from_begin_to_end(tmp_path: Path) -> None:
    directory = runs.new_directory(tmp_path / "runs", "digits")
    assert directory == tmp_path / "runs" / "digits-001"
    assert runs.list_runs(tmp_path / "runs") == []  # a directory alone is no run
    with runs.training(directory, {"task": "regression", "rows": 12}) as same:
        assert same == directory
        running = runs.describe(directory)
        assert (running.status, running.task, running.score) == ("running", "regression", {})
        runs.save(directory, MODEL, X, facts={"score": {"r_squared": 0.75}})
        assert status(directory) == "running"
    done = runs.describe(directory)
    assert (done.name, done.status, done.score) == ("digits-001", "finished", {"r_squared": 0.75})
    assert done.facts["rows"] == 12 and done.when == running.when
    assert done.problem == ""


def test_a_failure_is_noted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"), runs.training(tmp_path):
        raise ValueError("no rows")
    failed = runs.describe(tmp_path)
    assert (failed.status, failed.problem) == ("failed", "no rows")
    with pytest.raises(StorageError, match=r"model: its training has failed\. no rows"):
        cr.load(tmp_path)
    with runs.training(tmp_path):  # it is tried again
        assert status(tmp_path) == "running"
    assert status(tmp_path) == "interrupted"


def test_an_interruption_is_none_of_its_failures(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), runs.training(tmp_path, {"task": "x"}):
        raise KeyboardInterrupt
    assert status(tmp_path) == "interrupted"
    with pytest.raises(StorageError, match=r"interrupted\. Resume it first"):
        cr.load(tmp_path)
    with runs.training(tmp_path):
        runs.save(tmp_path, MODEL, X, status="interrupted")
    assert status(tmp_path) == "interrupted"
    assert cr.load(tmp_path).status == "interrupted"
    assert "training was interrupted" in repr(cr.load(tmp_path))
    with runs.training(tmp_path):
        runs.save(tmp_path, MODEL, X)
    assert status(tmp_path) == "finished"


def test_a_resumed_run_keeps_its_card(tmp_path: Path) -> None:
    with runs.training(tmp_path, {"task": "regression", "seed": 7}):
        pass
    first = runs.describe(tmp_path)
    with runs.training(tmp_path):
        assert runs.describe(tmp_path).facts == {"task": "regression", "seed": 7}
    with runs.training(tmp_path, {"seed": 8}):
        assert runs.describe(tmp_path).facts == {"seed": 8}
    assert runs.describe(tmp_path).when == first.when


def test_a_model_alone_is_a_run(tmp_path: Path) -> None:
    runs.save(tmp_path / "a", MODEL, X)
    (found,) = runs.list_runs(tmp_path)
    assert (found.status, found.when[:2]) == ("finished", "20")


def test_a_message_that_is_not_written_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ValueError, match="the news"), runs.training(tmp_path):
        monkeypatch.setattr(os, "fsync", full)
        raise ValueError("the news")
    monkeypatch.undo()
    assert status(tmp_path) == "interrupted"


# ---------------------------------------------------------------------- several processes
TRAINS = """
import sys, time
from chainrule import runs
with runs.training(sys.argv[1], {"task": "regression"}):
    print("training", flush=True)
    time.sleep(600)
"""


@contextmanager
def trainer(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains in a directory."""
    arguments = [sys.executable, "-c", TRAINS, str(directory)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "training\n"
            yield process
        finally:
            process.kill()


def test_a_process_that_is_killed_leaves_an_interrupted_run(tmp_path: Path) -> None:
    with trainer(tmp_path) as process:
        assert status(tmp_path) == "running"
        with pytest.raises(StorageError, match="being trained now"):
            cr.load(tmp_path)
        with pytest.raises(StorageError, match="Another process is training"):
            runs.training(tmp_path).__enter__()
        assert status(tmp_path) == "running"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert status(tmp_path) == "interrupted"
    with runs.training(tmp_path):
        assert status(tmp_path) == "running"


SAVES = """
import sys, numpy as np
from chainrule import nn, runs
x = np.random.default_rng(0).standard_normal((12, 400))
models = [nn.MLP(400, [400, 400], 400, rng=seed) for seed in range(2)]
with runs.training(sys.argv[1], {"task": "regression"}):
    print("ready", flush=True)
    for number in range(10**6):
        runs.save(sys.argv[1], models[number % 2], x, facts={"number": number})
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, 0.5])
def test_killed_at_any_moment_there_is_a_whole_run(delay: float, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", SAVES, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
    found = runs.describe(tmp_path)
    assert found.status in ("interrupted", "finished")
    if found.status == "finished":
        run = cr.load(tmp_path)
        assert run.predict(np.ones((1, 400))).shape == (1, 400)
        assert run.facts["number"] == found.facts["number"]


# ---------------------------------------------------------------------- a list of runs
def damage_card(directory: Path) -> None:
    (directory / "run.json").write_text("{")


def damage_model(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def newer_card(directory: Path) -> None:
    (directory / "run.json").write_text(json.dumps({"format": "chainrule.run", "version": 9}))


def foreign_card(directory: Path) -> None:
    (directory / "run.json").write_text(json.dumps({"name": "something else"}))


def deep_card(directory: Path) -> None:
    (directory / "run.json").write_text("[" * 10**6)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_card, "run.json"),
        (damage_model, "model.safetensors"),
        (newer_card, "format 9"),
        (foreign_card, "damaged"),
        (deep_card, "run.json"),
    ],
)
def test_a_broken_run_is_listed_with_its_problem(
    damage: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        with runs.training(tmp_path / name, {"task": "regression"}):
            runs.save(tmp_path / name, MODEL, X)
    damage(tmp_path / "a")
    found = {run.name: run for run in runs.list_runs(tmp_path)}
    assert (found["a"].status, found["b"].status) == ("broken", "finished")
    assert words in found["a"].problem


def test_runs_are_listed_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, name in enumerate("cab"):
        monkeypatch.setattr("chainrule.runs.directory.now", lambda d=day: f"2026-01-0{d + 1}")
        with runs.training(tmp_path / name):
            pass
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "other").mkdir()
    assert [run.name for run in runs.list_runs(tmp_path)] == ["c", "a", "b"]


def test_no_directory_no_runs(tmp_path: Path) -> None:
    assert runs.list_runs(tmp_path / "runs") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        runs.list_runs(tmp_path / "file")


def test_facts_of_the_wrong_kind_do_no_harm(tmp_path: Path) -> None:
    with runs.training(tmp_path, {"task": 7, "score": {"a": "high", "b": 2}}):
        found = runs.describe(tmp_path)
    assert (found.task, found.score) == ("7", {"b": 2})


# ---------------------------------------------------------------------- what is no run
def test_near_names_are_suggested(tmp_path: Path) -> None:
    runs.save(tmp_path / "digits-001", MODEL, X)
    with pytest.raises(StorageError, match=r"There is no .*digits-01\. Did you mean 'digits-001'"):
        cr.load(tmp_path / "digits-01")
    with pytest.raises(StorageError, match=r"directory of a run\. There are runs in it: dig"):
        cr.load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match=r"empty is not the directory of a run\.$"):
        cr.load(tmp_path / "empty")
    with pytest.raises(StorageError, match="not the directory"):
        runs.describe(tmp_path / "empty")
    with pytest.raises(StorageError, match="There is no"):
        runs.describe(tmp_path / "nothing")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for act in (
        lambda: runs.new_directory(tmp_path / "file", "digits"),
        lambda: runs.training(tmp_path / "file" / "run").__enter__(),
        lambda: runs.training(tmp_path / "file").__enter__(),
    ):
        with pytest.raises(StorageError, match="Cannot write"):
            act()


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is allowed to root")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"), runs.training(tmp_path):
        pass


def test_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    for act in (lambda: cr.load(tmp_path / "model.safetensors"), lambda: cr.load(tmp_path)):
        with pytest.raises(StorageError, match="regular file"):
            act()
