"""Derivatives of loops: ``scan`` both ways, ``while_loop`` forward."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import chainrule as cr

RNG = np.random.default_rng(11)
STATE, STEPS = 3, 5


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


W, U, B = normal(STATE, STATE) * 0.5, normal(STATE, STATE), normal(STATE)
GATES = normal(STATE, 4 * STATE) * 0.5
H, C, XS = normal(STATE), normal(STATE), normal(STEPS, STATE)


class Loop(NamedTuple):
    """A step in our words and in PyTorch's: ``(weights, state, row) -> (state, output)``."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    weights: tuple[np.ndarray, ...]
    initial: Any
    rows: Any


def rnn(weights: Any, h: Any, x: Any) -> Any:
    w, u, b = weights
    h = cr.tanh(h @ w + x @ u + b)
    return h, h


def torch_rnn(weights: Any, h: Any, x: Any) -> Any:
    w, u, b = weights
    h = torch.tanh(h @ w + x @ u + b)
    return h, h


def lstm(weights: Any, state: Any, x: Any) -> Any:
    (u, w), (h, c) = weights, state
    forget, new, out, candidate = cr.split(x @ u + h @ w, 4)
    c = cr.sigmoid(forget) * c + cr.sigmoid(new) * cr.tanh(candidate)
    h = cr.sigmoid(out) * cr.tanh(c)
    return (h, c), {"h": h}


def torch_lstm(weights: Any, state: Any, x: Any) -> Any:
    (u, w), (h, c) = weights, state
    forget, new, out, candidate = torch.chunk(x @ u + h @ w, 4)
    c = torch.sigmoid(forget) * c + torch.sigmoid(new) * torch.tanh(candidate)
    h = torch.sigmoid(out) * torch.tanh(c)
    return (h, c), {"h": h}


def forgetful(weights: Any, state: Any, x: Any) -> Any:
    """One state is overwritten by every step, another one only passes through."""
    (a,), (last, kept, unused) = weights, state
    return (x * a, kept, unused * 2.0), last * kept


def two_rows(weights: Any, state: Any, row: Any) -> Any:
    (a,) = weights
    return state * row["scale"] + a, (state * row["pair"][1], None)


LOOPS = {
    "rnn": Loop(rnn, torch_rnn, (W, U, B), H, XS),
    "lstm": Loop(lstm, torch_lstm, (GATES, GATES * 0.7), (H, C), XS),
    "forgetful": Loop(forgetful, forgetful, (B,), (H, C, B), XS),
    "tree_of_rows": Loop(
        two_rows, two_rows, (B,), H, {"scale": XS, "pair": (normal(STEPS), normal(STEPS))}
    ),
}
every_loop = pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
every_direction = pytest.mark.parametrize("reverse", [False, True], ids=["onward", "reverse"])
every_length = pytest.mark.parametrize("length", [0, 1, STEPS])


def shortened(rows: Any, length: int) -> Any:
    return cr.tree_map(lambda r: r[:length], rows)


def squares(tree: Any, library: Any) -> Any:
    """One number that depends on every leaf in its own way."""
    leaves = cr.tree_leaves(tree)
    return sum((library.sin(leaf) * (i + 1.5)).sum() for i, leaf in enumerate(leaves))


def ours_total(loop: Loop, reverse: bool) -> Callable[..., Any]:
    def total(weights: Any, initial: Any, rows: Any) -> Any:
        def step(s: Any, r: Any) -> Any:
            return loop.ours(weights, s, r)

        return squares(cr.scan(step, initial, rows, reverse=reverse), cr)

    return total


def unrolled(loop: Loop, reverse: bool, library: Any) -> Callable[..., Any]:
    """The same as a Python loop, without ``scan``."""
    step = loop.ours if library is cr else loop.theirs
    stack = library.stack

    def total(weights: Any, initial: Any, rows: Any) -> Any:
        leaves, definition = cr.tree_flatten(rows)
        length = leaves[0].shape[0]
        state, outputs = initial, [None] * length
        for i in reversed(range(length)) if reverse else range(length):
            row = cr.tree_unflatten(definition, [leaf[i] for leaf in leaves])
            state, outputs[i] = step(weights, state, row)
        if length == 0:
            return squares((state, None), library)
        stacked = cr.tree_map(lambda *parts: stack(list(parts)), *outputs)
        return squares((state, stacked), library)

    return total


