"""From a table to arrays: scan, split, learn from the training rows, fill.

A file is read several times, a chunk of rows at a time, so that memory holds the finished array and
one chunk. The order of the passes is what keeps test rows out of what is learned:

1. ``check`` (text files, in :func:`open_table`): decodes every byte and counts the fields of lines.
2. ``scan``: what each column holds, over all rows, so that no chunk reads it differently.
3. ``target``: the target alone. Now rows and classes are known, and the caller splits the rows.
4. ``fit``: means, scales and categories, from training rows only.
5. ``fill``: features, into one array that is made once.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule import words
from chainrule.data.splits import Split
from chainrule.data.tables.columns import Strange
from chainrule.data.tables.encoder import TableEncoder
from chainrule.data.tables.files import open_file
from chainrule.data.tables.frames import open_frame
from chainrule.data.tables.passes import (
    Rows,
    checked_split,
    encoded_target,
    filled,
    known_rows,
    learned,
    row_numbers,
)
from chainrule.data.tables.scan import scan
from chainrule.data.tables.source import Report, Table, expect_columns, silent
from chainrule.data.tables.target import Target, Task, make_target
from chainrule.errors import OptionError

__all__ = [
    "Encoded",
    "LoadedTable",
    "encode_table",
    "fit_encoder",
    "load_table",
    "open_table",
]

MAX_CATEGORIES = 50


@dataclass(frozen=True, eq=False)
class LoadedTable:
    """A table as arrays, with all that is needed to treat other tables alike.

    Attributes
    ----------
    name
        The file, or the type of the dataframe.
    x
        Features, float32 ``[rows, features]``, all finite.
    t
        Class numbers, int64 ``[rows]``, or standardized values, float32 ``[rows, targets]``.
    split
        Row numbers of ``x`` for training, validation and test.
    encoder, target
        What was learned from the training rows.
    table_rows
        Which rows of the table these are: those with a known target.
    notes
        Sentences on how the table was read and what became of its columns.
    """

    name: str
    x: np.ndarray
    t: np.ndarray
    split: Split
    encoder: TableEncoder
    target: Target
    table_rows: np.ndarray
    notes: tuple[str, ...]

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.x.shape[0])

    @property
    def features(self) -> int:
        """How many features a row has."""
        return int(self.x.shape[1])

    def __repr__(self) -> str:
        return f"LoadedTable({self.name}: {self.task}, x {self.x.shape}, t {self.t.shape})"


class Encoded(NamedTuple):
    """A table as arrays, by an encoder that was learned from another one.

    Attributes
    ----------
    x, t
        As in :class:`LoadedTable`; ``t`` is ``None`` if no target was asked for.
    table_rows
        Which rows of the table these are.
    notes
        Sentences on what training had not seen.
    """

    x: np.ndarray
    t: np.ndarray | None
    table_rows: np.ndarray
    notes: tuple[str, ...]


def open_table(
    source: Any,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    decimal: str = ".",
    header: bool = True,
    progress: Report | None = None,
) -> Table:
    """A table, from whatever holds one.

    Parameters
    ----------
    source
        The path of a text file with separators (CSV, TSV; also compressed by gzip) or of a Parquet
        file (needs ``chainrule[parquet]``); a dataframe of pandas, polars, pyarrow or another
        library that narwhals knows; or a mapping from names to columns.
    encoding
        Of a text file. By default UTF-8, with or without a byte-order mark, or else cp949 (which
        contains EUC-KR), whichever fits the whole file.
    separator
        Of a text file. By default that of ``, ; tab |`` which fits the first lines.
    decimal
        The decimal mark of a text file: a point or a comma.
    header
        Whether the first line of a text file names the columns; without one they are called
        ``column_1``, ``column_2``, …
    progress
        Called with a :class:`Progress` now and then.

    Raises
    ------
    DataError
        If the table is empty, has rows of unequal length, two columns of one name, or is no text.
    OptionError
        If an option makes no sense, or ``source`` is nothing of the above.
    StorageError
        If a file cannot be read.

    Examples
    --------
    >>> from chainrule.data.tables import open_table
    >>> open_table({"age": [31, 45], "city": ["Seoul", "Busan"]}).columns
    ('age', 'city')
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return open_file(path, encoding, separator, decimal, header, progress or silent)
    return open_frame(source)


