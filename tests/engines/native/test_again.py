"""Values that are computed again, or from what is there anyway, instead of being stored."""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.engines import Program
from chainrule.engines.native.kernels import Region
from chainrule.engines.native.program import Design, NativeProgram
from chainrule.engines.native.reads import values_of
from chainrule.engines.native.sweeps import sweeps_of
from chainrule.engines.native.target import host

ROWS, COLUMNS = 24, 40
MATRIX = cr.Spec((ROWS, COLUMNS), np.float64)


def schedule_of(function, *specs):
    return Design(cr.make_graph(function, *specs), host()).schedule


def read_by_others(schedule):
    """The operations whose matrices a kernel after their own one reads."""
    found = set()
    for kernel in schedule.kernels:
        for node in values_of(kernel, schedule):
            own = schedule.place.get(node)
            if own is not None and own is not kernel and node.spec.size == ROWS * COLUMNS:
                found.add(node)
    return sorted(node.op.name for node in found)


def assert_agrees(function, *specs):
    graph = cr.make_graph(function, *specs)
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-2, 2, s.shape).astype(s.dtype) for s in specs]
    for threads in (1, 3):
        results = NativeProgram(graph, threads=threads)(arrays)
        for a, b in zip(results, Program(graph)(arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max()))


def through_products(f):
    """A loss that has a product on either side of ``f``: kernels of their own on the way back."""

    def loss(x, w, v, *more):
        return cr.sum(cr.tanh(f(x @ w, *more) @ v))

    return lambda x, w, v, *more: tuple(cr.grad(loss, argnums=(0, 1, 2))(x, w, v, *more))


SQUARE = cr.Spec((COLUMNS, COLUMNS), np.float64)
ONE_ROW = cr.Spec((COLUMNS,), np.float64)


def normalised(x, gain, shift):
    centred = x - cr.mean(x, axis=-1, keepdims=True)
    variance = cr.mean(cr.square(centred), axis=-1, keepdims=True)
    return gain * (centred / cr.sqrt(variance + 1e-5)) + shift


def test_a_softmax_keeps_its_result_only() -> None:
    specs = (MATRIX, SQUARE, SQUARE)
    schedule = schedule_of(through_products(nn.softmax), *specs)
    kept = [name for name in read_by_others(schedule) if name in ("divide", "exp", "negative")]
    assert kept == ["divide"]
    assert_agrees(through_products(nn.softmax), *specs)


def test_a_softmax_far_from_zero_agrees() -> None:
    """``p`` times the sum is ``exp`` again where rows are dominated by one element."""
    function = through_products(lambda z: nn.softmax(40 * z))
    assert_agrees(function, MATRIX, SQUARE, SQUARE)


def test_normalised_rows_are_kept_once() -> None:
    specs = (MATRIX, SQUARE, SQUARE, ONE_ROW, ONE_ROW)
    schedule = schedule_of(through_products(normalised), *specs)
    kept = [n for n in read_by_others(schedule) if n in ("divide", "negative", "broadcast_to")]
    assert len(kept) <= 1
    assert_agrees(through_products(normalised), *specs)


def test_what_is_the_same_along_a_row_is_computed_once_for_it() -> None:
    def f(x):
        s = cr.mean(x, axis=-1, keepdims=True)
        return x * cr.broadcast_to(cr.exp(cr.broadcast_to(s, x.shape)), x.shape)

    graph = Design(cr.make_graph(f, MATRIX), host()).schedule.graph
    (node,) = [node for node in graph.nodes if node.op.name == "exp"]
    assert node.spec.shape == (ROWS, 1)
    assert_agrees(f, MATRIX)


def test_a_masked_softmax_is_one_loop() -> None:
    """The mask of a batch is spread before, so that it does not part scaling from what follows."""

    def f(q, k, mask):
        return nn.softmax(cr.where(mask > 0, 0.25 * (q @ k), -9.0))

    shapes = (4, 6, 8), (4, 8, COLUMNS), (4, 1, COLUMNS)
    specs = [cr.Spec(shape, np.float64) for shape in shapes]
    kernels = schedule_of(f, *specs).kernels
    names = [{node.op.name for node in k.nodes} for k in kernels if isinstance(k, Region)]
    assert any({"multiply", "where", "exp", "divide"} <= region for region in names)
    assert_agrees(f, *specs)


def test_sweeps_say_what_they_do_again() -> None:
    """Of normalised rows the deviation is taken three times; nothing waits in memory."""
    schedule = schedule_of(normalised, MATRIX, ONE_ROW, ONE_ROW)
    (region,) = [k for k in schedule.kernels if isinstance(k, Region)]
    sweeps = sweeps_of(region, schedule.alias)
    assert sweeps.count == 3
    assert not sweeps.crossing
    assert {node.op.name for node in sweeps.again} == {"subtract", "broadcast_to"}
