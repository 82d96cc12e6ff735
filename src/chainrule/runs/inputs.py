"""Rows as users bring them (files, dataframes, dicts of columns, arrays) and as a model takes them.

They are read and preprocessed a block at a time, so that memory holds a block of each kind.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data import Map
from chainrule.data.tables import Progress, Table, TableEncoder, open_table
from chainrule.data.tables.columns import Strange
from chainrule.data.tables.source import Report, expect_columns
from chainrule.errors import DataError, suggest
from chainrule.graph import Spec

__all__ = ["UnseenWarning", "as_inputs", "column_names", "preprocessed"]


class UnseenWarning(UserWarning):
    """Rows hold what training did not: a new category, a value that was never missing."""


def preprocessed(
    rows: Any,
    parts: Sequence[Any],
    columns: Sequence[str] | None,
    block: int,
    report: Report,
) -> tuple[int, Iterator[np.ndarray]]:
    """How many rows there are, and the preprocessed rows, a block after the other.

    Parameters
    ----------
    rows
        What :meth:`chainrule.runs.TrainedRun.predict` takes.
    parts
        The preprocessing. A :class:`TableEncoder` in front reads tables by itself, a map gets
        numbers, and anything else gets some of the rows as what they are.
    columns
        For numbers: the columns to take, in this order; ``None`` for all.
    block
        How many rows to take at a time. (Tables choose for themselves.)
    report
        Hears how far reading has come.

    Raises
    ------
    DataError
        If a column is missing, or holds what it must not hold.
    """
    if parts and isinstance(parts[0], TableEncoder):
        table = open_table(rows)
        expect_columns(table, parts[0].columns)
        return table.rows, _of_table(table, parts[0], parts[1:], report)
    count = _row_count(rows)
    return count, _of_rows(rows, count, parts, columns, block, report)


def _of_table(
    table: Table, encoder: TableEncoder, parts: Sequence[Any], report: Report
) -> Iterator[np.ndarray]:
    strange = Strange.nothing()
    for chunk in table.chunks(encoder.forms, "fill", report):
        x: Any = np.empty((chunk.rows, len(encoder.feature_names)), np.float32)
        encoder.write(chunk, x, strange)
        yield _through(parts, x)
    for note in strange.notes():
        warnings.warn(note, UnseenWarning, stacklevel=4)


def _of_rows(
    rows: Any,
    count: int,
    parts: Sequence[Any],
    columns: Sequence[str] | None,
    block: int,
    report: Report,
) -> Iterator[np.ndarray]:
    for start in range(0, count, block):
        stop = min(start + block, count)
        x = _rows_between(rows, start, stop)
        if not parts or isinstance(parts[0], Map):
            x = _as_matrix(x, columns)
        yield _through(parts, x)
        report(Progress("fill", stop, 0, stop / count))


def _through(parts: Sequence[Any], x: Any) -> np.ndarray:
    for part in parts:
        x = part(x)
    return np.asarray(x)


def column_names(rows: Any) -> tuple[str, ...] | None:
    """The names of the columns of a dataframe or a dict of columns; ``None`` for what has none.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.runs.inputs import column_names
    >>> column_names({"age": [31, 47]}), column_names(np.zeros((2, 3)))
    (('age',), None)
    """
    if isinstance(rows, Mapping):
        return tuple(map(str, rows))
    for name in ("column_names", "columns"):  # of Arrow the first, of pandas and polars the second
        if hasattr(rows, name):
            return tuple(map(str, getattr(rows, name)))
    return None


def _row_count(rows: Any) -> int:
    """How many rows there are.

    Raises
    ------
    DataError
        If ``rows`` is a single number, or has columns of unequal length.
    """
    columns = list(rows.values()) if isinstance(rows, Mapping) else [rows]
    try:
        counts = set(map(len, columns))
    except TypeError:
        raise DataError("runs.no_rows", got=type(rows).__name__) from None
    if len(counts) != 1:
        raise DataError("runs.lengths", lengths=", ".join(map(str, sorted(counts))) or "0")
    return counts.pop()


def _rows_between(rows: Any, start: int, stop: int) -> Any:
    """Some of the rows, as what they were."""
    if isinstance(rows, Mapping):
        return {name: column[start:stop] for name, column in rows.items()}
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def _as_matrix(rows: Any, columns: Sequence[str] | None) -> np.ndarray:
    """Rows as an array of numbers; of named columns those that are wanted, in that order.

    Raises
    ------
    DataError
        If a column is missing, or holds something other than numbers.
    """
    names = column_names(rows)
    if names is None:
        return _numbers(rows, None)
    wanted = names if columns is None else tuple(columns)
    absent = [name for name in wanted if name not in names]
    if absent:
        unused = [name for name in names if name not in wanted]
        shown = ", ".join(map(repr, absent))
        hint, known = suggest(absent[0], unused), ", ".join(map(repr, names[:20]))
        raise DataError("runs.columns", columns=shown, hint=hint, known=known)
    return np.column_stack([_numbers(rows[name], name) for name in wanted])


def _numbers(values: Any, column: str | None) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":  # numbers beside None, or of a library's own type
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "runs.not_numbers", column=repr(column), got=type(values).__name__
        ) from None
    if array.dtype.kind not in "biuf":
        raise DataError("runs.not_numbers", column=repr(column), got=array.dtype)
    return array


def as_inputs(x: np.ndarray, row: Spec, start: int) -> np.ndarray:
    """Rows in the shape and number type that a model takes.

    Parameters
    ----------
    x
        The rows.
    row
        Shape and type of one row.
    start
        The number of the first of them, for messages.

    Raises
    ------
    DataError
        If rows have another shape, hold NaN or infinity, or numbers that the type cannot hold.
    """
    if x.ndim == 0 or x.shape[1:] != row.shape:
        wanted = ", ".join(("rows", *map(str, row.shape)))
        raise DataError("runs.features", wanted=wanted, got=x.shape)
    with np.errstate(all="ignore"):  # what cannot be held is looked for
        cast = x.astype(row.dtype, copy=False)
    held = np.isfinite(cast) if row.is_float else cast == x
    if not held.all():
        number, *place = np.argwhere(~held)[0].tolist()
        where = ", ".join(map(str, place))
        value = x[(number, *place)]
        raise DataError("runs.unfit", row=start + number, place=where, value=value, dtype=row.dtype)
    return cast
