"""Where the rows of a command come from: a data set by its name, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data import Dataset, datasets
from chainrule.data.tables import Table, Task, open_table
from chainrule.data.tables.source import Report

__all__ = ["Source", "find_source"]


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


def find_source(text: str, report: Report | None = None, **options: Any) -> Source:
    """What ``text`` names: a file if there is one, or a data set.

    Parameters
    ----------
    text
        The path of a file, or the name of a data set.
    report
        Hears how far reading a file has come.
    **options
        How to read a text file, as for :func:`chainrule.data.tables.open_table`; empty ones do not
        count.

    Raises
    ------
    DataError
        If it is neither; near names are suggested.
    StorageError
        If a file cannot be read.
    """
    path = Path(text)
    if text not in datasets.names() and (path.exists() or path.suffix or len(path.parts) > 1):
        given = {name: value for name, value in options.items() if value}
        return Source(_stem(path), open_table(path, progress=report, **given))
    dataset = datasets.load(text)
    return Source(text, open_table(_columns(dataset)), dataset.target_names, dataset.task)


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
