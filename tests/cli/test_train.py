"""``chainrule train``: what it prints, and what it leaves behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

import chainrule as cr
from chainrule import data, storage
from chainrule.data.tables import load_table

from .conftest import QUICK, table

Run = Callable[..., tuple[int, str, str]]

FILES = [
    ".lock",
    "checkpoint.safetensors",
    "metrics.jsonl",
    "model.safetensors",
    "report.html",
    "run.json",
]


def files_in(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def test_it_tells_what_it_learns_with_what_and_how_well(run: Run) -> None:
    code, out, err = run("train", "iris", "--epochs", "300")
    assert (code, err) == (0, "")
    data_line, note, model_line, *_, test_line, run_line = out.splitlines()
    assert data_line.startswith("iris: 150 rows, 4 features, 3 classes → classification")
    assert note.strip().startswith("Numbers, standardized: sepal length (cm)")
    assert "MLP 4-128-3 relu (he_normal), 1,027 parameters" in model_line
    assert "adam 0.001 · batch 64" in model_line
    assert "300/300" in out and "rows/s" in out
    name, score = test_line.split("(")[0].split()[1:]
    assert name == "accuracy" and float(score) > 0.8
    assert "linear model 0.9" in test_line and "gradient-boosted trees 0.9" in test_line
    where = Path("runs/iris-001")
    assert run_line.split() == ["run", str(where), "report", str(where / "report.html")]
    assert files_in("runs/iris-001") == FILES


def test_a_run_predicts_its_test_rows_as_it_was_judged(run: Run, csv: Path) -> None:
    options = (*QUICK, "--hidden", "16,8", "--dropout", "0.1", "--seed", "5", "--epochs", "3")
    assert run("train", "people.csv", *options)[0] == 0
    table = load_table(
        csv,
        split=lambda rows: data.split(
            rows.count, test=0.2, validation=0.1, labels=rows.labels, rng=5
        ),
    )
    rows = np.genfromtxt(csv, delimiter=",", dtype=None, encoding="utf-8", names=True)
    test = table.table_rows[table.split.test]
    columns = {name: rows[name][test] for name in ("age", "pay", "city")}
    predicted = cr.load("runs/people-001").predict(columns)
    *epochs, last = storage.read_json_lines("runs/people-001/metrics.jsonl")
    assert accuracy_score(rows["answer"][test], predicted) == last["test"]["accuracy"]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert {"loss", "validation_loss", "accuracy", "seconds"} <= set(epochs[0])


def test_regression_predicts_in_the_units_of_its_targets(run: Run) -> None:
    quick = ("--batch-size", "16", "--epochs", "30", "--quiet")
    assert run("train", "diabetes", *quick)[0] == 0
    dataset = data.datasets.load("diabetes")
    test = data.split(dataset.rows, test=0.2, validation=0.1, rng=0).test
    columns = dict(zip(dataset.feature_names, dataset.x[test].T, strict=True))
    predicted = cr.load("runs/diabetes-001").predict(columns)
    recorded = storage.read_json_lines("runs/diabetes-001/metrics.jsonl")[-1]["test"]["r_squared"]
    np.testing.assert_allclose(r2_score(dataset.t[test], predicted), recorded, rtol=1e-5)
    assert recorded > 0.2


@pytest.mark.parametrize("name", data.datasets.names())
def test_every_data_set_can_be_trained_on(run: Run, name: str) -> None:
    code, out, err = run("train", name, *QUICK)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2
    last = storage.read_json_lines(f"runs/{name}-001/metrics.jsonl")[-1]["test"]
    task = data.datasets.load(name).task
    assert ("accuracy" if task == "classification" else "r_squared") in last
    assert {"linear_model", "boosted_trees"} <= set(last)


def test_one_seed_gives_the_same_weights_and_another_seed_others(run: Run) -> None:
    for seed in ("1", "1", "2"):
        run("train", "iris", *QUICK, "--dropout", "0.2", "--seed", seed, "--test", "0")
    one, again, other = (
        cr.load(f"runs/iris-00{number}").weights["output.weight"] for number in (1, 2, 3)
    )
    assert one.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("x,y\n1,a\n2,b\n", ("--test", "0", "--validation", "0")),
        (table(), ("--group", "city")),
        (table(), ("--time", "age", "--drop", "city")),
        (table(), ("--target", "pay")),
        (table(), ("--target", "pay", "--target", "age")),
        (table(yes="1", no="2"), ("--task", "classification", "--categorical", "pay")),
        (table(yes="").replace("no", "1.5", 3).replace("no", "2"), ()),  # some without a target
        (table().replace(",", ";"), ("--separator", ";")),
        (table().split("\n", 1)[1], ("--no-header", "--target", "column_4")),
        (table(answer="k,answer", yes="7,yes", no="7,no"), ()),  # a column that does not vary
        (table().replace("\n27", "\nNaN").replace("Busan", ""), ()),
    ],
    ids=[
        "two rows",
        "group",
        "time",
        "regression",
        "two targets",
        "classes",
        "gaps in the target",
        "separator",
        "no header",
        "constant",
        "gaps",
    ],
)
def test_tables_of_many_kinds(run: Run, csv: Path, text: str, arguments: tuple[str, ...]) -> None:
    csv.write_text(text)
    code, _, err = run("train", "people.csv", *QUICK, *arguments)
    assert (code, err) == (0, "")
    assert files_in("runs/people-001") == FILES


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
def test_korean_files_in_korean_places(run: Run, csv: Path, encoding: str) -> None:
    folder = csv.with_name("폴더 이름")
    folder.mkdir()
    text = table(city="도시", Seoul="서울", Busan="부산", answer="결과")
    (folder / "내 자료.csv").write_text(text, encoding=encoding)
    code, out, err = run("train", "폴더 이름/내 자료.csv", "--epochs", "2", "--lang", "ko")
    assert (code, err) == (0, "")
    assert "내 자료: 40행, 특성 5개, 클래스 2개 → 분류" in out
    assert "정확도" in out and "선형 모델" in out
    code, out, _ = run("predict", "runs/내 자료-001", "폴더 이름/내 자료.csv")
    assert (code, out.splitlines()[0], len(out.splitlines())) == (0, "결과", 41)


def test_without_test_or_validation_rows_there_is_nothing_to_tell_of_them(run: Run) -> None:
    code, out, _ = run("train", "iris", "--epochs", "3", "--test", "0", "--validation", "0")
    assert code == 0
    assert "test" not in out and "validation" not in out
    assert len(storage.read_json_lines("runs/iris-001/metrics.jsonl")) == 3


def test_early_stopping_says_so(run: Run) -> None:
    flat = ("--learning-rate", "0", "--patience", "2", "--test", "0")
    code, out, _ = run("train", "iris", "--epochs", "50", *flat)
    assert code == 0
    assert len(storage.read_json_lines("runs/iris-001/metrics.jsonl")) == 3
    assert "validation_loss" in out


def test_names_in_a_file_cannot_steer_the_terminal(run: Run, csv: Path) -> None:
    csv.write_text(table(city="[red]\x1b[31mcity[/nope]"))
    code, out, err = run("train", "people.csv", "--epochs", "2")
    assert (code, err) == (0, "")
    assert "[red]·[31mcity[/nope]" in out and "\x1b" not in out
    assert "[red]·[31mcity[/nope]" in run("show", "runs/people-001")[1]
