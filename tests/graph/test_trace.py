"""Tracing: what becomes an input, what is captured, calls by name."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, SymbolicError
from chainrule.graph.node import Graph
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.trace import INLINE_CONSTANT, replay, trace

SCALAR = cr.Spec((), "float64")
VECTOR = cr.Spec((3,), "float64")


def f64(*numbers: float) -> cr.Tensor:
    return cr.tensor(np.array(numbers if len(numbers) > 1 else numbers[0], float))


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def body_of(graph: Graph, name: str) -> Graph:
    (node,) = (node for node in graph.nodes if node.op.name == name)
    return node.attributes["body"]  # type: ignore[no-any-return]


class Pair(NamedTuple):
    first: Any
    second: Any


# ---------------------------------------------------------------------- make_graph
def test_arguments_may_be_specs_arrays_tensors_and_options() -> None:
    def function(x: Any, options: Any, y: Any, rate: Any) -> Any:
        assert options == {"mode": "sum", "count": 3}
        return Pair(x + y, x * rate)

    options = {"mode": "sum", "count": 3}
    graph = cr.verify(cr.make_graph(function, VECTOR, options, np.ones(3), 0.5))
    assert graph.input_specs == (VECTOR, VECTOR, cr.Spec(()))
    assert graph.output_specs == (VECTOR, VECTOR)


def test_a_result_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(DtypeError):
        cr.make_graph(lambda x: (x, "done"), VECTOR)


def test_a_constant_result_is_a_graph_too() -> None:
    graph = cr.verify(cr.make_graph(lambda x: (1.0, None, [2]), VECTOR))
    assert evaluate(graph, [np.ones(3)]) == [1.0, 2]


def test_small_constants_stay_inside_and_large_ones_become_inputs() -> None:
    small, large = cr.zeros(INLINE_CONSTANT), cr.zeros(INLINE_CONSTANT + 1)
    assert len(cr.make_graph(lambda x: x + small, small).inputs) == 1
    graph = cr.make_graph(lambda x: x + large * x + large, large)
    assert graph.names == ("in0", "captured0")


def test_a_trace_without_inputs() -> None:
    traced = trace(lambda: cr.zeros(3) + 1.0, [])
    assert traced.graph.inputs == () and not traced.captured
    np.testing.assert_array_equal(evaluate(traced.graph, [])[0], np.ones(3))


def test_outer_values_are_captured_once_in_order_of_discovery() -> None:
    def outer(a: Any, b: Any) -> Any:
        seen: list[Any] = []

        def inner(x: Any) -> Any:
            return x * b + a * b

        traced = trace(inner, [VECTOR])
        seen.extend(t._node for t in traced.captured)
        assert traced.graph.names == ("in0", "captured0", "captured1")
        assert set(seen) == {a._node, b._node}
        return replay(traced.graph, [a, *traced.captured])[0]

    graph = cr.verify(cr.make_graph(outer, VECTOR, VECTOR))
    values = [np.arange(3.0), np.ones(3) * 2]
    np.testing.assert_array_equal(evaluate(graph, values)[0], 2 * np.arange(3) * 2)


def test_a_value_that_leaves_its_function_is_refused() -> None:
    kept: list[Any] = []

    def step(state: Any, x: Any) -> Any:
        kept.append(state)
        return state + x, x

    def function(x: Any) -> Any:
        cr.scan(step, x, cr.zeros(3, "float64"))
        return kept[0] + x

    with pytest.raises(SymbolicError, match="Return it from that function"):
        cr.make_graph(function, SCALAR)


def test_replay_on_mixed_tensors() -> None:
    graph = cr.make_graph(lambda x, y: cr.exp(x) + y, VECTOR, VECTOR)
    partly = cr.make_graph(lambda y: replay(graph, [cr.zeros(3, "float64"), y])[0], VECTOR)
    assert "exp" not in ops(partly)
    np.testing.assert_array_equal(evaluate(partly, [np.ones(3)])[0], np.full(3, 2.0))


# ---------------------------------------------------------------------- named functions
def test_a_named_function_is_an_ordinary_one_on_numbers() -> None:
    calls: list[Any] = []

    @cr.named
    def both(x: Any, y: Any, *, scale: float = 1.0) -> Any:
        """Docstring."""
        calls.append(x)
        return {"sum": (x + y) * scale, "pair": (x, None)}

    result = both(f64(1), f64(2), scale=10.0)
    assert result["sum"].item() == 30 and result["pair"][1] is None
    assert both.__doc__ == "Docstring." and both.__name__ == "both"
    assert isinstance(calls[0], cr.Tensor)


def test_a_named_function_is_one_step_in_a_graph() -> None:
    @cr.named
    def mixed(tree: Any, factor: Any, mode: str, *, scale: float) -> Any:
        assert mode == "fast"
        return [tree["a"] * factor * scale, tree["b"]]

    def function(a: Any, b: Any) -> Any:
        first, second = mixed({"a": a, "b": b}, np.full(3, 2.0), "fast", scale=3.0)
        return first + second

    graph = cr.verify(cr.make_graph(function, VECTOR, VECTOR))
    assert ops(graph).count("call") == 1 and "multiply" not in ops(graph)
    (call,) = (node for node in graph.nodes if node.op.name == "call")
    assert call.attributes["name"] == call.attributes["label"] == "mixed"
    assert call.attributes["body"].names == ("a", "b", "in1")
    np.testing.assert_array_equal(evaluate(graph, [np.ones(3), np.ones(3)])[0], np.full(3, 7.0))


def test_a_named_function_takes_lists_of_tensors_of_different_shapes() -> None:
    @cr.named
    def joined(xs: Any) -> Any:
        return cr.concatenate(xs)

    assert joined([cr.zeros(2), cr.zeros(3)]).shape == (5,)
    graph = cr.verify(cr.make_graph(lambda a, b: joined([a, b]), cr.Spec((2,)), cr.Spec((3,))))
    assert graph.output_specs == (cr.Spec((5,)),)


def test_a_call_captures_what_it_closes_over() -> None:
    def function(x: Any, w: Any) -> Any:
        return cr.call("inner", "inner()", lambda y: y @ w + cr.zeros((20,), "float64").sum(), x)

    specs = VECTOR, cr.Spec((3, 3), "float64")
    graph = cr.verify(cr.make_graph(function, *specs))
    assert body_of(graph, "call").names == ("in0", "captured0")
    x, w = np.arange(3.0), np.eye(3)
    np.testing.assert_array_equal(evaluate(graph, [x, w])[0], x)
