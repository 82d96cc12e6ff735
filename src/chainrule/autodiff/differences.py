"""Finite differences: the slope of a function of one number at 0, and how exact it is.

The error of a central difference ``(f(h) - f(-h)) / 2h`` is a series in ``h²``, so differences for
several ``h`` extrapolate to ``h = 0``; how well they agree says how exact the result is (Ridders
1982, "Accurate computation of F'(x) and F'(x) F''(x)").
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["Slope", "rounding", "slope"]

FIRST_STEP, RATIO, LEVELS = 1e-2, 4.0, 6
#: Nothing is gained where the differences agree to so many digits.
ENOUGH = 1e-12
#: Steps for the slopes on either side.
SMALL, LARGE = 1e-6, 1e-4
#: A jump in the slope is worth a word above this fraction of the slope, or of the values.
NOTABLE = 1e-3


@dataclass(frozen=True)
class Slope:
    """A measured derivative.

    Attributes
    ----------
    value
        The derivative, from differences to both sides.
    uncertainty
        How far the differences for several steps disagree.
    size
        The largest absolute value of the function on the way.
    left, right
        The slopes on either side.
    is_kink
        Whether these differ: there is no derivative.
    """

    value: float
    uncertainty: float
    size: float
    left: float
    right: float
    is_kink: bool


def slope(function: Callable[[float], float]) -> Slope:
    """The derivative of ``function`` at 0.

    Examples
    --------
    >>> import math
    >>> from chainrule.autodiff.differences import slope
    >>> round(slope(math.sin).value, 10)
    1.0
    >>> slope(abs).is_kink
    True
    """
    function = cache(function)  # the value at 0 serves several differences
    value, uncertainty, size = math.nan, math.inf, abs(function(0.0))
    before: list[float] = []
    for level in range(LEVELS):
        h = FIRST_STEP / RATIO**level
        high, low = function(h), function(-h)
        size = max([size, *(abs(y) for y in (high, low) if math.isfinite(y))])
        row = [(high - low) / (2 * h)]
        for order, coarser in enumerate(before, 1):
            factor = RATIO ** (2 * order)
            row.append((factor * row[-1] - coarser) / (factor - 1))
            disagreement = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
            if disagreement < uncertainty:
                value, uncertainty = row[-1], disagreement
        if uncertainty <= ENOUGH * abs(value):
            break
        before = row
    left, right = _sides(function, SMALL)
    farther_left, farther_right = _sides(function, LARGE)
    # Curvature makes a difference that grows with the step, and rounding one that shrinks with it.
    jump, farther = right - left, farther_right - farther_left
    stays = 0.5 * abs(farther) < abs(jump) < 2.0 * abs(farther)
    is_kink = stays and abs(jump) > NOTABLE * max(abs(left), abs(right), NOTABLE * size)
    return Slope(value, uncertainty, size, left, right, is_kink)


def _sides(function: Callable[[float], float], h: float) -> tuple[float, float]:
    """The slopes on either side of 0, from one step."""
    here = function(0.0)
    return (here - function(-h)) / h, (function(h) - here) / h


def rounding(function: Callable[[float], float]) -> float:
    """How uncertain a slope is because of the rounding errors in the function's values.

    Fourth differences leave nothing of a smooth function over a short way: what they do leave are
    rounding errors, about eight times as large.
    """
    values = [function(step * 0.37 * LARGE) for step in range(12)]
    errors = np.abs(np.diff(values, n=4)) / 8
    return float(errors.max()) / FIRST_STEP
