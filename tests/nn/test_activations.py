"""Activations against PyTorch: values and derivatives, far out, at infinity, NaN and the kink."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError
from chainrule.nn.activations import ACTIVATIONS

POINTS = np.array(
    [-np.inf, -1e4, -300, -50, -3, -1, -1e-8, -0.0, 0.0, 1e-8, 0.5, 3, 50, 300, 1e4, np.inf, np.nan]
)

# PyTorch's softplus is a straight line from its threshold on; ours is exact everywhere.
ELEMENTWISE = {
    "elu": functional.elu,
    "gelu": functional.gelu,
    "identity": lambda z: z * 1.0,
    "leaky_relu": functional.leaky_relu,
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "softplus": lambda z: functional.softplus(z, threshold=700.0),
    "tanh": torch.tanh,
}
ALONG_AN_AXIS = {
    "log_softmax": lambda z, axis: torch.log_softmax(z, axis),
    "softmax": lambda z, axis: torch.softmax(z, axis),
}

#: Where PyTorch's derivative is another convention, or loses digits: (order, point) → ours.
DEVIATIONS = {
    # A NaN in the forward pass stays one in the gradient.
    "elu": {(1, np.nan): np.nan, (2, np.nan): np.nan, (2, 0.0): 1.0},
    # exp(-50) and exp(-300) are not lost in 1 - σ.
    "softplus": {(2, 50.0): np.exp(-50.0), (2, 300.0): np.exp(-300.0)},
}


def of_order(function, order):
    """The elementwise derivative of the given order."""
    for _ in range(order):
        function = cr.grad(lambda z, f=function: f(z).sum())
    return function


def torch_orders(function, z):
    z = torch.tensor(z, requires_grad=True)
    values = [function(z)]
    for _ in range(2):
        if not values[-1].requires_grad:
            values.append(torch.zeros_like(z))
            continue
        (g,) = torch.autograd.grad(values[-1].sum(), z, create_graph=True)
        values.append(g)
    return [v.detach().numpy() for v in values]


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_value_and_derivatives_equal_pytorchs(name, order):
    expected = torch_orders(ELEMENTWISE[name], POINTS)[order].copy()
    for (at_order, point), value in DEVIATIONS.get(name, {}).items():
        if at_order == order:
            expected[np.isnan(POINTS) if np.isnan(point) else point == POINTS] = value
    got = of_order(ACTIVATIONS[name], order)(POINTS).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32_and_agrees(name):
    z = np.linspace(-8, 8, 101)
    got = ACTIVATIONS[name](z.astype(np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.numpy(), ACTIVATIONS[name](z).numpy(), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_passes_through_and_the_gradient_is_checked(name):
    function = ACTIVATIONS[name]
    assert np.isnan(function(np.nan).item())
    z = np.random.default_rng(0).normal(0, 2, (4, 3))
    assert cr.check_gradient(lambda z: function(z).sum(), z)


def test_the_formulas_of_the_derivatives():
    z = np.array([-2.0, -0.5, 0.5, 2.0])
    s, t = nn.sigmoid(z).numpy(), nn.tanh(z).numpy()
    formulas = {
        nn.sigmoid: s * (1 - s),
        nn.tanh: 1 - t**2,
        nn.relu: (z > 0) * 1.0,
        nn.leaky_relu: np.where(z > 0, 1.0, 0.01),
        nn.elu: np.where(z > 0, 1.0, np.exp(z)),
        nn.softplus: s,
        nn.silu: s * (1 + z * (1 - s)),
        nn.identity: np.ones(4),
    }
    for function, expected in formulas.items():
        np.testing.assert_allclose(of_order(function, 1)(z).numpy(), expected, rtol=1e-14)


def test_the_kink_of_relu():
    at_zero = np.array([-0.0, 0.0])
    np.testing.assert_array_equal(of_order(nn.relu, 1)(at_zero).numpy(), [0, 0])
    np.testing.assert_array_equal(of_order(nn.leaky_relu, 1)(at_zero).numpy(), [0.01, 0.01])


# ------------------------------------------------------------------ numbers that people sweep
@pytest.mark.parametrize(("name", "option"), [("leaky_relu", "slope"), ("elu", "alpha")])
def test_slope_and_alpha_are_numbers_or_tensors(name, option):
    function, z = getattr(nn, name), np.array([-2.0, -0.5, 1.5])
    by_torch = {"leaky_relu": functional.leaky_relu, "elu": functional.elu}[name](
        torch.tensor(z), 0.3
    ).numpy()
    for number in (0.3, np.float64(0.3), cr.asarray(np.float64(0.3))):
        np.testing.assert_allclose(function(z, number).numpy(), by_torch, rtol=1e-15)
        np.testing.assert_allclose(function(z, **{option: number}).numpy(), by_torch, rtol=1e-15)
    for call in (lambda a: function(z, a).sum(), lambda a: function(z, **{option: a}).sum()):
        moved = cr.grad(call)(np.float64(0.3)).item()
        assert moved == pytest.approx((by_torch[:2] / 0.3).sum(), rel=1e-12)


def test_gelu_by_tanh_and_nothing_else():
    z = np.linspace(-6, 6, 49)
    for order in (0, 1, 2):
        by_torch = torch_orders(lambda z: functional.gelu(z, approximate="tanh"), z)[order]
        got = of_order(lambda z: nn.gelu(z, approximate="tanh"), order)(z).numpy()
        np.testing.assert_allclose(got, by_torch, rtol=1e-9, atol=1e-13)
    with pytest.raises(OptionError, match=r"'none', 'tanh'.*'erf'"):
        nn.gelu(z, approximate="erf")


# ------------------------------------------------------------------ softmax
ROWS = np.array(
    [
        [0.0, 0.0, 0.0],
        [1.0, -2.0, 3.0],
        [1e4, -1e4, 0.0],
        [-np.inf, 0.0, 1.0],
        [-1e4, -1e4 - 1, -1e4 + 2],
    ]
)


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax_and_its_derivatives_equal_pytorchs(name, axis):
    function, by_torch = getattr(nn, name), ALONG_AN_AXIS[name]
    z = np.array([[0.3, -1.2, 2.0], [1.0, 5.0, -3.0]]) if axis == 0 else ROWS
    v, u = (np.random.default_rng(seed).normal(size=z.shape) for seed in (0, 1))
    v[~np.isfinite(z)] = 0.0

    def first(z):
        return cr.grad(lambda z: cr.where(v == 0, 0, function(z, axis=axis) * v).sum())(z)

    def second(z):
        return cr.grad(lambda z: (first(z) * u).sum())(z)

    zt = torch.tensor(z, requires_grad=True)
    y = by_torch(zt, axis)
    vt = torch.tensor(v)
    loss = torch.where(vt == 0, torch.zeros_like(y), y * vt).sum()
    (g,) = torch.autograd.grad(loss, zt, create_graph=True)
    (h,) = torch.autograd.grad((g * torch.tensor(u)).sum(), zt)
    for got, expected in ((function(z, axis=axis), y), (first(z), g), (second(z), h)):
        np.testing.assert_allclose(got.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-14)


def test_the_jacobian_of_softmax():
    z = np.array([1.0, -2.0, 3.0, 0.5])
    p = nn.softmax(z).numpy()
    for mode in ("forward", "reverse"):
        jacobian = cr.jacobian(nn.softmax, mode=mode)(z).numpy()
        np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-17)


def test_softmax_sums_to_one_and_takes_integers():
    np.testing.assert_allclose(nn.softmax(ROWS).sum(axis=-1).numpy(), 1, rtol=1e-15)
    np.testing.assert_allclose(nn.softmax([1, 2]).sum().item(), 1, rtol=1e-6)
    assert np.isnan(nn.softmax([np.nan, 0.0]).numpy()).all()


# ------------------------------------------------------------------ names
def test_a_graph_says_the_users_words():
    for name, function in ACTIVATIONS.items():
        node = cr.make_graph(function, cr.Spec((2,))).nodes[0]
        assert node.attributes.get("name", node.op.name) == name


def test_functions_by_name():
    assert nn.activation("relu") is nn.relu
    assert nn.activation(cr.cos) is cr.cos
    with pytest.raises(OptionError, match=r"'rellu'.*Did you mean 'relu'"):
        nn.activation("rellu")
    with pytest.raises(OptionError, match="None"):
        nn.activation(None)
