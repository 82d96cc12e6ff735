"""Reductions composed of rows of the table."""

import math

from chainrule.errors import OptionError, ShapeError
from chainrule.graph.functions.making import ones
from chainrule.graph.functions.numeric import isfinite
from chainrule.graph.functions.shaping import squeeze
from chainrule.graph.ops.elementwise import abs as absolute
from chainrule.graph.ops.elementwise import equal, exp, log, not_equal, sqrt, stop_gradient, where
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import reshape, transpose
from chainrule.graph.ops.reductions import counted
from chainrule.graph.ops.reductions import max as largest
from chainrule.graph.ops.reductions import sum as total
from chainrule.graph.spec import normalize_axes
from chainrule.graph.tensor import ArrayLike, Axis, Tensor, asarray, tensor_function
from chainrule.graph.trace import named

__all__ = ["all", "any", "logsumexp", "mean", "norm", "prod", "std", "var"]


def _as_float(x: ArrayLike) -> Tensor:
    x = asarray(x)
    return x if x.spec.is_float else x.astype("float64")


def _count(who: str, x: Tensor, axis: Axis) -> int:
    return math.prod(x.shape[a] for a in normalize_axes(who, axis, x.ndim))


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
    count = _count("mean", x, axis)
    if count == 0:
        raise ShapeError("graph.empty_mean", shape=x.shape)
    return total(x, axis, keepdims) / float(count)


@tensor_function
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The variance ``1/(n - correction) Σ (x - mean)²`` over ``axis``.

    Parameters
    ----------
    x
        Any shape.
    axis
        An axis or several; all by default.
    keepdims
        Keep the reduced axes with length 1.
    correction
        0 for the variance of the data, 1 for an unbiased estimate of the population's.

    Raises
    ------
    ShapeError
        Unless there are more than ``correction`` elements.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.var([1.0, 3.0]).item(), cr.var([1.0, 3.0], correction=1).item()
    (1.0, 2.0)
    """
    x = _as_float(x)
    count = _count("var", x, axis)
    if count <= correction:
        raise ShapeError("graph.few_for_variance", shape=x.shape, correction=correction)
    # Two passes: the mean of squares minus the square of the mean cancels.
    deviation = x - mean(x, axis, keepdims=True)
    return total(deviation * deviation, axis, keepdims) / float(count - correction)


@tensor_function
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The standard deviation, the square root of :func:`var`; its derivative is 0 where it is 0.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.std([1.0, 3.0]).item()
    1.0
    """
    return _root(var(x, axis, keepdims, correction))


def _root(x: Tensor) -> Tensor:
    """``√x`` with derivative 0 at 0, where that of the square root is infinite."""
    zero = equal(x, 0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


def norm(x: ArrayLike, order: float = 2, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The length of a vector: ``√Σx²``, or ``Σ|x|`` (order 1), or ``max |x|`` (order infinity).

    Parameters
    ----------
    x
        Any shape; without ``axis`` all elements are one vector (the Frobenius norm of a matrix).
    order
        2, 1 or infinity.
    axis
        An axis or several, over which the vectors run.
    keepdims
        Keep these axes with length 1.

    Notes
    -----
    The derivative at the zero vector is 0, a subgradient.

    Raises
    ------
    OptionError
        For another order.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.norm([3.0, 4.0]).item()
    5.0
    """
    x = _as_float(x)
    if order == 2:
        return _root(total(x * x, axis, keepdims))
    if order == 1:
        return total(absolute(x), axis, keepdims)
    if order == math.inf:
        return largest(absolute(x), axis, keepdims)
    raise OptionError("graph.norm_order", order=order)


@named
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """``log Σ exp(x)`` over ``axis``, without overflow.

    Examples
    --------
    >>> import chainrule as cr
    >>> round(cr.logsumexp([1000.0, 1000.0]).item() - 1000, 4)
    0.6931
    """
    x = _as_float(x)
    # Shifting by the maximum keeps exp from overflowing; the shift is no part of the derivative.
    top = stop_gradient(largest(x, axis, keepdims=True))
    top = where(isfinite(top), top, 0.0)
    y = log(total(exp(x - top), axis, keepdims=True)) + top
    return y if keepdims else squeeze(y, normalize_axes("logsumexp", axis, x.ndim))


@tensor_function
def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element holds (is not 0).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.all([True, False]).item()
    False
    """
    return ~any(equal(x, 0), axis, keepdims)


@tensor_function
def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element holds (is not 0).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.any([True, False]).item()
    True
    """
    return total(not_equal(x, 0), axis, keepdims) > 0


@tensor_function
def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over ``axis``; its derivative is exact at zeros too.

    Notes
    -----
    Unlike NumPy, integers keep their type; booleans are counted.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.prod([2.0, 3.0, 4.0]).item()
    24.0
    """
    x = counted(x)
    axes = normalize_axes("prod", axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    factors = transpose(x, [*axes, *rest])
    y = reshape(factors, (_count("prod", x, axis), *(x.shape[a] for a in rest)))
    if y.shape[0] == 0:
        y = ones((1, *y.shape[1:]), y.dtype)
    # Halves are multiplied: no logarithm of a zero, no quotient by one.
    while y.shape[0] > 1:
        half = y.shape[0] // 2
        pairs, odd = y[:half] * y[half : 2 * half], y[2 * half :]
        y = concatenate([pairs, odd]) if odd.shape[0] else pairs
    return reshape(
        y, [1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a in rest]
    )
