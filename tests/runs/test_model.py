"""The model of a run: the graph of one row on any number of rows, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim, runs
from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.runs.model import check_rows, traced_model

Saved = Callable[..., runs.TrainedRun]
DRAW = np.random.default_rng(0).standard_normal
X = DRAW((6, 4)).astype(np.float32)


class Residual(nn.Module):
    """Words that no library has: a model of the user's own."""

    inner: nn.MLP
    scale: cr.Tensor

    def __call__(self, x: Any) -> Any:
        return x + self.inner(x) * self.scale


class Recurrent(nn.Module):
    """Reads a row ``[steps, features]`` step by step."""

    weight: cr.Tensor

    def __call__(self, x: Any) -> Any:
        rows = cr.swapaxes(x, 0, 1)
        start = cr.zeros((x.shape[0], x.shape[2]))
        return cr.scan(lambda s, r: (cr.tanh(s @ self.weight + r), None), start, rows)[0]


class Settling(nn.Module):
    """Goes on until a number is small; each row for as long as it needs."""

    rate: cr.Tensor

    def __call__(self, x: Any) -> Any:
        def settled(row: Any) -> Any:
            return cr.while_loop(lambda s: cr.abs(s).max() > 0.1, lambda s: s * self.rate, row)

        return cr.vmap(settled)(x)


class Embedding(nn.Module):
    """Numbers of words to vectors."""

    table: cr.Tensor

    def __call__(self, x: Any) -> Any:
        return cr.take(self.table, x, 0).sum(1)


class Centred(nn.Module):
    """Takes the mean of a batch: another answer for every batch."""

    layer: nn.Linear

    def __call__(self, x: Any) -> Any:
        return self.layer(x - x.mean(0))


MODELS: dict[str, tuple[Any, np.ndarray]] = {
    "mlp": (nn.MLP(4, [8, 5], 3, activation="gelu", rng=0), X),
    "linear": (nn.Linear(4, 1, rng=0), X),
    "float64": (nn.MLP(4, [3], 2, rng=0, dtype=np.float64), X.astype(np.float64)),
    "dropout": (nn.MLP(4, [8], 2, dropout=0.5, rng=0), X),
    "a user's own": (Residual(nn.MLP(4, [3], 4, rng=0), 0.5), X),
    "tied": (nn.tie(nn.MLP(4, [4], 4, rng=0), "output.weight", "hidden.0.weight"), X),
    "sequential": (nn.Sequential(nn.flatten, nn.Linear(8, 2, rng=0)), DRAW((5, 2, 4)).astype("f4")),
    "recurrent": (Recurrent(DRAW((3, 3)).astype("f4")), DRAW((5, 7, 3)).astype("f4")),
    "a while loop": (Settling(0.7), X),
    "integers": (Embedding(DRAW((9, 3)).astype("f4")), np.arange(15).reshape(5, 3) % 9),
    "a function": (lambda x: cr.tanh(x @ DRAW_ONCE) * 2, X),
    "a vector of outputs": (lambda x: (x * x).sum(-1), X),
    "squeezed": (lambda x: cr.squeeze(x[:, :1] * 2.0, 1), X),
    "a constant": (lambda x: cr.ones((x.shape[0], 2)), X),
}
DRAW_ONCE = cr.asarray(DRAW((4, 6)).astype("f4"))


@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_rows(name: str, saved: Saved) -> None:
    model, x = MODELS[name]
    stored = saved(model, x).model
    for rows in (x, x[:1], np.concatenate([x] * 7)[3:]):
        wanted, got = np.asarray(model(cr.asarray(rows))), np.asarray(stored(rows))
        assert got.shape == wanted.shape and got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert stored(x[:0]).shape == (0, *np.shape(model(cr.asarray(x)))[1:])


def test_weights_have_the_names_of_the_model(saved: Saved) -> None:
    model = nn.MLP(4, [3], 2, dropout=0.5, rng=0)
    run = saved(model, X)
    assert list(run.weights) == cr.tree_paths(model)
    for name, weight in run.weights.items():
        np.testing.assert_array_equal(weight, np.asarray(cr.tree_at(model, name)))


def test_large_arrays_of_a_function_become_weights(saved: Saved) -> None:
    run = saved(MODELS["a function"][0], X)
    assert [w.shape for w in run.weights.values()] == [(4, 6)]
    assert nn.parameter_count(run.model) == 0  # it took them for fixed, so they are


