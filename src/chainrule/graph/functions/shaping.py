"""Functions of shape and order, composed of rows of the table."""

from collections.abc import Sequence

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.gather import gather, scatter_add
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import broadcast_to, reshape
from chainrule.graph.spec import normalize_axes
from chainrule.graph.tensor import ArrayLike, Axis, Tensor, asarray, tensor_function

__all__ = [
    "diag",
    "diff",
    "expand_dims",
    "ravel",
    "repeat",
    "roll",
    "split",
    "squeeze",
    "tile",
    "tril",
    "triu",
]


def ravel(x: ArrayLike) -> Tensor:
    """All elements in one axis, in C order.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ravel([[1.0, 2.0], [3.0, 4.0]])
    Tensor f32[4] [1. 2. 3. 4.]
    """
    return reshape(x, (-1,))


@tensor_function
def squeeze(x: ArrayLike, axis: Axis = None) -> Tensor:
    """``x`` without axes of length 1.

    Raises
    ------
    ShapeError
        If an axis that is named is longer.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.squeeze(cr.zeros((1, 3, 1))).shape
    (3,)
    """
    x = asarray(x)
    if axis is None:
        return reshape(x, [n for n in x.shape if n != 1])
    axes = normalize_axes("squeeze", axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ShapeError("graph.squeeze", shape=x.shape, axis=axes)
    return reshape(x, [n for a, n in enumerate(x.shape) if a not in axes])


def expand_dims(x: ArrayLike, axis: int) -> Tensor:
    """``x`` with a new axis of length 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.expand_dims(cr.zeros(3), -1).shape
    (3, 1)
    """
    x = asarray(x)
    (axis,) = normalize_axes("expand_dims", axis, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def _part(x: Tensor, axis: int, start: int | None, stop: int | None) -> Tensor:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def split(x: ArrayLike, parts: int, axis: int = 0) -> list[Tensor]:
    """``x`` cut into equal parts along ``axis``.

    Raises
    ------
    ShapeError
        If the axis cannot be cut so.

    Examples
    --------
    >>> import chainrule as cr
    >>> [part.tolist() for part in cr.split([1.0, 2.0, 3.0, 4.0], 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    """
    x = asarray(x)
    (axis,) = normalize_axes("split", axis, x.ndim)
    if parts < 1 or x.shape[axis] % parts:
        raise ShapeError("graph.split", shape=x.shape, axis=axis, parts=parts)
    size = x.shape[axis] // parts
    return [_part(x, axis, i * size, (i + 1) * size) for i in range(parts)]


@tensor_function
def repeat(x: ArrayLike, count: int, axis: int | None = None) -> Tensor:
    """Every slice along ``axis`` ``count`` times in a row; without an axis every element.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.repeat([1.0, 2.0], 2)
    Tensor f32[4] [1. 1. 2. 2.]
    """
    x = asarray(x) if axis is not None else ravel(x)
    (axis,) = normalize_axes("repeat", axis or 0, x.ndim)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    copies = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, count, *after))
    return reshape(copies, (*before, n * count, *after))


def tile(x: ArrayLike, counts: int | Sequence[int]) -> Tensor:
    """``x`` as a whole, ``counts`` times along each axis (aligned at the last axis).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tile([1.0, 2.0], 2)
    Tensor f32[4] [1. 2. 1. 2.]
    """
    x = asarray(x)
    counts = (counts,) if isinstance(counts, int) else tuple(counts)
    ndim = max(x.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    apart = [length for n in shape for length in (1, n)]
    copied = [length for count, n in zip(counts, shape, strict=True) for length in (count, n)]
    joined = [count * n for count, n in zip(counts, shape, strict=True)]
    return reshape(broadcast_to(reshape(x, apart), copied), joined)


def roll(x: ArrayLike, shift: int, axis: int | None = None) -> Tensor:
    """Elements moved ``shift`` places on along ``axis``; what falls off the end comes in in front.

    Without an axis, the flattened tensor is rolled and put back into shape.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.roll([1.0, 2.0, 3.0], 1)
    Tensor f32[3] [3. 1. 2.]
    """
    x = asarray(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    (axis,) = normalize_axes("roll", axis, x.ndim)
    n = x.shape[axis]
    cut = -shift % n if n else 0
    return concatenate([_part(x, axis, cut, None), _part(x, axis, None, cut)], axis) if cut else x


def diff(x: ArrayLike, axis: int = -1) -> Tensor:
    """Differences of neighbours along ``axis``: ``x[i + 1] - x[i]``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.diff([1.0, 4.0, 9.0])
    Tensor f32[2] [3. 5.]
    """
    x = asarray(x)
    (axis,) = normalize_axes("diff", axis, x.ndim)
    return _part(x, axis, 1, None) - _part(x, axis, None, -1)


# ------------------------------------------------------------------ matrices
def _triangle(x: Tensor, k: int) -> np.ndarray:
    """Where the last two axes are on diagonal ``k`` or below."""
    if x.ndim < 2:
        raise ShapeError("graph.matrix", shape=x.shape)
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, k, dtype=bool)


def tril(x: ArrayLike, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above diagonal ``k``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tril([[1.0, 2.0], [3.0, 4.0]])
    Tensor f32[2, 2]
    [[1. 0.]
     [3. 4.]]
    """
    x = asarray(x)
    return where(_triangle(x, k), x, 0)


def triu(x: ArrayLike, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below diagonal ``k``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.triu([[1.0, 2.0], [3.0, 4.0]])
    Tensor f32[2, 2]
    [[1. 2.]
     [0. 4.]]
    """
    x = asarray(x)
    return where(_triangle(x, k - 1), 0, x)


def diag(x: ArrayLike, k: int = 0) -> Tensor:
    """The diagonal ``k`` of a matrix; or the matrix with ``x`` on that diagonal.

    Raises
    ------
    ShapeError
        Unless ``x`` is a vector or a matrix.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.diag([1.0, 2.0])
    Tensor f32[2, 2]
    [[1. 0.]
     [0. 2.]]
    >>> cr.diag(cr.diag([1.0, 2.0]))
    Tensor f32[2] [1. 2.]
    """
    x = asarray(x)
    if x.ndim not in (1, 2):
        raise ShapeError("graph.diag", shape=x.shape)
    rows, columns = x.shape if x.ndim == 2 else (x.size + abs(k),) * 2
    count = max(min(rows + min(k, 0), columns - max(k, 0)), 0)
    steps = np.arange(count)
    places = np.stack([steps + max(-k, 0), steps + max(k, 0)], axis=-1)
    return gather(x, places) if x.ndim == 2 else scatter_add(x, places, (rows, columns))
