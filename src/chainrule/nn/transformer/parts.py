"""Small things that the layers of a transformer share."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from chainrule.graph import keys as random
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import Tensor, asarray
from chainrule.nn.init import Initializer

__all__ = ["keys_for", "normal"]


def _normal(rng: Any, shape: Sequence[int], dtype: Any, deviation: float) -> Tensor:
    drawn = checked_rng(rng).standard_normal(shape)
    return asarray(drawn * deviation, dtype)


def normal(deviation: float) -> Initializer:
    """The initialiser that draws from a normal distribution of this standard deviation.

    Examples
    --------
    >>> from chainrule.nn.transformer.parts import normal
    >>> round(normal(0.02)(0, (100, 100), "float32").numpy().std().item(), 3)
    0.02
    """
    return partial(_normal, deviation=deviation)


def keys_for(key: Tensor | None, count: int) -> Sequence[Tensor | None]:
    """A key of its own for each of ``count`` layers, or none for any.

    Examples
    --------
    >>> from chainrule.nn.transformer.parts import keys_for
    >>> keys_for(None, 2)
    [None, None]
    """
    return [None] * count if key is None else list(random.split(key, count))
