"""Backpropagation that computes a function again instead of keeping its values."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines import Program
from chainrule.engines.native.program import NativeProgram


def block(x, weight):
    return cr.tanh(cr.exp(x @ weight) @ weight) * x


def cost(x, weight, wrap):
    for _ in range(3):
        x = wrap(block)(x, weight)
    return cr.sum(x**2)


def plain(function):
    return function


def gradient_of(wrap):
    return cr.value_and_grad(lambda x, w: cost(x, w, wrap), argnums=(0, 1))


X, W = (np.random.default_rng(i).normal(size=(4, 4)) / 3 for i in range(2))


def same(a, b, tolerance=1e-13):
    for left, right in zip(cr.tree_leaves(a), cr.tree_leaves(b), strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


def test_values_and_gradients_are_the_same() -> None:
    same(gradient_of(cr.recompute)(X, W), gradient_of(plain)(X, W))
    assert cr.check_gradient(lambda x, w: cost(x, w, cr.recompute), X, W)


@pytest.mark.parametrize("engine", [Program, NativeProgram])
def test_engines_agree(engine) -> None:
    graph = cr.make_graph(gradient_of(cr.recompute), cr.asarray(X), cr.asarray(W))
    same(engine(graph)([X, W]), gradient_of(plain)(X, W))


def test_second_derivatives_vmap_and_jvp() -> None:
    def hessian(wrap):
        return cr.hessian(lambda x: cost(x, cr.asarray(W), wrap))(cr.asarray(X))

    same(hessian(cr.recompute), hessian(plain), 1e-11)
    stack = np.stack([X, X + 1])
    for transform in (cr.vmap, lambda f: lambda xs: cr.jvp(f, (xs[0],), (xs[1],))):
        both = [
            transform(lambda x, w=w: cost(x, cr.asarray(W), w))(stack)
            for w in (cr.recompute, plain)
        ]
        same(*both)


def saved(wrap):
    """How many values of the forward pass backward keeps: outputs of forward halves."""
    graph = cr.make_graph(gradient_of(wrap), cr.asarray(X), cr.asarray(W))
    calls = [n for n in graph.nodes if n.op.name == "call" and not n.attributes.get("apart")]
    return [len(call.specs) for call in calls]


def test_nothing_is_kept_but_the_arguments() -> None:
    assert saved(cr.recompute) == [1, 1, 1]
    assert min(saved(cr.named)) > 1


def test_what_is_computed_again_is_not_merged_with_what_was() -> None:
    graph = cr.inline_calls(cr.make_graph(gradient_of(cr.recompute), cr.asarray(X), cr.asarray(W)))
    inside = [cr.simplify(graph)]
    count = 0
    while inside:
        nodes = inside.pop().nodes
        count += sum(node.op.name == "exp" for node in nodes)
        inside += [a for node in nodes for a in node.attributes.values() if isinstance(a, cr.Graph)]
    assert count == 6  # three forward, three again
    program = str(NativeProgram(graph).design.schedule)
    assert program.count("scan") == 3


def test_a_model_can_be_wrapped() -> None:
    model = nn.MLP(4, [8], 2, rng=0, dtype=np.float64)

    def total(model, x):
        return cr.sum(cr.recompute(model)(x) ** 2)

    same(cr.grad(total)(model, X), cr.grad(lambda m, x: cr.sum(m(x) ** 2))(model, X))


def test_a_graph_with_it_can_be_stored() -> None:
    graph = cr.make_graph(gradient_of(cr.recompute), cr.asarray(X), cr.asarray(W))
    again = cr.graph_from_dict(cr.graph_to_dict(graph))
    same(Program(again)([X, W]), Program(graph)([X, W]))
