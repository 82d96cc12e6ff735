"""Derivatives of named functions: the names stay, and nothing is computed twice."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.trace import replay


@cr.named
def relu(x: Any) -> Any:
    return cr.where(x > 0, x, 0.0)


@cr.named
def softplus(x: Any) -> Any:
    return cr.log1p(cr.exp(-abs(x))) + cr.maximum(x, 0.0)


@cr.named
def normalise(x: Any) -> Any:
    mean = x.mean(axis=-1, keepdims=True)
    spread = cr.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5)
    return (x - mean) / spread


@cr.named
def dense(w: Any, b: Any, x: Any) -> Any:
    return softplus(relu(x @ w + b)) * 2.0


@cr.named
def block(w: Any, b: Any, x: Any) -> Any:
    return x + dense(w, b, normalise(x))


@cr.named
def two_results(x: Any) -> Any:
    """One result is smooth, the other one has an infinite derivative at 0, and an integer."""
    return {"good": cr.sin(x), "bad": cr.sqrt(abs(x)), "count": (x > 0).sum()}


def loss(w: Any, b: Any, x: Any) -> Any:
    return (block(w, b, block(w, b, x)) ** 2).sum()


W, B, X = cr.Spec((4, 4)), cr.Spec((4,)), cr.Spec((3, 4))
GRAPHS = {
    "loss": lambda: cr.make_graph(loss, W, B, X),
    "one_block": lambda: cr.make_graph(block, W, B, X),
    "relu": lambda: cr.make_graph(relu, X),
    "softplus": lambda: cr.make_graph(softplus, X),
    "logsumexp": lambda: cr.make_graph(lambda x: cr.logsumexp(x * 2, -1) + cr.logsumexp(x, -1), X),
    "two_results": lambda: cr.make_graph(
        lambda x: two_results(x)["good"] * two_results(x)["bad"], X
    ),
}
VIEWS = ("reshape", "transpose", "broadcast_to", "sum")
every_graph = pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)


def count(graph: cr.Graph) -> Counter[str]:
    """How many nodes of each op a graph has once it is inlined and simplified."""
    return Counter(node.op.name for node in cr.simplify(cr.inline_calls(graph)).nodes)


@every_graph
def test_backward_through_calls_is_as_short_as_without(make: Callable[[], cr.Graph]) -> None:
    graph = make()
    everything = [True] * len(graph.inputs)
    with_calls = count(cr.reverse(graph, everything))
    flat = count(cr.reverse(cr.inline_calls(graph), everything))
    assert with_calls == flat


@every_graph
def test_second_order_through_calls_is_as_short_as_without(make: Callable[[], cr.Graph]) -> None:
    graph = make()
    everything = [True] * len(graph.inputs)

    def twice(graph: cr.Graph) -> Counter[str]:
        first = cr.reverse(graph, everything)
        ops = count(cr.verify(cr.reverse(first, [True] * len(first.inputs))))
        # A view is made again by a backward half, and then has a transpose of its own.
        return Counter({op: n for op, n in ops.items() if op not in VIEWS})

    assert twice(graph) == twice(cr.inline_calls(graph))


@every_graph
def test_forward_through_calls_is_as_short_as_without(make: Callable[[], cr.Graph]) -> None:
    graph = make()
    everything = [True] * len(graph.inputs)
    with_calls = count(cr.forward(graph, everything)[0])
    assert with_calls == count(cr.forward(cr.inline_calls(graph), everything)[0])


def test_both_halves_keep_the_name(nodes: Any) -> None:
    backward = cr.reverse(GRAPHS["one_block"](), [True] * 3)
    names = sorted(node.attributes["name"] for node in nodes(backward, "call"))
    own = ["block", "dense", "normalise", "relu", "softplus"]
    assert names == sorted([*own, *(f"{name}.backward" for name in own)])
    assert all(
        node.attributes["label"] == node.attributes["name"].removesuffix(".backward")
        for node in nodes(backward, "call")
    )


def test_a_backward_call_reads_only_what_it_needs(nodes: Any) -> None:
    backward = cr.reverse(GRAPHS["relu"](), [True])
    onward, back = nodes(backward, "call")
    assert [spec.dtype.kind for spec in onward.specs] == ["f", "b"]  # its value, and where x > 0
    assert [child.spec.dtype.kind for child in back.inputs] == ["b", "f"]
    assert back.attributes["body"].names == ("saved0", "upstream0")


def test_an_output_is_not_saved_a_second_time(nodes: Any) -> None:
    @cr.named
    def squash(x: Any) -> Any:
        return cr.tanh(x)

    (onward, _) = nodes(cr.reverse(cr.make_graph(squash, X), [True]), "call")
    assert len(onward.specs) == 1


def test_a_call_that_no_derivative_reaches_stays_as_it_is() -> None:
    def f(x: Any, y: Any) -> Any:
        results = two_results(x)
        return results["good"].sum() * y.sum() + results["bad"].sum()

    graph = cr.make_graph(f, X, X)
    (before,) = [node for node in graph.nodes if node.op.name == "call"]
    backward = cr.reverse(graph, [False, True])
    forward, _ = cr.forward(graph, [False, True])
    batch, _ = cr.vectorize(graph, [False, True], 5)
    for made in (backward, forward, batch):
        assert before in cr.verify(made).nodes
    arrays = [cr.asarray(np.full((3, 4), v, np.float32)) for v in (4.0, 1.0, 1.0)]
    assert replay(forward, arrays)[0].item() == replay(graph, arrays[:2])[0].item()


def test_an_unused_output_brings_no_nan(nodes: Any) -> None:
    zeros = np.zeros((3, 4), np.float32)
    gradient = cr.grad(lambda x: two_results(x)["good"].sum())(zeros)
    assert np.asarray(gradient).tolist() == np.ones((3, 4)).tolist()
    graph = cr.make_graph(lambda x: two_results(x)["good"].sum(), X)
    back = nodes(cr.reverse(graph, [True]), "call")[-1]
    assert len(back.inputs) == 2  # x, and the cotangent of the one output that is used


def test_a_call_that_passes_an_input_through(assert_close: Any) -> None:
    @cr.named
    def with_input(x: Any, y: Any) -> Any:
        return x, x * y, y

    def f(x: Any, y: Any) -> Any:
        a, b, c = with_input(x, y)
        return (a * b * c).sum()

    x, y = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    wanted = (cr.asarray(2 * x * y**2), cr.asarray(2 * x**2 * y))
    assert_close(cr.grad(f, (0, 1))(x, y), wanted)
    assert cr.check_gradient(lambda p: (cr.grad(f)(p["x"], p["y"]) ** 2).sum(), {"x": x, "y": y})


def test_a_named_function_that_stops_the_gradient(assert_close: Any) -> None:
    @cr.named
    def fixed(x: Any) -> Any:
        return cr.stop_gradient(cr.exp(x))

    x = np.array([0.5, 1.0])
    assert_close(cr.grad(lambda x: (fixed(x) * x).sum())(x), cr.exp(x))
    graph = cr.reverse(cr.make_graph(lambda x: fixed(x) * x, cr.asarray(x)), [True])
    assert "fixed.backward" not in str(graph)


def test_batched_calls_keep_the_name(nodes: Any) -> None:
    graph, _ = cr.vectorize(GRAPHS["one_block"](), [False, False, True], 7)
    names = {node.attributes["name"] for node in nodes(graph, "call")}
    assert names == {"block", "dense", "normalise", "relu", "softplus"}


def test_a_name_inside_a_loop(nodes: Any) -> None:
    def f(w: Any, b: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return dense(w, b, h + x), None

        return cr.scan(step, cr.zeros_like(xs[0]), xs)[0].sum()

    rng = np.random.default_rng(0)
    w, b, xs = (rng.standard_normal(shape) for shape in ((4, 4), (4,), (5, 2, 4)))
    assert cr.check_gradient(lambda p: f(*p), (w, b, xs))
    backward = cr.verify(cr.reverse(cr.make_graph(f, w, b, xs), [True] * 3))
    names = Counter(node.attributes["name"] for node in nodes(backward, "call"))
    assert names["dense"] == names["dense.backward"] == names["relu"] == 1


def test_a_name_that_stops_the_gradient_inside_a_loop(nodes: Any) -> None:
    """Its result is no part of what the loop carries back."""

    @cr.named
    def with_fixed(x: Any, y: Any) -> Any:
        return cr.sin(x), cr.stop_gradient(x) * y

    def f(x: Any, y: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            moving, still = state
            moving, still = with_fixed(moving, still)
            return (moving * still, still), None

        moving, still = cr.scan(step, (x, y), length=3)[0]
        return (moving * still).sum()

    x = cr.Spec((3,), np.float64)
    onward, back = nodes(cr.reverse(cr.make_graph(f, x, x), [True, False]), "scan")
    assert onward.attributes["carried"] == 2
    assert back.attributes["carried"] == 1
