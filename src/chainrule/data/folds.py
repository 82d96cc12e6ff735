"""Folds for cross-validation."""

from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.columns import (
    Codes,
    as_codes,
    as_gap,
    as_times,
    earlier,
    only_kind,
    time_starts,
)
from chainrule.errors import DataError, OptionError
from chainrule.graph.rng import checked_rng

__all__ = ["Fold", "folds"]


class Fold(NamedTuple):
    """Row numbers to train on and to test on, sorted."""

    train: np.ndarray
    test: np.ndarray


def folds(
    rows: int,
    count: int = 5,
    *,
    labels: Any = None,
    groups: Any = None,
    times: Any = None,
    gap: Any = None,
    rng: Any = 0,
) -> list[Fold]:
    """Divide rows into training and test rows, ``count`` times over.

    Every row is a test row once, and a training row in the other folds; by time, only the past
    trains. The list is what scikit-learn takes as ``cv=``, and the pairs that its own splitters
    give serve here as well.

    Parameters
    ----------
    rows
        How many rows there are.
    count
        How many folds, at least 2.
    labels
        A class per row: its rows are dealt out evenly, so that two folds differ by one of them at
        most.
    groups
        A group per row: all its rows are tested in one fold; folds are as even as groups allow.
    times
        A number or a date per row, in any order. Rows are divided into ``count + 1`` stretches of
        time; fold ``i`` tests on stretch ``i + 1`` and trains on all before.
    gap
        With ``times``: only rows *more* than this before the test rows train.
    rng
        Seed or generator (SPEC 7); by time nothing is random.

    Raises
    ------
    DataError
        If there are fewer rows, groups or times, or fewer rows of a class, than folds need.
    OptionError
        If ``count`` is below 2, more than one of ``labels``, ``groups`` and ``times`` is given, or
        the gap does not fit the times.

    Examples
    --------
    >>> from chainrule import data
    >>> for train, test in data.folds(6, 3, times=[1, 2, 3, 4, 5, 6]):
    ...     print(train.tolist(), test.tolist())
    [0] [1, 2]
    [0, 1, 2] [3]
    [0, 1, 2, 3] [4, 5]
    """
    kind = only_kind("folds", labels=labels, groups=groups, times=times)
    if count < 2:
        raise OptionError("data.folds", count=count)
    if rows < count:
        raise DataError("data.few", who="folds", name="rows", distinct=rows, parts=count)
    if gap is not None and kind != "times":
        raise DataError("data.gap_without_times", who="folds")
    if kind == "times":
        return _by_time(as_times("folds", times, rows), gap, count)
    generator = checked_rng(rng)
    if kind == "groups":
        fold = _by_group(as_codes("folds", kind, groups, rows)[1], count, generator)
    else:
        order = generator.permutation(rows)
        if kind == "labels":
            order = _class_by_class(order, *as_codes("folds", kind, labels, rows), count)
        fold = np.empty(rows, np.intp)
        fold[order] = np.arange(rows) % count  # rows are dealt out like cards
    return [Fold(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(count)]


def _class_by_class(order: np.ndarray, names: np.ndarray, labels: Codes, count: int) -> np.ndarray:
    """A random order with the rows of each class one after the other."""
    sizes = np.bincount(labels)
    if sizes.min() < count:
        rare = int(sizes.argmin())
        raise DataError(
            "data.rare_class", label=names.tolist()[rare], rows=sizes[rare], count=count
        )
    return order[np.argsort(labels[order], kind="stable")]


def _by_group(groups: Codes, count: int, rng: np.random.Generator) -> Codes:
    """The fold of each row: groups, largest first, go where there are fewest rows yet."""
    sizes = np.bincount(groups)
    if len(sizes) < count:
        raise DataError("data.few", who="folds", name="groups", distinct=len(sizes), parts=count)
    shuffled = rng.permutation(len(sizes))  # groups of one size come in random order
    fold = np.empty(len(sizes), np.intp)
    load = np.zeros(count, np.intp)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold[group] = load.argmin()
        load[fold[group]] += sizes[group]
    return fold[groups]


def _by_time(times: np.ndarray, gap: Any, count: int) -> list[Fold]:
    length = as_gap("folds", gap, times)
    wanted = [len(times) * stretch // (count + 1) for stretch in range(1, count + 1)]
    starts = time_starts("folds", times, wanted)
    found = []
    for start, end in zip_longest(starts, starts[1:]):
        train = np.flatnonzero(earlier(times, start, length))
        if not len(train):
            raise DataError("data.gap_takes_all", who="folds", gap=str(gap), part="train")
        tested = times >= start if end is None else (times >= start) & (times < end)
        found.append(Fold(train, np.flatnonzero(tested)))
    return found
