"""What splits know about rows beside their number: a class, a group, or a time of each."""

import math
import warnings
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.errors import DataError, OptionError

__all__ = ["Codes", "as_codes", "as_gap", "as_times", "earlier", "only_kind", "time_starts"]

Codes: TypeAlias = npt.NDArray[np.intp]


def only_kind(who: str, **columns: Any) -> str | None:
    """Which of the columns is given.

    Raises
    ------
    OptionError
        If more than one is.
    """
    given = [name for name, column in columns.items() if column is not None]
    if len(given) > 1:
        raise OptionError("data.one_kind", who=who, given=", ".join(given))
    return given[0] if given else None


def as_codes(who: str, name: str, column: Any, rows: int) -> tuple[np.ndarray, Codes]:
    """The distinct entries of a column, and for each row the number of its entry.

    Raises
    ------
    DataError
        If there is not one entry per row, one is missing, or entries cannot be compared.
    """
    values = _one_per_row(who, name, column, rows)
    try:
        distinct, codes = np.unique(values, return_inverse=True)
    except TypeError:  # numbers beside text
        raise DataError("data.mixed", who=who, name=name) from None
    return distinct, codes


def as_times(who: str, column: Any, rows: int) -> np.ndarray:
    """A time per row, as numbers or ``datetime64``, in any order.

    Raises
    ------
    DataError
        If there is not one time per row, one is missing, or they are neither numbers nor dates.
    """
    values = _one_per_row(who, "times", column, rows)
    if values.dtype.kind in "OU":
        try:
            with warnings.catch_warnings(action="error"):  # a time zone is dropped with a warning
                values = values.astype("datetime64[us]")
        except (TypeError, ValueError, UserWarning):
            raise DataError("data.times", who=who, got=values[0]) from None
    if values.dtype.kind not in "iufM":
        raise DataError("data.times", who=who, got=values.dtype)
    _refuse_missing(who, "times", ~np.isfinite(values))
    return values


def as_gap(who: str, gap: Any, times: np.ndarray) -> Any:
    """A gap in the units of ``times``, or nothing.

    Raises
    ------
    OptionError
        If it is negative, or a number where times are dates, or the other way round.
    """
    match gap:
        case None:
            return None
        case timedelta() | np.timedelta64() if times.dtype.kind == "M":
            gap = np.timedelta64(gap)
            if _is_length(gap):
                return gap
        case int() | float() | np.number() if times.dtype.kind != "M":
            if math.isfinite(gap) and gap >= 0:
                return gap
    raise OptionError("data.gap", who=who, gap=repr(gap), times=times.dtype)


def _is_length(gap: np.timedelta64) -> bool:
    try:
        return bool(gap >= np.timedelta64(0, "s"))
    except TypeError:  # months and years have no length
        return False


def time_starts(who: str, times: np.ndarray, wanted: list[int]) -> list[Any]:
    """The times at which parts begin, so that about ``wanted[i]`` rows are before the ``i``-th.

    Rows of one time are never divided, and no part is empty, neither before the first start nor
    after any.

    Raises
    ------
    DataError
        If there are fewer times than parts.
    """
    distinct, counts = np.unique(times, return_counts=True)
    if len(distinct) <= len(wanted):
        parts = len(wanted) + 1
        raise DataError("data.few", who=who, name="times", distinct=len(distinct), parts=parts)
    before = np.cumsum(counts)[:-1]  # rows before the second time, the third …
    starts: list[Any] = []
    end = len(before)
    for place in reversed(range(len(wanted))):  # the first `place` cuts are left for those before
        end = place + int(np.abs(before[place:end] - wanted[place]).argmin())
        starts.insert(0, distinct[end + 1])
    return starts


def earlier(times: np.ndarray, start: Any, gap: Any) -> npt.NDArray[np.bool_]:
    """Which rows are before ``start``, by more than ``gap`` if there is one."""
    is_before: npt.NDArray[np.bool_] = times < start
    return is_before if gap is None else is_before & (start - times > gap)


def _one_per_row(who: str, name: str, column: Any, rows: int) -> np.ndarray:
    values = np.asarray(column)
    if values.shape != (rows,):
        raise DataError("data.one_per_row", who=who, name=name, rows=rows, shape=values.shape)
    if values.dtype.kind == "O":
        _refuse_missing(who, name, np.fromiter(map(_is_missing, values), bool, rows))
    elif values.dtype.kind in "fM":
        _refuse_missing(who, name, np.isnan(values))
    return values


def _is_missing(value: Any) -> bool:
    """``None``, NaN, NaT, or pandas' ``NA``, of which no comparison is true or false."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def _refuse_missing(who: str, name: str, missing: npt.NDArray[np.bool_]) -> None:
    if missing.any():
        raise DataError(
            "data.missing", who=who, name=name, count=missing.sum(), row=int(missing.argmax())
        )
