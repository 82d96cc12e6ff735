"""Which keys a query may look at: booleans, True where it may."""

from functools import lru_cache

import numpy as np

from chainrule.errors import DataError, DtypeError, ShapeError
from chainrule.graph.functions import arange
from chainrule.graph.spec import Shape
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes

__all__ = ["allowed_rows", "causal_mask", "checked_mask"]


def causal_mask(queries: int, keys: int | None = None) -> Tensor:
    """Every position may look at itself and at those before it.

    Parameters
    ----------
    queries
        How many positions look.
    keys
        How many can be looked at; by default the same ones. If there are more, the queries are the
        last of them, as with a cache: ``mask[i, j] = j - (keys - queries) <= i``.

    Returns
    -------
    Tensor
        Booleans ``(queries, keys)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.causal_mask(2, 3)
    Tensor bool[2, 3]
    [[ True  True False]
     [ True  True  True]]
    """
    keys = queries if keys is None else keys
    check_sizes("causal_mask", queries, keys)
    return _causal(int(queries), int(keys))


@lru_cache(maxsize=64)
def _causal(queries: int, keys: int) -> Tensor:
    # Always the same tensor, so that the layers of a model share one in their graph.
    return asarray(np.tri(queries, keys, keys - queries, dtype=bool))


def allowed_rows(first: Tensor, count: int, queries: int, keys: int) -> Tensor:
    """The rows of the causal mask from ``first`` on, where that is known when the graph runs."""
    last_key = first + arange(count) + (keys - queries)
    return arange(keys) <= last_key[:, None]


def checked_mask(who: object, mask: ArrayLike, scores: Shape) -> Tensor:
    """A mask as a tensor with as many axes as the scores ``(…, T, S)``; raises if it cannot be."""
    mask = asarray(mask)
    if mask.dtype.kind not in "bf":
        raise DtypeError("nn.mask_type", who=who, got=mask.dtype)
    missing = len(scores) - mask.ndim
    shape = (1,) * missing + mask.shape
    if missing < 0 or any(m not in (1, n) for m, n in zip(shape, scores, strict=True)):
        raise ShapeError("nn.mask_shape", who=who, wanted=scores, got=mask.shape)
    if mask.dtype.kind == "f" and not mask.is_symbolic:
        numbers = mask.numpy()
        wrong = numbers[~(numbers < np.inf)]  # NaN, too
        if wrong.size:
            raise DataError("nn.mask_numbers", who=who, got=wrong[0])
    return mask.reshape(shape)
