"""The ``rng`` keyword of functions that draw numbers on the host (SPEC 7)."""

from typing import Any

import numpy as np

from chainrule.errors import OptionError

__all__ = ["checked_rng"]


def checked_rng(rng: Any) -> np.random.Generator:
    """The generator that the keyword stands for: of a seed, the given one, or of fresh entropy.

    Examples
    --------
    >>> from chainrule.graph.rng import checked_rng
    >>> checked_rng(7).random() == checked_rng(7).random()
    True
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise OptionError("graph.rng", rng=rng) from None
