"""Matrices in panels: the same numbers there and back, in memory of their own."""

import numpy as np
import pytest

from chainrule.engines.panels import LINE, aligned, from_panels, lined_up, to_panels


@pytest.mark.parametrize("width", [0, 1, 2, 16, 32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 16), (7, 30), (7, 32), (5, 33), (2, 64)])
def test_there_and_back_is_a_copy(shape, width):
    matrix = np.random.default_rng(0).standard_normal(shape)
    panels = to_panels(matrix, width)
    back = from_panels(panels, shape)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, matrix)
    for one, other in [(matrix, panels), (panels, back), (matrix, back)]:
        assert not np.shares_memory(one, other)


def begins_a_line(array):
    return array.ctypes.data % LINE == 0


@pytest.mark.parametrize("width", [0, 2, 30, 32])
def test_matrices_from_panels_begin_at_a_cache_line(width):
    matrices = [from_panels(to_panels(np.ones((3, 30), "f"), width), (3, 30)) for _ in range(8)]
    assert all(map(begins_a_line, matrices))


@pytest.mark.parametrize("shape", [(), (5,), (3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_lined_up(shape, dtype):
    memory = np.zeros(1024, np.uint8)
    aside = memory[-memory.ctypes.data % LINE + 16 :][: np.zeros(shape, dtype).nbytes]
    values = aside.view(dtype).reshape(shape)
    values[...] = np.arange(values.size).reshape(shape)
    made = lined_up(values)
    assert begins_a_line(made) and made.dtype == values.dtype and made.shape == shape
    assert not np.shares_memory(made, values)
    np.testing.assert_array_equal(made, values)
    assert lined_up(made) is made


def test_nothing_is_lined_up_as_nothing():
    assert lined_up(np.zeros((0, 3))).shape == (0, 3)


def test_columns_that_lie_apart_are_brought_together():
    wide = aligned((4, 6), "float32")
    wide[...] = np.arange(24).reshape(4, 6)
    made = lined_up(wide[:, ::2])
    assert made.flags.c_contiguous and begins_a_line(made)
    np.testing.assert_array_equal(made, wide[:, ::2])
