"""Elementwise functions composed of rows of the table.

Where the textbook formula loses digits, the composition is the stable one, and a comment says why.
"""

import math

from chainrule.graph.ops.elementwise import abs as absolute
from chainrule.graph.ops.elementwise import (
    arctan2,
    cos,
    equal,
    exp,
    expm1,
    less,
    less_equal,
    log,
    log1p,
    not_equal,
    power,
    sin,
    where,
)
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function
from chainrule.graph.trace import named

__all__ = [
    "arctan",
    "clip",
    "cosh",
    "exp2",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "sinh",
    "tan",
]


# ------------------------------------------------------------------ angles and hyperbolas
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
    """The hyperbolic sine ``(eˣ - e⁻ˣ) / 2``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sinh(0.0).item()
    0.0
    """
    # sinh x = 2 sinh(x/2) cosh(x/2): the factors do not overflow before their product does.
    rise, fall = _halves(x)
    return 0.5 * (rise - fall) * (rise + fall + 2.0)


def _halves(x: ArrayLike) -> tuple[Tensor, Tensor]:
    """``exp(x/2) - 1`` and ``exp(-x/2) - 1``: near 0 their difference keeps all digits."""
    half = asarray(x) * 0.5
    return expm1(half), expm1(-half)


def cosh(x: ArrayLike) -> Tensor:
    """The hyperbolic cosine ``(eˣ + e⁻ˣ) / 2``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cosh(0.0).item()
    1.0
    """
    # cosh x = 1 + 2 sinh²(x/2)
    rise, fall = _halves(x)
    return 1.0 + 0.5 * (rise - fall) * (rise - fall)


# ------------------------------------------------------------------ logarithms and powers
def log2(x: ArrayLike) -> Tensor:
    """The logarithm to base 2.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.log2(8.0).item()
    3.0
    """
    return log(x) / math.log(2)


def log10(x: ArrayLike) -> Tensor:
    """The logarithm to base 10.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.log10(100.0).item()
    2.0
    """
    return log(x) / math.log(10)


def exp2(x: ArrayLike) -> Tensor:
    """``2 ** x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.exp2(3.0).item()
    8.0
    """
    return power(2.0, x)


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
    swapped = x < y
    large, small = where(swapped, y, x), where(swapped, x, y)
    # large + log(1 + exp(small - large)): the exponential is at most 1. Two equal infinities would
    # give inf - inf; 0 in their place leaves the infinity.
    equal_infinities = equal(x, y) & isinf(x)
    gap = where(equal_infinities, 0.0, small) - where(equal_infinities, 0.0, large)
    return large + log1p(exp(gap))


# ------------------------------------------------------------------ bounds
@tensor_function
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


# ------------------------------------------------------------------ questions
def greater(x: ArrayLike, y: ArrayLike) -> Tensor:
    """Whether ``x > y``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.greater(1.0, 2.0).item()
    False
    """
    return less(y, x)


def greater_equal(x: ArrayLike, y: ArrayLike) -> Tensor:
    """Whether ``x >= y``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.greater_equal(2.0, 2.0).item()
    True
    """
    return less_equal(y, x)


def logical_and(x: ArrayLike, y: ArrayLike) -> Tensor:
    """Whether ``x`` and ``y`` both hold (are not 0).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.logical_and([True, False], True)
    Tensor bool[2] [ True False]
    """
    return not_equal(x, 0) & not_equal(y, 0)


def logical_or(x: ArrayLike, y: ArrayLike) -> Tensor:
    """Whether ``x`` or ``y`` holds (is not 0).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.logical_or([True, False], False)
    Tensor bool[2] [ True False]
    """
    return not_equal(x, 0) | not_equal(y, 0)


def logical_not(x: ArrayLike) -> Tensor:
    """Whether ``x`` does not hold (is 0).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.logical_not([True, False])
    Tensor bool[2] [False  True]
    """
    return equal(x, 0)


def isnan(x: ArrayLike) -> Tensor:
    """Whether an element is NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.isnan([0.0, float("nan")])
    Tensor bool[2] [False  True]
    """
    return not_equal(x, x)


def isinf(x: ArrayLike) -> Tensor:
    """Whether an element is infinite.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.isinf([0.0, -float("inf")])
    Tensor bool[2] [False  True]
    """
    return equal(absolute(x), math.inf)


def isfinite(x: ArrayLike) -> Tensor:
    """Whether an element is neither infinite nor NaN.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.isfinite([0.0, float("inf")])
    Tensor bool[2] [ True False]
    """
    return less(absolute(x), math.inf)
