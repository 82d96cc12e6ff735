"""Products against NumPy: shapes, layouts, plans; nothing is read or written beyond the arrays."""

import ctypes
import itertools
from dataclasses import replace
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from chainrule.engines.native import gemm
from chainrule.engines.native.emit import (
    I64,
    POINTER,
    Emitter,
    Index,
    Value,
    lanes_of,
    new_function,
)
from chainrule.engines.native.gemm import (
    MatmulSpec,
    Panels,
    Plan,
    Strided,
    choose,
    describe,
    emit_matmul,
    matmul_kernel,
    scratch_elements,
)
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import Target, host

from .gemm_driver import UNTOUCHED, Fence, Product, whole_numbers

DTYPES = ("float32", "float64")
WIDEST = (32, 16)
MOST_ROWS = 70
ROWS = (0, 1, 2, 3, 5, 6, 11, 13, 29, MOST_ROWS)
COLUMNS = (1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 17, 24, 31, 32, 33, 47, 64, 70, 1024)
INNER = (0, 1, 2, 3, 4, 7, 8, 9, 10, 16, 17, 31, 33, 64, 70, 301, 1024, 1025, 3000)

AVX512, AVX2 = Target(64, 32, "", ""), Target(32, 16, "", "")
SSE, NEON = Target(16, 16, "", ""), Target(16, 32, "", "")


def a_layouts(inner: int) -> list[Strided]:
    """Row-major, padded, transposed, with a stride that is a power of two, anything."""
    return [
        Strided(inner, 1),
        Strided(inner + 5, 1),
        Strided(1, MOST_ROWS),
        Strided(1, 4096),
        Strided(3 * inner + 1, 3),
    ]


def b_layouts(inner: int, columns: int, lanes: int) -> list[Strided | Panels]:
    """Row-major, padded, transposed, with a stride that is a power of two, anything, panels."""
    return [
        Strided(columns, 1),
        Strided(columns + 3, 1),
        Strided(1, inner),
        Strided(1, inner + 2),
        Strided(2048, 1),
        Strided(2 * columns + 1, 2),
        Panels.packed(inner, 2 * lanes),
        Panels(3 * lanes, 3 * lanes * inner + 16),
    ]


def random_spec(seed: int) -> tuple[MatmulSpec, Target, int]:
    """A spec, and the length of its contraction in case it is open."""
    rng = np.random.default_rng(seed)
    columns, dtype = COLUMNS[seed % len(COLUMNS)], str(rng.choice(DTYPES))
    inner = int(rng.choice(INNER[:-4] if columns > 100 else INNER))
    target = host(int(rng.choice(WIDEST)))
    lanes = target.lanes(np.dtype(dtype).itemsize)
    a_at = a_layouts(inner)[rng.integers(5)]
    b_at = b_layouts(inner, columns, lanes)[rng.integers(8)]
    fixed = None if rng.random() < 0.3 else inner
    return MatmulSpec(dtype, columns, fixed, a_at, b_at, int(rng.choice([1, 64]))), target, inner


@pytest.mark.parametrize("seed", range(3 * len(COLUMNS)))
def test_products_are_exact_on_whole_numbers(seed: int) -> None:
    spec, target, inner = random_spec(seed)
    product, rng = Product(spec, target), np.random.default_rng(seed)
    for rows in ROWS:
        a = whole_numbers(rng, (rows, inner), spec.dtype)
        b = whole_numbers(rng, (inner, spec.columns), spec.dtype)
        c = product(a, b, at_end=rows % 2 == 0)
        np.testing.assert_array_equal(c, a.astype("f8") @ b.astype("f8"), strict=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [(64, 784, 128), (64, 128, 10), (128, 100, 100), (32, 8, 32), (32, 32, 1), (7, 3000, 33)],
)
def test_rounding_is_that_of_one_addition_per_step(
    rows: int, inner: int, columns: int, dtype: str
) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, inner)).astype(dtype)
    b = rng.standard_normal((inner, columns)).astype(dtype)
    spec = MatmulSpec(dtype, columns, inner, Strided(inner, 1), Strided(columns, 1))
    wide = [x.astype(np.longdouble) for x in (a, b)]
    bound = inner * np.finfo(dtype).eps * (np.abs(wide[0]) @ np.abs(wide[1]))
    assert np.all(np.abs(Product(spec)(a, b) - wide[0] @ wide[1]) <= bound)


