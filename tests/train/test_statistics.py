"""What watched steps see of every layer, against the same computed by hand."""

import itertools
from importlib import import_module

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train import History
from chainrule.train.statistics import spacing

LAYERS = ["hidden.0", "hidden.1", "output"]


def cost(model: nn.MLP, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
    return nn.mse(model(x), t)


def data(rows: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 5)), rng.standard_normal((rows, 2))


def watched(model: nn.MLP, every: int = 10**6, epochs: int = 1, **options: object) -> History:
    return cr.fit(
        model, cost, data(), optimizer=optim.sgd(0.1), epochs=epochs, batch_size=None,
        shuffle=False, statistics=every, **options,
    )[1]  # fmt: skip


def forward(model: nn.MLP, phi: object) -> list[np.ndarray]:
    """What goes into each layer's activation."""
    a, sums = data()[0], []
    for layer in (*model.hidden, model.output):
        sums.append(a @ layer.weight.numpy() + layer.bias.numpy())
        a = phi(sums[-1])
    return sums


SLOPES = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    ),
}


@pytest.mark.parametrize("engine", ["interpret", "native"])
@pytest.mark.parametrize("name", SLOPES)
def test_activations_and_slopes(name: str, engine: str) -> None:
    phi, derivative = SLOPES[name]
    model = nn.MLP(5, [7, 6], 2, activation=name, rng=1, dtype=np.float64)
    model = cr.tree_replace(model, "hidden.0.weight", 4 * model.hidden[0].weight)
    (seen,) = watched(model, engine=engine).statistics
    assert list(seen.layers) == LAYERS
    *hidden, last = forward(model, phi)
    for path, z in zip(LAYERS, hidden, strict=False):
        found, slope = seen.layers[path], derivative(z)
        assert found["activation_mean"] == pytest.approx(phi(z).mean())
        assert found["activation_std"] == pytest.approx(phi(z).std())
        assert found["slope"] == pytest.approx(slope.mean())
        assert found["dead"] == (slope == 0).all(axis=0).mean()
        if name == "relu":
            assert "saturated" not in found
        else:
            flat = slope < 0.05 * {"tanh": 1.0, "sigmoid": 0.25}[name]
            assert found["saturated"] == pytest.approx(flat.mean())
    assert seen.layers["output"]["activation_mean"] == pytest.approx(last.mean())
    assert "slope" not in seen.layers["output"]


@pytest.mark.parametrize("engine", ["interpret", "native"])
def test_norms(engine: str) -> None:
    model = nn.MLP(5, [7, 6], 2, rng=1, dtype=np.float64)
    x, t = data()
    gradient = cr.grad(cost)(model, x, t)
    (seen,) = watched(model, engine=engine).statistics
    before, slopes = cr.tree_leaves(model), cr.tree_leaves(gradient)
    for i, path in enumerate(LAYERS):
        weights = np.concatenate([w.numpy().ravel() for w in before[2 * i : 2 * i + 2]])
        steps = np.concatenate([g.numpy().ravel() for g in slopes[2 * i : 2 * i + 2]])
        norm = np.linalg.norm(weights - 0.1 * steps)
        assert seen.layers[path]["weight_norm"] == pytest.approx(norm)
        assert seen.layers[path]["gradient_norm"] == pytest.approx(np.linalg.norm(steps))
        ratio = 0.1 * np.linalg.norm(steps) / norm
        assert seen.layers[path]["update_ratio"] == pytest.approx(ratio)


def test_a_dead_unit_is_found() -> None:
    model = nn.MLP(5, [4], 2, rng=1)
    model = cr.tree_replace(model, "hidden.0.bias", np.array([0, -100, 0, 0], np.float32))
    (seen,) = watched(model).statistics
    assert seen.layers["hidden.0"]["dead"] == 0.25


@pytest.mark.parametrize("engine", ["interpret", "native"])
def test_watching_changes_nothing_but_rounding(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitting = import_module("chainrule.train.fit")  # the name of the module is a function's, too
    monkeypatch.setattr(fitting, "spacing", lambda every, *_: every)
    model = nn.MLP(5, [7, 6], 2, dropout=0.1, rng=1, dtype=np.float64)

    def noisy(model: nn.MLP, x: cr.Tensor, t: cr.Tensor, key: cr.Tensor) -> cr.Tensor:
        return nn.mse(model(x, key=key), t)

    def history(statistics: int) -> History:
        return cr.fit(
            model, noisy, data(), batch_size=5, epochs=3, statistics=statistics, engine=engine
        )[1]

    plain, seen = history(0), history(4)
    np.testing.assert_allclose(plain["loss"], seen["loss"], rtol=1e-10)
    assert plain.statistics == ()
    steps = [found.step for found in seen.statistics]
    # Of five steps in an epoch, the last one sees a shorter batch and is not watched.
    assert steps == [0, 8, 12]
    assert [found.epoch for found in seen.statistics] == [s // 5 for s in steps]


def test_steps_of_microseconds_are_watched_seldom() -> None:
    small, large = (nn.parameters(nn.MLP(n, [n], n, rng=0)) for n in (4, 500))
    assert spacing(50, large, 64) == 50
    assert spacing(50, small, 4) > 1000
    assert spacing(0, small, 4) == 0


def test_statistics_are_plain_numbers() -> None:
    (seen,) = watched(nn.Linear(5, 2, rng=0)).statistics
    record = seen.to_dict()
    assert record["step"] == record["epoch"] == 0
    values = itertools.chain.from_iterable(layer.values() for layer in record["layers"].values())
    assert all(type(value) is float for value in values)
