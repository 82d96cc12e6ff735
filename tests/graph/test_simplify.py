"""Each simplification does what it should, and keeps every bit."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.apply import apply, make_node
from chainrule.graph.node import Graph
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.simplify import RULES
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import node_of

Same = Callable[[np.ndarray, np.ndarray], bool]
F64 = cr.Spec((2, 3), "float64")
I64 = cr.Spec((2, 3), "int64")
AWKWARD = np.array([[0.0, -0.0, math.nan], [math.inf, -math.inf, 5e-324]])


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def simplified(function: Callable[..., Any], *specs: cr.Spec) -> Graph:
    return cr.verify(cr.simplify(cr.make_graph(function, *specs)))


DISAPPEARS: dict[str, list[Callable[[Any], Any]]] = {
    "add": [lambda x: x + -0.0, lambda x: -0.0 + x],
    "subtract": [lambda x: x - 0.0],
    "multiply": [lambda x: x * 1, lambda x: 1 * x, lambda x: x * cr.ones_like(x)],
    "divide": [lambda x: x / 1],
    "negative": [lambda x: cr.negative(-x)],
    "where": [
        lambda x: cr.where(x > 0, x, x),
        lambda x: cr.where(cr.equal(cr.zeros_like(x), 0), x, x * 2),
        lambda x: cr.where(cr.equal(cr.zeros_like(x), 1), x * 2, x),
    ],
    "cast": [lambda x: apply(TABLE["cast"], x, dtype=x.dtype)],
    "reshape": [lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3)],
    "broadcast_to": [lambda x: apply(TABLE["broadcast_to"], x, shape=x.shape)],
    "transpose": [lambda x: x.T.T, lambda x: x.T.reshape(3, 2).T],
    "flip": [lambda x: cr.flip(cr.flip(x, 1), 1)],
    "slice": [lambda x: slice_of(x, (0, 0), (2, 3))],
    "pad": [lambda x: cr.pad(x, [(0, 0), (0, 0)])],
    "max": [lambda x: apply(TABLE["max"], x, axes=())],
    "min": [lambda x: apply(TABLE["min"], x, axes=())],
}


def slice_of(x: Any, start: tuple[int, ...], stop: tuple[int, ...]) -> Any:
    return apply(TABLE["slice"], x, start=start, stop=stop, step=(1, 1))


def test_every_rule_is_tested() -> None:
    assert set(DISAPPEARS) == set(RULES)


@pytest.mark.parametrize("name", DISAPPEARS)
def test_what_does_nothing_disappears(name: str, same: Same) -> None:
    for function in DISAPPEARS[name]:
        graph = simplified(function, F64)
        assert ops(graph) == []
        assert graph.outputs == graph.inputs
        assert same(function(cr.tensor(AWKWARD)).numpy(), AWKWARD)


KEEPS: list[Callable[[Any], Any]] = [
    lambda x: x + 0.0,  # -0.0 + 0.0 is 0.0
    lambda x: 0.0 + x,
    lambda x: x - -0.0,
    lambda x: 0.0 - x,
    lambda x: x * 0.0,  # NaN and infinity
    lambda x: x * -1.0,
    lambda x: x / x,
    lambda x: x - x,
    lambda x: 1 / x,
    lambda x: cr.where(x == x, x, x * 2),
    lambda x: cr.flip(cr.flip(x, 1), 0),
    lambda x: slice_of(x, (0, 0), (1, 3)),
    lambda x: x.astype("float32").astype("float64"),
]


@pytest.mark.parametrize("function", KEEPS, ids=range(len(KEEPS)))
def test_what_changes_a_bit_stays(function: Callable[[Any], Any], same: Same) -> None:
    graph = cr.make_graph(function, F64)
    reduced = cr.verify(cr.simplify(graph))
    assert len(reduced.nodes) == len(graph.nodes)
    with np.errstate(all="ignore"):
        assert same(evaluate(reduced, [AWKWARD])[0], evaluate(graph, [AWKWARD])[0])


def test_integers_have_one_zero() -> None:
    for function in (lambda x: x + 0, lambda x: 0 + x, lambda x: x - 0, lambda x: x * 1):
        assert ops(simplified(function, I64)) == []


def test_movements_of_movements_are_one() -> None:
    x = cr.Spec((2, 3, 4))
    assert ops(simplified(lambda x: x.reshape(6, 4).reshape(4, 6), x)) == ["reshape"]
    twice = simplified(lambda x: x.transpose(1, 0, 2).transpose(2, 0, 1), x)
    assert [node.attributes for node in twice.nodes] == [{"axes": (2, 1, 0)}]
    broadcast = simplified(
        lambda v: cr.broadcast_to(cr.broadcast_to(v, (2, 3)), (4, 2, 3)), cr.Spec((3,))
    )
    assert ops(broadcast) == ["broadcast_to"]


# ---------------------------------------------------------------------- constants
def test_constants_are_folded() -> None:
    def function(x: Any) -> Any:
        table = cr.tensor([1.0, 2.0, 3.0])
        two = cr.full_like(x, 2.0)
        # The same as x * (2 + 2 ** 3) + [4, 5, 6], though nothing of it was known before the trace.
        return x * (two + two**3) + (cr.broadcast_to(table, (2, 3)) + 3.0)

    graph = simplified(function, cr.Spec((2, 3)))
    constants = [repr(n.attributes["value"]) for n in graph.nodes if n.op.name == "constant"]
    assert "10.0" in constants and "2.0" not in constants
    assert ops(graph).count("multiply") == 1 and "power" not in ops(graph)


def test_a_constant_under_movements_is_still_one_number() -> None:
    def function(x: Any) -> Any:
        ones = cr.ones_like(x)
        return x * cr.flip(ones.T.reshape(3, 2)[:2].reshape(2, 2).reshape(4)[:1])

    assert ops(simplified(function, cr.Spec((2, 3)))) == []


def test_large_constants_are_not_computed_beforehand() -> None:
    graph = simplified(lambda x: cr.exp(cr.ones_like(x)) + x, cr.Spec((2000,)))
    assert sorted(ops(graph)) == ["add", "broadcast_to", "constant"]
    assert (
        sum(n.attributes["value"].array.size for n in graph.nodes if n.op.name == "constant") == 1
    )


def test_what_numpy_refuses_is_left_to_the_run() -> None:
    def function(x: Any) -> Any:
        two = cr.full_like(x, 2)
        return cr.power(two, cr.full_like(x, -1)) + x

    graph = simplified(function, I64)
    assert "power" in ops(graph)


def test_stop_gradient_stays_on_what_moves() -> None:
    graph = simplified(lambda x: x * cr.stop_gradient(x), F64)
    assert "stop_gradient" in ops(graph)


# ---------------------------------------------------------------------- common subexpressions
def test_equal_nodes_are_merged() -> None:
    def function(x: Any) -> Any:
        return cr.exp(x * 2.0) + cr.exp(x * 2.0) * cr.exp(2.0 * x)

    graph = simplified(function, F64)
    assert ops(graph).count("constant") == ops(graph).count("broadcast_to") == 1
    assert ops(graph).count("exp") == 2  # x * 2 and 2 * x are equal, but not the same node


def test_a_zero_and_a_negative_zero_are_not_merged(same: Same) -> None:
    graph = simplified(lambda x: (x * 0.0, x * -0.0), F64)
    first, second = evaluate(graph, [np.ones((2, 3))])
    assert same(first, np.zeros((2, 3))) and same(second, -np.zeros((2, 3)))


def test_two_inputs_of_one_spec_are_still_two() -> None:
    graph = simplified(lambda x, y: (x * 1 - y * 1, x.T.T, y.T.T), F64, F64)
    assert len(set(graph.outputs)) == 3
    difference, first, second = evaluate(graph, [np.full((2, 3), 5.0), np.full((2, 3), 3.0)])
    assert (difference == 2).all() and (first == 5).all() and (second == 3).all()


def test_dead_code_is_gone() -> None:
    def function(x: Any) -> Any:
        cr.exp(x)
        return x + 1.0

    assert "exp" not in ops(cr.make_graph(function, F64))


# ---------------------------------------------------------------------- sub-graphs
def test_subgraphs_are_simplified() -> None:
    def function(x: Any, xs: Any) -> Any:
        return cr.scan(lambda s, y: (s * 1 + y.reshape(3, 2).reshape(2, 3), s), x, xs)

    graph = simplified(function, F64, cr.Spec((5, 2, 3), "float64"))
    (scan,) = (node for node in graph.nodes if node.op.name == "scan")
    assert ops(scan.attributes["body"]) == ["add"]


def test_equal_calls_are_one() -> None:
    f = cr.named(lambda x: cr.exp(x) * 2)
    graph = simplified(lambda x: f(x) + f(x), F64)
    assert ops(graph) == ["call", "pick", "add"]


def test_rules_do_not_look_behind_an_input() -> None:
    """What an input was computed from lies outside of the graph."""

    def function(w: Any, xs: Any) -> Any:
        turned = w.T

        def step(state: Any, x: Any) -> Any:
            return state + turned.T * x, cr.negative(-x)

        return cr.scan(step, w * 0.0, xs)

    w, xs = np.arange(6.0).reshape(2, 3), np.arange(4.0)
    graph = cr.make_graph(function, cr.asarray(w), cr.asarray(xs))
    reduced = cr.verify(cr.simplify(graph))
    for got, wanted in zip(evaluate(reduced, [w, xs]), evaluate(graph, [w, xs]), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_constant_among_the_inputs_is_given_from_outside() -> None:
    table = cr.tensor(np.arange(100.0))
    graph = Graph([node_of(table)], [node_of(make_node(TABLE["exp"], [table], {}))])
    reduced = cr.verify(cr.simplify(graph))
    np.testing.assert_array_equal(evaluate(reduced, [np.ones(100)])[0], np.exp(np.ones(100)))


# ---------------------------------------------------------------------- what it returns
def test_simplification_ends() -> None:
    graph = simplified(lambda x: cr.exp(x) * 1 + (x.T.T + 0.0), F64)
    assert cr.simplify(graph) is graph
    assert cr.inline_calls(graph) is graph


def test_inlining_at_any_depth() -> None:
    def layer(x: Any, depth: int) -> Any:
        if depth == 0:
            return cr.tanh(x), x
        return cr.call("layer", f"layer({depth})", lambda y: layer(y + 1.0, depth - 1), x)

    graph = cr.make_graph(lambda x: layer(x, 40), F64)
    inlined = cr.verify(cr.inline_calls(graph))
    assert set(ops(inlined)) == {"constant", "broadcast_to", "add", "tanh"}
    value = np.linspace(-50, -30, 6).reshape(2, 3)
    for got, wanted in zip(evaluate(inlined, [value]), evaluate(graph, [value]), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_calls_in_loops_are_inlined() -> None:
    f = cr.named(lambda s, x: s * x)
    graph = cr.make_graph(
        lambda s, xs: cr.scan(lambda s, x: (f(s, x), f(x, s)), s, xs), cr.Spec(()), cr.Spec((4,))
    )
    (scan,) = (n for n in cr.inline_calls(graph).nodes if n.op.name == "scan")
    assert ops(scan.attributes["body"]) == ["multiply", "multiply"]
