"""Random bits from a key: counter-based, so that every engine draws the same numbers.

The generator is Philox 4×32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy
as 1, 2, 3"): a keyed bijection of 128-bit counters. A key is two 32-bit words. Word ``4 i + j`` of
a stream is word ``j`` of the block with counter ``(i, 0, 0, 0)``; there is no state.
"""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.spec import Shape, Spec
from chainrule.graph.table import Check, Example, Op, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray

__all__ = ["philox", "random_bits"]

U32 = np.dtype(np.uint32)
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
ROUNDS = 10


def philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Ten rounds of Philox on counters ``[..., 4]`` with keys ``[..., 2]`` (both uint32)."""
    c0, c1, c2, c3 = np.moveaxis(counter.astype(np.uint64), -1, 0)
    k0, k1 = np.moveaxis(key.astype(np.uint64), -1, 0)
    for r in range(ROUNDS):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        word0 = (k0 + np.uint64(r * WEYL[0] & 0xFFFFFFFF)) & LOW
        word1 = (k1 + np.uint64(r * WEYL[1] & 0xFFFFFFFF)) & LOW
        c0, c1, c2, c3 = (
            (second >> HALF) ^ c1 ^ word0,
            second & LOW,
            (first >> HALF) ^ c3 ^ word1,
            first & LOW,
        )
    return np.stack([c0, c1, c2, c3], -1).astype(np.uint32)


def _bits_rule(key: Spec, shape: Shape) -> Spec:
    if key.dtype != U32 or key.shape[-1:] != (2,):
        raise ShapeError("graph.key", spec=key)
    return Spec((*key.shape[:-1], *shape), U32)


def _bits_value(key: np.ndarray, shape: Shape) -> np.ndarray:
    count = math.prod(shape)
    blocks = -(-count // 4)
    counter = np.zeros((blocks, 4), np.uint32)
    counter[:, 0] = np.arange(blocks)
    words = philox(counter, key[..., None, :])
    batch = key.shape[:-1]
    return words.reshape(*batch, blocks * 4)[..., :count].reshape((*batch, *shape))


RANDOM_BITS = add_row(
    Op(
        "random_bits",
        "random",
        _bits_rule,
        _bits_value,
        None,
        Check(
            examples=(
                Example((Spec((2,), U32),), {"shape": (3, 5)}, ("key",)),
                Example((Spec((4, 2), U32),), {"shape": (3,)}, ("key",)),
                Example((Spec((2,), U32),), {"shape": (0,)}, ("key",)),
            )
        ),
    )
)


def random_bits(key: ArrayLike, shape: Sequence[int]) -> Tensor:
    """Independent uniform 32-bit words of ``shape`` for every key in ``key[..., 2]``.

    Raises
    ------
    ShapeError
        If ``key`` is not a key.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.random_bits(cr.random.key(0), (2,))
    Tensor u32[2] [1713891541 3781805453]
    """
    key, shape = asarray(key), tuple(map(int, shape))
    _bits_rule(key.spec, shape)  # NumPy would convert another type of number
    return apply(RANDOM_BITS, key, shape=shape)
