"""Whatever is wrong: one message, exit code 2, and nothing half-written."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chainrule import runs, storage, train
from chainrule.cli import training
from chainrule.errors import StorageError

from .conftest import QUICK, table

Run = Callable[..., tuple[int, str, str]]


def refused(outcome: tuple[int, str, str], *parts: str) -> None:
    """One message that names these parts."""
    code, _, err = outcome
    assert code == 2
    assert err.startswith("Error: ") and len(err.splitlines()) == 1
    assert all(part in err for part in parts), err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["iri"], ["'iri'", "neither a file nor a data set", "Did you mean 'iris'?"]),
        (["nowhere/x.csv"], ["Cannot read nowhere/x.csv"]),
        (["iris", "--hidden", "abc"], ["--hidden", "64 or 128,64", "'abc'"]),
        (["iris", "--hidden", "64,"], ["--hidden", "'64,'"]),
        (["iris", "--hidden", "0"], ["0"]),
        (["iris", "--hidden", "1000000000000"], ["not enough memory"]),
        (["iris", "--activation", "rellu"], ["'rellu'", "'relu'"]),
        (["iris", "--dropout", "1.5"], ["1.5"]),
        (["iris", "--dropout", "-0.5"], ["-0.5"]),
        (["iris", "--epochs", "many"], ["--epochs", "'many'"]),
        (["iris", "--epochs", "-1"], ["--epochs", "'-1'"]),
        (["iris", "--batch-size", "0"], ["batch_size >= 1", "0"]),
        (["iris", "--optimizer", "adan"], ["'adan'", "'adam'"]),
        (["iris", "--learning-rate", "fast"], ["--learning-rate", "'fast'"]),
        (["iris", "--learning-rate", "-1"], ["learning_rate", "-1"]),
        (["iris", "--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["iris", "--seed", "x"], ["--seed", "'x'"]),
        (["iris", "--test", "1"], ["0 <= test < 1"]),
        (["iris", "--test", "0.6", "--validation", "0.5"], ["at least one row for training"]),
        (["iris", "--target", "specie"], ["iris has no column", "'species'"]),
        (["iris", "--group", "species", "--time", "species"], ["--group", "--time", "not by both"]),
        (["iris", "--lang", "fr"], ["--lang", "'fr'"]),
        (["iris", "--hiden", "3"], ["--hiden", "--hidden"]),
        (["iris", "wine"], ["wine"]),
        ([], ["SOURCE"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options(run: Run, arguments: list[str], parts: list[str]) -> None:
    refused(run("train", *arguments), *parts)
    assert not list(Path().glob("runs/*"))


@pytest.mark.parametrize(
    ("content", "arguments", "parts"),
    [
        (table(), ["--target", "anser"], ["people.csv has no column 'anser'", "'answer'"]),
        (table(), ["--target", "ANSWER"], ["Did you mean 'answer'"]),
        (table(), ["--task", "regression"], ["'answer' expects numbers", "'no'"]),
        (table(), ["--task", "clasification"], ["'clasification'", "classification, regression"]),
        (table(), ["--drop", "nope"], ["has no column 'nope'"]),
        (table(), ["--drop", "answer"], ["'answer' cannot be the target and left out"]),
        (table(), ["--time", "city"], ["times", "Seoul"]),
        (table(), ["--group", "nope"], ["has no column 'nope'"]),
        (table(), ["--encoding", "klingon"], ["'klingon'"]),
        (table(), ["--separator", "ab"], ["'ab'"]),
        (table(), ["--drop", "age", "--drop", "pay", "--drop", "city"], ["no column left"]),
        (table(yes="no"), [], ["at least two classes", "'no'"]),
        (table(1), [], ["at least one row for training"]),
        ("", [], ["people.csv is empty"]),
        ("age,answer\n", [], ["has column names, but no rows"]),
        (table() + "1,2\n", [], ["line 42", "expected 4 fields", "found 2"]),
        (table(pay="age"), [], ["more than one column called 'age'"]),
        (table() + "30,inf,Seoul,no\n", [], ["'pay' expects finite numbers", "row 41"]),
        (table() + "30,1e99,Seoul,no\n", [], ["'pay' expects finite numbers", "row 41"]),
        (table().encode("utf-16"), [], ["no text in utf-8 / cp949"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), [], ["no text in utf-8 / cp949"]),
        (table().encode("cp949") + b"\xb0", ["--encoding", "utf-8"], ["no text in utf-8"]),
        (b"a,b\n1,\x002\n", [], ["zero byte"]),
    ],
)
def test_tables(
    run: Run, csv: Path, content: str | bytes, arguments: list[str], parts: list[str]
) -> None:
    csv.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(run("train", "people.csv", *QUICK, *arguments), *parts)
    assert not list(Path().glob("runs/*"))


def test_a_directory_is_no_file(run: Run) -> None:
    Path("folder.csv").mkdir()
    refused(run("train", "folder.csv"), "folder.csv is a directory")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["iri"], ["오류:", "'iri'", "혹시 'iris' 말인가요?"]),
        (["iris", "--hidden", "abc"], ["오류:", "--hidden", "층의 크기"]),
        (["iris", "--learning-rate", "-1"], ["오류:", "learning_rate"]),
        (["iris", "--nonsense"], ["오류:", "도움말"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained_in_korean(run: Run, arguments: list[str], parts: list[str]) -> None:
    code, _, err = run("train", *arguments, "--lang", "ko")
    assert code == 2
    assert all(part in err for part in parts), err


def test_training_that_blows_up_names_layer_and_op_and_keeps_its_checkpoint(run: Run) -> None:
    rate = ("--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "5")
    outcome = run("train", "iris", *rate)
    refused(outcome, "epoch 1, step", "Linear(", "matmul", "checkpoint.safetensors keeps")
    assert runs.describe("runs/iris-001").status == "failed"
    assert not Path("runs/iris-001/model.safetensors").exists()
    refused(run("predict", "runs/iris-001", "iris"), "holds no trained model")


# ---------------------------------------------------------------------- nowhere to write
def test_a_runs_directory_that_cannot_be_made_is_found_before_training(run: Run) -> None:
    Path("taken").write_text("a file")
    outcome = run("train", "iris", "--epochs", "2", "--runs-dir", "taken")
    refused(outcome, "Cannot write taken")
    assert "epoch" not in outcome[1]
    assert Path("taken").read_text() == "a file"


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write anywhere")
def test_no_permission(run: Run) -> None:
    Path("runs").mkdir(mode=0o500)
    refused(run("train", "iris", *QUICK), "Cannot write runs")


def test_a_disk_that_fills_up_before_training_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StorageError("storage.write", path="x", cause="No space left on device")

    monkeypatch.setattr(train.snapshot.storage, "save_safetensors", full)
    refused(run("train", "iris", *QUICK), "No space left")
    assert not list(Path().glob("runs/*"))


def test_a_disk_that_fills_up_while_the_model_is_saved_leaves_a_run_to_go_on_with(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StorageError("storage.write", path="x", cause="No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(runs, "save", full)
        refused(run("train", "iris", *QUICK), "No space left")
    assert runs.describe("runs/iris-001").status == "failed"
    assert run("resume", "runs/iris-001", "--quiet")[0] == 0
    assert runs.describe("runs/iris-001").status == "finished"


# ---------------------------------------------------------------------- Ctrl-C
@pytest.mark.parametrize(
    ("place", "name"),
    [(training, "find_source"), (training, "load_table"), (runs, "new_directory")],
    ids=["looking for the file", "reading", "making the directory"],
)
def test_ctrl_c_before_training(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    monkeypatch.setattr(place, name, interrupt)
    code, _, err = run("train", "iris", *QUICK)
    assert (code, err) == (130, "Interrupted. Nothing was written.\n")
    assert not list(Path().glob("runs/*"))


@pytest.mark.parametrize(
    ("place", "name"),
    [(training, "judge"), (runs, "save"), (training, "write_report")],
    ids=["baselines", "saving", "report"],
)
def test_ctrl_c_after_training_is_gone_on_from(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(place, name, interrupt)
        code, _, err = run("train", "iris", *QUICK, "--runs-dir", "my runs")
    assert (code, err.splitlines()[0].split(": ")[1]) == (
        130,
        "chainrule resume 'my runs/iris-001'",
    )
    code, out, err = run("resume", "my runs/iris-001", "--quiet")
    assert (code, err) == (0, "")
    assert "accuracy" in out
    assert Path("my runs/iris-001/report.html").exists()


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


# ---------------------------------------------------------------------- damaged runs
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-9] + bytes([content[-9] ^ 255]) + content[-8:],
        lambda content: b"[" * 100_000,
    ],
    ids=["truncated", "empty", "a changed byte", "deep JSON"],
)
def test_damaged_files(run: Run, trained: Path, damage: Callable[[bytes], bytes]) -> None:
    uses = {
        "model.safetensors": ("predict", "copy", "people.csv"),
        "checkpoint.safetensors": ("resume", "copy", "--epochs", "3"),
        "run.json": ("resume", "copy", "--epochs", "3"),
    }
    for name, command in uses.items():
        copy = Path(shutil.copytree(trained, "copy"))
        (copy / name).write_bytes(damage((trained / name).read_bytes()))
        before = {path: path.read_bytes() for path in copy.iterdir()}
        refused(run(*command), name)
        assert {path: path.read_bytes() for path in copy.iterdir()} == before
        assert run("show", "copy")[0] == run("runs", "--runs-dir", ".")[0] == 0
        shutil.rmtree(copy)


@pytest.mark.parametrize(
    "hostile",
    [
        {"hidden": "x"},
        {"hidden": [[1]]},
        {"hidden": [1.5]},
        {"hidden": 5},
        {"hidden": [10**12]},
        {"epochs": "many"},
        {"epochs": 2.5},
        {"learning_rate": "fast"},
        {"learning_rate": None},
        {"source": 5},
        {"source": "a\0b.csv"},
        {"target": [5]},
        {"test": "x"},
        {"seed": -1},
        {"seed": "x"},
        {"batch_size": "x"},
        {"patience": "x"},
        {"dropout": "x"},
        {"statistics": "x"},
        {"task": 5},
        {"activation": 5},
        {"optimizer": [1]},
        {"validation": {"a": 1}},
        {"quiet": "no"},
        {"no_header": 3},
    ],
    ids=str,
)
def test_hostile_options_in_a_run(run: Run, trained: Path, hostile: dict[str, Any]) -> None:
    card = storage.read_json(trained / "run.json")
    card["facts"]["options"].update(hostile)
    (trained / "run.json").write_text(json.dumps(card))
    refused(run("resume", "copy", "--epochs", "3"))