PLANS = {
    "pieces": Plan("columns", 4, 2, 4, piece=8),
    "pieces of everything copied": Plan("columns", 3, 1, 2, 12, copy_a=True, copy_b=True),
    "copies": Plan("columns", 6, 2, 4, copy_a=True, copy_b=True),
    "wide": Plan("columns", 2, 4, 1),
    "high": Plan("columns", 12, 1, 3),
    "dots": Plan("dots", 3, 4, 2),
    "dots of a copy": Plan("dots", 2, 5, 1, copy_b=True),
    "rows": Plan("rows", 2, 9),
}


@pytest.mark.parametrize("inner", [0, 1, 8, 37])
@pytest.mark.parametrize("name", PLANS)
def test_every_plan_computes_the_same(name: str, inner: int) -> None:
    plan = PLANS[name]
    columns = plan.width if plan.form == "rows" else 45
    a_at = Strided(1, 300) if plan.form == "rows" else Strided(inner, 1)
    b_at = Strided(1, inner) if name == "dots" else Strided(columns, 1)
    open_ended = plan.form == "rows" or plan.piece is not None
    spec = MatmulSpec("float32", columns, None if open_ended else inner, a_at, b_at)
    rng = np.random.default_rng(1)
    a = whole_numbers(rng, (251, inner), "f4")
    b = whole_numbers(rng, (inner, columns), "f4")
    np.testing.assert_array_equal(Product(spec, plan=plan)(a, b), a @ b)


SPLIT = {
    "columns": MatmulSpec("float32", 37, 53, Strided(53, 1), Strided(37, 1)),
    "pieces": MatmulSpec("float32", 37, None, Strided(1, 200), Strided(37, 1)),
    "dots": MatmulSpec("float32", 3, 53, Strided(53, 1), Strided(1, 53)),
    "one dot": MatmulSpec("float64", 1, 53, Strided(53, 1), Strided(1, 1)),
    "rows": MatmulSpec("float32", 3, None, Strided(1, 200), Strided(3, 1)),
    "one row": MatmulSpec("float32", 1, None, Strided(1, 200), Strided(1, 1)),
}


@pytest.mark.parametrize("name", SPLIT)
def test_a_split_over_threads_changes_no_bit(name: str) -> None:
    spec, rng = SPLIT[name], np.random.default_rng(2)
    product = Product(spec)
    a = rng.standard_normal((97, 53)).astype(spec.dtype)
    b = rng.standard_normal((53, spec.columns)).astype(spec.dtype)
    whole = product(a, b)
    for _ in range(10):
        cuts = [0, *np.sort(rng.integers(0, 98, 3)).tolist(), 97]
        split = product(a, b, list(itertools.pairwise(cuts)))
        np.testing.assert_array_equal(split, whole)


@pytest.mark.parametrize("name", SPLIT)
def test_rows_outside_the_range_stay_as_they_are(name: str) -> None:
    spec, rng = SPLIT[name], np.random.default_rng(3)
    a = whole_numbers(rng, (97, 53), spec.dtype)
    b = whole_numbers(rng, (53, spec.columns), spec.dtype)
    product = Product(spec)
    for first, end in [(0, 0), (5, 5), (3, 4), (10, 31), (96, 97)]:
        c = product(a, b, [(first, end)])
        np.testing.assert_array_equal(c[first:end], a[first:end] @ b)
        assert np.all(c[:first] == UNTOUCHED) and np.all(c[end:] == UNTOUCHED)


@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
def test_a_tall_product_is_done_in_blocks_of_rows(layout: str) -> None:
    rows, inner, rng = 2 * gemm.ROWS + 37, 21, np.random.default_rng(5)
    spec = spec_of(layout, inner, 45, rows)
    a, b = whole_numbers(rng, (rows, inner), "f4"), whole_numbers(rng, (inner, 45), "f4")
    product = Product(spec)
    cuts = [(0, 5), (5, gemm.ROWS + 8), (gemm.ROWS + 8, rows)]
    for ranges in ([(0, rows)], cuts):
        np.testing.assert_array_equal(product(a, b, ranges), a @ b)


