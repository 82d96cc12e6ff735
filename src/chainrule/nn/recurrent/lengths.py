"""Sequences of different length in one array: padded at the end, with their lengths beside them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import DataError, DtypeError, ShapeError
from chainrule.graph.functions import arange
from chainrule.graph.ops.elementwise import less
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes

__all__ = ["checked_lengths", "length_mask", "pad_sequences"]


def length_mask(lengths: ArrayLike, time: int) -> Tensor:
    """Which places of padded sequences are real: ``mask[b, t] = t < lengths[b]``.

    Parameters
    ----------
    lengths
        Integers ``(batch,)``: how many steps of each sequence are real.
    time
        The length of the array.

    Returns
    -------
    Tensor
        Booleans ``(batch, time)``.

    Raises
    ------
    DtypeError, ShapeError
        If ``lengths`` is no vector of integers.
    DataError
        If a length is below 1 or above ``time``. Lengths that are symbolic are not looked at: then
        one below 1 stands for a sequence without steps, one above ``time`` for a full one.
    OptionError
        If ``time`` is no integer from 1 on.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.length_mask([3, 1], 3)
    Tensor bool[2, 3]
    [[ True  True  True]
     [ True False False]]
    """
    who, lengths = "length_mask(lengths, time)", asarray(lengths)
    check_sizes(who, time)
    lengths = checked_lengths(who, lengths, lengths.shape[:1], time)
    return less(arange(time), lengths[:, None])


def checked_lengths(who: object, lengths: ArrayLike, rows: Sequence[int], time: int) -> Tensor:
    """The lengths of a batch as a tensor; raises if they are not integers from 1 to ``time``."""
    lengths = asarray(lengths)
    if lengths.dtype.kind not in "iu":
        is_mask = lengths.dtype.kind == "b"
        mend = words.text("nn.count_mask") if is_mask else words.text("nn.whole_lengths")
        raise DtypeError("nn.lengths_type", who=who, got=lengths.dtype, mend=mend)
    if lengths.ndim != 1 or lengths.shape != tuple(rows):
        wanted = f"({rows[0]},)" if rows else "(batch,)"
        mend = " " + words.text("nn.time_second") if lengths.shape == (time,) else ""
        raise ShapeError("nn.lengths_shape", who=who, wanted=wanted, got=lengths.shape, mend=mend)
    if not lengths.is_symbolic:
        wrong = [n for n in lengths.tolist() if not 1 <= n <= time]
        if wrong:
            raise DataError("nn.lengths_range", who=who, time=time, got=wrong[0])
    return lengths.astype(np.int64)


def pad_sequences(
    sequences: Sequence[ArrayLike], *, value: float = 0.0, dtype: Any = None
) -> tuple[Tensor, Tensor]:
    """Sequences of different length as one array, and their lengths.

    Parameters
    ----------
    sequences
        Arrays ``(time, …)``, each of at least one step, alike in all axes but the first. Of ids
        (``(time,)``, integers) as well as of features.
    value
        What stands after the end of the shorter ones. No layer looks at it.
    dtype
        The number type of the array; by default the one that the sequences have in common.

    Returns
    -------
    x, lengths
        ``(batch, time, …)``, where ``time`` is the longest length, and int64 ``(batch,)``.

    Raises
    ------
    DataError
        If there is no sequence, or one without a step; or if the number type cannot hold ``value``.
    ShapeError
        If the sequences differ in another axis than the first.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.pad_sequences([[1.0, 2.0, 3.0], [4.0]])
    (Tensor f32[2, 3]
    [[1. 2. 3.]
     [4. 0. 0.]], Tensor i64[2] [3 1])
    """
    if not isinstance(sequences, Iterable):
        raise DataError("nn.no_steps", got=repr(sequences))
    arrays = [asarray(sequence, dtype).numpy() for sequence in sequences]
    shapes = [array.shape for array in arrays]
    if not arrays or any(shape[:1] in ((), (0,)) for shape in shapes):
        raise DataError("nn.no_steps", got=shapes or "[]")
    if len({shape[1:] for shape in shapes}) > 1:
        raise ShapeError("nn.steps_differ", got=sorted({shape[1:] for shape in shapes}))
    common = np.result_type(*arrays)
    if not _holds(common, value):
        raise DataError("nn.pad_value", dtype=common, got=repr(value))
    lengths = np.array([len(array) for array in arrays])
    padded = np.full((len(arrays), lengths.max(), *shapes[0][1:]), value, common)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return asarray(padded), asarray(lengths)


def _holds(dtype: np.dtype[Any], value: Any) -> bool:
    """Whether a number type holds a number as it is, but for rounding to a float."""
    if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        return False
    if dtype.kind == "f":
        return True
    if dtype.kind == "b":
        return value in (0, 1)
    bounds = np.iinfo(dtype)
    return bool(bounds.min <= value <= bounds.max and value == int(value))
