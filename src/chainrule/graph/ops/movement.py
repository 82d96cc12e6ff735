"""Rows that change shape and order: reshape, transpose, broadcast, flip.

All are linear; the transpose of ``broadcast_to`` is a ``sum``.
"""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.apply import apply, make_node
from chainrule.graph.spec import Shape, Spec, normalize_axes
from chainrule.graph.table import TABLE, Check, Example, Linear, Op, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["broadcast_to", "flip", "moveaxis", "reshape", "swapaxes", "transpose"]

F64 = np.dtype(np.float64)
ANY = "fib"


# ------------------------------------------------------------------ reshape
def _reshape_rule(x: Spec, shape: Shape) -> Spec:
    if math.prod(shape) != x.size:
        raise ShapeError("graph.reshape", shape=x.shape, new=shape)
    return x.with_shape(shape)


RESHAPE = add_row(
    Op(
        "reshape",
        "movement",
        _reshape_rule,
        lambda x, shape: np.reshape(x, shape),
        Linear(lambda i, g, x, shape: reshape(g, x.shape)),
        Check(
            examples=(
                Example((Spec((2, 6), F64),), {"shape": (3, 4)}),
                Example((Spec((2, 3), F64),), {"shape": (6,)}),
                Example((Spec((), F64),), {"shape": (1, 1)}),
                Example((Spec((0, 3), F64),), {"shape": (3, 0, 2)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def reshape(x: ArrayLike, shape: int | Sequence[int]) -> Tensor:
    """The same elements in another shape, in C order; one length may be -1.

    Raises
    ------
    ShapeError
        If the numbers of elements differ.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.reshape(cr.arange(6), (2, -1)).shape
    (2, 3)
    """
    x = asarray(x)
    wanted = tuple(map(int, shape)) if isinstance(shape, Sequence) else (int(shape),)
    known = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) == 1 and known > 0:
        wanted = tuple(x.size // known if n == -1 else n for n in wanted)
    if wanted == x.shape:
        return x
    if min(wanted, default=0) < 0:
        raise ShapeError("graph.reshape", shape=x.shape, new=wanted)
    return apply(RESHAPE, x, shape=wanted)


# ------------------------------------------------------------------ transpose
def _transpose_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError("graph.transpose", axes=axes, ndim=x.ndim)
    return x.with_shape([x.shape[a] for a in axes])


TRANSPOSE = add_row(
    Op(
        "transpose",
        "movement",
        _transpose_rule,
        lambda x, axes: np.transpose(x, axes),
        Linear(lambda i, g, x, axes: transpose(g, [axes.index(a) for a in range(len(axes))])),
        Check(
            examples=(
                Example((Spec((2, 3), F64),), {"axes": (1, 0)}),
                Example((Spec((2, 3, 4), F64),), {"axes": (2, 0, 1)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in another order; reversed by default.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.transpose(cr.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = asarray(x)
    unchanged = tuple(range(x.ndim))
    order = unchanged[::-1] if axes is None else tuple(map(int, axes))
    order = tuple(a % x.ndim if -x.ndim <= a < 0 else a for a in order)
    return x if order == unchanged else apply(TRANSPOSE, x, axes=order)


@tensor_function
def swapaxes(x: ArrayLike, first: int, second: int) -> Tensor:
    """Two axes exchanged.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.swapaxes(cr.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = asarray(x)
    (first,) = normalize_axes("swapaxes", first, x.ndim)
    (second,) = normalize_axes("swapaxes", second, x.ndim)
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    return transpose(x, order)


def moveaxis(x: ArrayLike, source: int, destination: int) -> Tensor:
    """One axis moved to another place.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.moveaxis(cr.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    (source,) = normalize_axes("moveaxis", source, x.ndim)
    (destination,) = normalize_axes("moveaxis", destination, x.ndim)
    order = [a for a in range(x.ndim) if a != source]
    order.insert(destination, source)
    return transpose(x, order)


# ------------------------------------------------------------------ broadcast
def _broadcast_rule(x: Spec, shape: Shape) -> Spec:
    new = len(shape) - x.ndim
    if new < 0 or any(n not in (1, wanted) for n, wanted in zip(x.shape, shape[new:], strict=True)):
        raise ShapeError("graph.broadcast_to", shape=x.shape, new=shape)
    return x.with_shape(shape)


def _broadcast_transpose(i: int, g: Tensor, x: Tensor, shape: Shape) -> Tensor:
    """Sum over the axes along which ``x`` was repeated."""
    new = len(shape) - x.ndim
    axes = tuple(a for a in range(len(shape)) if a < new or x.shape[a - new] != shape[a])
    return reshape(apply(TABLE["sum"], g, axes=axes), x.shape)


BROADCAST = add_row(
    Op(
        "broadcast_to",
        "movement",
        _broadcast_rule,
        lambda x, shape: np.broadcast_to(x, shape),
        Linear(_broadcast_transpose),
        Check(
            examples=(
                Example((Spec((3,), F64),), {"shape": (2, 3)}),
                Example((Spec((2, 1), F64),), {"shape": (4, 2, 3)}),
                Example((Spec((), F64),), {"shape": (2, 2)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def broadcast_to(x: ArrayLike, shape: Sequence[int]) -> Tensor:
    """``x`` repeated to ``shape``: aligned at the end, axes of length 1 stretch.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.broadcast_to([1.0, 2.0], (2, 2))
    Tensor f32[2, 2]
    [[1. 2.]
     [1. 2.]]
    """
    x, wanted = asarray(x), tuple(map(int, shape))
    return x if x.shape == wanted else apply(BROADCAST, x, shape=wanted)


def constant_like(value: float, x: Tensor) -> Tensor:
    """``value`` in the shape and type of ``x``; in a graph a broadcast scalar, not an array."""
    scalar = asarray(value, x.dtype)
    if x.is_symbolic and x.shape:
        return make_node(BROADCAST, [scalar], {"shape": x.shape})
    return broadcast_to(scalar, x.shape)


# ------------------------------------------------------------------ flip
def _flip_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    normalize_axes("flip", axes, x.ndim)
    return x


FLIP = add_row(
    Op(
        "flip",
        "movement",
        _flip_rule,
        lambda x, axes: np.flip(x, axes),
        Linear(lambda i, g, x, axes: flip(g, axes)),
        Check(examples=(Example((Spec((2, 3), F64),), {"axes": (0, 1)}),), kinds=ANY),
    )
)


def flip(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Elements in reverse order along ``axis``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.flip([1.0, 2.0, 3.0])
    Tensor f32[3] [3. 2. 1.]
    """
    x = asarray(x)
    axes = normalize_axes("flip", axis, x.ndim)
    return apply(FLIP, x, axes=axes) if axes else x
