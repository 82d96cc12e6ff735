"""Scans as machine code: how steps hand on their state, and when threads need not meet."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import Program
from chainrule.engines.native.handing import Way
from chainrule.engines.native.kernels import Loop, Pack
from chainrule.engines.native.program import Design, NativeProgram
from chainrule.engines.native.target import host

from .small_layers import lstm


def f64(*shape):
    return cr.Spec(shape, np.float64)


def check(function, *specs):
    """Agrees with the interpreter; the same bits for any number of threads."""
    graph = cr.make_graph(function, *specs)
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, s.shape).astype(s.dtype) for s in graph.input_specs]
    expected, first = Program(graph)(arrays), None
    for threads in (1, 2, 3, 5):
        program = NativeProgram(graph, threads=threads)
        for _ in range(3):
            got = program(arrays)
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(
                    a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max(initial=0))
                )
            first = first or got
            for a, b in zip(got, first, strict=True):
                assert a.tobytes() == b.tobytes()
    return Design(graph, host())


def plans(design):
    """The plans of the bodies of all scans."""
    return [plan for plan in design.plan.bodies.values() if plan.handing is not None]


def rnn(h, row, weight):
    h = cr.tanh(row + h @ weight)
    return h, h


def put(state, row):
    place = (cr.abs(row[:1, :1]) * 5).astype("int64")
    return cr.scatter(state, place, row[1:2])


def swapped(state, row):
    a, b = state
    return (b, a + row), a


BODIES = {
    "read where it was put out": (lambda s, r: rnn(s, r, W), Way.OUTPUT),
    "two places in turns": (lambda s, r: (rnn(s, r, W)[0], None), Way.TURNS),
    "over the old one": (lambda s, r: (s + r, cr.sum(s * r, 1)), Way.IN_PLACE),
    "one place of it": (lambda s, r: (put(s, r), cr.sum(r, 1)), Way.IN_PLACE),
    "one place, the old one put out": (lambda s, r: (put(s, r), s), None),
    "a place that it names itself": (lambda s, r: (put(s, s), cr.sum(r, 1)), None),
    "unchanged": (lambda s, r: (s, s * r), Way.IN_PLACE),
    "the row itself": (lambda s, r: (r, s), Way.COPY),
    "a number": (lambda s, r: (s * 0 + cr.sum(r), s), None),
    "put out twice": (lambda s, r: (rnn(s, r, W)[0], (s, rnn(s, r, W)[0], r)), None),
    "turned": (lambda s, r: (cr.tanh(s[::-1] @ W) + r, s.T), None),
    "sums all rows": (lambda s, r: (cr.tanh(s + cr.mean(s, 0)) + r, cr.sum(s)), None),
}
W = cr.asarray(np.random.default_rng(1).normal(size=(6, 6)) / 3)


@pytest.mark.parametrize("length", [0, 1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", BODIES)
def test_every_way_to_hand_on_a_state(name, reverse, length) -> None:
    body, way = BODIES[name]

    def f(state, rows):
        return cr.scan(body, state, rows, reverse=reverse)

    design = check(f, f64(5, 6), f64(length, 5, 6))
    if length and way is not None:
        assert plans(design)[0].handing.ways == (way,)


def test_states_that_change_places() -> None:
    check(lambda a, b, rows: cr.scan(swapped, (a, b), rows), *[f64(4, 3)] * 2, f64(5, 4, 3))


def test_a_scan_in_a_scan() -> None:
    def outer(state, rows):
        return cr.scan(lambda s, r: rnn(s, r, W), state, rows)

    check(lambda s, rows: cr.scan(outer, s, rows), f64(4, 6), f64(3, 2, 4, 6))


@pytest.mark.parametrize(
    "name", ["read where it was put out", "two places in turns", "sums all rows"]
)
def test_gradients(name) -> None:
    body, _ = BODIES[name]

    def cost(state, rows):
        last, outputs = cr.scan(body, state, rows)
        return cr.sum(last**2) + sum(cr.sum(cr.sin(x)) for x in cr.tree_leaves(outputs))

    check(cr.value_and_grad(cost, argnums=(0, 1)), f64(5, 6), f64(4, 5, 6))


def test_threads_go_through_a_recurrent_layer_without_meeting() -> None:
    def cost(weight, rows):
        zeros = cr.zeros((32, 64), np.float64)
        return cr.sum(cr.scan(lambda s, z: lstm(s, z, weight), (zeros, zeros), rows)[1] ** 2)

    design = check(cr.grad(cost, argnums=(0, 1)), f64(64, 256), f64(3, 32, 256))
    assert [plan.closed for plan in plans(design)] == [True, True]
    loops = [kernel for kernel in design.schedule.kernels if isinstance(kernel, Loop)]
    for loop in loops:  # the weight is copied once, not in every step
        assert not [k for k in loop.bodies["body"].kernels if isinstance(k, Pack)]
    assert any(loop.copies for loop in loops)


def test_threads_meet_where_one_reads_the_rows_of_another() -> None:
    body, _ = BODIES["sums all rows"]
    design = check(lambda s, rows: cr.scan(body, s, rows), f64(64, 6), f64(3, 64, 6))
    assert [plan.closed for plan in plans(design)] == [False]