@every_loop
@every_direction
@every_length
def test_gradient_against_the_unrolled_loop_in_torch(
    loop: Loop, reverse: bool, length: int
) -> None:
    arguments = (loop.weights, loop.initial, shortened(loop.rows, length))
    value, got = cr.value_and_grad(ours_total(loop, reverse), (0, 1, 2))(*arguments)
    leaves, definition = cr.tree_flatten(arguments)
    xs = [torch.tensor(x, requires_grad=True) for x in leaves]
    wanted_value = unrolled(loop, reverse, torch)(*cr.tree_unflatten(definition, xs))
    wanted = torch.autograd.grad(wanted_value, xs, allow_unused=True, materialize_grads=True)
    np.testing.assert_allclose(value.item(), wanted_value.item(), rtol=1e-12)
    for path, a, b in zip(definition.paths, cr.tree_leaves(got), wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a), b.numpy(), rtol=1e-9, atol=1e-12, err_msg=path)


@every_loop
@every_direction
def test_every_derivative_against_the_unrolled_loop(
    loop: Loop, reverse: bool, assert_close: Any
) -> None:
    arguments = (loop.weights, loop.initial, shortened(loop.rows, 3))
    direction = cr.tree_map(lambda x: np.cos(x * 3.0), arguments)
    ours, plain = ours_total(loop, reverse), unrolled(loop, reverse, cr)
    assert_close(cr.jvp(ours, arguments, direction), cr.jvp(plain, arguments, direction))
    assert_close(
        cr.hvp(lambda a: ours(*a))(arguments, direction),
        cr.hvp(lambda a: plain(*a))(arguments, direction),
    )

    def slope(total: Any) -> Any:
        return lambda a: squares(cr.grad(lambda b: total(*b))(a), cr)

    assert_close(cr.grad(slope(ours))(arguments), cr.grad(slope(plain))(arguments))


@every_loop
@every_direction
def test_graphs_are_well_formed(loop: Loop, reverse: bool, assert_well_formed: Any) -> None:
    assert_well_formed(ours_total(loop, reverse), loop.weights, loop.initial, loop.rows)


@every_loop
@every_direction
def test_vmap_over_everything(loop: Loop, reverse: bool, assert_close: Any) -> None:
    arguments = (loop.weights, loop.initial, loop.rows)
    total = ours_total(loop, reverse)
    for which in ((True, False, False), (False, True, False), (False, False, True), (True,) * 3):
        batch = tuple(
            cr.tree_map(lambda x: np.stack([x, x * 0.5, -x]), a) if chosen else a
            for a, chosen in zip(arguments, which, strict=True)
        )
        axes = [0 if chosen else None for chosen in which]
        one_by_one = [
            total(*(cr.tree_map(lambda x, i=i: x[i], a) if c else a for a, c in
                    zip(batch, which, strict=True)))
            for i in range(3)
        ]  # fmt: skip
        assert_close(cr.vmap(total, axes)(*batch), cr.stack(one_by_one))


