"""Laws that hold for every program, on programs that hypothesis writes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.graph.trace import replay

ROWS, COLUMNS = 2, 3


@cr.named
def gate(x: Any, y: Any) -> Any:
    return cr.sigmoid(x) * y, cr.tanh(y)


def looped(x: Any, y: Any) -> Any:
    def step(state: Any, row: Any) -> Any:
        h, count = state
        h = cr.tanh(h * 0.5 + row + y[0])
        return (h, count + 1), h * count.astype("float64")

    (h, _), hs = cr.scan(step, (x[0], 1), cr.concatenate([x, y]))
    return hs[:ROWS] + h


def pulled(x: Any, y: Any) -> Any:
    return cr.grad(lambda z: (cr.sin(z) * y * z).sum())(x)


def pushed(x: Any, y: Any) -> Any:
    return cr.jvp(lambda z: cr.sin(z) * z, (x,), (y,))[1]


def mapped(x: Any, y: Any) -> Any:
    return cr.vmap(lambda row, other: cr.tanh(row @ row * other))(x, y)


#: Functions of two matrices [2, 3] that give one, with bounded derivatives of every order.
STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: x + y,
    lambda x, y: x - 2.0 * y,
    lambda x, y: cr.tanh(x) * cr.sin(y),
    lambda x, y: cr.exp(-(x**2)) / (1.5 + cr.cos(y)),
    lambda x, y: cr.where(y > x, cr.sin(x), y),
    lambda x, y: cr.maximum(x, cr.tanh(y)),
    lambda x, y: x.sum(axis=0) * 0.3 - y.mean(axis=1, keepdims=True),
    lambda x, y: cr.max(x, axis=0) + cr.min(y, axis=1, keepdims=True),
    lambda x, y: (x @ cr.tanh(y).T) @ y * 0.3,
    lambda x, y: cr.cumsum(x, axis=1) - cr.cumsum(y, axis=0, reverse=True),
    lambda x, y: cr.flip(x, 1)[::-1] + y.T.reshape(ROWS, COLUMNS),
    lambda x, y: cr.pad(x[:, 1:], [(0, 0), (0, 1)]) * cr.sin(y[0]),
    lambda x, y: x[np.array([1, 1])] + y[:, np.array([2, 0, 0])],
    lambda x, y: cr.sort(x, axis=1) + cr.take_along_axis(y, cr.argsort(x, axis=1), 1),
    lambda x, y: cr.logsumexp(x, axis=0) + cr.logaddexp(x, y),
    lambda x, y: cr.concatenate([x[1:], y[:1]]),
    lambda x, y: cr.vmap(lambda row: row * row.sum())(cr.tanh(x)) + cr.stop_gradient(y),
    lambda x, y: cr.stack(gate(x, y), axis=0).sum(axis=0),
    looped,
    pulled,
    pushed,
    mapped,
)


class Program(NamedTuple):
    """Steps that each read two earlier values: ``(which step, first, second)``."""

    steps: tuple[tuple[int, int, int], ...]

    def __call__(self, x: Any, y: Any) -> Any:
        values = [x, y]
        for step, i, j in self.steps:
            values.append(STEPS[step](values[i % len(values)], values[j % len(values)]))
        return values[-1], {"before": values[-2]}


programs = st.builds(
    Program,
    st.lists(
        st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=6,
    ).map(tuple),
)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None, database=None)


def numbers(seed: int, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((ROWS, COLUMNS)) for _ in range(count)]


def inner(a: Any, b: Any) -> float:
    pairs = zip(cr.tree_leaves(a), cr.tree_leaves(b), strict=True)
    return sum(float((np.asarray(u) * np.asarray(v)).sum()) for u, v in pairs)


def total(program: Program) -> Callable[..., Any]:
    def f(x: Any, y: Any) -> Any:
        last, rest = program(x, y)
        return cr.sin(last).sum() + (rest["before"] * 0.5).sum()

    return f


def close(a: Any, b: Any) -> None:
    for u, v in zip(cr.tree_leaves(a), cr.tree_leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(u), np.asarray(v), rtol=1e-8, atol=1e-9)


@quick
@given(programs, seeds)
def test_forward_and_reverse_are_transposes(program: Program, seed: int) -> None:
    """``u · (J v) = (Jᵀ u) · v`` for all directions."""
    x, y, dx, dy, u, w = numbers(seed, 6)
    value, tangent = cr.jvp(program, (x, y), (dx, dy))
    same, pullback = cr.vjp(program, x, y)
    close(value, same)
    cotangent = (u, {"before": w})
    a, b = inner(cotangent, tangent), inner(pullback(cotangent), (dx, dy))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@quick
@given(programs, seeds)
def test_second_derivatives_agree_in_both_orders(program: Program, seed: int) -> None:
    x, y, dx, dy = numbers(seed, 4)
    f = total(program)
    gradient = cr.grad(f, (0, 1))
    forward = cr.jvp(gradient, (x, y), (dx, dy))[1]
    reverse = cr.grad(lambda x, y: cr.jvp(f, (x, y), (dx, dy))[1], (0, 1))(x, y)
    twice = cr.vjp(gradient, x, y)[1]((dx, dy))
    close(forward, reverse)
    close(forward, twice)


@quick
@given(programs, seeds)
def test_a_batch_is_a_loop(program: Program, seed: int) -> None:
    xs, ys = np.stack(numbers(seed, 3)), np.stack(numbers(seed + 1, 3))
    one_by_one = [program(x, y) for x, y in zip(xs, ys, strict=True)]
    close(cr.vmap(program)(xs, ys), cr.tree_map(lambda *v: cr.stack(v), *one_by_one))
    against_one = [program(x, ys[0]) for x in xs]
    batch = cr.vmap(program, in_axes=(0, None))(xs, ys[0])
    close(batch, cr.tree_map(lambda *v: cr.stack(v), *against_one))
    gradients = [cr.grad(total(program), (0, 1))(x, y) for x, y in zip(xs, ys, strict=True)]
    each = cr.vmap(cr.grad(total(program), (0, 1)))(xs, ys)
    close(each, cr.tree_map(lambda *v: cr.stack(v), *gradients))


@quick
@given(programs, seeds)
def test_graphs_keep_the_rules_and_the_meaning(program: Program, seed: int) -> None:
    x, y = numbers(seed, 2)
    graph = cr.verify(cr.make_graph(total(program), x, y))
    wanted = [True] * 2 + [False] * (len(graph.inputs) - 2)
    backward = cr.verify(cr.reverse(graph, wanted))
    if len(graph.inputs) > 2:  # larger constants came in from outside
        return
    seed_one = cr.asarray(np.ones(()))
    gradient = cr.grad(total(program), (0, 1))(x, y)
    arrays = [cr.asarray(x), cr.asarray(y), seed_one]
    for made in (backward, cr.simplify(backward), cr.simplify(cr.inline_calls(backward))):
        cr.verify(made)
        close(replay(made, arrays)[1:], list(gradient))
    both, _ = cr.forward(backward, [True] * 3)
    batched, _ = cr.vectorize(backward, [True, False, False], 2)
    again = cr.reverse(backward, [True] * 3)
    for made in (both, batched, again):
        cr.verify(made)


def test_simplification_keeps_two_inputs_of_one_spec_apart() -> None:
    """Found by the test above: ``1 · x`` became ``1 · y``, since x and y looked alike."""

    def f(x: Any, y: Any) -> Any:
        one = cr.tensor(np.float64(1.0))
        return (y * one) * x + (x * one) * x

    graph = cr.make_graph(f, np.ones(()), np.ones(()))
    arrays = [cr.asarray(np.float64(2.0)), cr.asarray(np.float64(5.0))]
    close(replay(cr.simplify(graph), arrays), [np.float64(14.0)])
