"""Copies of any geometry, and gather and scatter with indices that may be wrong."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .loop_driver import (
    BOOL,
    FILL,
    INTEGERS,
    TARGETS,
    assert_rule_is_exact,
    assert_same_bits,
    expected,
    numbers,
    run_rule,
    run_rule_with_error,
)

DTYPES = st.sampled_from([np.dtype(name) for name in ("u1", "i2", "f4", "f8", "?")])
WIDTHS = st.sampled_from(sorted(TARGETS))
LENGTHS = st.one_of(st.integers(0, 4), st.integers(7, 19))
few = settings(max_examples=50, deadline=None, database=None, derandomize=True)


def shapes(least: int = 1, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(LENGTHS, min_size=least, max_size=most).map(tuple)


@st.composite
def moves(draw, name):
    """The operands and attributes of a copy."""
    shape, dtype = draw(shapes()), draw(DTYPES)
    n = len(shape)
    if name == "transpose":
        attributes = {"axes": tuple(draw(st.permutations(range(n))))}
    elif name == "flip":
        attributes = {"axes": tuple(axis for axis in range(n) if draw(st.booleans()))}
    elif name == "slice":
        start = tuple(draw(st.integers(0, length)) for length in shape)
        stop = tuple(draw(st.integers(a, b)) for a, b in zip(start, shape, strict=True))
        step = tuple(draw(st.integers(1, 3)) for _ in shape)
        attributes = {"start": start, "stop": stop, "step": step}
    elif name == "pad":
        widths = [tuple(draw(st.integers(0, 2)) for _ in shape) for _ in range(3)]
        attributes = dict(zip(("low", "high", "interior"), widths, strict=True))
    elif name == "broadcast_to":
        wide = shape
        shape = tuple(1 if draw(st.booleans()) else length for length in wide)
        shape = shape[draw(st.integers(0, n)) :]
        attributes = {"shape": wide}
    else:
        axis = draw(st.integers(0, n - 1))
        parts = draw(st.lists(LENGTHS, min_size=1, max_size=3))
        arrays = [numbers((*shape[:axis], m, *shape[axis + 1 :]), dtype, m) for m in parts]
        return arrays, {"axis": axis}
    return [numbers(shape, dtype)], attributes


@pytest.mark.parametrize(
    "name", ["transpose", "flip", "slice", "pad", "broadcast_to", "concatenate"]
)
def test_copies_of_any_geometry_are_exact(name):
    @few
    @given(moves(name), WIDTHS)
    def check(move, width):
        assert_rule_is_exact(name, *move, TARGETS[width])

    check()


@pytest.mark.parametrize("width", TARGETS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(8, 8), (64, 10), (10, 64), (33, 47), (3, 16, 24), (16, 3, 24)])
def test_transposes_in_squares_with_margins(shape, dtype, width):
    for axes in itertools.permutations(range(len(shape))):
        assert_rule_is_exact("transpose", [numbers(shape, dtype)], {"axes": axes}, TARGETS[width])


def test_nan_and_signed_zeros_are_moved_as_they_are():
    x = numbers((20, 30), "f8", special=True)
    payload = np.array(0x7FF4000000000123, np.uint64).view(np.float64)
    x[0, 0] = payload
    got = run_rule("transpose", [x], {"axes": (1, 0)})
    np.testing.assert_array_equal(got.view(np.uint64), x.T.view(np.uint64))


# ---------------------------------------------------------------------- gather and scatter
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize(
    ("shape", "places", "k", "batch"),
    [
        ((50, 37), (29,), 1, 0),
        ((7, 5, 3, 2), (4, 6), 2, 0),
        ((7, 5, 3), (11,), 3, 0),
        ((3, 9, 16), (3, 5), 1, 1),
        ((2, 3, 5, 4), (2, 3), 1, 2),
        ((5, 0), (4,), 1, 0),
        ((5, 3), (0,), 1, 0),
    ],
    ids=str,
)
def test_gather_and_scatter_are_exact(shape, places, k, batch, dtype):
    lengths = np.array(shape[batch : batch + k], np.uint64)
    indices = (numbers((*places, k), np.uint64) % lengths).astype(dtype)
    width = shape[batch + k :]
    x, updates = numbers(shape, np.float64), numbers((*places, *width), np.float32)
    assert_rule_is_exact("gather", [x, indices], {"batch": batch})
    attributes = {"shape": shape, "batch": batch}
    assert_rule_is_exact("scatter_add", [updates, indices], attributes)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize(
    ("shape", "places", "k", "batch"),
    [
        ((50, 37), (7,), 1, 0),
        ((7, 5, 3, 2), (2, 3), 2, 0),
        ((3, 9, 16), (3, 4), 1, 1),
        ((2, 3, 5, 4), (2, 3), 1, 2),
        ((5, 0), (4,), 1, 0),
        ((5, 3), (0,), 1, 0),
    ],
    ids=str,
)
def test_scatter_is_exact(shape, places, k, batch, dtype):
    lengths, rng = shape[batch : batch + k], np.random.default_rng(0)
    count = math.prod(places[batch:])
    drawn = [
        np.stack(np.unravel_index(rng.permutation(math.prod(lengths))[:count], lengths), -1)
        for _ in range(math.prod(places[:batch]))
    ]
    indices = np.stack(drawn).reshape(*places, k).astype(dtype)
    x, values = (numbers(s, np.float32) for s in (shape, (*places, *shape[batch + k :])))
    assert_rule_is_exact("scatter", [x, indices, values], {"batch": batch})


def test_gather_of_booleans():
    x = numbers((9, 5), BOOL)
    assert_rule_is_exact("gather", [x, np.array([[3], [8], [0]])], {"batch": 0})


def test_scatter_adds_in_the_order_of_the_places():
    updates = numbers((500, 3), np.float32)
    indices = numbers((500, 1), np.uint8) % 3
    assert_rule_is_exact("scatter_add", [updates, indices], {"shape": (3, 3), "batch": 0})


@pytest.mark.parametrize("dtype", [d for d in INTEGERS if d.kind == "i"], ids=str)
def test_negative_indices_count_from_the_end(dtype):
    x, updates = numbers((5, 4, 3), np.float64), numbers((20, 3), np.float64)
    indices = np.stack([np.arange(20) % 5, np.arange(20) % 4], -1).astype(dtype)
    negative = indices - np.array([5, 4], dtype)
    negative[::3] = indices[::3]
    got = run_rule("gather", [x, negative], {"batch": 0})
    assert_same_bits(got, expected("gather", [x, indices], {"batch": 0}))
    attributes = {"shape": x.shape, "batch": 0}
    got = run_rule("scatter_add", [updates, negative], attributes)
    assert_same_bits(got, expected("scatter_add", [updates, indices], attributes))


def bad_indices(dtype: np.dtype, n: int) -> list[int]:
    limits = np.iinfo(dtype)
    return [n, n + 1, limits.max] + (
        [-n - 1, limits.min] if dtype.kind == "i" else [limits.max - n]
    )


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("column", [0, 1])
def test_an_index_out_of_range_sets_the_error_and_touches_nothing(dtype, column):
    x, updates = numbers((6, 7, 2), np.int32), numbers((3, 2), np.int32)
    for bad in bad_indices(dtype, x.shape[column]):
        indices = np.array([[1, 2], [3, 4], [5, 6]], dtype)
        indices[1, column] = bad
        got, error = run_rule_with_error("gather", [x, indices], {"batch": 0})
        assert error == 1
        np.testing.assert_array_equal(got[::2], [x[1, 2], x[5, 6]])
        assert (got[1].view(np.uint8) == FILL).all()
        attributes = {"shape": x.shape, "batch": 0}
        got, error = run_rule_with_error("scatter_add", [updates, indices], attributes)
        assert error == 1
        wanted = np.zeros_like(x)
        wanted[1, 2], wanted[5, 6] = updates[0], updates[2]
        np.testing.assert_array_equal(got, wanted)
        got, error = run_rule_with_error("scatter", [x, indices, updates], {"batch": 0})
        assert error == 1
        wanted = x.copy()
        wanted[1, 2], wanted[5, 6] = updates[0], updates[2]
        np.testing.assert_array_equal(got, wanted)


def test_no_index_fits_an_axis_of_length_zero():
    x, indices = np.zeros((0, 3)), np.zeros((2, 1), np.int64)
    assert run_rule_with_error("gather", [x, indices], {"batch": 0})[1] == 1
    updates = np.zeros((2, 3))
    attributes = {"shape": (0, 3), "batch": 0}
    assert run_rule_with_error("scatter_add", [updates, indices], attributes)[1] == 1
