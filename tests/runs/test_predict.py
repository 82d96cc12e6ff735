"""What a run predicts: from arrays and frames, in blocks, with the meaning of its outputs."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, runs
from chainrule.errors import DataError, OptionError

Saved = Callable[..., runs.TrainedRun]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))


# ---------------------------------------------------------------------- rows of every kind
def kinds_of_rows(x: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    columns = dict(zip(names, x.T.copy(), strict=True))
    turned = dict(reversed({**columns, "class": ["?"] * len(x)}.items()))
    return {
        "array": x,
        "Fortran": np.asfortranarray(x),
        "lists": x.tolist(),
        "dict": turned,
        "pandas": pd.DataFrame(turned, index=range(5, 5 + len(x))),
        "polars": pl.DataFrame(turned),
        "arrow": pa.table(turned),
        "nullable": pd.DataFrame(columns).astype("Float64"),
    }


@pytest.mark.parametrize("kind", kinds_of_rows(X[:1], ("a", "b", "c", "d")))
def test_rows_of_every_kind(kind: str, iris: Any) -> None:
    run = cr.load(iris.path)
    assert run.columns is not None
    logits = iris.outputs(iris.x)
    names = np.array(data.datasets.load("iris").class_names)
    rows = kinds_of_rows(iris.x, run.columns)[kind]
    np.testing.assert_array_equal(run.predict(rows), names[logits.argmax(1)])
    probabilities = run.predict_proba(rows)
    np.testing.assert_allclose(probabilities, nn.predict_probability(logits), rtol=1e-5)
    assert probabilities.shape == (150, 3)


def test_one_row_and_none(iris: Any) -> None:
    run = cr.load(iris.path)
    assert run.predict(iris.x[:1]).shape == (1,)
    none = run.predict(iris.x[:0])
    assert none.shape == (0,) and none.dtype == run.predict(iris.x).dtype
    assert run.predict_proba(iris.x[:0]).shape == (0, 3)


BAD_ROWS: dict[str, tuple[Any, str]] = {
    "too few features": (X[:, :3], r"\(40, 3\)"),
    "one row alone": (X[0], r"\(4,\)"),
    "a number": (3.0, "got float"),
    "nothing": (None, "got NoneType"),
    "text": (np.full((2, 4), "a"), "numbers"),
    "objects": (np.full((2, 4), {}, object), "numbers"),
    "ragged": ([[1.0, 2.0], [1.0]], "numbers"),
    "NaN": (np.where(np.arange(4) == 2, np.nan, X), "2"),
    "infinity": (np.where(np.arange(4) == 2, np.inf, X), "2"),
    "too large": (np.full((2, 4), 1e300), "1e\\+300|float32"),
    "no columns": ({}, "one length"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("scaled", [False, True])
def test_bad_rows_are_refused(name: str, scaled: bool, saved: Saved) -> None:
    preprocessing = data.Scaling.standard(X) if scaled else None
    run = saved(nn.Linear(4, 1, rng=0), X, preprocessing=preprocessing)
    rows, words = BAD_ROWS[name]
    with pytest.raises(DataError, match=words):
        run.predict(rows)


def test_columns_are_found_by_name(iris: Any) -> None:
    run = cr.load(iris.path)
    columns = dict(zip(run.columns or (), iris.x.T, strict=True))
    short = {name.replace(" (cm)", ""): values for name, values in columns.items()}
    with pytest.raises(DataError, match=r"lack 'sepal length \(cm\)'.*mean 'sepal length'"):
        run.predict({**columns, **short} | {"sepal length (cm)": None} and short)
    with pytest.raises(DataError, match="lengths 149, 150"):
        run.predict({**columns, "petal width (cm)": iris.x[:149, 3]})
    with pytest.raises(DataError, match=r"column 'petal width \(cm\)'"):
        run.predict({**columns, "petal width (cm)": ["a"] * 150})


def test_integers_must_fit(saved: Saved) -> None:
    table = cr.asarray(RNG.standard_normal((9, 2)))
    run = saved(lambda x: cr.take(table, x, 0).sum(1), np.arange(8, dtype=np.int8).reshape(4, 2))
    assert run.predict([[1, 2], [3, 4], [0, 0]]).shape == (3, 2)
    with pytest.raises(DataError, match=r"int8 can hold, but row 1 has 300 at \[1\]"):
        run.predict([[1, 2], [3, 300]])
    with pytest.raises(DataError, match=r"int8 can hold, but row 0 has 0\.5"):
        run.predict([[0.5, 2.0]])


def test_an_output_that_is_no_number_is_said(saved: Saved) -> None:
    run = saved(lambda x: 1 / x, np.array([[1.0], [2.0]]))
    with pytest.raises(DataError, match="output for row 2 is NaN or infinite"):
        run.predict(np.array([[1.0], [2.0], [0.0]]))


# ---------------------------------------------------------------------- the meaning of outputs
def of(outputs: Any) -> tuple[Any, np.ndarray]:
    """A model that puts out the rows that it gets, and such rows."""
    return (lambda x: x * 1.0), np.asarray(outputs, np.float64)


def test_classes(saved: Saved) -> None:
    model, x = of([[0.0, 1.0, 2.0], [5.0, -1.0, 2.0]])
    run = saved(model, x, target=runs.Classes([3, 1, 2]))
    assert run.predict(x).tolist() == [2, 3]
    np.testing.assert_allclose(run.predict_proba(x).sum(1), 1)


@pytest.mark.parametrize("flat", [False, True])
def test_two_classes_by_one_logit(flat: bool, saved: Saved) -> None:
    _, x = of([[-1.0], [1e-9], [60.0], [-60.0]])
    model = (lambda x: x[:, 0]) if flat else (lambda x: x * 1.0)
    run = saved(model, x, target=runs.Classes(["no", "yes"]))
    assert run.predict(x).tolist() == ["no", "yes", "yes", "no"]
    small = np.exp(-60.0) / (1 + np.exp(-60.0))
    np.testing.assert_allclose(run.predict_proba(x)[2:], [[small, 1], [1, small]], rtol=1e-14)


def test_labels(saved: Saved) -> None:
    model, x = of([[-1.0, 2.0], [0.5, -3.0]])
    run = saved(model, x, target=runs.Labels(["tall", "red"]))
    assert run.predict(x).tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(run.predict_proba(x), 1 / (1 + np.exp(-x)))


def test_values(saved: Saved) -> None:
    scaling = data.Scaling(np.array([100.0, -3.0]), np.array([10.0, 2.0]))
    model, x = of([[0.5, 1.0], [-2.0, 0.0]])
    run = saved(model, x, target=runs.Values(["price", "change"], scaling))
    np.testing.assert_array_equal(run.predict(x), [[105, -1], [80, -3]])
    with pytest.raises(OptionError, match="classification, but this one is 2 values"):
        run.predict_proba(x)


def test_one_value_may_be_flat(saved: Saved) -> None:
    model, x = of([[0.5], [-2.0]])
    assert saved(model, x, target=runs.Values(["price"])).predict(x).shape == (2, 1)
    assert saved(model, x, target=runs.Values(["price"], flat=True)).predict(x).shape == (2,)


def test_predictions_have_the_digits_of_the_target(saved: Saved) -> None:
    """float32 has seven digits: beside a large offset none would be left."""
    scaling = data.Scaling(np.array([1e9]), np.array([1.0]))
    run = saved(
        lambda x: x * 1.0,
        np.float32([[0.25], [0.5]]),
        target=runs.Values(["t"], scaling, flat=True),
    )
    assert run.predict([[0.25]]).tolist() == [1e9 + 0.25]


def test_no_target_no_meaning(saved: Saved) -> None:
    model, x = of([[0.0, 1.0], [2.0, 3.0]])
    run = saved(model, x)
    np.testing.assert_array_equal(run.predict(x), x)
    with pytest.raises(OptionError, match="classification"):
        run.predict_proba(x)


BAD_TARGETS: dict[str, tuple[Callable[[], Any], str]] = {
    "one class": (lambda: runs.Classes(["a"]), "at least 2 different"),
    "a class twice": (lambda: runs.Classes(["a", "b", "a"]), "different"),
    "a class that is a list": (lambda: runs.Classes([["a"], ["b"]]), "different"),
    "no values": (lambda: runs.Values([]), "at least 1"),
    "a scaling of others": (lambda: runs.Values(["a"], data.Scaling.centred(X)), "1 values"),
    "flat but two": (lambda: runs.Values(["a", "b"], flat=True), "one name, but got 2"),
    "other classes than logits": (lambda: runs.Classes(["a", "b", "c"]), r"\(3,\)"),
    "other labels than logits": (lambda: runs.Labels(["a"]), r"\(1,\)"),
    "other values than outputs": (lambda: runs.Values(["a", "b", "c"]), r"\(3,\)"),
    "something else": (lambda: ["a", "b"], "Classes, Labels, Values"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_bad_targets_are_refused(name: str, saved: Saved) -> None:
    make, words = BAD_TARGETS[name]
    model, x = of([[0.0, 1.0], [2.0, 3.0]])
    with pytest.raises((DataError, OptionError), match=words):
        saved(model, x, target=make())


# ---------------------------------------------------------------------- in blocks
def test_blocks_change_nothing(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.MLP(4, [16], 3, rng=0)
    run = saved(model, X, preprocessing=data.Scaling.standard(X))
    x = RNG.standard_normal((1000, 4))
    wanted = run.predict(x)
    for rows in (1, 7, 64, 1024):
        monkeypatch.setattr("chainrule.runs.trained.BLOCK_ROWS", rows)
        again = cr.load(run.path)
        np.testing.assert_allclose(again.predict(x), wanted, rtol=1e-5, atol=1e-6)
        assert again._block == 1 << (rows.bit_length() - 1)
        traced = sum(compiled.trace_count for compiled in again._compiled.values())
        assert traced <= 11  # at most once for each power of two


def test_weights_do_not_count_as_rows(saved: Saved) -> None:
    """A large weight that is turned round once costs a block no rows."""
    wide = nn.MLP(4, [512, 512], 512, rng=0)
    tied = nn.tie(wide, "output.weight", "hidden.1.weight", lambda weight: weight.T)
    assert saved(tied, X)._block >= 512


def test_rows_are_numbered_through_blocks(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.runs.trained.BLOCK_ROWS", 8)
    run = saved(nn.Linear(4, 1, rng=0), X)
    bad = X.copy()
    bad[29, 1] = np.nan
    with pytest.raises(DataError, match=r"row 29 has nan at \[1\]"):
        run.predict(bad)


def test_progress_is_told(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.runs.trained.BLOCK_ROWS", 16)
    run, heard = saved(nn.Linear(4, 1, rng=0), X), []
    run.predict(X, progress=heard.append)
    assert [(p.rows, p.share) for p in heard] == [(16, 0.4), (32, 0.8), (40, 1.0)]


def test_memory_is_that_of_a_block(saved: Saved) -> None:
    run = saved(nn.MLP(4, [64], 1, rng=0), X, target=runs.Values(["t"], flat=True))
    x = np.broadcast_to(RNG.standard_normal(4), (2_000_000, 4))  # takes no memory itself
    run.predict(x)  # compiles
    tracemalloc.start()
    try:
        result = run.predict(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.nbytes == 16e6
    assert peak < result.nbytes + 40e6  # the hidden layer alone would take 512 MB at once


def test_outputs_are_those_of_the_model_in_blocks_too(iris: Any, monkeypatch: Any) -> None:
    run = cr.load(iris.path)
    monkeypatch.setattr("chainrule.runs.trained.BLOCK_ROWS", 32)
    np.testing.assert_allclose(run.outputs(iris.x), iris.outputs(iris.x), rtol=1e-5, atol=1e-6)
    assert run.outputs(iris.x[:0]).shape == (0, 3)
