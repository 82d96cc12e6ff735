"""Elementwise rows at 0, -0, infinities, NaN, the largest and smallest numbers, and on nothing."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.apply import apply
from chainrule.graph.table import TABLE, Op

Same = Callable[[np.ndarray, np.ndarray], bool]
DTYPES = ("float32", "float64")
# A cast to integers of what no integer can be is up to the machine.
ROWS = [
    op
    for op in TABLE.values()
    if op.family == "elementwise" and "f" in op.check.kinds and op.name != "cast"
]
REFERENCES: dict[str, Any] = {
    "abs": np.absolute,
    "round": np.rint,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))),
    "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),
    "stop_gradient": lambda x: x,
}
ROUNDED = {"sigmoid", "erf"}

every_row = pytest.mark.parametrize("op", ROWS, ids=str)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, math.inf, -math.inf, math.nan)


def special_values(dtype: str) -> np.ndarray:
    limits = np.finfo(dtype)
    extremes = [limits.max, -limits.max, limits.tiny, limits.smallest_subnormal]
    return np.array([*SPECIAL, *extremes, -limits.smallest_subnormal], dtype)


def special_inputs(op: Op, dtype: str) -> tuple[np.ndarray, ...]:
    """All combinations of special values, one input of the row each."""
    values = special_values(dtype)
    if op.name == "where":
        condition = np.tile([True, False], len(values))
        return condition, np.repeat(values, 2), np.repeat(values[::-1], 2)
    return tuple(map(np.ravel, np.meshgrid(*[values] * len(op.check.domain))))


@every_dtype
@every_row
@np.errstate(all="ignore")
def test_special_values_are_numpys(op: Op, dtype: str, same: Same) -> None:
    arrays = special_inputs(op, dtype)
    got = apply(op, *map(cr.tensor, arrays)).numpy()
    wanted = (REFERENCES.get(op.name) or getattr(np, op.name))(*arrays)
    if op.name in ROUNDED:
        np.testing.assert_allclose(got, wanted, rtol=4 * np.finfo(dtype).eps)
    else:
        assert same(got, wanted)


@every_dtype
@every_row
def test_derivatives_at_special_values_do_not_raise(op: Op, dtype: str) -> None:
    arrays = special_inputs(op, dtype)
    moving = [cr.tensor(a) for a in arrays if a.dtype.kind == "f"]
    fixed = [cr.tensor(a) for a in arrays if a.dtype.kind != "f"]

    def function(*floats: Any) -> Any:
        return apply(op, *fixed, *floats)

    value, tangent = cr.jvp(function, moving, [cr.ones_like(x) for x in moving])
    assert tangent.shape == value.shape
    if value.spec.is_float:
        pulled = cr.vjp(function, *moving)[1](cr.ones_like(value))
        assert [g.spec for g in pulled] == [x.spec for x in moving]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
@every_row
def test_nothing_gives_nothing(op: Op, shape: tuple[int, ...]) -> None:
    arrays = [np.zeros(shape)] * len(op.check.domain)
    if op.name == "where":
        arrays[0] = arrays[0].astype(bool)
    got = apply(op, *map(cr.tensor, arrays))
    assert got.shape == shape
