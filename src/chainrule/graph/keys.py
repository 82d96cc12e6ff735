"""Random numbers inside a graph: keys, and what is drawn from them.

A key is two 32-bit words. The same key always gives the same numbers, on every engine, so a key is
used once: :func:`split` makes new ones. On the host, randomness is an ``rng`` keyword (SPEC 7).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, OptionError
from chainrule.graph.ops.elementwise import cos, log, minimum, sqrt
from chainrule.graph.ops.random import random_bits
from chainrule.graph.ops.reductions import argsort
from chainrule.graph.spec import FLOAT_TYPES, checked_dtype
from chainrule.graph.tensor import Tensor, asarray

__all__ = ["bernoulli", "key", "normal", "permutation", "split", "uniform"]


def key(seed: int) -> Tensor:
    """The key of a seed.

    Parameters
    ----------
    seed
        A non-negative integer below 2⁶⁴.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.random.key(7)
    Tensor u32[2] [7 0]
    """
    if not 0 <= seed < 2**64:
        raise OptionError("graph.seed", seed=seed)
    return asarray(np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32))


def split(key: Tensor, count: int = 2) -> Tensor:
    """``count`` new keys ``[count, 2]`` whose streams are independent of each other's.

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.random.split(cr.random.key(7))
    >>> a.shape
    (2,)
    """
    return random_bits(key, (count, 2))


def uniform(
    key: Tensor,
    shape: Sequence[int] = (),
    dtype: Any = np.float32,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Uniform numbers in ``[low, high)``: 24 random bits in float32, 53 in float64.

    Parameters
    ----------
    key
        ``[..., 2]``; several keys give as many draws.
    shape
        Shape of one draw.
    dtype
        float32 or float64.
    low, high
        The interval, ``low < high``.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.random.uniform(cr.random.key(7), (1000,))
    >>> 0.45 < x.mean().item() < 0.55
    True
    """
    dtype = checked_dtype(dtype)
    if dtype not in FLOAT_TYPES:
        raise DtypeError("graph.op_dtype", op="uniform", dtype=dtype)
    if not low < high:
        raise OptionError("graph.interval", low=low, high=high)
    unit = _unit_float32(key, shape) if dtype == np.float32 else _unit_float64(key, shape)
    if (low, high) == (0.0, 1.0):
        return unit
    # Rounding could reach the upper bound.
    below = np.nextafter(dtype.type(high), dtype.type(low))
    return minimum(unit * (high - low) + low, below)


def _unit_float32(key: Tensor, shape: Sequence[int]) -> Tensor:
    return (random_bits(key, shape) // 2**8).astype(np.float32) * 2.0**-24


def _unit_float64(key: Tensor, shape: Sequence[int]) -> Tensor:
    high, low = _pair(random_bits(key, (*shape, 2)))
    return ((high // 2**5).astype(np.float64) * 2.0**26 + (low // 2**6)) * 2.0**-53


def normal(key: Tensor, shape: Sequence[int] = (), dtype: Any = np.float32) -> Tensor:
    """Standard normal numbers (Box & Muller 1958).

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.random.normal(cr.random.key(7), (1000,))
    >>> abs(x.mean().item()) < 0.1
    True
    """
    radius, angle = _pair(uniform(key, (*shape, 2), dtype))
    # 1 - u lies in (0, 1], so that the logarithm is finite.
    return sqrt(-2.0 * log(1.0 - radius)) * cos(2.0 * math.pi * angle)


def bernoulli(key: Tensor, probability: float | Tensor, shape: Sequence[int] = ()) -> Tensor:
    """True with the given probability.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.random.bernoulli(cr.random.key(7), 1.0, (2,))
    Tensor bool[2] [ True  True]
    """
    return uniform(key, shape) < asarray(probability, np.float32)


def permutation(key: Tensor, n: int) -> Tensor:
    """A random order of ``0 … n - 1``.

    Examples
    --------
    >>> import chainrule as cr
    >>> sorted(cr.random.permutation(cr.random.key(7), 4).tolist())
    [0, 1, 2, 3]
    """
    # 64 bits, so that ties (which the stable sort would resolve by position) do not occur.
    high, low = _pair(random_bits(key, (n, 2)))
    return argsort(high.astype(np.uint64) * 2**32 + low)


def _pair(x: Tensor) -> tuple[Tensor, Tensor]:
    """The two halves of the last axis."""
    return x[..., 0], x[..., 1]
