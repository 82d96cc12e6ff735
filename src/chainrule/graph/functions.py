"""Functions composed of the rows of the table, under NumPy's names.

They need no derivative of their own. Where the textbook formula loses digits, the composition is the
stable one, and a comment says why.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import OptionError, ShapeError
from chainrule.graph.ops.elementwise import (
    arctan2,
    cos,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    sin,
    sqrt,
    stop_gradient,
    where,
)
from chainrule.graph.ops.elementwise import abs as _abs
from chainrule.graph.ops.movement import (
    broadcast_to,
    concatenate,
    constant_like,
    gather,
    moveaxis,
    reshape,
    transpose,
)
from chainrule.graph.ops.products import matmul
from chainrule.graph.ops.reductions import argsort
from chainrule.graph.ops.reductions import max as _max
from chainrule.graph.ops.reductions import sum as _sum
from chainrule.graph.spec import normalize_axes
from chainrule.graph.tensor import ArrayLike, Axis, Tensor, asarray, tensor_function
from chainrule.graph.trace import named

__all__ = [
    "all",
    "any",
    "arange",
    "arctan",
    "clip",
    "cosh",
    "expand_dims",
    "eye",
    "full",
    "full_like",
    "isfinite",
    "isnan",
    "linspace",
    "logaddexp",
    "logsumexp",
    "mean",
    "ones",
    "ones_like",
    "outer",
    "prod",
    "sinh",
    "sort",
    "split",
    "squeeze",
    "std",
    "take",
    "take_along_axis",
    "tan",
    "tril",
    "triu",
    "var",
    "zeros",
    "zeros_like",
]


# ------------------------------------------------------------------ making tensors
def zeros(shape: int | Sequence[int], dtype: Any = np.float32) -> Tensor:
    """A tensor of zeros.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.zeros(2)
    Tensor f32[2] [0. 0.]
    """
    return asarray(np.zeros(shape, dtype))


def ones(shape: int | Sequence[int], dtype: Any = np.float32) -> Tensor:
    """A tensor of ones.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ones(2)
    Tensor f32[2] [1. 1.]
    """
    return asarray(np.ones(shape, dtype))


def full(shape: int | Sequence[int], value: float, dtype: Any = np.float32) -> Tensor:
    """A tensor of one value.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.full(2, 7.0)
    Tensor f32[2] [7. 7.]
    """
    return asarray(np.full(shape, value, dtype))


def zeros_like(x: ArrayLike) -> Tensor:
    """Zeros in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.zeros_like([1.0, 2.0])
    Tensor f32[2] [0. 0.]
    """
    return constant_like(0, asarray(x))


def ones_like(x: ArrayLike) -> Tensor:
    """Ones in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ones_like([1.0, 2.0])
    Tensor f32[2] [1. 1.]
    """
    return constant_like(1, asarray(x))


def full_like(x: ArrayLike, value: float) -> Tensor:
    """One value in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.full_like([1.0, 2.0], 7)
    Tensor f32[2] [7. 7.]
    """
    return constant_like(value, asarray(x))


def arange(*arguments: float, dtype: Any = None) -> Tensor:
    """Numbers from ``start`` to before ``stop`` in steps, as ``numpy.arange``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.arange(3)
    Tensor i64[3] [0 1 2]
    """
    made = np.arange(*arguments, dtype=dtype)
    return asarray(made if dtype or made.dtype.kind != "f" else made.astype(np.float32))


def linspace(start: float, stop: float, count: int, dtype: Any = np.float32) -> Tensor:
    """``count`` numbers from ``start`` to ``stop``, both included, at equal distances.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linspace(0, 1, 3)
    Tensor f32[3] [0.  0.5 1. ]
    """
    return asarray(np.linspace(start, stop, count, dtype=dtype))


def eye(n: int, dtype: Any = np.float32) -> Tensor:
    """The identity matrix.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.eye(2)
    Tensor f32[2, 2]
    [[1. 0.]
     [0. 1.]]
    """
    return asarray(np.eye(n, dtype=dtype))


# ------------------------------------------------------------------ elementwise
def tan(x: ArrayLike) -> Tensor:
    """The tangent.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tan(0.0).item()
    0.0
    """
    return sin(x) / cos(x)


def arctan(x: ArrayLike) -> Tensor:
    """The angle whose tangent is ``x``, between -π/2 and π/2.

    Examples
    --------
    >>> import chainrule as cr
    >>> round(cr.arctan(1.0).item() * 4, 4)
    3.1416
    """
    return arctan2(x, 1.0)


def sinh(x: ArrayLike) -> Tensor:
    """The hyperbolic sine.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sinh(0.0).item()
    0.0
    """
    # With u = exp(x) - 1: (u + u / (1 + u)) / 2 keeps its digits near 0, (exp(x) - exp(-x)) / 2 not.
    size = _abs(x)
    u = expm1(size)
    y = where(size > 20.0, exp(size - math.log(2)), 0.5 * (u + u / (u + 1.0)))
    return where(asarray(x) < 0, -y, y)


def cosh(x: ArrayLike) -> Tensor:
    """The hyperbolic cosine.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cosh(0.0).item()
    1.0
    """
    # log 2 inside the exponent: exp(|x|) may overflow where the half of it does not.
    half = math.log(2)
    return exp(_abs(x) - half) + exp(-_abs(x) - half)


def clip(x: ArrayLike, low: ArrayLike | None = None, high: ArrayLike | None = None) -> Tensor:
    """``x`` kept between ``low`` and ``high``; the derivative is 1 inside and at the bounds.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.clip([-2.0, 0.5, 9.0], -1, 1)
    Tensor f32[3] [-1.   0.5  1. ]
    """
    x = asarray(x)
    if low is not None:
        x = where(x < low, low, x)
    return x if high is None else where(x > high, high, x)


def isnan(x: ArrayLike) -> Tensor:
    """Whether an element is NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.isnan([0.0, float("nan")])
    Tensor bool[2] [False  True]
    """
    x = asarray(x)
    return x != x


def isfinite(x: ArrayLike) -> Tensor:
    """Whether an element is neither infinite nor NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.isfinite([0.0, float("inf")])
    Tensor bool[2] [ True False]
    """
    x = asarray(x)
    return _abs(x) < math.inf if x.dtype.kind == "f" else x == x


@named
def logaddexp(x: ArrayLike, y: ArrayLike) -> Tensor:
    """``log(exp(x) + exp(y))`` without overflow.

    Examples
    --------
    >>> import chainrule as cr
    >>> round(cr.logaddexp(1000.0, 1000.0).item() - 1000, 4)
    0.6931
    """
    x, y = asarray(x), asarray(y)
    top = stop_gradient(maximum(x, y))
    # Where both are -inf (or one is +inf) the difference would be NaN; the maximum is the answer.
    safe = where(isfinite(top), top, 0.0)
    low, high = x - safe, y - safe
    smaller = exp(-_abs(low - high))
    both = maximum(low, high) + log1p(smaller)
    return where(isfinite(top), safe + both, maximum(x, y))


# ------------------------------------------------------------------ reductions
def _count(x: Tensor, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[a] for a in axes)


def _as_float(x: ArrayLike) -> Tensor:
    x = asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


@tensor_function
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean ``1/n Σ x`` over ``axis``.

    Raises
    ------
    ShapeError
        For the mean of no element.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor f32[2] [2. 3.]
    """
    x = _as_float(x)
    count = _count(x, normalize_axes("mean", axis, x.ndim))
    if count == 0:
        raise ShapeError("graph.empty_mean", shape=x.shape)
    return _sum(x, axis, keepdims) / float(count)


