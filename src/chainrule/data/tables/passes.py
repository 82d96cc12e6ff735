"""The passes over a table that :func:`~chainrule.data.tables.load_table` is made of."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.data.splits import Split
from chainrule.data.tables.columns import Column, Dropped, Strange
from chainrule.data.tables.encoder import TableEncoder
from chainrule.data.tables.learning import learner
from chainrule.data.tables.source import Report, Table
from chainrule.data.tables.target import Target, Task, class_labels, infer_task
from chainrule.data.tables.values import Form, Labels, Values, concatenated, missing, taken
from chainrule.errors import DataError, OptionError

__all__ = [
    "KnownRows",
    "Rows",
    "checked_split",
    "encoded_target",
    "filled",
    "known_rows",
    "learned",
    "row_numbers",
]

Mask: TypeAlias = npt.NDArray[np.bool]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a split can be drawn from.

    Attributes
    ----------
    count
        How many rows have a known target.
    labels
        A number for each row's class; ``None`` for regression.
    by
        Their values in the column that ``by`` names: numbers (dates are seconds since 1970), or
        text in an array of objects; ``None`` without such a column.
    """

    count: int
    labels: np.ndarray | None
    by: np.ndarray | None


@dataclass(frozen=True, eq=False)
class KnownRows:
    """The rows whose target is known.

    Attributes
    ----------
    numbers
        Which rows of the table they are.
    columns, forms
        Their targets, and how these are read.
    task
        What to learn.
    missing
        How many rows have no target.
    by
        Their values in the column that the split goes by.
    """

    numbers: npt.NDArray[np.intp]
    columns: tuple[Values, ...]
    forms: tuple[Form, ...]
    task: Task
    missing: int
    by: Values | None

    def facts(self) -> Rows:
        """What a split is drawn from."""
        labels = None
        if self.task == "classification":
            labels = class_labels(self.columns[0], self.forms[0]).codes
        by = self.by
        if isinstance(by, Labels):
            by = np.array([*by.names, None], object)[by.codes]
        return Rows(len(self.numbers), labels, by)


# ---------------------------------------------------------------------- the target
def known_rows(
    table: Table,
    forms: Mapping[str, Form],
    names: Sequence[str],
    by: str | None,
    task: Task | None,
    report: Report,
) -> KnownRows:
    """Read the target, and the column that a split goes by.

    Raises
    ------
    DataError
        If no row has a target, or targets do not fit the task.
    OptionError
        If the task does not fit the number of columns.
    """
    wanted = {name: forms[name] for name in (*names, *([by] if by else []))}
    columns = _read(table, wanted, report)
    rows, targets = _present(table, [columns[name] for name in names], names)
    task = infer_task(names, [forms[name] for name in names], targets, task)
    if task == "regression" and any(isinstance(values, Labels) for values in targets):
        # Reading text as numbers raises, and says where the first one is that is none.
        text = [
            name for name, values in zip(names, targets, strict=True) if isinstance(values, Labels)
        ]
        columns |= _read(table, {name: Form("number") for name in text}, report)
        rows, targets = _present(table, [columns[name] for name in names], names)
    forms_read = tuple(
        Form("number") if task == "regression" and forms[name].kind == "text" else forms[name]
        for name in names
    )
    return KnownRows(
        rows,
        targets,
        forms_read,
        task,
        table.rows - len(rows),
        taken(columns[by], rows) if by else None,
    )


def encoded_target(
    table: Table, target: Target, report: Report
) -> tuple[npt.NDArray[np.intp], np.ndarray]:
    """The rows with a target, and ``t`` for them.

    Raises
    ------
    DataError
        If no row has a target, or one has a class that training did not have.
    """
    columns = _read(table, dict(zip(target.names, target.forms, strict=True)), report)
    rows, targets = _present(table, [columns[name] for name in target.names], target.names)
    return rows, target.encode(targets, rows)


