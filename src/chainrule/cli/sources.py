"""Where the rows of a command come from: a data set by its name, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.data import Dataset, datasets
from chainrule.data.tables import Table, Task, open_table
from chainrule.data.tables.source import Report
from chainrule.errors import DataError, suggest

__all__ = ["Source", "TextFormat", "find_source"]


@dataclass(frozen=True)
class Source:
    """A table, and what is known of it.

    Attributes
    ----------
    name
        How runs on it are called.
    table
        Its rows.
    target
        The columns to predict; empty if nobody knows.
    task
        What predicting them is; ``None`` if nobody knows.
    """

    name: str
    table: Table
    target: tuple[str, ...] = ()
    task: Task | None = None


@dataclass(frozen=True)
class TextFormat:
    """How to read a text file; see :func:`chainrule.data.tables.open_table`. Empty: find out."""

    encoding: str = ""
    separator: str = ""
    header: bool = True


def find_source(
    text: str, report: Report | None = None, text_format: TextFormat = TextFormat()
) -> Source:
    """What ``text`` names: a file if there is one, or a data set.

    Parameters
    ----------
    text
        The path of a file, or the name of a data set.
    report
        Hears how far reading a file has come.
    text_format
        How to read a text file.

    Raises
    ------
    DataError
        If it is neither; near names are suggested.
    StorageError
        If a file cannot be read.
    """
    path = Path(text)
    names = datasets.names()
    if text in names:
        return _dataset(datasets.load(text))
    if not (path.exists() or path.suffix or len(path.parts) > 1):
        hint, known = suggest(text, names), ", ".join(names)
        raise DataError("cli.no_source", name=text, hint=hint, known=known)
    table = open_table(
        path,
        encoding=text_format.encoding or None,
        separator=text_format.separator or None,
        header=text_format.header,
        progress=report,
    )
    return Source(_stem(path), table)


def _dataset(dataset: Dataset) -> Source:
    table = open_table(_columns(dataset))
    table.name = dataset.name
    return Source(dataset.name, table, dataset.target_names, dataset.task)


def _columns(dataset: Dataset) -> Mapping[str, np.ndarray]:
    """A data set as a table, the targets last."""
    columns = dict(zip(dataset.feature_names, dataset.x.T, strict=True))
    if dataset.task == "classification":
        names = np.array(dataset.class_names, object)
        return {**columns, dataset.target_names[0]: names[dataset.t]}
    return {**columns, **dict(zip(dataset.target_names, dataset.t.T, strict=True))}


def _stem(path: Path) -> str:
    """A file's name without its endings: ``house.csv.gz`` is ``house``."""
    return path.name.split(".")[0] or "table"