def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The variance ``1/(n - correction) Σ (x - mean)²`` over ``axis``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.var([1.0, 2.0, 3.0]).item() - 2 / 3 < 1e-6
    True
    """
    x = _as_float(x)
    count = _count(x, normalize_axes("var", axis, x.ndim))
    # Two passes: the mean of squares minus the square of the mean cancels.
    deviation = x - mean(x, axis, keepdims=True)
    return _sum(deviation * deviation, axis, keepdims) / float(count - correction)


def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The standard deviation, the square root of :func:`var`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.std([1.0, 3.0]).item()
    1.0
    """
    return sqrt(var(x, axis, keepdims, correction))


@named
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """``log Σ exp(x)`` over ``axis``; exact for large and for very small elements.

    Examples
    --------
    >>> import chainrule as cr
    >>> round(cr.logsumexp([1000.0, 1000.0]).item() - 1000, 4)
    0.6931
    """
    x = _as_float(x)
    # Shifting by the maximum keeps exp from overflowing; the shift is no part of the derivative.
    top = stop_gradient(_max(x, axis, keepdims=True))
    top = where(isfinite(top), top, 0.0)
    y = log(_sum(exp(x - top), axis, keepdims=True)) + top
    return y if keepdims else squeeze(y, normalize_axes("logsumexp", axis, x.ndim))


