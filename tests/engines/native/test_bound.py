"""Programs whose last inputs are given once."""

import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.native import native_program
from chainrule.engines.native.bound import SMALL, Bound
from chainrule.engines.native.program import NativeProgram


def bound(function, *specs, last):
    return Bound(NativeProgram(cr.make_graph(function, *specs)), last)


@pytest.mark.parametrize("rows", [1, 3, SMALL])  # copied, copied, looked up
def test_is_the_program(rows):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((rows, 5)).astype("f"), rng.standard_normal((5, 4)).astype("f")
    graph = cr.make_graph(lambda x, w: (cr.tanh(x @ w), x + 1), cr.Spec((rows, 5)), cr.Spec((5, 4)))
    wanted = NativeProgram(graph)([x, w])
    got = native_program(graph, last=[w])([x])
    for a, b in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_begin_at_a_cache_line():
    """A vector across two lines takes two reads, and NumPy's arrays begin behind a line."""
    apart = np.zeros(64, "f")[1:33]
    program = bound(lambda x, w: x * w, cr.Spec((32,)), cr.Spec((32,)), last=[apart])
    assert [array.ctypes.data % 64 for array in program._last] == [0]


def test_a_call_without_an_input_is_refused():
    both = bound(lambda x, y, w: x + y + w, *[cr.Spec((2,))] * 3, last=[np.zeros(2, "f")])
    both([np.ones(2, "f"), np.ones(2, "f")])
    with pytest.raises(AssertionError):
        both([np.ones(2, "f")])


def test_results_are_the_callers_own():
    double = bound(lambda x, w: x * w, cr.Spec((2,)), cr.Spec((2,)), last=[np.full(2, 2, "f")])
    first, second = double([np.ones(2, "f")])[0], double([np.full(2, 5, "f")])[0]
    assert first.tolist() == [2, 2] and second.tolist() == [10, 10]


def test_an_output_that_is_an_input_is_that_of_the_call():
    same = bound(lambda x, w: (x, w, x), cr.Spec((2,)), cr.Spec((1,)), last=[np.ones(1, "f")])
    for value in (3, 4):
        x, w, again = same([np.full(2, value, "f")])
        assert x.tolist() == again.tolist() == [value, value] and w.tolist() == [1]
        assert not np.shares_memory(x, again)


def test_rows_that_lie_apart_are_read():
    wide = np.arange(8, dtype="f").reshape(2, 4)
    double = bound(lambda x, w: x * w, cr.Spec((2, 2)), cr.Spec(()), last=[np.array(2, "f")])
    np.testing.assert_array_equal(double([wide[:, ::2]])[0], 2 * wide[:, ::2])


def test_an_index_out_of_range_is_the_interpreters_error():
    picked = bound(
        lambda i, w: cr.take(w, i),
        cr.Spec((), "int64"),
        cr.Spec((3,)),
        last=[np.arange(3.0, dtype="f")],
    )
    assert picked([np.array(2)])[0] == 2
    with pytest.raises(cr.errors.ShapeError):
        picked([np.array(7)])
    assert picked([np.array(1)])[0] == 1


def test_several_threads_call_it_at_once():
    model = nn.MLP(8, [16], 3, rng=0)
    predict = cr.compile(model.__call__, engine="native")
    rows = [cr.asarray(np.full((1, 8), i, "f")) for i in range(8)]
    wanted = [np.asarray(model(row)) for row in rows]
    failed = []

    def work(i):
        for _ in range(200):
            if not np.allclose(predict(rows[i]), wanted[i], rtol=1e-5, atol=1e-6):
                failed.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
