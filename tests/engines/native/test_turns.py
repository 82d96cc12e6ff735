"""Rows that two threads take in turns: which kernels, and that each row is done once."""

import ctypes

import numpy as np
import pytest
from llvmlite import ir

import chainrule as cr
from chainrule import nn
from chainrule.engines.native.emit import I64, POINTER, new_function
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.kernels import Region
from chainrule.engines.native.machine import build
from chainrule.engines.native.operands import pack_operands
from chainrule.engines.native.plan import plan
from chainrule.engines.native.program import NativeProgram
from chainrule.engines.native.target import host
from chainrule.engines.native.turns import Turns, emit_turns
from chainrule.engines.native.workers import run_together


def scheduled(function, *specs):
    schedule = fuse(cr.simplify(cr.inline_calls(cr.make_graph(function, *specs))))
    pack_operands(schedule, host())
    return schedule, plan(schedule, host())


def step(model, x, t):
    """One step of gradient descent."""
    gradient = cr.grad(lambda model: nn.cross_entropy(model(x), t))(model)
    return cr.tree_map(lambda w, g: w - 0.1 * g, model, gradient)


SPECS = cr.Spec((128, 100)), cr.Spec((128,), "int64")


def test_gradients_of_weights_are_taken_in_turns():
    """The layers before them are not: there every thread goes on with its own rows."""
    schedule, made = scheduled(step, nn.MLP(100, [100, 100], 10, rng=0), *SPECS)
    positions = [position for turns in made.turns for position in turns.positions]
    kernels = [schedule.kernels[position] for position in positions]
    assert [(k.rows, k.columns) for k in kernels] == [(100, 100)] * 2
    assert all(isinstance(k, Region) and k.anchor is not None for k in kernels)
    assert {made.segment[position] for position in positions} == {made.segment[-1]} != {0}
    assert list(made.counter) == positions


def test_small_products_are_divided_beforehand():
    _, made = scheduled(
        step, nn.MLP(20, [30], 10, rng=0), cr.Spec((64, 20)), SPECS[1].with_shape((64,))
    )
    assert not made.turns


def test_what_somebody_reads_at_the_same_time_is_divided_beforehand():
    """A row of the second product needs the same row of the first."""
    _, made = scheduled(lambda x: (x @ x) @ x, cr.Spec((128, 128)))
    assert made.segment[-1] == 0 and not made.turns


def test_the_layers_of_a_long_batch_are_a_chain():
    model = nn.MLP(100, [100, 100], 10, rng=0)
    schedule, made = scheduled(lambda x: nn.softmax(model(x)), cr.Spec((2048, 100)))
    (turns,) = made.turns
    assert turns.is_chain and turns.positions == range(len(schedule.kernels))
    assert turns.rows == 2048 and turns.size % 6 == 0 and turns.size < 2048 / 4


def test_a_chain_begins_behind_what_is_not_of_its_rows():
    def centred(x, w):
        return cr.tanh((x - cr.cumsum(x, axis=0)) @ w) @ w

    schedule, made = scheduled(centred, cr.Spec((1024, 64)), cr.Spec((64, 64)))
    (turns,) = made.turns
    assert len(schedule.kernels) - 1 == turns.positions[-1] and turns.positions[0] > 0
    assert len({made.segment[position] for position in turns.positions}) == 1


@pytest.mark.parametrize("rows", [512, 1000, 4097])
def test_chains_change_no_bit(rows, eight_threads, monkeypatch):
    model = nn.MLP(64, [96, 32], 10, rng=0)
    graph = cr.make_graph(lambda m, x: nn.log_softmax(m(x)), model, cr.Spec((rows, 64)))
    x = np.random.default_rng(0).standard_normal((rows, 64)).astype("f")
    arrays = [*(leaf.numpy() for leaf in cr.tree_leaves(model)), x]
    programs = [NativeProgram(graph, threads=n) for n in (1, 2, 3)]
    assert programs[0].design.plan.turns
    monkeypatch.setattr("chainrule.engines.native.turns.LONG", 1 << 40)
    (wanted,) = NativeProgram(graph)(arrays)
    for program in programs:
        for _ in range(20):
            assert np.array_equal(program(arrays)[0], wanted)


def test_new_weights_are_the_same_on_one_and_two_threads(eight_threads):
    model = nn.MLP(100, [100, 100], 10, rng=0)
    graph = cr.simplify(cr.inline_calls(cr.make_graph(step, model, *SPECS)))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.spec.shape).astype("f") for n in graph.inputs[:-1]]
    arrays.append(rng.integers(0, 10, 128))
    one, two = NativeProgram(graph, threads=1), NativeProgram(graph, threads=2)
    wanted = one(arrays)
    for _ in range(50):  # the counters go on from call to call
        assert all(map(np.array_equal, wanted, two(arrays)))


@pytest.mark.parametrize(("rows", "size"), [(100, 12), (96, 12), (1, 12), (1000, 1)])
def test_each_row_is_done_once(rows, size, eight_threads):
    """Two threads add 1 to the rows of their turns, and write who did them."""
    module = ir.Module("turns")
    function, e = new_function(module, "run", [POINTER, I64, I64], host())
    table, index, count = function.args
    counter, done, by = (e.b.load(e.at(table, i, dtype=np.int64), typ=POINTER) for i in range(3))

    def run(first, last):
        with e.loop(first, last) as row:
            place = e.at(done, row, dtype=np.int64)
            e.b.store(e.b.add(e.b.load(place, typ=I64), I64(1)), place)
            e.b.store(index, e.at(by, row, dtype=np.int64))

    part = I64(0), I64(rows)  # of one thread
    emit_turns(e, counter, index, count, part, Turns(range(1), rows, size), run)
    e.b.ret_void()
    code = build(module, host())
    go = code.function("run", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    turns = np.zeros(1, np.int64)
    for _ in range(100):
        rows_done, owners = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        places = np.array([a.ctypes.data for a in (turns, rows_done, owners)], np.int64)
        assert run_together(go, places.ctypes.data, 2) == 2
        assert (rows_done == 1).all()
        assert (np.diff(owners) >= 0).all()  # the first thread's rows, then the second's