# ---------------------------------------------------------------------- the caller's own tiles
def run_with_epilogue(spec: MatmulSpec, down: bool, plan: Plan | None = None) -> None:
    """``C = max(C + A B + bias, 0)``, with C three columns wider than the product."""
    target, dtype, columns = host(), np.dtype(spec.dtype), spec.columns
    lanes, leading = target.lanes(dtype.itemsize), 1 if down else columns + 3
    module = ir.Module("epilogue")
    function, e = new_function(module, "run", [POINTER] * 5 + [I64] * 3, target)
    a, b, c, bias, scratch, first, end, inner = function.args

    def pointers(e: Emitter, row: Index, column: Index, r: int, v: int) -> tuple[Value, Value]:
        place = e.at(c, e.times(row, leading), column, r * leading + v * lanes, dtype=dtype)
        return place, e.at(bias, column, v * lanes, dtype=dtype)

    def begin(
        e: Emitter, height: int, widths: list[int], row: Index, column: Index, live: list[Any]
    ) -> list[list[Value]]:
        return [
            [
                e.load(pointers(e, row, column, r, v)[0], dtype, width, live[v])
                for v, width in enumerate(widths)
            ]
            for r in range(height)
        ]

    def finish(
        e: Emitter, tile: list[list[Value]], row: Index, column: Index, live: list[Any]
    ) -> None:
        for r, vectors in enumerate(tile):
            for v, value in enumerate(vectors):
                place, beside = pointers(e, row, column, r, v)
                width = lanes_of(value)
                if down:
                    added = e.splat(e.load(beside, dtype), width)
                else:
                    added = e.load(beside, dtype, width, live[v])
                value = e.b.fadd(value, added)
                positive = e.b.fcmp_ordered(">", value, e.like(value, 0.0))
                value = e.select(positive, value, e.like(value, 0.0))
                e.store(value, place, dtype, live[v])

    emit_matmul(
        e,
        spec,
        rows=(first, end),
        a=a,
        b=b,
        finish=finish,
        begin=begin,
        inner=inner,
        scratch=scratch,
        down=down,
        plan=plan,
    )
    e.b.ret_void()
    code = build(module, target)
    run = code.function("run", *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 3)

    fence, rng, rows, length = Fence(at_end=True), np.random.default_rng(4), 83, 21
    matrix_a = whole_numbers(rng, (rows, length), dtype)
    matrix_b = whole_numbers(rng, (length, columns), dtype)
    old = whole_numbers(rng, (rows, leading), dtype)
    c_memory = fence.empty(rows * leading, dtype)
    c_memory[:] = old.ravel()
    bias_memory = fence.empty(columns, dtype)
    bias_memory[:] = whole_numbers(rng, (1, columns), dtype)[0]
    memory = [
        fence.strided(matrix_a, spec.a_at),
        fence.strided(matrix_b, spec.b_at),
        c_memory,
        bias_memory,
        fence.empty(scratch_elements(spec, target, plan), dtype),
    ]
    run(*(array.ctypes.data for array in memory), 0, rows, length)
    want = old.copy()
    total = old[:, :columns] + matrix_a @ matrix_b + bias_memory
    want[:, :columns] = np.maximum(total, 0)
    np.testing.assert_array_equal(c_memory.reshape(rows, leading), want)


#: So few columns that vectors of this machine would be rather empty along them.
FIVE, TEN = (min(n, n * host().lanes(4) // 8) for n in (5, 10))
EPILOGUES = {
    "columns": (MatmulSpec("float32", 45, 21, Strided(21, 1), Strided(45, 1)), None),
    "pieces": (
        MatmulSpec("float64", 13, None, Strided(1, 90), Strided(13, 1)),
        Plan("columns", 4, 3, 4, piece=8),
    ),
    "dots": (MatmulSpec("float32", FIVE, 21, Strided(21, 1), Strided(1, 21)), None),
    "few rows": (MatmulSpec("float64", 29, 21, Strided(21, 1), Strided(1, 21), 1), None),
    "rows": (MatmulSpec("float32", TEN, None, Strided(1, 90), Strided(TEN, 1)), None),
    "one dot": (MatmulSpec("float64", 1, 21, Strided(21, 1), Strided(1, 1)), None),
    "one row": (MatmulSpec("float32", 1, None, Strided(1, 90), Strided(1, 1)), None),
}


@pytest.mark.parametrize("name", EPILOGUES)
def test_begin_and_finish_meet_every_element_once(name: str) -> None:
    spec, plan = EPILOGUES[name]
    form = {"pieces": "columns", "few rows": "dots", "one dot": "dots", "one row": "rows"}
    assert (plan or choose(spec, host())).form == form.get(name, name)
    run_with_epilogue(spec, down=False, plan=plan)


@pytest.mark.parametrize("name", ["one dot", "one row"])
def test_a_single_column_may_come_as_vectors_down(name: str) -> None:
    spec, plan = EPILOGUES[name]
    run_with_epilogue(spec, down=True, plan=plan)


# ---------------------------------------------------------------------- decisions
def spec_of(layout: str, inner: int | None, columns: int, rows: int = 64) -> MatmulSpec:
    """A spec of dense matrices, each row-major (N) or transposed (T)."""
    length = 64 if inner is None else inner
    a_at = Strided(length, 1) if layout[0] == "N" else Strided(1, rows)
    b_at = Strided(columns, 1) if layout[1] == "N" else Strided(1, length)
    return MatmulSpec("float32", columns, inner, a_at, b_at, rows)


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        (spec_of("NN", 784, 128), "columns"),
        (spec_of("NT", 128, 784), "columns"),
        (spec_of("TN", None, 128, 784), "columns"),
        (spec_of("NN", 128, 10), "columns"),
        (spec_of("NN", 128, 3), "dots"),
        (spec_of("NN", 3, 3), "columns"),
        (spec_of("NN", 32, 1), "dots"),
        (spec_of("NT", 128, 784, 1), "dots"),
        (spec_of("TN", None, 10, 128), "rows"),
        (spec_of("TN", None, 1, 32), "rows"),
    ],
)
def test_the_form_follows_from_the_shape(spec: MatmulSpec, form: str) -> None:
    assert choose(spec, AVX2).form == form


