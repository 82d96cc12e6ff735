"""Symbols as vectors."""

from typing import Any

import numpy as np

from chainrule.errors import DataError, DtypeError, OptionError, ShapeError
from chainrule.graph.functions import take
from chainrule.graph.ops.elementwise import stop_gradient, where
from chainrule.graph.ops.movement import swapaxes
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes, checked_dtype, checked_rows
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.module import Module
from chainrule.nn.text import constructor_form

__all__ = ["Embedding", "checked_ids"]


def _standard_normal(rng: Any, shape: Any, dtype: Any) -> Tensor:
    return asarray(checked_rng(rng).standard_normal(shape), dtype)


class Embedding(Module):
    """A table of vectors, one for each symbol: ``y = W[id]``.

    Parameters
    ----------
    count, width
        How many symbols there are, and how many numbers stand for each.
    padding_idx
        The symbol that stands for padding, if there is one: its row begins as 0 and gets no
        gradient where it is looked up, so that training leaves it. Below 0 it counts from the end.
    init
        How the table begins (:func:`chainrule.nn.initializer`); by default standard normal, as in
        PyTorch.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight
        ``W``, of shape ``(count, width)``.

    Notes
    -----
    The gradient of a row is the sum over the places where its symbol stands; a symbol that does not
    occur has the gradient 0.

    Raises
    ------
    DataError
        If an id is below 0 or not below ``count``.
    DtypeError
        If the ids are not of an integer type.
    OptionError
        If a size is below 1, the padding is no symbol, or the initialiser is unknown.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.Embedding(10, 4, rng=0)
    >>> layer, layer([[1, 2, 3], [4, 4, 4]]).shape
    (Embedding(10, 4), (2, 3, 4))
    >>> nn.Embedding(10, 4, padding_idx=0)([0, 0]).tolist() == [[0.0] * 4] * 2
    True
    """

    weight: Tensor
    padding_idx: int | None

    def __init__(
        self,
        count: int,
        width: int,
        *,
        padding_idx: int | None = None,
        init: str | Initializer = _standard_normal,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        who, shape = f"Embedding({count}, {width})", (count, width)
        check_sizes(who, *shape)
        dtype = checked_dtype(who, dtype)
        self.weight = asarray(initializer(init)(checked_rng(rng), shape, dtype), dtype)
        if self.weight.shape != shape:
            raise ShapeError("nn.init_shape", who=who, wanted=shape, got=self.weight.shape)
        self.padding_idx = _checked_padding(who, padding_idx, count)
        if self.padding_idx is not None:
            padding = np.arange(count)[:, None] == self.padding_idx
            self.weight = asarray(where(padding, 0, self.weight), dtype)

    @property
    def count(self) -> int:
        """How many symbols there are."""
        return self.weight.shape[-2]

    @property
    def width(self) -> int:
        """How many numbers stand for a symbol."""
        return self.weight.shape[-1]

    def __call__(self, ids: ArrayLike) -> Tensor:
        """The vectors ``(…, width)`` of ids ``(…)``."""
        ids = checked_ids(self, ids, self.count)
        if ids.is_symbolic and ids.dtype.kind == "i":
            # An index below 0 would count from the end; here it has to be out of range.
            ids = where(ids < 0, ids - self.count, ids)
        y = take(self.weight, ids, axis=0)
        if self.padding_idx is None:
            return y
        return where((ids == self.padding_idx)[..., None], stop_gradient(y), y)

    def scores(self, x: ArrayLike) -> Tensor:
        """``x Wᵀ``: how well ``x`` ``(…, width)`` fits each symbol, ``(…, count)``.

        As the output of a model whose input is this table, these are its logits (Press & Wolf 2017,
        "Using the output embedding to improve language models").

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> nn.Embedding(10, 4, rng=0).scores(cr.ones((2, 4))).shape
        (2, 10)
        """
        columns = swapaxes(self.weight, -1, -2)
        return checked_rows(self, x, columns) @ columns

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(self.count), str(self.width)]
        parts += [f"padding_idx={self.padding_idx}"] * (self.padding_idx is not None)
        return constructor_form(type(self).__name__, parts)


def _checked_padding(who: object, padding: int | None, count: int) -> int | None:
    """The symbol of padding, counted from the beginning."""
    if padding is None:
        return None
    if not isinstance(padding, (int, np.integer)) or not -count <= padding < count:
        raise OptionError("nn.padding_idx", who=who, count=count, got=padding)
    return int(padding) % count


def checked_ids(who: object, ids: ArrayLike, count: int) -> Tensor:
    """Ids as a tensor; raises unless they are integers from 0 to ``count - 1``.

    Symbolic ids have no numbers to look at; where such a graph runs, an index beyond the table is
    refused there.
    """
    ids = asarray(ids)
    if ids.dtype.kind not in "iu":
        raise DtypeError("nn.ids_type", who=who, got=ids.dtype)
    if not ids.is_symbolic and ids.size:
        low, high = ids.numpy().min(), ids.numpy().max()
        if low < 0 or high >= count:
            raise DataError("nn.ids_range", who=who, count=count, got=low if low < 0 else high)
    return ids
