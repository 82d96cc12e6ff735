"""Training, validation and test rows."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import DataError

__all__ = ["Split", "split"]


class Split(NamedTuple):
    """Row numbers for each purpose; every row is in exactly one of them, each is sorted."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(
    rows: int,
    *,
    test: float = 0.2,
    validation: float = 0.1,
    labels: Any = None,
    rng: Any = 0,
) -> Split:
    """Divide rows at random into those for training, validation and test.

    Parameters
    ----------
    rows
        How many rows there are.
    test, validation
        The share of all rows for each, in ``[0, 1)``. A share above 0 gets at least one row.
    labels
        A class number per row: then each part holds every class in its share, up to rounding.
    rng
        Seed or generator (SPEC 7).

    Raises
    ------
    DataError
        If a share is not in ``[0, 1)``, no row is left for training, or there is not one label per
        row.

    Examples
    --------
    >>> from chainrule import data
    >>> parts = data.split(10, test=0.2, validation=0.1, rng=0)
    >>> [len(part) for part in parts]
    [7, 1, 2]
    """
    test_count = _count(rows, "test", test)
    validation_count = _count(rows, "validation", validation)
    held = test_count + validation_count
    if held >= rows:
        raise DataError("data.no_training_rows", rows=rows, test=test, validation=validation)
    generator = np.random.default_rng(rng)
    order = generator.permutation(rows)
    if labels is not None:
        order = _stratified(order, np.asarray(labels))
    return Split(
        train=np.sort(order[held:]),
        validation=np.sort(order[test_count:held]),
        test=np.sort(order[:test_count]),
    )


def _count(rows: int, part: str, share: float) -> int:
    if not 0 <= share < 1:
        raise DataError("data.share", part=part, share=share)
    return max(1, round(share * rows)) if share else 0


def _stratified(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A random order rearranged so that any run of rows holds each class in its share.

    The rows of a class, in their random order, are put at even distances ``(i + ½) / n`` on the
    unit interval, and the rows of all classes are read from left to right.
    """
    if labels.shape != order.shape:
        raise DataError("data.labels", rows=len(order), shape=labels.shape)
    place = np.empty(len(order))
    for label in np.unique(labels):
        members = labels[order] == label
        count = members.sum()
        place[members] = (np.arange(count) + 0.5) / count
    return order[np.argsort(place, kind="stable")]
