"""Tracing: what becomes an input, what is captured, calls by name, and loops."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError, SymbolicError
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


# ---------------------------------------------------------------------- scan
def in_python(step: Callable[..., Any], state: Any, rows: Any, length: int, reverse: bool) -> Any:
    outputs: list[Any] = [None] * length
    for i in reversed(range(length)) if reverse else range(length):
        state, outputs[i] = step(state, cr.tree_map(operator.itemgetter(i), rows))
    return state, outputs


def check_scan(step: Any, state: Any, rows: Any, length: int, reverse: bool = False) -> None:
    """``scan`` on numbers and through a graph does what the loop in Python does."""
    wanted_state, wanted = in_python(step, state, rows, length, reverse)
    stacked = cr.tree_map(lambda *xs: cr.stack(list(xs)), *wanted)
    wanted_leaves = cr.tree_leaves((wanted_state, stacked))

    def function(state: Any, rows: Any) -> Any:
        return cr.scan(
            step, state, rows, length=None if rows is not None else length, reverse=reverse
        )

    got = function(state, rows)
    assert cr.tree_flatten(got)[1] == cr.tree_flatten((wanted_state, stacked))[1]
    graph = cr.verify(cr.make_graph(function, state, rows))
    arrays = [leaf.numpy() for leaf in cr.tree_leaves((state, rows))]
    for one, two, want in zip(
        cr.tree_leaves(got), evaluate(graph, arrays), wanted_leaves, strict=True
    ):
        assert one.spec == want.spec
        np.testing.assert_array_equal(one.numpy(), want.numpy())
        np.testing.assert_array_equal(two, want.numpy())


ROWS = cr.tensor(np.arange(8.0).reshape(4, 2))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_of_trees(reverse: bool) -> None:
    def step(state: Any, row: Any) -> Any:
        total = state["total"] + row.first * row.second.sum()
        new = {"total": total, "count": state["count"] + 1, "flag": ~state["flag"]}
        return new, (total, {"twice": row.first * 2})

    state = {"total": f64(0), "count": cr.tensor(0), "flag": cr.tensor(True)}
    check_scan(step, state, Pair(ROWS[:, 0], ROWS), 4, reverse)


def test_scan_without_rows() -> None:
    check_scan(lambda s, row: (s * 2.0, (s, row)), f64(1), None, 5)


def test_scan_without_outputs() -> None:
    check_scan(lambda s, row: (s + row, None), f64(0, 0), ROWS, 4)


def test_scan_without_state() -> None:
    check_scan(lambda s, row: (s, cr.exp(row)), (), ROWS, 4)


def test_scan_of_no_rows() -> None:
    state, outputs = cr.scan(lambda s, x: (s + x, cr.stack([s, x])), 1.5, cr.zeros((0,)))
    assert state.item() == 1.5 and outputs.spec == cr.Spec((0, 2))
    graph = cr.verify(
        cr.make_graph(lambda xs: cr.scan(lambda s, x: (s + x, s), 0.0, xs), cr.Spec((0,)))
    )
    assert graph.output_specs == (cr.Spec(()), cr.Spec((0,)))
    gradient = cr.grad(lambda s: cr.scan(lambda s, x: (s * x, s), s, cr.zeros((0,)))[0])(2.0)
    assert gradient.item() == 1


def test_scan_captures_symbolic_and_concrete_values() -> None:
    table = cr.tensor(np.arange(100.0))

    def function(w: Any, xs: Any) -> Any:
        doubled = w * 2

        def step(state: Any, x: Any) -> Any:
            return state * doubled + x + table[3] * w + table.sum() * 0, state

        return cr.scan(step, 1.0 + w * 0, xs)[0]

    w, xs = f64(0.5), f64(1, 2, 3)
    graph = cr.verify(cr.make_graph(function, w, xs))
    body = body_of(graph, "scan")
    # Numbers that were known beforehand are computed beforehand; w and 2 w are captured.
    assert [name for name in body.names if name.startswith("captured")] == [
        "captured0",
        "captured1",
    ]
    state = 1.0
    for x in xs:
        state = state * 1.0 + x.item() + 3 * 0.5
    assert evaluate(graph, [w.numpy(), xs.numpy()])[0] == state == function(w, xs).item()
    h = 1e-6
    slope = (function(w + h, xs) - function(w - h, xs)).item() / (2 * h)
    assert cr.grad(function)(w, xs).item() == pytest.approx(slope, rel=1e-8)


def test_scan_captures_a_large_constant_as_an_input() -> None:
    table = cr.tensor(np.arange(40.0).reshape(2, 20))

    def function(xs: Any) -> Any:
        return cr.scan(lambda s, x: (s + table * x, None), cr.zeros((2, 20), "float64"), xs)[0]

    np.testing.assert_array_equal(function(f64(1, 2)).numpy(), 3 * table.numpy())
    graph = cr.verify(cr.make_graph(function, f64(1, 2)))
    assert graph.names == ("in0", "captured0", "captured1")


def test_nested_scans() -> None:
    def inner(total: Any, row: Any) -> Any:
        return cr.scan(lambda s, x: (s + cr.sin(x) * total, s), total, row)

    def function(start: Any, table: Any) -> Any:
        return cr.scan(inner, start, table)

    table = ROWS * 0.3
    state, wanted = 0.7, []
    for row in table.tolist():
        outer, line = state, []
        for x in row:
            line.append(state)
            state = state + np.sin(x) * outer
        wanted.append(line)
    last, outputs = function(f64(0.7), table)
    assert last.item() == pytest.approx(state, rel=1e-15)
    np.testing.assert_allclose(outputs.numpy(), wanted, rtol=1e-15)
    graph = cr.verify(cr.simplify(cr.make_graph(function, f64(0.7), table)))
    np.testing.assert_allclose(evaluate(graph, [0.7, table.numpy()])[1], wanted, rtol=1e-15)
    assert cr.check_gradient(lambda t: function(f64(0.7), t)[0], table)
    assert cr.check_gradient(lambda s: function(s, table)[1].sum(), f64(0.7))


def test_a_scan_of_a_thousand_steps_is_one_node() -> None:
    graph = cr.make_graph(
        lambda s, xs: cr.scan(lambda s, x: (s + x, s), s, xs), SCALAR, cr.Spec((1000,), "float64")
    )
    assert ops(graph) == ["scan", "pick", "pick"]


SCAN_MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: cr.scan(lambda s, x: (s, x), 0.0, [cr.zeros(3), cr.zeros(4)]), "first axis"),
    (lambda: cr.scan(lambda s, x: (s, x), 0.0, cr.zeros(())), "first axis"),
    (lambda: cr.scan(lambda s, x: (s, x), 0.0), "length=None"),
    (lambda: cr.scan(lambda s, x: (s, x), 0.0, cr.zeros(3), length=4), "length=4"),
    (lambda: cr.scan(lambda s, x: (s, x), 0.0, length=-1), "length=-1"),
    (lambda: cr.scan(lambda s, x: (s + f64(1), x), 0.0, cr.zeros(3)), r"state: f32\[\].*f64\[\]"),
    (lambda: cr.scan(lambda s, x: (cr.stack([s, s]), x), 0.0, cr.zeros(3)), r"f32\[2\]"),
    (
        lambda: cr.scan(lambda s, x: ({"b": s["a"]}, x), {"a": 0.0}, cr.zeros(3)),
        r"state\.a.*state\.b",
    ),
    (lambda: cr.while_loop(lambda x: x < 3, lambda x: x + 0.5, 0), r"i64\[\].*f64\[\]"),
    (lambda: cr.while_loop(lambda x: x, lambda x: x, 0), "one boolean"),
    (lambda: cr.while_loop(lambda x: x < 3, lambda x: x, cr.zeros(2)), "one boolean"),
]


@pytest.mark.parametrize("case", SCAN_MISTAKES, ids=range(len(SCAN_MISTAKES)))
def test_mistakes_in_loops_are_explained(case: tuple[Callable[[], Any], str]) -> None:
    function, words = case
    with pytest.raises(ShapeError, match=words):
        function()


# ---------------------------------------------------------------------- while
def test_while_loop() -> None:
    limit = f64(50)

    def function(x: Any) -> Any:
        def go_on(state: Any) -> Any:
            return (state["x"] < limit + x * 0) & (state["i"] < 100)

        def step(state: Any) -> Any:
            return {"x": state["x"] * 2.0 + x, "i": state["i"] + 1}

        return cr.while_loop(go_on, step, {"x": x, "i": 0})

    value, i = 3.0, 0
    while value < 50:
        value, i = value * 2 + 3, i + 1
    at_once = function(f64(3))
    assert (at_once["x"].item(), at_once["i"].item()) == (value, i)
    graph = cr.verify(cr.simplify(cr.make_graph(function, SCALAR)))
    assert evaluate(graph, [np.float64(3)]) == [i, value]
    assert function(f64(60))["i"].item() == 0


def test_a_derivative_goes_forward_through_a_while_loop() -> None:
    def power(x: Any) -> Any:
        return cr.while_loop(lambda s: s < 100.0, lambda s: s * x, x)

    value, slope = cr.jvp(power, (f64(3),), (f64(1),))
    assert (value.item(), slope.item()) == (243.0, 5 * 81.0)
