"""Loops in graphs: what they compute, what they capture, and where the gradient is cut."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import OptionError, ShapeError
from chainrule.graph.node import Graph
from chainrule.graph.ops.structure import evaluate

SCALAR = cr.Spec((), "float64")


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


# ---------------------------------------------------------------------- scan in segments
RNG = np.random.default_rng(5)
W, H = RNG.normal(0, 0.5, (3, 3)), RNG.normal(size=3)
XS, UPSTREAM = RNG.normal(size=(2, 7, 3))


def recurrent(w: Any, h: Any, xs: Any, **options: Any) -> Any:
    """A recurrent network; its count of steps is part of the state."""

    def step(state: Any, x: Any) -> Any:
        h, count = state
        h = cr.tanh(h @ w + x)
        return (h, count + 1), h * h

    (h, count), outputs = cr.scan(step, (h, 0), xs, **options)
    return h, outputs, count


def truncated_in_torch(w: Any, h: Any, xs: Any, size: int, reverse: bool) -> Any:
    outputs: list[Any] = [None] * len(xs)
    order = range(len(xs))[::-1] if reverse else range(len(xs))
    for step, i in enumerate(order):
        if step and step % size == 0:
            h = h.detach()
        h = torch.tanh(h @ w + xs[i])
        outputs[i] = h * h
    return h, torch.stack(outputs)


def total(h: Any, outputs: Any, *count: Any) -> Any:
    return h.sum() + (outputs * UPSTREAM).sum()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 9])
def test_the_gradient_is_cut_between_segments(size: int, reverse: bool) -> None:
    def cost(w: Any, h: Any, xs: Any) -> Any:
        return total(*recurrent(w, h, xs, truncate=size, reverse=reverse))

    w, h, xs = (torch.tensor(a, requires_grad=True) for a in (W, H, XS))
    upstream = torch.tensor(UPSTREAM)
    last, outputs = truncated_in_torch(w, h, xs, size, reverse)
    (last.sum() + (outputs * upstream).sum()).backward()
    found = cr.grad(cost, argnums=(0, 1, 2))(W, H, XS)
    for mine, theirs in zip(found, (w, h, xs), strict=True):
        assert theirs.grad is not None
        np.testing.assert_allclose(mine.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=1e-14)
    plain = recurrent(W, H, XS, reverse=reverse)
    cut = recurrent(W, H, XS, truncate=size, reverse=reverse)
    assert [part.tolist() for part in cut] == [part.tolist() for part in plain]


def test_truncation_goes_forward_too() -> None:
    """A tangent of the first state ends with its segment, that of the weights goes on."""

    def last(h: Any) -> Any:
        return recurrent(W, h, XS, truncate=3)[1]

    _, tangent = cr.jvp(last, (cr.asarray(H),), (cr.asarray(np.ones(3)),))
    assert tangent[:3].numpy().all() and not tangent[3:].numpy().any()


def test_truncation_within_another_transformation() -> None:
    def cost(w: Any, h: Any, xs: Any) -> Any:
        return total(*recurrent(w, h, xs, truncate=2))

    several = np.stack([H, H + 1])
    found = cr.vmap(lambda h: cr.grad(cost)(W, h, XS))(several)
    for row, h in zip(found, several, strict=True):
        np.testing.assert_allclose(row.numpy(), cr.grad(cost)(W, h, XS).numpy(), rtol=1e-12)
    assert cr.compile(cost)(W, H, XS).item() == pytest.approx(cost(W, H, XS).item(), rel=1e-14)


@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 9])
def test_recomputing_changes_nothing(size: int, reverse: bool, truncate: int | None) -> None:
    def run(w: Any, h: Any, xs: Any, recompute: int | None = size) -> Any:
        return recurrent(w, h, xs, recompute=recompute, reverse=reverse, truncate=truncate)

    def cost(w: Any, h: Any, xs: Any, recompute: int | None = size) -> Any:
        return total(*run(w, h, xs, recompute))

    def plain(w: Any, h: Any, xs: Any) -> Any:
        return cost(w, h, xs, None)

    expected = [part.tolist() for part in run(W, H, XS, None)]
    assert [part.tolist() for part in run(W, H, XS)] == expected
    of_all = [cr.grad(f, argnums=(0, 1, 2))(W, H, XS) for f in (cost, plain)]
    second = [cr.hvp(f)(W, W + 1, H, XS) for f in (cost, plain)]
    for mine, wanted in [*zip(*of_all, strict=True), second]:
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-11, atol=1e-13)


def test_recomputing_keeps_the_states_between_segments_only() -> None:
    """Of a thousand steps with a state of 3 numbers, or of the 31 borders between segments."""

    def kept(**options: Any) -> int:
        def cost(xs: Any) -> Any:
            return cr.scan(lambda h, x: (cr.tanh(h @ W + x), None), H, xs, **options)[0].sum()

        graph = cr.make_graph(cr.grad(cost), cr.Spec((1000, 3), "float64"))
        forward, *_ = (node for node in graph.nodes if node.op.name == "scan")
        return sum(spec.size for spec in forward.specs)

    assert kept() >= 1000 * 3
    assert kept(recompute=32) <= 3 + 31 * 3


def test_recomputing_without_rows_or_outputs() -> None:
    def powers(x: Any) -> Any:
        return cr.scan(lambda s, _: (s * x, None), 1.0 + 0 * x, length=7, recompute=3)[0]

    assert (powers(f64(2)).item(), cr.grad(powers)(f64(2)).item()) == (128.0, 7 * 64.0)


@pytest.mark.parametrize("name", ["truncate", "recompute"])
@pytest.mark.parametrize("steps", [0, -1, 2.0, True, "3"])
def test_the_steps_of_a_segment_are_checked(name: str, steps: Any) -> None:
    with pytest.raises(OptionError, match=f"{name} to be an integer >= 1"):
        cr.scan(lambda s, x: (s, x), 0.0, cr.zeros(3), **{name: steps})


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