def load_table(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    task: Task | None = None,
    split: Callable[[Rows], Split] | None = None,
    by: str | None = None,
    categorical: Iterable[str] = (),
    drop: Iterable[str] = (),
    max_categories: int = MAX_CATEGORIES,
    progress: Report | None = None,
) -> LoadedTable:
    """A table as arrays: features of every column, standardized by the training rows.

    Numbers and booleans are standardized; dates become elapsed days, the year, and points on the
    circles of year, week and day; text becomes one feature per category. Columns of text that are
    nearly all different, and columns that do not vary, are left out. Rows without a target are left
    out, too.

    Parameters
    ----------
    source
        What :func:`open_table` takes, or a table that it opened.
    target
        The column to predict, or several; by default the last one.
    task
        ``"classification"`` or ``"regression"``; by default what the target looks like (see
        :func:`~chainrule.data.tables.target.infer_task`).
    split
        Draws training, validation and test rows, given :class:`Rows`. Without it all rows are for
        training.
    by
        A column whose values ``split`` is to see: groups, or times.
    categorical
        Columns of numbers that are categories.
    drop
        Columns to leave out.
    max_categories
        How many categories of a column get a feature; the rarer ones share one.
    progress
        Called with a :class:`Progress` now and then.

    Raises
    ------
    DataError
        If a column is missing (the message suggests near names), the target has one class only or
        does not fit the task, a number is infinite, no feature is left, or the split does not fit.
    OptionError
        If an option makes no sense.
    StorageError
        If a file cannot be read.

    Examples
    --------
    >>> from chainrule import data
    >>> from chainrule.data.tables import load_table
    >>> columns = {"age": range(20, 60), "city": ["Seoul", "Busan"] * 20, "pay": range(40)}
    >>> loaded = load_table(
    ...     columns, "pay", split=lambda rows: data.split(rows.count, labels=rows.labels)
    ... )
    >>> loaded
    LoadedTable(dict: regression, x (40, 3), t (40, 1))
    >>> bool(abs(loaded.x[loaded.split.train, 0].mean()) < 1e-6)  # of the training rows alone
    True
    """
    report = progress or silent
    table = open_table(source)
    names, notes = _target_names(table, target)
    notes = [*table.notes, *notes]
    categorical = [*categorical]
    dropped = [*dict.fromkeys(drop)]
    expect_columns(table, [*names, *dropped, *categorical, *([by] if by else [])])
    if both := [name for name in names if name in dropped]:
        raise OptionError("tables.target_dropped", columns=", ".join(map(repr, both)))
    found = scan(table, report)
    known = known_rows(table, found.forms, names, by, task, report)
    parts = checked_split(split, known.facts())
    made = make_target(names, known.forms, known.columns, parts.train, known.task)
    train = np.zeros(table.rows, np.bool)
    train[known.numbers[parts.train]] = True
    forms = {name: form for name, form in found.forms.items() if name not in names}
    encoder = learned(table, forms, train, {*categorical}, dropped, max_categories, report)
    x = filled(table, encoder, known.numbers, Strange.nothing(), report)
    t = made.encode(known.columns, known.numbers)
    notes += [*found.notes, *_no_target(names, known.missing), *encoder.describe()]
    return LoadedTable(table.name, x, t, parts, encoder, made, known.numbers, tuple(notes))


def fit_encoder(
    source: Any,
    *,
    train: npt.ArrayLike | None = None,
    categorical: Iterable[str] = (),
    drop: Iterable[str] = (),
    max_categories: int = MAX_CATEGORIES,
    progress: Report | None = None,
) -> TableEncoder:
    """The encoder of a table's columns, all of which are features.

    Parameters
    ----------
    source, categorical, drop, max_categories, progress
        As in :func:`load_table`.
    train
        The numbers of the training rows; by default all.

    Raises
    ------
    DataError, OptionError, StorageError
        As in :func:`load_table`.

    Examples
    --------
    >>> from chainrule.data.tables import fit_encoder
    >>> encoder = fit_encoder({"age": [31, 45, 38], "member": [True, False, True]})
    >>> encoder.feature_names
    ('age', 'member')
    """
    report = progress or silent
    table = open_table(source)
    dropped = [*dict.fromkeys(drop)]
    categorical = [*categorical]
    expect_columns(table, [*dropped, *categorical])
    mask = np.zeros(table.rows, np.bool)
    mask[slice(None) if train is None else row_numbers(train, table.rows)] = True
    forms = scan(table, report).forms
    return learned(table, forms, mask, {*categorical}, dropped, max_categories, report)


def encode_table(
    source: Any,
    encoder: TableEncoder,
    target: Target | None = None,
    *,
    progress: Report | None = None,
) -> Encoded:
    """A table as arrays, by an encoder that was learned from another one.

    Columns that the encoder does not need are ignored. With a target, rows in which it is missing
    are left out.

    Parameters
    ----------
    source
        What :func:`open_table` takes, or a table that it opened.
    encoder, target
        Learned by :func:`load_table` or read with ``from_dict``; without a target, ``t`` is
        ``None``.
    progress
        Called with a :class:`Progress` now and then.

    Raises
    ------
    DataError
        If a column is missing (the message suggests near names), or holds what it did not hold in
        training: text instead of numbers, a class that is not known.
    StorageError
        If a file cannot be read.

    Examples
    --------
    >>> from chainrule.data.tables import encode_table, load_table
    >>> loaded = load_table({"age": [31, 45, 38, 50], "city": list("abab"), "pay": [3, 5, 4, 9]})
    >>> encoded = encode_table({"city": ["c"], "age": [41]}, loaded.encoder)
    >>> encoded.x
    array([[0., 0., 0.]], dtype=float32)
    >>> print(encoded.notes[0])
    Column 'city': 1 row(s) hold categories without a feature (1, such as 'c'): rare or new ones.
    """
    report = progress or silent
    table = open_table(source)
    expect_columns(table, [*encoder.columns, *(target.names if target else ())])
    if target is None:
        rows, t = None, None
    else:
        rows, t = encoded_target(table, target, report)
    strange = Strange.nothing()
    x = filled(table, encoder, rows, strange, report)
    lost = _no_target(target.names, table.rows - len(x)) if target else []
    numbers = np.arange(table.rows) if rows is None else rows
    return Encoded(x, t, numbers, (*table.notes, *lost, *strange.notes()))


def _target_names(
    table: Table, target: str | Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """The columns to predict, and a sentence if nobody chose them."""
    if target is None:
        name = table.columns[-1]
        return (name,), [words.text("tables.last_column", column=name)]
    names = (target,) if isinstance(target, str) else tuple(dict.fromkeys(target))
    if not names:
        raise OptionError("tables.target_names")
    return names, []


def _no_target(names: Sequence[str], rows: int) -> list[str]:
    """A sentence on rows that were left out, if some were."""
    if not rows:
        return []
    return [words.text("tables.no_target", rows=rows, columns=", ".join(names))]
