"""Initialisers: their statistics, their seeds, and what He and Xavier are for."""

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError, ShapeError
from chainrule.nn.init import INITIALIZERS

SHAPE = (300, 200)
N_IN, N_OUT = SHAPE

VARIANCES = {
    "small_normal": 0.01**2,
    "large_normal": 0.5**2,
    "lecun_normal": 1 / N_IN,
    "lecun_uniform": 1 / N_IN,
    "xavier_normal": 2 / (N_IN + N_OUT),
    "xavier_uniform": 2 / (N_IN + N_OUT),
    "he_normal": 2 / N_IN,
    "he_uniform": 2 / N_IN,
}


def draw(name, **how):
    return INITIALIZERS[name](0, SHAPE, **{"dtype": np.float64, **how}).numpy()


def test_the_table_is_complete():
    aliases = {"glorot_normal", "glorot_uniform", "he", "lecun", "xavier"}
    assert set(INITIALIZERS) == {*VARIANCES, "zeros", "orthogonal", *aliases}
    public = set(nn.init.__all__) - {"INITIALIZERS", "Initializer", "initializer"}
    assert public == set(INITIALIZERS) - aliases


@pytest.mark.parametrize("name", VARIANCES)
def test_mean_variance_and_shape_of_the_distribution(name):
    w, variance = draw(name), VARIANCES[name]
    assert w.shape == SHAPE
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=0.03)
    if name.endswith("uniform"):
        bound = np.sqrt(3 * variance)
        assert abs(w).max() <= bound
        expected = stats.uniform(-bound, 2 * bound)
    else:
        expected = stats.norm(0, np.sqrt(variance))
    assert stats.kstest(w.ravel(), expected.cdf).pvalue > 1e-3


def test_zeros_and_orthogonal():
    assert not draw("zeros").any()
    w = draw("orthogonal")
    np.testing.assert_allclose(w.T @ w, np.eye(N_OUT), atol=1e-12)
    wide = nn.init.orthogonal(0, (3, 5), np.float64).numpy()
    np.testing.assert_allclose(wide @ wide.T, np.eye(3), atol=1e-14)
    # Signs too are random: QR alone would always give the same sign on the diagonal.
    signs = [np.sign(nn.init.orthogonal(seed, (2, 2)).numpy()[0, 0]) for seed in range(20)]
    assert {-1.0, 1.0} == set(signs)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_seeds_types_and_stacks(name):
    function = INITIALIZERS[name]
    assert function(0, (4, 3)).dtype == np.float32
    np.testing.assert_array_equal(
        function(0, (4, 3)), function(0, (4, 3), np.float64).numpy().astype("f4")
    )
    np.testing.assert_array_equal(function(0, (4, 3)), function(np.random.default_rng(0), (4, 3)))
    assert function(0, (2, 4, 3)).shape == (2, 4, 3)
    if name != "zeros":
        assert function(0, (4, 3)).tolist() != function(1, (4, 3)).tolist()


def test_names_functions_and_auto():
    assert nn.initializer("he") is nn.init.he_normal
    assert nn.initializer("glorot_uniform") is nn.init.xavier_uniform
    assert nn.initializer(nn.init.zeros) is nn.init.zeros
    assert nn.initializer("auto") is nn.init.xavier_normal
    assert nn.initializer("auto", nn.gelu) is nn.init.he_normal
    assert nn.initializer("auto", lambda z: z) is nn.init.xavier_normal
    with pytest.raises(OptionError, match=r"'xavir'.*Did you mean 'xavier'"):
        nn.initializer("xavir")
    with pytest.raises(OptionError, match="None"):
        nn.initializer(None)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3)])
def test_a_shape_without_fans(shape):
    with pytest.raises(ShapeError, match=r"he_normal expects a shape \(\.\.\., n_in, n_out\)"):
        nn.init.he_normal(0, shape)


def passed_on(init, activation, depth=20, width=256):
    """Mean square of the last layer's output over that of the input, through a deep network."""
    model = nn.MLP(width, [width] * depth, width, activation=activation, init=init, rng=0)
    x = np.random.default_rng(1).normal(size=(64, width)).astype(np.float32)
    a = cr.asarray(x)
    for layer, phi in zip(model.hidden, model.activations, strict=True):
        a = phi(layer(a))
    return float((a.numpy() ** 2).mean() / (x**2).mean())


def test_he_keeps_the_signal_through_relu_where_xavier_loses_it():
    assert 0.2 < passed_on("he", "relu") < 5
    assert passed_on("xavier", "relu") < 1e-5
    assert 0.5 < passed_on("orthogonal", "identity") < 2
    assert passed_on("small_normal", "tanh") < 1e-12
