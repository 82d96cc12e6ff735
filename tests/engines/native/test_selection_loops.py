"""Positions of extrema, cumulative sums and sorting: ties, NaN, both zeros, every axis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from chainrule.engines.native.emit import POINTER, new_function
from chainrule.engines.native.loops import RULES
from chainrule.engines.native.target import host
from chainrule.graph.spec import Spec

from .loop_driver import (
    FLOATS,
    TARGETS,
    assert_rule_is_exact,
    assert_same_bits,
    dtypes_of,
    expected,
    numbers,
    run_rule,
)

POSITIONS = ["argmax", "argmin", "argsort"]
SHAPES = [(1,), (17,), (5, 1), (1, 9), (40, 33), (7, 6, 19), (2, 0), (3, 4, 0)]


def with_ties(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return np.where(numbers(shape, bool), numbers(shape, dtype, 1, special=True), dtype.type(1))
    extremes = numbers(shape, dtype, 2)
    return np.where(numbers(shape, bool), extremes, extremes % 2).astype(dtype)


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_are_those_of_numpy_in_every_type(name):
    for dtype in dtypes_of(name):
        x = with_ties((7, 6, 19), dtype)
        for axis in (1, 2):
            assert_rule_is_exact(name, [x], {"axis": axis})


@pytest.mark.parametrize("width", TARGETS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", POSITIONS)
def test_positions_are_those_of_numpy_in_every_shape(name, shape, width):
    x = with_ties(shape, np.dtype("f4"))
    for axis, n in enumerate(shape):
        if n or name == "argsort":
            assert_rule_is_exact(name, [x], {"axis": axis}, TARGETS[width])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_first_nan_wins(name, dtype):
    nan, inf = np.nan, np.inf
    x = np.array(
        [[nan, inf, nan], [-inf, nan, nan], [inf, -inf, nan], [0.0, -0.0, 0.0], [nan] * 3], dtype
    )
    for operand, axis in ((x, 1), (x.T.copy(), 0)):
        got = run_rule(name, [operand], {"axis": axis})
        assert_same_bits(got, expected(name, [operand], {"axis": axis}))
        assert got[0] == 0 and got[1] == 1 and got[2] == 2


# ---------------------------------------------------------------------- cumulative sums
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative_sums_round_as_numpy_does(shape, reverse):
    for dtype in FLOATS:
        x = numbers(shape, dtype)
        for axis in range(len(shape)):
            assert_rule_is_exact("cumsum", [x], {"axis": axis, "reverse": reverse})


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_cumulative_sums_keep_the_sign_of_zeros(dtype):
    x = np.array([[-0.0, -0.0, 0.0, -0.0], [np.nan, 1, np.inf, -np.inf]], dtype)
    for axis in (0, 1):
        assert_rule_is_exact("cumsum", [x], {"axis": axis, "reverse": False})


# ---------------------------------------------------------------------- sorting
@pytest.mark.parametrize("n", [*range(20), 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000])
def test_lines_of_any_length_are_sorted(n):
    x = numbers((n,), np.int8, seed=n)  # many ties: the order among them is the original one
    for line in (x, np.sort(x), np.sort(x)[::-1].copy()):
        assert_rule_is_exact("argsort", [line], {"axis": 0})


def lines_of_floats(n: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(width=32), min_size=n, max_size=n)


@settings(deadline=None, database=None, derandomize=True)
@given(st.sampled_from([3, 8, 23]).flatmap(lines_of_floats), st.sampled_from(FLOATS))
def test_any_floats_are_ordered(values, dtype):
    x = np.array(values, dtype)
    for name in ("argsort", "argmax", "argmin"):
        assert_rule_is_exact(name, [x], {"axis": 0})


def test_large_unsigned_integers_are_sorted():
    x = np.array([2**63, 0, 2**64 - 1, 2**63 - 1, 1, 2**63], np.uint64)
    np.testing.assert_array_equal(run_rule("argsort", [x], {"axis": 0}), [1, 4, 3, 0, 5, 2])


def test_nan_of_either_sign_is_last_and_zeros_are_equal():
    x = np.array([np.nan, 1, -np.nan, np.inf, 0.0, -0.0, 5e-324, -5e-324, -np.inf])
    np.testing.assert_array_equal(
        run_rule("argsort", [x], {"axis": 0}), [8, 7, 4, 5, 6, 1, 3, 0, 2]
    )


def test_all_sorts_of_a_module_share_one_function():
    module = ir.Module("two")
    function, e = new_function(module, "run", [POINTER] * 4, host())
    x, out, scratch, error = function.args
    for dtype in (np.float32, np.uint8):
        spec = Spec((9,), np.dtype(dtype))
        ranks = Spec((9,), np.dtype(np.int64))
        RULES["argsort"](e, out, [x], [spec], ranks, {"axis": 0}, scratch, error)
    e.b.ret_void()
    assert str(module).count("define internal") == 1
