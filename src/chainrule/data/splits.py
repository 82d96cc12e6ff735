"""Training, validation and test rows."""

from itertools import pairwise
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
from chainrule.errors import DataError
from chainrule.graph.rng import checked_rng

__all__ = ["Split", "split"]


class Split(NamedTuple):
    """Row numbers for each purpose, sorted; no row is in two of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(
    rows: int,
    *,
    test: float = 0.2,
    validation: float = 0.1,
    labels: Any = None,
    groups: Any = None,
    times: Any = None,
    gap: Any = None,
    rng: Any = 0,
) -> Split:
    """Divide rows into those for training, validation and test.

    At random, unless one of ``labels``, ``groups`` and ``times`` says more. Every row is in one
    part, except those that fall into a gap.

    Parameters
    ----------
    rows
        How many rows there are.
    test, validation
        The share of all rows for each, in ``[0, 1)``. A share above 0 gets at least one row.
    labels
        A class per row: each part holds every class in its share, up to rounding.
    groups
        A group per row (a patient, a machine): all rows of a group are in one part, so that a model
        is judged on groups that it has not seen. Shares are met to half a group where groups are
        many; a group that is larger than a part goes to training.
    times
        A number or a date per row, in any order: test rows are the latest, validation rows those
        before. Rows of one time are in one part.
    gap
        With ``times``: only rows that are *more* than this before the next part are kept. A number,
        or a ``timedelta`` for dates. Give the time after which a row's target is known.
    rng
        Seed or generator (SPEC 7); by time nothing is random.

    Raises
    ------
    DataError
        If a share is not in ``[0, 1)``, a part would be empty, or ``labels``, ``groups`` or
        ``times`` do not have one entry per row, or one is missing.
    OptionError
        If more than one of them is given, or the gap does not fit the times.

    Examples
    --------
    >>> from chainrule import data
    >>> parts = data.split(10, test=0.2, validation=0.1, rng=0)
    >>> [len(part) for part in parts]
    [7, 1, 2]
    >>> years = [2024, 2021, 2022, 2023, 2020]
    >>> data.split(5, test=0.2, validation=0, times=years, gap=1).train.tolist()
    [1, 2, 4]
    """
    kind = only_kind("split", labels=labels, groups=groups, times=times)
    shares = {"validation": validation, "test": test}
    wanted = {part: _count(rows, part, share) for part, share in shares.items()}
    if sum(wanted.values()) >= rows:
        raise DataError("data.no_training_rows", rows=rows, test=test, validation=validation)
    if gap is not None and kind != "times":
        raise DataError("data.gap_without_times", who="split")
    generator = checked_rng(rng)
    if kind == "groups":
        return _by_group(as_codes("split", kind, groups, rows)[1], wanted, generator)
    if kind == "times":
        return _by_time(as_times("split", times, rows), gap, wanted)
    order = generator.permutation(rows)
    if kind == "labels":
        order = _stratified(order, as_codes("split", kind, labels, rows)[1])
    held = sum(wanted.values())
    return Split(
        train=np.sort(order[held:]),
        validation=np.sort(order[wanted["test"] : held]),
        test=np.sort(order[: wanted["test"]]),
    )


def _count(rows: int, part: str, share: float) -> int:
    if not 0 <= share < 1:
        raise DataError("data.share", part=part, share=share)
    return max(1, round(share * rows)) if share else 0


def _stratified(order: np.ndarray, labels: Codes) -> np.ndarray:
    """A random order rearranged so that any run of rows holds each class in its share.

    The rows of a class, in their random order, are put at even distances ``(i + ½) / n`` on the
    unit interval, and the rows of all classes are read from left to right.
    """
    counts = np.bincount(labels)
    by_class = np.argsort(labels[order], kind="stable")
    member = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(order))
    place[by_class] = (member + 0.5) / np.repeat(counts, counts)
    return order[np.argsort(place, kind="stable")]


# ---------------------------------------------------------------------- groups
def _by_group(groups: Codes, wanted: dict[str, int], rng: np.random.Generator) -> Split:
    """Whole groups, drawn at random: first those for test, then those for validation."""
    sizes = np.bincount(groups)
    parts = [part for part in ("test", "validation") if wanted[part]]
    if len(sizes) <= len(parts):
        raise DataError(
            "data.few", who="split", name="groups", distinct=len(sizes), parts=len(parts) + 1
        )
    order = rng.permutation(len(sizes))
    owner = np.full(len(sizes), "train", "<U10")
    for others, part in zip(range(len(parts), 0, -1), parts, strict=True):
        free = order[owner[order] == "train"]
        owner[_drawn(free, sizes, wanted[part], len(free) - others)] = part
    return Split(*(np.flatnonzero((owner == part)[groups]) for part in Split._fields))


def _drawn(free: Codes, sizes: np.ndarray, wanted: int, most: int) -> list[int]:
    """At least one and at most ``most`` groups, of about ``wanted`` rows together.

    Of the groups in their random order each is taken that brings their rows nearer to ``wanted``.
    """
    drawn: list[int] = []
    for group in free.tolist():
        if sizes[group] <= 2 * wanted and len(drawn) < most:
            drawn.append(group)
            wanted -= sizes[group]
    return drawn or [int(free[sizes[free].argmin()])]


# ---------------------------------------------------------------------- times
def _by_time(times: np.ndarray, gap: Any, wanted: dict[str, int]) -> Split:
    """The latest rows for test, those before for validation."""
    length = as_gap("split", gap, times)
    parts = [part for part in ("validation", "test") if wanted[part]]
    if not parts:
        return Split(np.arange(len(times)), *(np.arange(0),) * 2)
    before = np.cumsum([len(times) - sum(wanted.values()), *(wanted[part] for part in parts)])
    starts = time_starts("split", times, before[:-1].tolist())
    kept = [earlier(times, starts[0], length)]
    kept += [(times >= start) & earlier(times, end, length) for start, end in pairwise(starts)]
    kept += [times >= starts[-1]]
    found = {part: np.flatnonzero(rows) for part, rows in zip(["train", *parts], kept, strict=True)}
    for part, rows in found.items():
        if not len(rows):
            raise DataError("data.gap_takes_all", who="split", gap=str(gap), part=part)
    return Split(**{"validation": np.arange(0), "test": np.arange(0), **found})