# ---------------------------------------------------------------------- integers and keys
def test_counters_and_keys_in_the_state(assert_close: Any) -> None:
    """Dropout in a recurrent network: integers travel along and have no derivative."""
    key = cr.random.key(3)

    def loss(w: Any, xs: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            h, count, key = state
            key, now = cr.random.split(key)
            kept = cr.random.bernoulli(now, 0.5, (STATE,))
            h = cr.where(kept, cr.tanh(w @ h + x), h) * (count + 1).astype("float64")
            return (h, count + 1, key), (count, h)

        (h, count, _), (counts, hs) = cr.scan(step, (cr.asarray(H), 0, key), xs)
        return (h**2).sum() + hs.sum() * 0.1, (count, counts)

    gradient, (count, counts) = cr.grad(loss, has_aux=True)(W, XS)
    assert (count.item(), counts.tolist()) == (STEPS, list(range(STEPS)))
    assert cr.check_gradient(lambda w: loss(w, XS)[0], W, gradient=lambda w: gradient)
    assert cr.check_gradient(lambda xs: loss(W, xs)[0], XS)


def test_a_state_of_integers_only() -> None:
    def loss(x: Any) -> Any:
        count, outputs = cr.scan(lambda i, r: (i + 1, r * i.astype("float64")), 0, x)
        return outputs.sum() + count.astype("float64")

    assert cr.grad(loss)(np.ones(4)).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_an_integer_index_reads_a_table(assert_close: Any) -> None:
    def loss(table: Any) -> Any:
        def step(i: Any, _: Any) -> Any:
            return (i * 3 + 1) % 7, table[i] ** 2

        return cr.scan(step, 2, length=6)[1].sum()

    table = normal(7)
    wanted = np.zeros(7)
    i = 2
    for _ in range(6):
        wanted[i] += 2 * table[i]
        i = (i * 3 + 1) % 7
    assert_close(cr.grad(loss)(table), cr.asarray(wanted))


# ---------------------------------------------------------------------- edges
def test_an_output_that_nobody_uses_brings_no_nan() -> None:
    """The state ``log x`` has an infinite slope at 0, but the loss does not depend on it."""

    def loss(x: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            a, b = state
            return (a * x, cr.log(b * x)), cr.sqrt(b)

        (a, _), _ = cr.scan(step, (x, x), length=3)
        return a.sum()

    assert cr.grad(loss)(np.zeros(2)).tolist() == [0.0, 0.0]
    assert cr.grad(loss)(np.ones(2)).tolist() == [4.0, 4.0]


def test_a_state_that_moves_late(assert_close: Any) -> None:
    """A derivative that needs two steps to arrive: x → first → second → third."""

    def loss(x: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            first, second, third = state
            return (x * 2.0, first * 3.0, second**2), third

        start = cr.ones((), np.float64)
        return cr.scan(step, (start, start, start), length=6)[1].sum()

    # third is 1, 1, 9, then (6 x)² three times
    x = np.float64(0.5)
    assert_close(cr.value_and_grad(loss)(x), (cr.asarray(11 + 108 * x**2), cr.asarray(216 * x)))
    assert_close(cr.jvp(loss, (x,), (np.float64(1.0),))[1], cr.asarray(216 * x))
    assert_close(cr.grad(cr.grad(loss))(x), cr.asarray(np.float64(216.0)))


def test_a_constant_state_and_an_unread_row() -> None:
    def loss(x: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            return cr.zeros_like(state) + 2.0, state

        last, seen = cr.scan(step, x, cr.asarray(XS))
        return (last * seen[0]).sum()

    assert cr.grad(loss)(np.ones(2)).tolist() == [2.0, 2.0]


def test_a_captured_value_alone_reaches_the_result(assert_close: Any) -> None:
    def loss(w: Any) -> Any:
        return cr.scan(lambda s, _: (s, cr.exp(w)), 0, length=3)[1].sum()

    assert_close(cr.grad(loss)(B), cr.asarray(3 * np.exp(B)))


def test_scan_of_scan(assert_close: Any) -> None:
    def nested(w: Any, table: Any) -> Any:
        def outer(h: Any, row: Any) -> Any:
            def inner(g: Any, x: Any) -> Any:
                g = cr.tanh(w * g + x * h.sum())
                return g, g

            g, gs = cr.scan(inner, h, row)
            return g * 0.5, gs.sum()

        return cr.scan(outer, cr.asarray(H), table)[1].sum()

    def unrolled(w: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        h, total = torch.tensor(H), torch.zeros(())
        for row in table:
            g = h
            for x in row:
                g = torch.tanh(w * g + x * h.sum())
                total = total + g.sum()
            h = g * 0.5
        return total

    table = normal(3, 2)
    got = cr.grad(nested, (0, 1))(B, table)
    wanted = torch.func.grad(unrolled, (0, 1))(torch.tensor(B), torch.tensor(table))
    assert_close(got, tuple(cr.asarray(g.numpy()) for g in wanted))
    second = cr.hessian(nested)(B, table)
    wanted = torch.autograd.functional.hessian(
        lambda w: unrolled(w, torch.tensor(table)), torch.tensor(B)
    )
    assert_close(second, cr.asarray(wanted.numpy()))


# ---------------------------------------------------------------------- what is saved
def rnn_graph(length: int) -> cr.Graph:
    return cr.make_graph(
        ours_total(LOOPS["rnn"], False), (W, U, B), H, cr.Spec((length, STATE), np.float64)
    )


def test_the_backward_graph_does_not_grow_with_the_length(ops: Any) -> None:
    short, long = (cr.reverse(rnn_graph(n), [True] * 5) for n in (10, 1000))
    assert ops(short) == ops(long)


def test_forward_is_not_computed_twice(ops: Any) -> None:
    backward = cr.reverse(rnn_graph(10), [True] * 5)
    assert ops(backward).count("scan") == 2
    assert ops(backward).count("tanh") == ops(rnn_graph(10)).count("tanh") == 1


def test_only_what_backward_reads_is_saved(nodes: Any) -> None:
    """The rows that forward puts out beyond its own outputs all go into the backward scan."""

    def loss(w: Any, xs: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            linear, count, h = state
            return (linear + x, count + 1, cr.tanh(h * w)), None

        linear, _, h = cr.scan(step, (x0, 0, x0), xs)[0]
        return linear.sum() + h.sum()

    x0 = cr.asarray(H)
    onward, back = nodes(cr.reverse(cr.make_graph(loss, B, XS), [True, True]), "scan")
    body = onward.attributes["body"]
    # Of the states only h before the step is read (for the derivative by w), and tanh's value.
    assert len(body.outputs) - onward.attributes["carried"] == 2
    assert body.inputs[3 + onward.attributes["captured"] - 1] in body.outputs
    assert len(body.outputs) == 5
    picked = [node for node in back.inputs if node.op.name == "pick" and node.inputs[0] is onward]
    assert {node.attributes["index"] for node in picked} == {3, 4}


def test_a_linear_loop_saves_nothing(nodes: Any) -> None:
    def loss(x: Any, rows: Any) -> Any:
        return cr.scan(lambda s, r: (s * 2.0 + r, None), x, rows)[0].sum()

    onward, back = nodes(cr.reverse(cr.make_graph(loss, H, XS), [True, True]), "scan")
    assert len(onward.attributes["body"].outputs) == 1
    assert len(back.attributes["body"].inputs) == 1


def test_what_is_the_same_at_every_step_is_not_stacked(nodes: Any) -> None:
    def loss(w: Any, rows: Any) -> Any:
        return cr.scan(lambda s, r: (s @ cr.sigmoid(w) + r, None), cr.asarray(H), rows)[0].sum()

    onward, back = nodes(cr.reverse(cr.make_graph(loss, W, XS), [True, False]), "scan")
    shapes = [spec.shape for spec in onward.specs]
    assert (STEPS, STATE, STATE) not in shapes
    assert shapes == [(STATE,), (STEPS, STATE)]  # the last state; the states before each step
    assert back.attributes["captured"] == 1
    assert cr.check_gradient(loss, W, XS)


def test_an_output_that_backward_needs_is_not_stacked_twice(nodes: Any) -> None:
    def loss(w: Any, rows: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = cr.tanh(w * h + x)
            return h, h

        return cr.scan(step, cr.asarray(H), rows)[1].sum()

    onward, _ = nodes(cr.reverse(cr.make_graph(loss, B, XS), [True, False]), "scan")
    assert len(onward.specs) == 3  # the last state, the outputs, the states before each step


# ---------------------------------------------------------------------- while
def newton_root(a: Any, tolerance: float = 1e-14) -> Any:
    """√a by Newton's method: the number of steps depends on ``a``."""

    def unfinished(state: Any) -> Any:
        x, before = state
        return abs(x - before) > tolerance * x

    def improve(state: Any) -> Any:
        x, _ = state
        return 0.5 * (x + a / x), x

    return cr.while_loop(unfinished, improve, (a, a + 1.0))[0]


def test_while_forward() -> None:
    value, slope = cr.jvp(newton_root, (np.float64(9.0),), (np.float64(1.0),))
    np.testing.assert_allclose([value.item(), slope.item()], [3.0, 1 / 6], rtol=1e-12)
    second = cr.jacobian(cr.jacobian(newton_root, mode="forward"), mode="forward")
    np.testing.assert_allclose(second(np.float64(9.0)).item(), -0.25 * 9**-1.5, rtol=1e-10)


def test_while_forward_where_one_state_starts_without_a_tangent() -> None:
    def f(x: Any) -> Any:
        def step(state: Any) -> Any:
            i, total = state
            return i + 1, total + x * i.astype("float64")

        return cr.while_loop(lambda s: s[0] < 4, step, (0, cr.zeros((), np.float64)))[1]

    assert cr.jvp(f, (np.float64(5.0),), (np.float64(1.0),))[1].item() == 6.0


def test_while_in_a_batch_whose_examples_end_at_different_times(assert_close: Any) -> None:
    xs = cr.asarray(np.array([2.0, 1e6, 9.0, 1e-3]))
    assert_close(cr.vmap(newton_root)(xs), cr.sqrt(xs), rtol=1e-12)
    slopes = cr.vmap(lambda x: cr.jvp(newton_root, (x,), (cr.ones_like(x),))[1])(xs)
    assert_close(slopes, 0.5 / cr.sqrt(xs), rtol=1e-10)
    assert_close(cr.jvp(cr.vmap(newton_root), (xs,), (cr.ones_like(xs),))[1], slopes)


@pytest.mark.parametrize("limit_mapped", [True, False])
@pytest.mark.parametrize("step_mapped", [True, False])
def test_while_in_a_batch_with_captured_values(limit_mapped: bool, step_mapped: bool) -> None:
    def count(limit: Any, step: Any) -> Any:
        return cr.while_loop(lambda s: s[1] < limit, lambda s: (s[0] + 1, s[1] + step), (0, 0.0))[0]

    limits, steps = np.array([3.0, 0.0, 7.5], np.float32), np.array([1.0, 2.0, 0.5], np.float32)
    limit, step = limits if limit_mapped else limits[0], steps if step_mapped else steps[0]
    if not (limit_mapped or step_mapped):
        return
    axes = (0 if limit_mapped else None, 0 if step_mapped else None)
    wanted = [
        count(limits[i if limit_mapped else 0], steps[i if step_mapped else 0]).item()
        for i in range(3)
    ]
    assert cr.vmap(count, axes)(limit, step).tolist() == wanted


def test_while_in_a_batch_that_is_done_before_it_starts() -> None:
    f = cr.vmap(lambda x: cr.while_loop(lambda s: s < 0.0, lambda s: s + 1.0, x))
    assert f(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert f(np.zeros(0)).tolist() == []


def test_a_finished_example_is_not_carried_beyond_its_end() -> None:
    """Alone, no example reads beyond the end of the table; together they must not either."""
    table = cr.asarray(np.array([5, 3, 0, 4, 0, 0]))

    def jumps(start: Any) -> Any:
        def step(state: Any) -> Any:
            i, count = state
            return i + 1 + table[i], count + 1

        return cr.while_loop(lambda state: state[0] < 6, step, (start, 0))

    ends, counts = cr.vmap(jumps)(cr.asarray(np.arange(6)))
    alone = [jumps(cr.asarray(i)) for i in range(6)]
    assert ends.tolist() == [end.item() for end, _ in alone]
    assert counts.tolist() == [count.item() for _, count in alone]


def test_while_backward_teaches() -> None:
    with pytest.raises(cr.errors.GradientError, match="no reverse-mode derivative"):
        cr.grad(newton_root)(np.float64(9.0))


def test_while_is_no_obstacle_where_no_derivative_passes() -> None:
    def loss(x: Any) -> Any:
        steps = cr.while_loop(lambda i: i < 5, lambda i: i + 2, 0).astype("float64")
        unused = newton_root(x)
        del unused
        return x * steps + cr.stop_gradient(newton_root(x))

    assert cr.grad(loss)(np.float64(4.0)).item() == 6.0
