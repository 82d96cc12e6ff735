"""Backward through an activation reads one slope per element."""

import functools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.autodiff.slopes import slope_halves
from chainrule.engines import Program

SMOOTH = {
    "gelu": nn.gelu,
    "gelu by tanh": functools.partial(nn.gelu, approximate="tanh"),
    "softplus": nn.softplus,
    "elu": nn.elu,
}
Z = np.linspace(-6, 6, 25)


def body_of(function):
    return cr.make_graph(function, cr.Spec((25,), np.float64)).nodes[0].attributes["body"]


@pytest.mark.parametrize("name", SMOOTH)
def test_forward_saves_the_slope_and_nothing_else(name) -> None:
    graph = cr.make_graph(cr.grad(lambda z: cr.sum(SMOOTH[name](z))), cr.Spec((25,), np.float64))
    forward, backward = [node for node in graph.nodes if node.op.name == "call"]
    assert len(forward.specs) == 2
    assert [node.op.name for node in backward.attributes["body"].nodes] == ["multiply"]


@pytest.mark.parametrize("name", SMOOTH)
def test_slopes_and_their_slopes_are_right(name) -> None:
    f = SMOOTH[name]
    slope = cr.vmap(cr.grad(f))(Z)
    expected = cr.jvp(f, (Z,), (np.ones_like(Z),))[1]
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-15)
    assert cr.check_gradient(lambda z: cr.sum(cr.vmap(cr.grad(f))(z) * Z), Z + 0.01)


def test_the_halves_of_gelu() -> None:
    body = body_of(nn.gelu)
    halves = slope_halves(cr.inline_calls(body))
    y, slope = Program(halves.forward)([Z])
    np.testing.assert_allclose(y, nn.gelu(Z), rtol=0, atol=1e-15)
    (back,) = Program(halves.backward)([slope, 3 * np.ones(25)])
    np.testing.assert_allclose(back, 3 * slope)


@pytest.mark.parametrize(
    "f",
    [
        lambda z: nn.softmax(z),  # not element by element
        lambda z: z * 2,  # a slope that is the same everywhere
        lambda z: cr.sum(z),
        lambda z: cr.reshape(z, (5, 5)),
    ],
)
def test_others_have_none(f) -> None:
    assert slope_halves(cr.inline_calls(cr.make_graph(f, cr.Spec((25,), np.float64)))) is None
