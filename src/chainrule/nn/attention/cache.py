"""The keys and values of the places that a model has seen, so that the next one costs one step.

A cache has a fixed size, so the same compiled step serves every token. Sequences of a batch may be
of different length: each has its own place where the next key is written.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.functions import arange, zeros
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.gather import gather, scatter
from chainrule.graph.ops.movement import broadcast_to, swapaxes
from chainrule.graph.tensor import Tensor, asarray

__all__ = ["Cache", "check_cache", "empty_cache"]


class Cache(NamedTuple):
    """Keys and values of one attention layer.

    Attributes
    ----------
    k, v
        ``(batch, heads, time, width of a head)``; numbers from ``length`` on count for nothing.
    length
        Integers ``(batch,)``: how many places of each sequence are filled.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.MultiHeadAttention(8, 2, rng=0)
    >>> y, cache = layer(cr.ones((1, 3, 8)), causal=True, cache=layer.cache(1, 10))
    >>> y.shape, cache.k.shape, cache.length.tolist()
    ((1, 3, 8), (1, 2, 10, 4), [3])
    """

    k: Tensor
    v: Tensor
    length: Tensor

    @property
    def time(self) -> int:
        """How many places there are."""
        return self.k.shape[-2]

    def places(self, count: int) -> Tensor:
        """Where the next ``count`` keys of each sequence stand, ``(batch, count)``."""
        return self.length[:, None] + arange(count)

    def seen_from(self, count: int) -> Tensor:
        """What the next ``count`` queries may look at: booleans ``(batch, 1, count, time)``."""
        return (arange(self.time) <= self.places(count)[:, :, None])[:, None]

    def extended(self, k: Tensor, v: Tensor, lengths: Tensor | None) -> "Cache":
        """With keys and values ``(batch, heads, T, width of a head)`` of the next places.

        Of ``T`` places, ``lengths`` are real; behind them stands 0.
        """
        count = k.shape[-2]
        added: Any = count if lengths is None else lengths
        filled = self.length + added
        if not filled.is_symbolic and filled.numpy().max() > self.time:
            got = filled.numpy().max().item()
            raise ShapeError("nn.cache_full", time=self.time, got=got)
        if count == 1 and lengths is None:
            heads = broadcast_to(self.length[:, None, None], (*k.shape[:2], 1))
            k, v = (
                scatter(old, heads, new[:, :, 0], 2) for old, new in zip(self, (k, v), strict=False)
            )
            return Cache(k, v, filled)
        place = arange(self.time) - self.length[:, None]  # of the new ones, (batch, time)
        past, new = place < 0, (place >= 0) & (arange(self.time) < filled[:, None])
        chosen = where(new, place, 0)[..., None]

        def written(old: Tensor, values: Tensor) -> Tensor:
            values = swapaxes(gather(swapaxes(values, 1, 2), chosen, batch=1), 1, 2)
            known, fresh = (x[:, None, :, None] for x in (past, new))
            return where(known, old, where(fresh, values, 0))

        return Cache(written(self.k, k), written(self.v, v), filled)


def check_cache(
    who: object, cache: Any, batch: int, heads: int, width: int, dtype: np.dtype[Any]
) -> None:
    """Raise unless a cache holds as many sequences and heads, of this width and number type."""
    wanted = f"{dtype} ({batch}, {heads}, time, {width})"
    if not isinstance(cache, Cache):
        raise ShapeError("nn.cache_shape", who=who, wanted=wanted, got=type(cache).__name__)
    fits = cache.k.ndim == 4 and cache.k.shape[:2] == (batch, heads) and cache.k.shape[3] == width
    if not fits or cache.k.dtype != dtype:
        got = f"{cache.k.dtype} {cache.k.shape}"
        raise ShapeError("nn.cache_shape", who=who, wanted=wanted, got=got)


def empty_cache(batch: int, heads: int, time: int, width: int, dtype: Any) -> Cache:
    """A cache without any place filled.

    Examples
    --------
    >>> from chainrule.nn.attention.cache import empty_cache
    >>> empty_cache(2, 4, 10, 8, "float32").length.tolist()
    [0, 0]
    """
    shape = (batch, heads, time, width)
    return Cache(zeros(shape, dtype), zeros(shape, dtype), asarray(np.zeros(batch, np.int64)))