def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element holds.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.all([True, False]).item()
    False
    """
    return ~any(asarray(x) == 0, axis, keepdims)


def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element holds.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.any([True, False]).item()
    True
    """
    return _sum(asarray(x) != 0, axis, keepdims) > 0


def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over ``axis``; its derivative is exact at zeros too.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.prod([2.0, 3.0, 4.0]).item()
    24.0
    """
    x = asarray(x)
    axes = normalize_axes("prod", axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    kept = [1 if a in axes else x.shape[a] for a in range(x.ndim)]
    y = reshape(transpose(x, [*axes, *rest]), (_count(x, axes), *(x.shape[a] for a in rest)))
    # Multiply halves, not log-sum-exp: no logarithm of a zero or of a negative number.
    while y.shape[0] > 1:
        half = y.shape[0] // 2
        odd = y[2 * half :]
        y = y[:half] * y[half : 2 * half]
        y = y if odd.shape[0] == 0 else concatenate([y, odd])
    if y.shape[0] == 0:
        y = ones((1, *y.shape[1:]), y.dtype)
    return reshape(y, kept if keepdims else [x.shape[a] for a in rest])


# ------------------------------------------------------------------ shape
def squeeze(x: ArrayLike, axis: Axis = None) -> Tensor:
    """``x`` without axes of length 1.

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
    if {x.shape[a] for a in axes} - {1}:
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


def split(x: ArrayLike, parts: int, axis: int = 0) -> list[Tensor]:
    """``x`` cut into equal parts along ``axis``.

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
    before = (slice(None),) * axis
    return [x[(*before, slice(i * size, (i + 1) * size))] for i in range(parts)]


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
    return where(np.tri(*x.shape[-2:], k, dtype=bool), x, 0)


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
    return where(np.tri(*x.shape[-2:], k - 1, dtype=bool), 0, x)


def outer(x: ArrayLike, y: ArrayLike) -> Tensor:
    """The matrix of all products ``x_i y_j`` of two vectors.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.outer([1.0, 2.0], [3.0, 4.0])
    Tensor f32[2, 2]
    [[3. 4.]
     [6. 8.]]
    """
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


# ------------------------------------------------------------------ choosing elements
def take(x: ArrayLike, indices: ArrayLike, axis: int = 0) -> Tensor:
    """Slices of ``x`` at integer ``indices`` along ``axis``, as ``numpy.take``.

    Raises
    ------
    ShapeError
        For an index outside of the axis; negative ones count from the end.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.take([10.0, 20.0, 30.0], [0, -1])
    Tensor f32[2] [10. 30.]
    """
    x, indices = asarray(x), asarray(indices)
    (axis,) = normalize_axes("take", axis, x.ndim)
    front = moveaxis(x, axis, 0)
    wrapped = wrap_negative(indices, x.shape[axis])
    y = gather(front, expand_dims(wrapped, -1))  # [*indices, *rest]
    order = list(range(y.ndim))
    places, rest = order[: indices.ndim], order[indices.ndim :]
    return transpose(y, [*rest[:axis], *places, *rest[axis:]])


def wrap_negative(indices: Tensor, n: int) -> Tensor:
    """Indices with the negative ones counted from the end."""
    return indices if indices.dtype.kind == "u" else where(indices < 0, indices + n, indices)


def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int = -1) -> Tensor:
    """``x`` at ``indices`` along ``axis``, element by element, as ``numpy.take_along_axis``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
    Tensor f32[2, 1]
    [[2.]
     [3.]]
    """
    x, indices = asarray(x), asarray(indices)
    (axis,) = normalize_axes("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError("graph.take_along", x=x.shape, indices=indices.shape)
    last_x, last_indices = moveaxis(x, axis, -1), moveaxis(indices, axis, -1)
    batch = np.broadcast_shapes(last_x.shape[:-1], last_indices.shape[:-1])
    last_x = broadcast_to(last_x, (*batch, last_x.shape[-1]))
    last_indices = broadcast_to(last_indices, (*batch, last_indices.shape[-1]))
    wrapped = wrap_negative(last_indices, x.shape[axis])
    return moveaxis(gather(last_x, expand_dims(wrapped, -1), batch=len(batch)), -1, axis)


def sort(x: ArrayLike, axis: int = -1) -> Tensor:
    """``x`` sorted along ``axis``, NaN last; the derivative follows the elements.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sort([3.0, 1.0, 2.0])
    Tensor f32[3] [1. 2. 3.]
    """
    return take_along_axis(x, argsort(x, axis), axis)
