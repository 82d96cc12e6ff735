"""Unknown functions: for ``z = f(x, y)`` with an ``f`` that nothing is known of, a random one.

What holds for a few random smooth functions at random points, and for all the points' values of
their derivatives, holds for every smooth function: there is nothing special about these.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["smooth_function"]

WAVES = 3


def smooth_function(name: str, arguments: int) -> Callable[..., Any]:
    """A smooth function ``(backend, *arguments)`` that is always the same for the same name.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.claims.smooth import smooth_function
    >>> f = smooth_function("f", 2)
    >>> f(np, np.array([0.5]), np.array([1.0])) == f(np, np.array([0.5]), np.array([1.0]))
    array([ True])
    """
    rng = np.random.default_rng([zlib.crc32(name.encode()), arguments])
    heights = rng.uniform(0.5, 1.5, WAVES)
    turns = rng.uniform(0.4, 1.2, (WAVES, arguments)) * rng.choice([-1, 1], (WAVES, arguments))
    starts = rng.uniform(0, 2 * np.pi, WAVES)
    slopes = rng.uniform(0.2, 0.8, arguments)

    def function(backend: Any, *given: Any) -> Any:
        total = sum(float(slope) * one for slope, one in zip(slopes, given, strict=True))
        for height, turn, start in zip(heights, turns, starts, strict=True):
            phase = sum(float(weight) * one for weight, one in zip(turn, given, strict=True))
            total = total + float(height) * backend.sin(phase + float(start))
        return total

    return function
