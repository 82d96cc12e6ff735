"""What derivatives cost, counted in nodes: nothing is computed twice, nothing grows with depth."""

import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.trace import trace

F32 = np.float32
MODEL = {
    "hidden": (cr.Spec((784, 128)), cr.Spec((128,))),
    "output": (cr.Spec((128, 10)), cr.Spec((10,))),
}
X, T = cr.Spec((64, 784)), cr.Spec((64,), np.int64)


@cr.named
def relu(x: Any) -> Any:
    return cr.maximum(x, 0.0)


def cost(model: Any, x: Any, t: Any) -> Any:
    (w1, b1), (w2, b2) = model["hidden"], model["output"]
    logits = relu(x @ w1 + b1) @ w2 + b2
    return (cr.logsumexp(logits, -1) - cr.take_along_axis(logits, t[:, None], 1)[:, 0]).mean()


def test_backward_of_a_network_computes_forward_once() -> None:
    """Three products beside the two of forward: not x's cotangent, which nobody asked for."""
    graph = cr.make_graph(cr.value_and_grad(cost), MODEL, X, T)
    count = Counter(node.op.name for node in cr.inline_calls(graph).nodes)
    assert count["matmul"] == 5
    assert [count[op] for op in ("exp", "log", "max", "maximum", "gather")] == [1] * 5
    assert count["scatter_add"] == 1


def test_no_array_of_zeros_or_ones_is_made() -> None:
    graph = cr.make_graph(cr.value_and_grad(cost), MODEL, X, T)
    for node in cr.inline_calls(graph).nodes:
        if node.op.name == "constant":
            assert node.spec.shape == ()


def test_per_sample_gradients_of_a_network_are_one_product_per_layer() -> None:
    per_sample = cr.vmap(cr.grad(lambda m, x, t: cost(m, x[None], t[None])), in_axes=(None, 0, 0))
    graph = cr.simplify(cr.inline_calls(cr.make_graph(per_sample, MODEL, X, T)))
    products = [node for node in graph.nodes if node.op.name == "matmul"]
    assert len(products) == 5
    shared = [p for p in products if all(child.spec.ndim == 2 for child in p.inputs)]
    assert len(shared) == 3  # both layers forward, and back through the output layer


def chain(length: int) -> Any:
    def f(x: Any) -> Any:
        for _ in range(length // 2):
            x = cr.sin(x) * 1.01
        return x.sum()

    return f


@pytest.mark.parametrize(
    ("length", "transform"),
    [
        (10_000, cr.grad),
        (2_000, lambda f: lambda x: cr.jvp(f, (x,), (x,))[1]),
        (2_000, lambda f: lambda x: cr.vmap(f)(x[None])),
        (2_000, lambda f: lambda x: cr.jvp(cr.grad(f), (x,), (x,))[1]),
    ],
    ids=["grad", "jvp", "vmap", "hvp"],
)
def test_a_long_chain_of_operations(length: int, transform: Any) -> None:
    """No recursion over the graph: a small stack is enough for any depth."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        result = transform(chain(length))(np.full(2, 0.5))
    finally:
        sys.setrecursionlimit(before)
    assert np.isfinite(np.asarray(result)).all()


def nested_scans(depth: int) -> Any:
    """Loops in loops; every level uses its rows only, so that states become active late."""
    if depth == 0:
        return lambda h: (cr.tanh(h), h)
    inner = nested_scans(depth - 1)

    def run(h: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            new, _ = inner(state)
            return new * 1.01, new.sum()

        last, rows = cr.scan(step, h, length=2)
        return last, rows

    return run


def test_loops_in_loops_stay_small(nodes: Any) -> None:
    def size(depth: int) -> int:
        graph = cr.make_graph(lambda h: nested_scans(depth)(h)[1].sum(), cr.Spec((3,)))
        return len(nodes(cr.reverse(graph, [True]), "scan"))

    # One more level: one more loop, run forward; and in the loop back, one more run back.
    assert [size(depth) for depth in (1, 2, 3, 4)] == [2, 4, 6, 8]


def test_a_gradient_is_traced_once() -> None:
    calls = []

    def counted(x: Any) -> Any:
        calls.append(x)
        return (x**2).sum()

    x = np.ones(3)
    for transformed in (
        cr.grad(counted),
        cr.hessian(counted),
        cr.vmap(counted),
        cr.jacobian(counted),
    ):
        calls.clear()
        transformed(x)
        assert len(calls) == 1


def test_a_fixed_argument_is_computed_with_at_once() -> None:
    """What does not depend on the moving argument does not even enter the graph."""
    seen = []

    def f(w: Any, x: Any) -> Any:
        features = cr.exp(x)
        seen.append(features.is_symbolic)
        return (features * w).sum()

    cr.grad(f)(np.ones(3), np.ones(3))
    assert seen == [False]
    traced = trace(lambda w: f(w, cr.asarray(np.ones(30))), [cr.Spec((30,), np.float64)])
    assert [node.op.name for node in traced.graph.nodes] == ["multiply", "sum"]