def _read(table: Table, forms: Mapping[str, Form], report: Report) -> dict[str, Values]:
    """Some columns, whole."""
    chunks = [chunk.columns for chunk in table.chunks(forms, "target", report)]
    return {name: concatenated([chunk[name] for chunk in chunks]) for name in forms}


def _present(
    table: Table, columns: Sequence[Values], names: Sequence[str]
) -> tuple[npt.NDArray[np.intp], tuple[Values, ...]]:
    """The rows in which no value is missing, and the values there."""
    rows = np.flatnonzero(~np.any([missing(values) for values in columns], axis=0))
    if not len(rows):
        raise DataError("tables.all_missing", columns=", ".join(map(repr, names)), rows=table.rows)
    return rows, tuple(taken(values, rows) for values in columns)


def checked_split(split: Callable[[Rows], Split] | None, rows: Rows) -> Split:
    """The split of some rows; all are for training where there is none.

    Raises
    ------
    DataError
        If there is no row for training, or there are numbers beyond the rows.
    """
    if split is None:
        none = np.empty(0, np.intp)
        return Split(np.arange(rows.count), none, none)
    parts = Split(*(row_numbers(part, rows.count) for part in split(rows)))
    if not len(parts.train):
        raise DataError("tables.split", rows=rows.count)
    return parts


def row_numbers(numbers: npt.ArrayLike, rows: int) -> npt.NDArray[np.intp]:
    """Row numbers, if they are some.

    Raises
    ------
    DataError
        If one of them is no number of a row.
    """
    found = np.asarray(numbers)
    if found.size and (found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= rows):
        raise DataError("tables.split", rows=rows)
    return found.astype(np.intp)


# ---------------------------------------------------------------------- features
def learned(
    table: Table,
    forms: Mapping[str, Form],
    train: Mask,
    categorical: Container[str],
    drop: Sequence[str],
    max_categories: int,
    report: Report,
) -> TableEncoder:
    """Learn from the training rows how each column becomes features.

    Raises
    ------
    DataError
        If no feature is left.
    OptionError
        If ``max_categories`` is below 1.
    """
    if max_categories < 1:
        raise OptionError("tables.max_categories", most=max_categories)
    learners = {
        name: learner(name, form, name in categorical, max_categories)
        for name, form in forms.items()
        if name not in drop
    }
    read = {name: one.form for name, one in learners.items()}
    for chunk in table.chunks(read, "fit", report) if read else ():
        rows = train[chunk.span]
        for name, one in learners.items():
            one.add(taken(chunk.columns[name], rows))
    asked = [Dropped(name, "asked") for name in drop if name in forms]
    found = [one.learned() for one in learners.values()]
    encoded: tuple[Column, ...] = tuple(one for one in found if not isinstance(one, Dropped))
    dropped = tuple([one for one in found if isinstance(one, Dropped)] + asked)
    if not encoded:
        reasons = " ".join(one.note() for one in dropped)
        raise DataError("tables.no_features", name=table.name, reasons=reasons)
    return TableEncoder(encoded, dropped)


def filled(
    table: Table,
    encoder: TableEncoder,
    rows: npt.NDArray[np.intp] | None,
    strange: Strange,
    report: Report,
) -> np.ndarray:
    """The features of some rows, or of all, in one array.

    Raises
    ------
    DataError
        If a value does not fit what its column held in training, or a feature is too large.
    """
    keep = np.ones(table.rows, np.bool) if rows is None else np.zeros(table.rows, np.bool)
    if rows is not None:
        keep[rows] = True
    width = len(encoder.feature_names)
    x = np.empty((np.count_nonzero(keep), width), np.float32)
    start = 0
    for chunk in table.chunks(encoder.forms, "fill", report):
        kept = keep[chunk.span]
        stop = start + int(np.count_nonzero(kept))
        if stop - start == chunk.rows:
            encoder.write(chunk, x[start:stop], strange)
        else:
            features = np.empty((chunk.rows, width), np.float32)
            encoder.write(chunk, features, strange)
            x[start:stop] = features[kept]
        start = stop
    return x
