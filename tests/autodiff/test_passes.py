"""``forward``, ``reverse`` and ``vectorize`` as functions from graph to graph."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.reverse import halves
from chainrule.autodiff.vectorize import RULES
from chainrule.graph.apply import apply
from chainrule.graph.table import TABLE
from chainrule.graph.trace import replay

V = cr.Spec((3,), np.float64)
S = cr.Spec((), np.float64)


def numbers(*values: Any) -> list[cr.Tensor]:
    return [cr.asarray(np.asarray(v, np.float64)) for v in values]


# ---------------------------------------------------------------------- forward
def test_forward_puts_out_tangents_of_what_moves() -> None:
    graph = cr.make_graph(lambda x, y: (x * y, y * 2, x > 0, cr.floor(x)), V, V)
    both, moved = cr.forward(graph, [True, False])
    assert moved == (True, False, False, False)
    assert both.names == ("in0", "in1", "d in0")
    *_, tangent = replay(cr.verify(both), numbers([1, 2, 3], [4, 5, 6], [1, 0, -1]))
    assert tangent.tolist() == [4.0, 0.0, -6.0]


def test_forward_keeps_the_nodes_of_the_graph() -> None:
    graph = cr.make_graph(lambda x, y: cr.sin(x) * cr.exp(y) + y**3, V, V)
    both, _ = cr.forward(graph, [True, False])
    assert set(graph.nodes) <= set(both.nodes)


def test_an_integer_has_no_tangent() -> None:
    graph = cr.make_graph(lambda x, i: x[i], V, cr.Spec((2,), np.int64))
    both, moved = cr.forward(graph, [True, True])
    assert len(both.inputs) == 3
    assert moved == (True,)


def test_a_tangent_of_zero_costs_nothing(ops: Any) -> None:
    graph = cr.make_graph(lambda x, y: cr.exp(y) * x + cr.sin(y) * cr.cos(y), V, V)
    both, _ = cr.forward(graph, [True, False])
    assert len(both.nodes) == len(graph.nodes) + 1  # exp(y) · dx


def test_a_nonzero_tangent_of_nothing() -> None:
    graph = cr.make_graph(lambda x: x * 2, V)
    both, moved = cr.forward(graph, [False])
    assert (moved, both.nodes) == ((False,), graph.nodes)


# ---------------------------------------------------------------------- reverse
def test_reverse_takes_a_cotangent_per_seeded_output() -> None:
    graph = cr.make_graph(lambda x, y: (x * y, cr.argmax(x), x.sum()), V, V)
    backward = cr.verify(cr.reverse(graph, [True, True]))
    assert backward.names == ("in0", "in1", "upstream0", "upstream1")
    arrays = numbers([1, 2, 3], [4, 5, 6], [1, 1, 0], 10)
    product, at, total, by_x, by_y = replay(backward, arrays)
    assert (product.tolist(), at.item(), total.item()) == ([4.0, 10.0, 18.0], 2, 6.0)
    assert (by_x.tolist(), by_y.tolist()) == ([14.0, 15.0, 10.0], [1.0, 2.0, 0.0])
    only_sum = cr.reverse(graph, [True, False], seeded=[False, False, True])
    assert len(only_sum.inputs) == 3
    assert replay(only_sum, numbers([1, 2, 3], [4, 5, 6], 7))[-1].tolist() == [7.0, 7.0, 7.0]


def test_reverse_keeps_the_nodes_of_the_graph() -> None:
    graph = cr.make_graph(lambda x, y: cr.sin(x) * cr.exp(y) + y**3, V, V)
    assert set(graph.nodes) <= set(cr.reverse(graph, [True, True]).nodes)


def test_a_value_used_several_times_gets_every_contribution() -> None:
    graph = cr.make_graph(lambda x: x * x + x, S)
    assert replay(cr.reverse(graph, [True]), numbers(3, 1))[-1].item() == 7.0


def test_an_output_may_be_an_input_or_stand_twice() -> None:
    graph = cr.make_graph(lambda x, y: (x, y * 2, x, y * 2), S, S)
    backward = cr.verify(cr.reverse(graph, [True, True]))
    assert [g.item() for g in replay(backward, numbers(1, 1, 1, 10, 100, 1000))[-2:]] == [101, 2020]


def test_no_derivative_reaches_an_input(ops: Any) -> None:
    graph = cr.make_graph(lambda x, y: cr.stop_gradient(x) * y, V, V)
    backward = cr.reverse(graph, [True, True])
    assert replay(backward, numbers([1, 2, 3], [1, 1, 1], [1, 1, 1]))[-2].tolist() == [0.0] * 3
    # The zeros are a number that is repeated, not an array.
    constants = [n for n in backward.nodes if n.op.name == "constant"]
    assert [n.spec.shape for n in constants] == [()]


def test_nothing_is_computed_for_what_is_not_wanted(ops: Any) -> None:
    graph = cr.make_graph(lambda w, x: cr.tanh(x @ w).sum(), cr.Spec((4, 2)), cr.Spec((8, 4)))
    assert ops(cr.reverse(graph, [True, True])).count("matmul") == 3
    assert ops(cr.reverse(graph, [True, False])).count("matmul") == 2


def test_a_constant_is_no_input_of_derivatives() -> None:
    """Numbers and what is broadcast of them stay in the graph through every transformation."""

    def f(x: Any) -> Any:
        return cr.jvp(cr.grad(lambda y: ((y * 2.0 + 1.0) ** 3).mean()), (x,), (x,))[1].sum()

    graph = cr.make_graph(cr.vmap(cr.grad(f)), cr.Spec((5, 100), np.float64))
    assert len(graph.inputs) == 1
    assert all(n.spec.size == 1 for n in graph.nodes if n.op.name == "constant")


def test_an_integer_input_has_no_derivative_even_if_wanted() -> None:
    graph = cr.make_graph(lambda i, x: i.astype("float64") * x, cr.Spec((3,), np.int64), V)
    backward = cr.verify(cr.reverse(graph, [True, True]))
    i = cr.asarray(np.array([1, 2, 3]))
    *_, by_i, by_x = replay(backward, [i, *numbers([1, 1, 1], [1, 1, 1])])
    assert (by_i.tolist(), by_x.tolist()) == ([0, 0, 0], [1.0, 2.0, 3.0])


# ---------------------------------------------------------------------- halves
def test_backward_reads_what_forward_puts_out() -> None:
    graph = cr.make_graph(lambda w, x: cr.tanh(x @ w), cr.Spec((4, 2)), cr.Spec((8, 4)))
    split = halves(graph, [True, False])
    cr.verify(split.forward)
    cr.verify(split.backward)
    assert split.given == (True, False)
    assert set(split.reads) <= {*split.forward.inputs, *split.forward.outputs}
    assert len(split.forward.outputs) == 1  # tanh's value serves as its own derivative
    assert split.backward.names == ("in1", "saved1", "upstream0")


# ---------------------------------------------------------------------- vectorize
def draw(spec: cr.Spec, kind: str, rng: np.random.Generator) -> np.ndarray:
    if spec.dtype.kind == "b" or kind == "bool":
        return rng.integers(0, 2, spec.shape).astype(bool)
    if kind.startswith("index"):
        return rng.integers(0, int(kind.partition(":")[2]), spec.shape)
    if spec.dtype.kind in "iu":
        return rng.integers(0, 9, spec.shape).astype(spec.dtype)
    x = rng.standard_normal(spec.shape)
    if kind == "spd":
        return x @ np.swapaxes(x, -1, -2) + 3 * np.eye(spec.shape[-1])
    return np.tril(x) + 3 * np.eye(spec.shape[-1]) if kind == "lower" else x


STRUCTURE = ("input", "constant", "pick", "call", "scan", "while")
EXAMPLES = [
    pytest.param(op, example, id=f"{name}-{k}")
    for name, op in TABLE.items()
    if name not in STRUCTURE and op.family != "elementwise"
    for k, example in enumerate(op.check.examples)
]


def test_every_row_has_a_batch_rule() -> None:
    rows = {n for n, op in TABLE.items() if op.family != "elementwise" and n not in STRUCTURE}
    assert set(RULES) == rows


@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_a_row_on_a_batch_is_the_row_on_each_example(op: Any, example: Any) -> None:
    """For every choice of which inputs are batched, twice over (a batch of batches)."""
    rng = np.random.default_rng(0)
    kinds = (*example.kinds, *["float"] * len(example.specs))

    def f(*xs: Any) -> Any:
        return apply(op, *map(cr.asarray, xs), **example.attributes)

    for chosen in range(1, 2 ** len(example.specs)):
        flags = [bool(chosen >> i & 1) for i in range(len(example.specs))]
        xs = [
            np.stack([draw(spec, kind, rng) for _ in range(3)]) if b else draw(spec, kind, rng)
            for spec, kind, b in zip(example.specs, kinds, flags, strict=False)
        ]
        axes = [0 if b else None for b in flags]
        alone = [f(*(cr.asarray(x[i] if b else x) for x, b in zip(xs, flags, strict=True)))
                 for i in range(3)]  # fmt: skip
        np.testing.assert_allclose(cr.vmap(f, axes)(*xs), cr.stack(alone), rtol=1e-12)
        twice = [np.stack([x, x]) if b else x for x, b in zip(xs, flags, strict=True)]
        nested = cr.vmap(cr.vmap(f, axes), axes)(*twice)
        np.testing.assert_allclose(nested, cr.stack([cr.stack(alone)] * 2), rtol=1e-12)


def test_what_does_not_depend_on_the_batch_is_computed_once() -> None:
    graph = cr.make_graph(lambda w, x: x @ cr.exp(w), cr.Spec((4, 2)), cr.Spec((4,)))
    batch, batched = cr.vectorize(graph, [False, True], 64)
    assert batched == (True,)
    (exp,) = [node for node in batch.nodes if node.op.name == "exp"]
    assert exp in graph.nodes
    (product,) = [node for node in batch.nodes if node.op.name == "matmul"]
    assert [child.spec.shape for child in product.inputs] == [(64, 4), (4, 2)]


def test_one_large_product_in_place_of_many_small_ones(nodes: Any) -> None:
    """Whichever side is shared by all examples."""
    w, x = cr.Spec((4, 2)), cr.Spec((3, 4))
    for flags in ([True, False], [False, True]):
        graph = cr.make_graph(lambda x, w: x @ w, x, w)
        batch, _ = cr.vectorize(graph, flags, 64)
        (product,) = nodes(batch, "matmul")
        assert all(child.spec.ndim == 2 for child in product.inputs)


def test_an_output_that_is_not_batched_says_so() -> None:
    graph = cr.make_graph(lambda x, y: (x * 2, y * 2, x + y), V, V)
    batch, batched = cr.vectorize(graph, [False, True], 5)
    assert batched == (False, True, True)
    assert [spec.shape for spec in batch.output_specs] == [(3,), (5, 3), (5, 3)]
