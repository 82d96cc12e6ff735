"""``chainrule explain`` and ``chainrule trace``: a run's own cost at one of its rows."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.data.tables import encode_table
from chainrule.explain.formulas.numbers import read_number

WEIGHT, ROW = "hidden.0.weight[3,1]", ("--row", "17")


def gradient_at(path, row):
    """The gradient of the run's cost for its first weights, computed without the room."""
    run = cr.load(path)
    encoded = encode_table("people.csv", run.preprocessing[0], run.target)
    x, t = encoded.x[row : row + 1], encoded.t[row : row + 1]

    def cost(model):
        return nn.cross_entropy(model(cr.asarray(x)), t)

    return cr.grad(cost)(run.model).named_weights["hidden.0.weight"].numpy()


def test_explain_prints_the_derivative(run, trained):
    gradient = gradient_at(trained, 17)
    i, j = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    code, out, err = run("explain", str(trained), "--weight", f"hidden.0.weight[{i},{j}]", *ROW)
    assert (code, err) == (0, "")
    # A result stands at the end of its equation, which may be broken into lines.
    ends = [line.rsplit("= ", 1)[1] for line in out.splitlines() if "= " in line]
    found = [
        read_number(end) for end in ends if re.fullmatch(r"−?\d+(\.\d+)?(·10[⁻⁰¹²³⁴-⁹]+)?", end)
    ]
    assert float(gradient[i, j]) in [pytest.approx(float(number), rel=1e-4) for number in found]


def test_rows_differ(run, trained):
    first, second = (run("explain", str(trained), "--row", row)[1] for row in ("0", "1"))
    assert first != second
    assert np.abs(gradient_at(trained, 0)).max() > 0


@pytest.mark.parametrize("view", ["scalar", "neuron", "layer"])
def test_views(run, trained, view):
    code, out, _ = run("explain", str(trained), "--weight", WEIGHT, "--row", "3", "--view", view)
    assert code == 0
    assert "w¹" in out


def test_trace_prints_all_steps(run, trained):
    code, out, err = run("trace", str(trained), "--row", "17")
    assert (code, err) == (0, "")
    titles = re.findall(r"^(\d)\. (\w+)", out, re.MULTILINE)
    assert titles == [
        ("1", "Loss"),
        ("2", "Output"),
        ("3", "Activation"),
        ("4", "Hidden"),
        ("5", "Update"),
    ]
    assert "adam(learning_rate=0.001" in out


def test_trace_prints_one_step(run, trained):
    code, out, _ = run("trace", str(trained), "--row", "17", "--step", "2")
    assert code == 0
    assert "2. Output layer: output, Linear(4, 2)" in out
    assert "1. Loss" not in out


def test_korean(run, trained):
    code, out, _ = run("trace", str(trained), "--lang", "ko")
    assert code == 0
    assert "역전파" in out and "Backward" not in out


@pytest.mark.parametrize(
    ("name", "begins"),
    [("text", "Backprop"), ("markdown", "# "), ("latex", "\\"), ("html", "<!doctype html")],
)
@pytest.mark.parametrize("command", ["trace", "explain"])
def test_formats(run, trained, command, name, begins):
    code, out, _ = run(command, str(trained), "--format", name)
    assert code == 0
    if command == "trace" or name != "text":
        assert out.lower().startswith(begins.lower())


def test_a_file(run, trained, tmp_path):
    code, out, _ = run("explain", str(trained), "--output", "page.html")
    assert (code, out) == (0, "")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html") and "<script" not in page
    assert run("trace", str(trained), "--format", "markdown", "--output", "steps.anything")[0] == 0
    assert (tmp_path / "steps.anything").read_text(encoding="utf-8").startswith("# ")


def test_other_rows(run, trained, tmp_path):
    lines = (tmp_path / "people.csv").read_text().splitlines()
    (tmp_path / "others.csv").write_text("\n".join([lines[0], *lines[18:20]]) + "\n")
    own = run("trace", str(trained), "--row", "17")[1]
    assert run("trace", str(trained), "--row", "0", "--data", "others.csv")[1] == own


def test_regression(run, tmp_path):
    rows = [f"{i},{i % 5},{2 * i + i % 5}" for i in range(30)]
    (tmp_path / "line.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    options = ("--epochs", "2", "--hidden", "3", "--statistics", "0", "--quiet", "--target", "y")
    assert run("train", "line.csv", *options)[0] == 0
    code, out, _ = run("trace", "runs/line-001", "--row", "4")
    assert code == 0
    assert "MSE(y, t)" in out


# ---------------------------------------------------------------------- mistakes
def test_an_unknown_weight(run, trained):
    code, _, err = run("explain", str(trained), "--weight", "hiden.0.weight[3,1]")
    assert code == 2
    assert "Did you mean 'hidden.0.weight'" in err


def test_an_index_out_of_range(run, trained):
    code, _, err = run("explain", str(trained), "--weight", "hidden.0.weight[99,1]")
    assert code == 2
    assert "99" in err and "Traceback" not in err


@pytest.mark.parametrize("command", ["explain", "trace"])
def test_mistakes(run, trained, command):
    for options, said in (
        (("--row", "40"), "no row 40"),
        (("--row", "-1"), "--row"),
        (("--row", "x"), "--row"),
        (("--format", "pdf"), "--format 'pdf' is not known"),
        (("--output", "page.pdf"), ".html"),
        (("--data", "nothing.csv"), "nothing.csv"),
    ):
        code, _, err = run(command, str(trained), *options)
        assert (code, said in err) == (2, True), (options, err)


def test_a_step_that_is_not_there(run, trained):
    code, _, err = run("trace", str(trained), "--step", "9")
    assert code == 2
    assert "no step 9" in err


def test_the_data_are_gone(run, trained, tmp_path):
    (tmp_path / "people.csv").unlink()
    code, _, err = run("explain", str(trained))
    assert code == 2
    assert "was trained on 'people.csv', which cannot be read any more" in err
    assert "--data FILE" in err


def test_no_run(run):
    code, _, err = run("trace", "runs/none-001")
    assert code == 2
    assert "Traceback" not in err


def test_the_page_is_whole(run, trained, tmp_path):
    """All drawings and formulas in it are closed elements."""
    run("trace", str(trained), "--output", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for markup in re.findall(r"<math.*?</math>", page, re.DOTALL):
        ElementTree.fromstring(markup)
