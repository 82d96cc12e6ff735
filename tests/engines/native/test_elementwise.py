"""Every elementwise row against its NumPy value, in every number type that it takes."""

import numpy as np
import pytest

from chainrule.engines.native.elementwise import RULES
from chainrule.engines.native.vmath import ACCURACY
from chainrule.graph.spec import SHORT_NAMES
from chainrule.graph.table import TABLE

from .loop_driver import assert_same_bits, dtypes_of
from .value_driver import FORMS, Kernel

ROWS = sorted(name for name, op in TABLE.items() if op.family == "elementwise")
NUMBERS = tuple(SHORT_NAMES)

CASES = [
    pytest.param(name, dtype, id=f"{name}-{dtype}")
    for name in ROWS
    if name != "cast"
    for dtype in dtypes_of(name)
]


def special(dtype: np.dtype) -> np.ndarray:
    """The numbers at which rules go wrong."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        wanted = [0, 1, 2, 3, 7, -1, -2, -3, -7, limits.min, limits.min + 1, limits.max]
        return np.array([n for n in wanted if limits.min <= n <= limits.max], dtype)
    limits = np.finfo(dtype)
    positive = [0.0, limits.smallest_subnormal, limits.tiny, 0.5, 1.0, 1.5, 2.5, 3.0, limits.max]
    return np.array([s * n for n in [*positive, np.inf, np.nan] for s in (1, -1)], dtype)


def random(count: int, dtype: np.dtype, seed: int) -> np.ndarray:
    """Any bit pattern, and ordinary numbers."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.random(count) < 0.5
    patterns = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype)
    ordinary = (rng.standard_normal(count) * 10).astype(np.int8 if dtype.kind != "f" else dtype)
    return np.where(rng.random(count) < 0.5, patterns, ordinary.astype(dtype))


def operands_of(dtypes: list[np.dtype]) -> list[np.ndarray]:
    """Every combination of special numbers, then random ones."""
    grids = np.meshgrid(*(special(dtype) for dtype in dtypes), indexing="ij")
    return [
        np.concatenate([grid.ravel(), random(500, dtype, seed)])
        for seed, (grid, dtype) in enumerate(zip(grids, dtypes, strict=True))
    ]


def around_powers_of_two(dtype: np.dtype) -> np.ndarray:
    """Floats on both sides of the limits of every integer type."""
    powers = 2.0 ** np.arange(65)
    return np.concatenate([s * f * powers for s in (1, -1) for f in (0.8, 1, 1.3)]).astype(dtype)


def arity(name: str) -> int:
    return len(TABLE[name].check.domain)


def assert_as_numpy(name: str, got: np.ndarray, wanted: np.ndarray) -> None:
    if name in ACCURACY and wanted.dtype.kind == "f":
        ordinary = np.isfinite(wanted) & (wanted != 0)
        np.testing.assert_array_max_ulp(got[ordinary], wanted[ordinary], 4)
        got, wanted = got[~ordinary], wanted[~ordinary]
    if name in ("maximum", "minimum"):  # which of two zeros is NumPy's choice on each machine
        got, wanted = np.where(got == 0, 0, got), np.where(wanted == 0, 0, wanted)
    assert_same_bits(got, wanted)


def test_every_row_has_a_rule() -> None:
    assert sorted(RULES) == ROWS


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_rule_gives_numpy_value(name: str, dtype: np.dtype) -> None:
    dtypes = [dtype] * arity(name)
    if name == "where":
        dtypes[0] = np.dtype(bool)
    arrays = operands_of(dtypes)
    if name == "power" and dtype.kind == "i":
        arrays[1] = np.where(arrays[1] < 0, ~arrays[1], arrays[1])  # NumPy refuses negative powers
    with np.errstate(all="ignore"):
        wanted = np.asarray(TABLE[name].value(*arrays))
    kernel = Kernel(name, dtypes)
    for form in FORMS:
        computed = kernel.computed(form, len(wanted))
        assert_as_numpy(name, kernel(form, *arrays)[computed], wanted[computed])


@pytest.mark.parametrize("source", NUMBERS, ids=str)
def test_cast_to_every_number_type(source: np.dtype) -> None:
    for dtype in NUMBERS:
        (x,) = operands_of([source])
        if source.kind == "f" and dtype.kind in "iu":
            limits = np.iinfo(dtype)
            x = np.concatenate([x, around_powers_of_two(source)])
            # 2³¹ - 1 is no float32: it becomes 2³¹, which does not fit.
            x = x[(x >= float(limits.min)) & (x < float(limits.max) + 1)]
        with np.errstate(all="ignore"):
            wanted = x.astype(dtype)
        kernel = Kernel("cast", [source], {"dtype": dtype})
        for form in FORMS:
            computed = kernel.computed(form, len(x))
            assert_same_bits(kernel(form, x)[computed], wanted[computed])


@pytest.mark.parametrize("source", ["f4", "f8"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8"])
def test_negative_floats_wrap_in_unsigned_integers(source: str, dtype: str) -> None:
    x = np.array([-1.0, -2.5, -128.0], source)
    got = Kernel("cast", [source], {"dtype": np.dtype(dtype)})("vector", x)
    np.testing.assert_array_equal(got, x.astype(np.int64).astype(dtype))


def test_negative_powers_of_integers_are_zero() -> None:
    x, y = np.array([1, 2, -3], np.int32), np.array([-1, -2, -(2**31)], np.int32)
    np.testing.assert_array_equal(Kernel("power", ["i4", "i4"])("vector", x, y), 0)
