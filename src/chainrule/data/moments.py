"""Means, deviations and principal axes of the columns of a table, a block of rows at a time.

Everything is computed in float64, whatever the table's type, and no copy of the table is made.

- Means are corrected by the mean of what is left after centring, so that they are right to the last
  digit or two, however large the numbers are.
- The principal axes come from the centred rows, not from their covariance matrix, whose condition
  number is the square of theirs: a direction with 1e-8 of the deviation of the first would be lost
  in it. With ``Xc = Q R``, ``R`` has the singular values and the axes of ``Xc`` (Chan 1982, "An
  improved algorithm for computing the singular value decomposition"), and it can be built up block
  by block, as ``R`` of ``[R; next rows]``.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.errors import DataError

__all__ = [
    "Axes",
    "Numbers",
    "as_numbers",
    "as_table",
    "column_deviations",
    "column_means",
    "not_finite",
    "principal_axes",
    "rounding",
    "row_slices",
]

Numbers: TypeAlias = npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]

#: So many numbers of a table are in work at a time: 2 MB, which a cache holds.
BLOCK = 2**18


# ---------------------------------------------------------------------- what comes in
def as_numbers(who: str, x: Any) -> Floats:
    """``x`` as an array that is float32 or float64; other numbers become float64.

    Raises
    ------
    DataError
        If ``x`` holds something other than real numbers.
    """
    try:
        array = np.asarray(x)
    except ValueError:  # rows of unequal length
        raise DataError("preprocessing.not_numbers", who=who, got=type(x).__name__) from None
    if array.dtype.kind not in "biuf":
        raise DataError("preprocessing.not_numbers", who=who, got=f"dtype {array.dtype}")
    keeps = array.dtype in (np.float32, np.float64)
    return array if keeps else array.astype(np.float64)


def as_table(who: str, x: Any, rows: int = 1) -> Floats:
    """``x`` as ``[rows, features]``, all of it finite.

    Raises
    ------
    DataError
        If ``x`` is not such a table, or has fewer rows than ``rows``.
    """
    table = as_numbers(who, x)
    if table.ndim != 2 or len(table) < rows or not table.shape[1]:
        raise DataError("preprocessing.table", who=who, rows=rows, shape=table.shape)
    if not all(np.isfinite(table[part]).all() for part in row_slices(table)):
        raise not_finite(who, table)
    return table


def not_finite(who: str, table: Floats) -> DataError:
    """The error that says where the first number is that is not finite."""
    row, column = np.argwhere(~np.isfinite(table))[0].tolist()
    return DataError(
        "preprocessing.not_finite", who=who, value=table[row, column], row=row, column=column
    )


def row_slices(table: Floats) -> Iterator[slice]:
    """The rows of a table, in blocks that fit in a cache."""
    step = max(1, BLOCK // max(1, table.shape[1]))
    return (slice(start, start + step) for start in range(0, len(table), step))


def rounding(table: Floats) -> float:
    """The relative error that numbers of the table's type carry."""
    return float(np.finfo(table.dtype).eps)


# ---------------------------------------------------------------------- columns
def column_means(who: str, table: Floats) -> Numbers:
    """The mean of each column.

    Raises
    ------
    DataError
        If the sum of a column is larger than float64 can hold.
    """
    mean = np.zeros(table.shape[1])
    with np.errstate(all="ignore"):
        for _ in range(2):
            left = ((table[part] - mean).sum(axis=0) for part in row_slices(table))
            mean = mean + sum(left) / len(table)
    return _checked(who, mean)


def column_deviations(who: str, table: Floats, mean: Numbers) -> Numbers:
    """The standard deviation of each column, divided by ``n``.

    Deviations are divided by the largest one before they are squared, so that squares neither
    overflow nor vanish.
    """
    peak = np.zeros_like(mean)
    with np.errstate(all="ignore"):
        for part in row_slices(table):
            np.maximum(peak, np.abs(table[part] - mean).max(axis=0), out=peak)
        unit = np.where(peak > 0, peak, 1.0)
        squares = np.zeros_like(mean)
        for part in row_slices(table):
            squares += np.square((table[part] - mean) / unit).sum(axis=0)
    return _checked(who, unit * np.sqrt(squares / len(table)))


def _checked(who: str, values: Numbers) -> Numbers:
    finite = np.isfinite(values)
    if not finite.all():
        raise DataError("preprocessing.too_large", who=who, column=int(np.argmin(finite)))
    return values


# ---------------------------------------------------------------------- directions
class Axes(NamedTuple):
    """The principal axes of the rows of a table, those of the largest deviation first.

    Attributes
    ----------
    mean
        Where the rows are centred, ``[features]``.
    directions
        Orthonormal rows, ``[min(rows, features), features]``.
    deviation
        The standard deviation of the rows along each, divided by ``n - 1``: the square root of an
        eigenvalue of the covariance matrix.
    rank
        Along how many of them the rows vary by more than rounding errors.
    """

    mean: Numbers
    directions: Numbers
    deviation: Numbers
    rank: int


def principal_axes(who: str, x: Any) -> Axes:
    """The principal axes of the rows of ``x``.

    Raises
    ------
    DataError
        If ``x`` is not a table of at least two finite rows, or all its rows are equal.
    """
    table = as_table(who, x, rows=2)
    mean = column_means(who, table)
    triangle = _checked(who, _triangle(table, mean))
    _, singular, directions = np.linalg.svd(triangle, full_matrices=False)
    deviation = singular / math.sqrt(len(table) - 1)
    # Rounding x to its type moves rows by at most this share of their length, in any direction.
    noise = 4 * rounding(table) * math.hypot(*mean, *deviation)
    rank = int((deviation > noise).sum())
    if not rank:
        raise DataError("preprocessing.no_variance", who=who, rows=len(table))
    return Axes(mean, _signed(directions), deviation, rank)


def _triangle(table: Floats, mean: Numbers) -> Numbers:
    """``R`` of the QR decomposition of the centred rows."""
    features = len(mean)
    step = max(2 * features, BLOCK // features)  # far fewer, and R would be most of the work
    triangle = np.empty((0, features))
    for start in range(0, len(table), step):
        with np.errstate(all="ignore"):
            rows = np.vstack([triangle, table[start : start + step] - mean])
            triangle = np.asarray(np.linalg.qr(rows, mode="r"))  # its type says that it is a pair
    return triangle


def _signed(directions: Numbers) -> Numbers:
    """Each direction with its largest entry positive, the first one where several are as large.

    Two standardized features always have axes whose entries are equal up to rounding errors, so
    without some tolerance the sign would be chance.
    """
    size = np.abs(directions)
    leading = (size > 0.999 * size.max(axis=1, keepdims=True)).argmax(axis=1)
    signs: Numbers = np.sign(directions[np.arange(len(directions)), leading])
    return directions * signs[:, None]