@pytest.mark.parametrize("target", [AVX512, AVX2, SSE, NEON])
@pytest.mark.parametrize("columns", range(1, 200, 7))
def test_a_tile_fits_the_registers(columns: int, target: Target) -> None:
    plan = choose(spec_of("NN", 500, columns, 500), target)
    sums = plan.height * plan.width
    kept = plan.width if plan.form == "columns" else min(plan.height, plan.width)
    assert sums + kept < target.registers or plan.width == 1


def test_a_transposed_operand_is_copied_only_if_many_rows_use_it() -> None:
    assert choose(spec_of("NT", 100, 100, 64), AVX2).copy_b
    assert not choose(spec_of("NT", 100, 100, 1), AVX2).copy_b


def test_a_row_major_operand_is_copied_if_it_is_read_often_and_lies_badly() -> None:
    crowded, spacious, spread = (spec_of("NN", 300, n, 256) for n in (1024, 300, 1000))
    assert choose(crowded, AVX2).copy_b and choose(spread, AVX2).copy_b
    assert not choose(spacious, AVX2).copy_b
    assert not choose(replace(crowded, rows=8), AVX2).copy_b


def test_a_transposed_left_operand_is_copied_if_many_panels_read_it() -> None:
    assert choose(spec_of("TN", None, 1000, 1000), AVX2).copy_a
    assert not choose(spec_of("TN", None, 100, 1000), AVX2).copy_a
    assert not choose(spec_of("NN", 100, 1000, 1000), AVX2).copy_a


def test_a_transposed_left_operand_is_copied_if_its_contraction_is_long() -> None:
    assert choose(spec_of("TN", 1024, 128, 512), AVX2).copy_a
    assert not choose(spec_of("TN", 256, 128, 512), AVX2).copy_a
    assert not choose(spec_of("TN", 1024, 32, 512), AVX2).copy_a


def test_only_a_long_contraction_is_cut() -> None:
    assert choose(spec_of("NN", 4096, 64), AVX2).piece is None
    assert choose(spec_of("NN", 4097, 64), AVX2).piece == 2052
    assert choose(spec_of("TN", None, 64), AVX2).piece == 512


def test_panels_set_the_width_of_tiles() -> None:
    spec = replace(spec_of("NN", 50, 200), b_at=Panels.packed(50, 24))
    assert choose(spec, AVX2).width == 3


def test_decisions_can_be_read() -> None:
    text = describe(spec_of("NT", 100, 90), AVX2)
    assert text.startswith("float32 C[n, 90] = A[n, 100] B: vectors of 8 along the columns, tiles")
    assert "A in place, B copied" in text
    assert f"{4 * scratch_elements(spec_of('NT', 100, 90), AVX2)} bytes of scratch" in text


def test_a_kernel_is_made_once_for_each_spec() -> None:
    module, spec = ir.Module("kernels"), spec_of("NN", 5, 7)
    kernel = matmul_kernel(module, AVX2, spec)
    assert matmul_kernel(module, AVX2, spec_of("NN", 5, 7)) is kernel
    assert matmul_kernel(module, AVX2, replace(spec, columns=6)) is not kernel


@pytest.mark.parametrize("target", [AVX512, NEON])
@pytest.mark.parametrize("columns", [1, 10, 45])
@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
def test_code_for_other_vectors_is_well_formed(layout: str, columns: int, target: Target) -> None:
    module = ir.Module("other")
    inner = None if layout[0] == "T" else 37
    matmul_kernel(module, target, spec_of(layout, inner, columns, 100))
    llvm.parse_assembly(str(module)).verify()