def test_it_is_a_model_like_others(saved: Saved) -> None:
    model = nn.MLP(4, [3], 2, activation="tanh", rng=0, dtype=np.float64)
    x = X.astype(np.float64)
    stored = saved(model, x).model

    def total(model: Any, x: Any) -> Any:
        return (model(x) ** 2).sum()

    wanted, got = cr.grad(total)(model, x), cr.grad(total)(stored, x)
    for path in cr.tree_paths(model):
        np.testing.assert_allclose(got.weights[path], cr.tree_at(wanted, path), rtol=1e-12)
    of_rows = cr.grad(total, argnums=1)(stored, cr.asarray(x))
    np.testing.assert_allclose(of_rows, cr.grad(total, argnums=1)(model, cr.asarray(x)), rtol=1e-12)
    assert cr.jacobian(stored)(cr.asarray(x[:2])).shape == (2, 2, 2, 4)
    hessians = [cr.hessian(lambda x, m=m: total(m, x))(cr.asarray(x[:1])) for m in (model, stored)]
    np.testing.assert_allclose(hessians[1], hessians[0], rtol=1e-10)


def test_it_can_be_trained_further(saved: Saved) -> None:
    model = nn.freeze(nn.MLP(4, [8], 1, dropout=0.2, rng=0), "hidden.0.bias")
    stored = saved(model, X).model
    expected = {f"weights.{name}" for name in nn.parameters(model)}
    assert set(nn.parameters(stored)) == expected

    def cost(model: Any, x: Any, t: Any) -> Any:
        return nn.mse(model(x), t)

    t = X[:, :1] * 3.0
    better, history = cr.fit(stored, cost, (X, t), epochs=60, optimizer=optim.adam(0.02))
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    frozen = "hidden.0.bias"
    np.testing.assert_array_equal(better.weights[frozen], stored.weights[frozen])


def test_a_stored_model_can_be_stored(saved: Saved) -> None:
    model = nn.MLP(4, [3], 2, rng=0)
    once = saved(model, X)
    twice = saved(once.model, X)
    np.testing.assert_array_equal(twice.predict(X), once.predict(X))


def test_graphs_speak_the_words_of_the_model(saved: Saved) -> None:
    run = saved(Residual(nn.MLP(4, [3], 4, rng=0), 0.5), X)
    assert "name='Residual'" in str(run.graph) and "Linear(4, 3)" in str(run.graph)


# ---------------------------------------------------------------------- what cannot be stored
class Cumulative(nn.Module):
    """Each row adds to the next."""

    bias: cr.Tensor

    def __call__(self, x: Any) -> Any:
        return cr.cumsum(x, 0) + self.bias


NOT_ROW_WISE: dict[str, Any] = {
    "the mean of the batch": Centred(nn.Linear(4, 2, rng=0)),
    "the rows before": Cumulative(1.0),
    "the number of rows": lambda x: x * float(x.shape[0]),
    "the place of a row": lambda x: (
        x + cr.reshape(cr.arange(x.shape[0]), (-1, 1)).astype("float32")
    ),
    "the largest of all": lambda x: x / cr.abs(x).max(),
    "the rows turned round": lambda x: cr.flip(x, 0),
}


@pytest.mark.parametrize("name", NOT_ROW_WISE)
@pytest.mark.parametrize("rows", [X, np.ones((3, 4), np.float32)], ids=["different", "alike"])
def test_rows_that_depend_on_each_other_are_refused(
    name: str, rows: np.ndarray, saved: Saved
) -> None:
    with pytest.raises(OptionError, match="depends on the rows beside it"):
        saved(NOT_ROW_WISE[name], rows)


def test_the_check_looks_at_the_example() -> None:
    """A NaN is the same NaN; an infinity hides no difference."""
    x = cr.asarray(np.array([[1.0], [-1.0], [0.0]]))
    for function in (cr.log, lambda x: 1 / x):
        check_rows(function, traced_model(function, x), x)
    with pytest.raises(OptionError, match="beside it"):
        wrong = traced_model(lambda x: 1 / x, x)
        check_rows(lambda x: cr.where(x == 0, 1 / x, 2 / x), wrong, x)


@pytest.mark.parametrize(
    "model", [lambda x: (x, x), lambda x: x.sum(), lambda x: x[:1], lambda x: 3.0]
)
def test_outputs_that_are_no_rows_are_refused(model: Any, saved: Saved) -> None:
    with pytest.raises(OptionError, match="one tensor with a row for each"):
        saved(model, X)


def test_other_rows_than_in_training_are_refused(saved: Saved) -> None:
    model = saved(nn.MLP(4, [3], 2, rng=0), X).model
    with pytest.raises(ShapeError, match=r"shape \(rows, 4\), but got x of shape \(6, 3\)"):
        model(X[:, :3])
    with pytest.raises(ShapeError, match=r"shape \(4,\)"):
        model(X[0])
    with pytest.raises(DtypeError, match="float32, but got float64"):
        model(X.astype(np.float64))
