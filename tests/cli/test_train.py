"""``chainrule train``: what it prints, what it leaves behind, what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import data, nn, storage, train
from chainrule.cli import training
from chainrule.errors import StorageError
from chainrule.train import load_model

Run = Callable[..., tuple[int, str, str]]

QUICK = ("--epochs", "3")


def rebuilt(directory: Path) -> tuple[Any, data.Standardizer, dict[str, Any]]:
    """The model of a run, from nothing but its directory."""
    config = storage.read_json(directory / "config.json")
    options = {name: value for name, value in config["model"].items() if name != "kind"}
    sizes = [options.pop(name) for name in ("in_features", "hidden", "out_features")]
    model = load_model(directory / "model.safetensors", nn.MLP(*sizes, **options, rng=0))
    features = data.Standardizer.from_dict(config["preprocessing"]["features"])
    return model, features, config


def test_it_tells_what_it_learns_with_what_and_how_well(run: Run) -> None:
    code, out, err = run("train", "digits", "--epochs", "12")
    assert (code, err) == (0, "")
    data_line, model_line, *_, test_line, run_line = out.splitlines()
    assert data_line.startswith("digits: 1797 rows, 64 features, 10 classes → classification")
    assert "MLP 64-128-10 relu (he_normal), 9,610 parameters" in model_line
    assert "adam 0.001 · batch 64" in model_line
    assert "12/12" in out and "rows/s" in out
    name, score = test_line.split("(")[0].split()[1:]
    assert name == "accuracy" and float(score) > 0.93
    assert "linear model 0.9" in test_line and "gradient-boosted trees 0.9" in test_line
    assert run_line.split() == ["run", str(Path("runs/digits-001"))]


def test_a_run_can_be_rebuilt_from_its_directory(run: Run) -> None:
    run("train", "digits", *QUICK, "--hidden", "16,8", "--dropout", "0.1", "--seed", "5")
    directory = Path("runs/digits-001")
    model, features, config = rebuilt(directory)
    dataset = data.datasets.load(config["dataset"]["name"])
    split = data.split(
        dataset.rows,
        test=config["split"]["test"],
        validation=config["split"]["validation"],
        labels=dataset.t,
        rng=config["split"]["seed"],
    )
    outputs = model(features(dataset.x[split.test]).astype(np.float32)).numpy()
    accuracy = (outputs.argmax(axis=-1) == dataset.t[split.test]).mean()
    *epochs, last = storage.read_json_lines(directory / "metrics.jsonl")
    assert accuracy == last["test"]["accuracy"] > 0.2
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert {"loss", "validation_loss", "accuracy", "seconds"} <= set(epochs[0])


@pytest.mark.parametrize("name", data.datasets.names())
def test_every_data_set_can_be_trained_on(run: Run, name: str) -> None:
    code, out, err = run("train", name, "--epochs", "2", "--hidden", "8", "--quiet")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2
    last = storage.read_json_lines(f"runs/{name}-001/metrics.jsonl")[-1]["test"]
    task = data.datasets.load(name).task
    assert ("accuracy" if task == "classification" else "r_squared") in last
    assert {"linear_model", "boosted_trees"} <= set(last)


def test_regression_learns_and_its_targets_can_be_scaled_back(run: Run) -> None:
    assert run("train", "diabetes", "--batch-size", "16", "--epochs", "30")[0] == 0
    directory = Path("runs/diabetes-001")
    model, features, config = rebuilt(directory)
    targets = data.Standardizer.from_dict(config["preprocessing"]["targets"])
    dataset = data.datasets.load("diabetes")
    split = data.split(dataset.rows, test=0.2, validation=0.1, rng=0)
    outputs = model(features(dataset.x[split.test]).astype(np.float32)).numpy()
    predicted, t = targets.inverse(outputs), dataset.t[split.test]
    r_squared = 1 - ((t - predicted) ** 2).sum() / ((t - t.mean()) ** 2).sum()
    recorded = storage.read_json_lines(directory / "metrics.jsonl")[-1]["test"]["r_squared"]
    np.testing.assert_allclose(r_squared, recorded, rtol=1e-6)
    assert r_squared > 0.2


def test_one_seed_gives_the_same_files_and_another_seed_others(run: Run) -> None:
    for seed in ("1", "1", "2"):
        run("train", "iris", *QUICK, "--dropout", "0.2", "--seed", seed, "--quiet")
    one, again, other = (
        Path(f"runs/iris-00{number}/model.safetensors").read_bytes() for number in (1, 2, 3)
    )
    assert one == again != other


def test_without_test_or_validation_rows_there_is_nothing_to_tell_of_them(run: Run) -> None:
    code, out, _ = run("train", "iris", *QUICK, "--test", "0", "--validation", "0")
    assert code == 0
    assert "test" not in out and "validation" not in out
    assert len(storage.read_json_lines("runs/iris-001/metrics.jsonl")) == 3


def test_korean(run: Run) -> None:
    code, out, _ = run("train", "iris", *QUICK, "--lang", "ko")
    assert code == 0
    assert "iris: 150행, 특성 4개, 클래스 3개 → 분류" in out
    assert "정확도" in out and "선형 모델" in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["digit"], ["'digit'", "Did you mean 'digits'?"]),
        (["digits", "--hidden", "abc"], ["--hidden", "64 or 128,64", "'abc'"]),
        (["digits", "--hidden", "64,"], ["--hidden", "'64,'"]),
        (["digits", "--hidden", "0"], ["0"]),
        (["digits", "--activation", "rellu"], ["'rellu'", "'relu'"]),
        (["digits", "--dropout", "1.5"], ["1.5"]),
        (["digits", "--dropout", "-0.5"], ["-0.5"]),
        (["digits", "--epochs", "many"], ["--epochs", "'many'"]),
        (["digits", "--epochs", "-1"], ["--epochs", "'-1'"]),
        (["digits", "--batch-size", "0"], ["batch_size >= 1", "0"]),
        (["digits", "--optimizer", "adan"], ["'adan'", "'adam'"]),
        (["digits", "--learning-rate", "fast"], ["--learning-rate", "'fast'"]),
        (["digits", "--learning-rate", "-1"], ["learning_rate", "-1"]),
        (["digits", "--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["digits", "--seed", "x"], ["--seed", "'x'"]),
        (["digits", "--test", "1"], ["0 <= test < 1"]),
        (["digits", "--test", "0.6", "--validation", "0.5"], ["at least one row for training"]),
        (["digits", "--lang", "fr"], ["--lang", "'fr'"]),
        (["digits", "--hiden", "3"], ["--hiden", "--hidden"]),
        (["digits", "iris"], ["iris"]),
        ([], ["NAME"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_and_leaves_nothing_behind(
    run: Run, arguments: list[str], parts: list[str]
) -> None:
    code, _, err = run("train", *arguments)
    assert code == 2
    assert err.startswith("Error: ") and len(err.splitlines()) == 1
    assert all(part in err for part in parts), err
    assert not list(Path().glob("runs/*"))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["digit"], ["오류:", "'digit'", "혹시 'digits' 말인가요?"]),
        (["digits", "--hidden", "abc"], ["오류:", "--hidden", "층의 크기"]),
        (["digits", "--learning-rate", "-1"], ["오류:", "learning_rate"]),
        (["digits", "--nonsense"], ["오류:", "도움말"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained_in_korean(run: Run, arguments: list[str], parts: list[str]) -> None:
    code, _, err = run("train", *arguments, "--lang", "ko")
    assert code == 2
    assert all(part in err for part in parts), err


def test_training_that_blows_up_names_layer_and_op_and_leaves_nothing_behind(run: Run) -> None:
    code, _, err = run("train", "digits", "--optimizer", "sgd", "--learning-rate", "1e30")
    assert code == 2
    assert "epoch 1, step" in err
    assert "Linear(" in err and "matmul" in err
    assert not list(Path().glob("runs/*"))


def test_a_runs_directory_that_cannot_be_made_is_found_before_training(run: Run) -> None:
    Path("taken").write_text("a file")
    code, out, err = run("train", "iris", *QUICK, "--runs-dir", "taken")
    assert code == 2
    assert "Cannot write taken" in err
    assert "epoch" not in out
    assert Path("taken").read_text() == "a file"


def test_a_disk_that_fills_up_leaves_nothing_half_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, model: Any) -> None:
        raise StorageError("storage.write", path=str(path), cause="No space left on device")

    monkeypatch.setattr(training, "save_model", full)
    code, _, err = run("train", "iris", *QUICK)
    assert (code, "No space left" in err) == (2, True)
    assert not list(Path().glob("runs/*"))


def test_ctrl_c_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", interrupt)
    code, _, err = run("train", "iris")
    assert (code, err) == (130, "Interrupted. Nothing was written.\n")
    assert not list(Path().glob("runs/*"))
