"""Dropout: in training and at inference, and its rate as a tensor that is not trained."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError

KEY = cr.random.key(0)


def test_without_a_key_it_does_nothing():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(nn.Dropout(0.9)(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mask_and_its_scale(rate, dtype):
    n = 20_000
    y = nn.Dropout(rate)(np.ones((n,), dtype), key=KEY)
    assert y.dtype == dtype
    dropped = (y.numpy() == 0).mean()
    spread = np.sqrt(rate * (1 - rate) / n)
    assert abs(dropped - rate) < 4 * spread
    np.testing.assert_allclose(y.numpy()[y.numpy() != 0], 1 / (1 - rate), rtol=1e-6)


def test_extreme_rates():
    x = cr.ones(1000)
    assert nn.Dropout(0.0)(x, key=KEY).tolist() == x.tolist()
    y = nn.Dropout(0.999)(x, key=KEY).numpy()
    assert np.isfinite(y).all() and (y != 0).sum() < 10
    assert np.isfinite(nn.Dropout(1 - 2**-24)(x, key=KEY).numpy()).all()


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, np.nan])
def test_rates_out_of_range(rate):
    with pytest.raises(OptionError, match=r"Dropout\(rate\) expects 0 <= rate < 1"):
        nn.Dropout(rate)


def test_a_dropped_infinity_is_dropped():
    y = nn.Dropout(0.5)(np.full(100, np.inf, np.float32), key=KEY).numpy()
    assert set(np.unique(y)) == {0.0, np.inf}


def test_the_gradient_is_the_mask():
    x = np.random.default_rng(0).normal(size=50)
    layer = nn.Dropout(0.5)
    y = layer(x, key=KEY).numpy()
    g = cr.grad(lambda x: layer(x, key=KEY).sum())(x).numpy()
    np.testing.assert_array_equal(g, np.where(y == 0, 0.0, 2.0))


def test_the_rate_is_not_trained():
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Dropout(0.5))
    assert list(nn.parameters(model)) == ["layers.0.weight", "layers.0.bias"]
    gradient = cr.grad(lambda m: m(np.ones((4, 2), np.float32), key=KEY).sum())(model)
    assert gradient.layers[1].rate.item() == 0  # so that a step by hand leaves it alone


def test_another_rate_is_not_another_program():
    compiled = cr.compile(lambda model, x, key: model(x, key=key))
    model, x = nn.MLP(2, [50], 1, dropout=0.5, rng=0), cr.ones((3, 2))
    results = [
        compiled(model.replace(dropout=nn.Dropout(rate)), x, KEY).tolist()
        for rate in (0.1, 0.5, 0.9)
    ]
    assert compiled.trace_count == 1
    assert len({str(result) for result in results}) == 3
    assert (
        compiled(model.replace(dropout=model.dropout.replace(rate=0.1)), x, KEY).tolist()
        == results[0]
    )


def test_a_rate_per_study_under_vmap():
    rates = np.array([0.0, 0.5], np.float32)
    y = cr.vmap(lambda rate: nn.Dropout(rate)(cr.ones(1000), key=KEY))(rates).numpy()
    assert (y[0] == 1).all() and 400 < (y[1] == 0).sum() < 600


def test_it_prints_its_rate():
    assert repr(nn.Dropout(0.1)) == "Dropout(0.1)"
    assert repr(cr.tree_map(lambda leaf: None, nn.Dropout(0.1))) == "Dropout(rate)"
