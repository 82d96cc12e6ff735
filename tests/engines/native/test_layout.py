"""Vectors turned and summed in registers, matrices copied; each against NumPy."""

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from llvmlite import ir

from chainrule.engines.native.emit import I64, POINTER, Emitter, Value, new_function
from chainrule.engines.native.layout import (
    Panels,
    Strided,
    copy,
    pack,
    pieces,
    sums_across,
    transposed,
)
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import host

from .gemm_driver import Fence

DTYPES = ("float32", "float64")


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("columns", range(1, 40))
def test_pieces_cover_a_row_once(columns: int, lanes: int) -> None:
    covered: list[int] = []
    for piece in pieces(columns, lanes):
        assert piece.lanes <= lanes and piece.lanes & (piece.lanes - 1) == 0
        assert piece.live is None or piece.lanes // 2 < piece.live < piece.lanes
        live = piece.lanes if piece.live is None else piece.live
        covered += range(piece.first, piece.first + live)
    assert covered == list(range(columns))


def run_on_vectors(
    change: Callable[[Emitter, list[Value]], Sequence[Value]], matrix: np.ndarray
) -> np.ndarray:
    """Load the rows of a matrix as vectors, change them, and store the results one by one."""
    dtype, (count, lanes) = matrix.dtype, matrix.shape
    function, e = new_function(ir.Module("vectors"), "run", [POINTER] * 2, host())
    source, destination = function.args
    places = [e.at(source, i * lanes, dtype=dtype) for i in range(count)]
    results = change(e, [e.load(place, dtype, lanes) for place in places])
    width = matrix.size // len(results) if len(results) > 1 else count
    for i, value in enumerate(results):
        e.store(value, e.at(destination, i * width, dtype=dtype), dtype)
    e.b.ret_void()
    code, out = build(e.b.module, host()), np.zeros(len(results) * width, dtype)
    given = np.ascontiguousarray(matrix)
    code.function("run", *[ctypes.c_void_p] * 2)(given.ctypes.data, out.ctypes.data)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_vectors_turned(count: int, lanes: int, dtype: str) -> None:
    matrix = np.arange(count * lanes, dtype=dtype).reshape(count, lanes)
    turned = run_on_vectors(transposed, matrix)
    np.testing.assert_array_equal(turned, matrix.T.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_a_sum_across_does_not_depend_on_its_neighbours(lanes: int, dtype: str) -> None:
    matrix = np.random.default_rng(0).standard_normal((lanes, lanes)).astype(dtype)
    alone = [run_on_vectors(lambda e, v: [sums_across(e, v)], row[None])[0] for row in matrix]
    np.testing.assert_allclose(alone, matrix.sum(axis=1), rtol=1e-4, atol=1e-5)
    count = 1
    while count <= lanes:
        together = run_on_vectors(lambda e, v: [sums_across(e, v)], matrix[:count])
        np.testing.assert_array_equal(together, alone[:count])
        count *= 2


def moved(
    write: Callable[[Emitter, Value, Value, Value], None], source: np.ndarray, rows: int, size: int
) -> np.ndarray:
    """What ``write(e, source, rows, destination)`` writes into NaN."""
    module, dtype = ir.Module("move"), source.dtype
    function, e = new_function(module, "run", [POINTER, I64, POINTER], host())
    write(e, *function.args)
    e.b.ret_void()
    code, out = build(module, host()), Fence(at_end=True).empty(size, dtype)
    out[:] = np.nan
    run = code.function("run", ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    run(source.ctypes.data, rows, out.ctypes.data)
    return out.copy()


LAYOUTS = [lambda r, c: Strided(c + 2, 1), lambda r, c: Strided(1, r), lambda r, c: Strided(2, 99)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8, 8), (21, 13), (3, 40), (40, 3)])
def test_a_copy_is_row_major(
    rows: int, columns: int, layout: Callable[[int, int], Strided], dtype: str
) -> None:
    at = layout(rows, columns)
    values = np.random.default_rng(0).standard_normal((rows, columns)).astype(dtype)
    source, leading = Fence(at_end=True).strided(values, at), columns + 5

    def write(e: Emitter, source: Value, rows: Value, destination: Value) -> None:
        copy(e, np.dtype(dtype), source, at, rows, columns, destination, leading)

    out = moved(write, source, rows, rows * leading).reshape(rows, leading)
    np.testing.assert_array_equal(out[:, :columns], values)
    assert np.isnan(out[:, columns:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (9, 16), (21, 13), (3, 70), (40, 33)])
def test_panels_hold_the_matrix(
    rows: int, columns: int, layout: Callable[[int, int], Strided], dtype: str
) -> None:
    at, panels = layout(rows, columns), Panels(16, 16 * rows + 4)
    values = np.random.default_rng(0).standard_normal((rows, columns)).astype(dtype)
    source = Fence(at_end=True).strided(values, at)

    def write(e: Emitter, source: Value, rows: Value, destination: Value) -> None:
        pack(e, np.dtype(dtype), source, at, rows, columns, destination, panels)

    out = moved(write, source, rows, panels.elements(columns))
    want = Fence(at_end=True).panels(values, panels)
    np.testing.assert_array_equal(out[~np.isnan(want)], want[~np.isnan(want)])
