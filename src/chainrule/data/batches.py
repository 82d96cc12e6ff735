"""Mini-batches: which rows each step of an epoch sees."""

from collections.abc import Iterator

import numpy as np

from chainrule.errors import OptionError

__all__ = ["batches"]


def batches(
    rows: int, size: int | None = None, rng: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """The row indices of each mini-batch of one epoch; every row comes exactly once.

    Parameters
    ----------
    rows
        How many rows there are.
    size
        Rows per batch; the last batch may be shorter. ``None`` puts all rows into one batch.
    rng
        Shuffles the rows; without it they come in order. Drawn from when the first batch is asked
        for, once per epoch.

    Raises
    ------
    OptionError
        If ``size`` is below 1 or ``rows`` is negative.

    Examples
    --------
    >>> from chainrule import data
    >>> [batch.tolist() for batch in data.batches(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    if rows < 0:
        raise OptionError("data.rows", rows=rows)
    if size is not None and size < 1:
        raise OptionError("data.batch_size", size=size)
    return _slices(rows, size or max(rows, 1), rng)


def _slices(rows: int, size: int, rng: np.random.Generator | None) -> Iterator[np.ndarray]:
    order = np.arange(rows) if rng is None else rng.permutation(rows)
    for start in range(0, rows, size):
        yield order[start : start + size]
