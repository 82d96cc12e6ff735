"""Memory of compiled code: it goes with who asked for the code, which others share."""

import gc
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import native_program

SIZE = 512
BYTES = 8 * SIZE * SIZE  # of one matrix


@pytest.fixture(autouse=True)
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def held():
    """Bytes that are held now, beyond a matrix or more."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_memory_of_a_program_goes_with_it():
    def f(x):
        y = x @ x
        return cr.sum(y @ y)

    graph = cr.make_graph(f, cr.Spec((SIZE, SIZE), np.float64))
    x = np.eye(SIZE)
    keeper = native_program(graph)  # the code stays, whoever has asked for it
    program = native_program(graph)
    before = held()
    program([x])
    assert held() - before > BYTES / 2
    del program
    assert held() - before < BYTES / 2
    assert keeper([x])[0] == SIZE


def test_memory_of_a_loop_goes_with_it():
    def step(w, batch, row):
        return w + cr.sum(cr.tanh(batch @ w @ w), axis=0), ()

    data, order = np.zeros((SIZE, SIZE)), np.arange(SIZE)[None]
    loop = cr.engines.repeat(step, engine="native")
    before = held()
    running = loop.start(cr.tensor(np.eye(SIZE)), data)
    running.advance(order)
    assert held() - before > 2 * BYTES  # the state, and what lies between
    del running, loop
    assert held() - before < BYTES / 2
