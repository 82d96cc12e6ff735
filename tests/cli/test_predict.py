"""``predict``, ``evaluate``, ``show`` and ``runs``."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, runs

from .conftest import QUICK, table

Run = Callable[..., tuple[int, str, str]]


def test_predictions_are_those_of_the_library(run: Run, csv: Path, trained: Path) -> None:
    code, out, err = run("predict", str(trained), "people.csv", "--probabilities")
    assert (code, err) == (0, "")
    header, *lines = out.splitlines()
    assert header == "answer,p(no),p(yes)"
    loaded = cr.load(trained)
    assert [line.split(",")[0] for line in lines] == loaded.predict(csv).tolist()
    given = np.array([line.split(",")[1:] for line in lines], float)
    np.testing.assert_array_equal(given, loaded.predict_proba(csv))


def test_predictions_go_to_a_file(run: Run, csv: Path, trained: Path) -> None:
    code, out, err = run("predict", str(trained), "people.csv", "--output", "out put.csv")
    assert (code, out, err) == (0, "", "40 predictions in out put.csv\n")
    assert Path("out put.csv").read_text() == run("predict", str(trained), "people.csv")[1]


def test_columns_are_found_by_name_and_unseen_categories_are_noted(
    run: Run, csv: Path, trained: Path
) -> None:
    Path("new.csv").write_text("extra,city,pay,age\n1,Jeju,2100,33\n2,Seoul,,44\n")
    code, out, err = run("predict", str(trained), "new.csv")
    assert (code, len(out.splitlines())) == (0, 3)
    notes = err.splitlines()
    assert len(notes) == 2 and all(line.startswith("Note: Column ") for line in notes)
    assert "'Jeju'" in err and "'pay'" in err


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("latin-1", ["--encoding", "latin-1"]), ("utf-8", ["--separator", "|"])],
)
def test_other_text_formats(
    run: Run, csv: Path, trained: Path, encoding: str, options: list[str]
) -> None:
    text = table(Busan="Zürich éa")
    Path("new.csv").write_text(
        text.replace(",", options[1][-1:] * ("|" in options) or ","), encoding
    )
    for command in ("predict", "evaluate"):
        assert run(command, str(trained), "new.csv", *options)[0] == 0


def test_evaluation_is_the_score_of_the_predictions(run: Run, csv: Path, trained: Path) -> None:
    truth = [line.split(",")[-1] for line in csv.read_text().splitlines()[1:]]
    share = np.mean(cr.load(trained).predict(csv) == np.array(truth))
    code, out, err = run("evaluate", str(trained), "people.csv")
    assert (code, err) == (0, "")
    assert out.startswith(f"accuracy {share:.3f} on 40 rows (its test rows: ")


def test_data_sets_by_name(run: Run) -> None:
    run("train", "diabetes", *QUICK, "--test", "0")
    assert run("evaluate", "runs/diabetes-001", "diabetes")[1].startswith("R² ")
    assert run("predict", "runs/diabetes-001", "diabetes")[1].startswith("progression\n")


@pytest.mark.parametrize(
    ("command", "text", "parts"),
    [
        ("predict", table(age="years"), ["new.csv has no column 'age'"]),
        ("predict", table().replace("\n27", "\nmany"), ["'age' expects numbers", "'many'"]),
        ("predict", table().replace("\n27", "\ninf"), ["'age' expects finite numbers"]),
        ("predict", "", ["new.csv is empty"]),
        ("evaluate", table(answer="reply"), ["new.csv has no column 'answer'"]),
        ("evaluate", table(yes="maybe"), ["'maybe'", "which training did not have"]),
        ("evaluate", table().replace(",yes", ",").replace(",no", ","), ["none of 40 rows"]),
    ],
)
def test_rows_that_do_not_fit(
    run: Run, trained: Path, command: str, text: str, parts: list[str]
) -> None:
    Path("new.csv").write_text(text)
    code, out, err = run(command, str(trained), "new.csv")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert all(part in err for part in parts), err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["people.csv", "--output", "./people.csv"], ["take the place", "--output"]),
        (["people.csv", "--output", "nowhere/x.csv"], ["Cannot write nowhere/x.csv"]),
        (["people.csv", "--output", "runs"], ["runs is a directory"]),
        (["peeple"], ["'peeple'", "neither a file nor a data set"]),
        ([], ["FILE"]),
    ],
)
def test_mistakes(
    run: Run, csv: Path, trained: Path, arguments: list[str], parts: list[str]
) -> None:
    code, _, err = run("predict", str(trained), *arguments)
    assert (code, len(err.splitlines())) == (2, 1)
    assert all(part in err for part in parts), err
    assert csv.read_text() == table()


@pytest.mark.parametrize("command", ["predict", "evaluate", "show", "resume"])
def test_where_there_is_no_run_those_near_are_named(run: Run, trained: Path, command: str) -> None:
    rows = ("people.csv",) if command in ("predict", "evaluate") else ()
    for path in ("runs/peple-001", "runs"):
        code, _, err = run(command, path, *rows)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "people-001" in err


def test_a_run_that_was_not_trained_on_a_table(run: Run) -> None:
    x = np.eye(3, dtype=np.float32)
    runs.save("arrays", nn.Linear(3, 1, rng=0), x)
    code, _, err = run("predict", "arrays", "iris")
    assert (code, "trained on a table" in err) == (2, True)
    code, _, err = run("resume", "arrays")
    assert (code, "no checkpoint" in err) == (2, True)


@pytest.mark.parametrize(("lang", "status"), [("en", "finished"), ("ko", "완료")])
def test_runs_are_listed_and_shown(run: Run, trained: Path, lang: str, status: str) -> None:
    code, out, err = run("runs", "--lang", lang)
    assert (code, err) == (0, "")
    assert "people-001" in out.splitlines()[1] and status in out
    code, out, err = run("show", str(trained), "--lang", lang)
    assert (code, err) == (0, "")
    for part in ("people.csv", "train 28, validation 4, test 8", "MLP(5, [4], 2", "report.html"):
        assert part in out
    assert "chainrule train people.csv --hidden 4 --epochs 2" in out and status in out


def test_where_there_are_no_runs(run: Run) -> None:
    assert run("runs") == (0, "There are no runs in runs.\n", "")


def test_a_run_whose_times_and_texts_are_nonsense_is_shown(run: Run, trained: Path) -> None:
    card = trained / "run.json"
    nonsense = card.read_text().replace('"began": "', '"began": "[/red]\\u001b')
    card.write_text(nonsense.replace('"source": "people.csv"', '"source": ["[/b]"]', 1))
    code, out, _ = run("show", str(trained))
    assert code == 0 and "[/red]·" in out and "[/b]" in out
    assert run("runs")[0] == 0
