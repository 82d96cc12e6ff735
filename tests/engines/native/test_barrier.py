"""The barrier: nobody leaves before all have come, and what they wrote is there."""

import ctypes
import time

import numpy as np
import pytest
from llvmlite import ir

from chainrule.engines.native.barrier import barrier_bytes, emit_barrier_function
from chainrule.engines.native.emit import I32, I64, POINTER, VOID, new_function
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import host
from chainrule.engines.native.workers import run_together

from .loop_driver import Guarded

MOST = 4
SECONDS = 10  # per test: on a busy machine fewer meetings are tried


def meetings():
    """Code in which each thread writes the round, meets the others, and reads what they wrote.

    The table holds the memory of the barrier, the words to write (each round uses the half that
    the round before did not), the first and the last round, how many microseconds thread i is late
    for each i, and a word for each thread that counts what it did not find.
    """
    module = ir.Module("meetings")
    barrier = emit_barrier_function(module, host())
    function, e = new_function(module, "run", [POINTER, I64, I64], host())
    table, index, count = function.args
    area, words, missing = (
        e.b.load(e.at(table, i, dtype=np.int64), typ=POINTER) for i in (0, 1, 2)
    )
    first, last, late = (e.b.load(e.at(table, i, dtype=np.int64), typ=I64) for i in (3, 4, 5))
    with e.loop(first, last) as round_number:
        with e.when(e.b.icmp_signed(">", late, I64(0))):
            e.call("usleep", e.b.trunc(e.b.mul(late, index), I32), result=I32)
        half = e.b.mul(e.b.and_(round_number, I64(1)), I64(MOST))
        e.b.store(round_number, e.at(words, half, index, dtype=np.int64))
        e.b.call(barrier, [area, index, count])
        with e.loop(0, count) as other:
            found = e.b.load(e.at(words, half, other, dtype=np.int64), typ=I64)
            own = e.at(missing, index, dtype=np.int64)
            wrong = e.b.zext(e.b.icmp_signed("!=", found, round_number), I64)
            e.b.store(e.b.add(e.b.load(own, typ=I64), wrong), own)
    e.b.ret_void()
    return build(module, host())


class Meetings:
    """That code with its memory, for calls that follow each other."""

    def __init__(self):
        self._code = meetings()
        self._run = self._code.function("run", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._area = Guarded((barrier_bytes(MOST),), np.uint8)
        self._area.array[:] = 0
        self._words, self.missing = np.full(2 * MOST, -1), np.zeros(MOST, np.int64)
        self.rounds = 0

    def hold(self, rounds, threads, late=0):
        places = [self._area.address, self._words.ctypes.data, self.missing.ctypes.data]
        table = np.array([*places, self.rounds, self.rounds + rounds, late], np.int64)
        assert run_together(self._run, table.ctypes.data, threads) == threads
        self.rounds += rounds
        self._area.check()


@pytest.mark.parametrize("threads", [2, 4])
def test_nobody_leaves_before_all_have_come(eight_threads, threads):
    some, begun = Meetings(), time.monotonic()
    while some.rounds < 100_000 and time.monotonic() < begun + SECONDS:
        some.hold(1_000, threads)
    assert some.rounds > 0
    assert not some.missing.any()


def test_the_number_of_threads_may_change_between_calls(eight_threads):
    some = Meetings()
    for threads in (2, 4, 1, 3, 2, 1, 4, 3) * 20:
        some.hold(10, threads)
    assert not some.missing.any()


def test_waits_for_those_who_are_late(eight_threads):
    """So long that the others have gone to sleep."""
    some = Meetings()
    some.hold(20, 3, late=3_000)
    assert not some.missing.any()


def test_without_a_barrier_the_others_would_be_missed(eight_threads, monkeypatch):
    """The tests above see it when threads do not wait for each other."""
    monkeypatch.setattr(f"{__name__}.emit_barrier_function", no_barrier)
    some = Meetings()
    some.hold(20, 3, late=3_000)
    assert some.missing.any()


def no_barrier(module, target):
    function, e = new_function(module, "barrier", [POINTER, I64, I64], target, result=VOID)
    e.b.ret_void()
    return function
