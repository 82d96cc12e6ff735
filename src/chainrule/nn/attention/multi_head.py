"""Multi-head attention as a layer."""

from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph.functions import arange, zeros
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import transpose
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.attention.cache import Cache, check_cache, empty_cache
from chainrule.nn.attention.function import attended
from chainrule.nn.attention.masks import checked_mask
from chainrule.nn.attention.rotary import check_base, rotary
from chainrule.nn.checks import adapted, check_sizes, checked_dtype, checked_rows
from chainrule.nn.dropout import Dropout
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.recurrent.lengths import checked_lengths
from chainrule.nn.text import constructor_form, number

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Module):
    """Several attentions side by side, each between projections of its own.

    ::

        Qₕ, Kₕ, Vₕ = x Wᵠₕ + bᵠₕ,  c Wᵏₕ + bᵏₕ,  c Wᵛₕ + bᵛₕ         for every head h
        y = [softmax(Qₕ Kₕᵀ / √d) Vₕ, side by side] Wᵒ + bᵒ          d = width / heads

    In self-attention the context ``c`` is ``x`` itself, and one product makes all of ``Q``, ``K``
    and ``V``; in cross-attention it is another sequence.

    Parameters
    ----------
    width
        How many numbers a position has, in ``x``, in the context and in ``y``.
    heads
        How many attentions; divides ``width``.
    key_value_heads
        If fewer than ``heads``, each head of keys and values serves several heads of queries
        (grouped-query attention; 1 is multi-query attention). Divides ``heads``.
    bias
        Whether the projections have biases; they begin at 0.
    dropout
        Rate of the dropout of weights.
    rotary
        Whether queries and keys are turned by their positions (:func:`chainrule.nn.rotary`); for
        self-attention.
    rotary_base
        Of the wavelengths.
    scaled
        Whether scores are divided by ``√d``.
    init, output_init
        How the projections begin (:func:`chainrule.nn.initializer`), each drawn by itself; by
        default by Glorot & Bengio's uniform, as in Keras. ``output_init`` is for ``Wᵒ``.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    input
        The :class:`Linear` of all projections, with the columns of queries, keys, values in this
        order and the heads side by side in each.
    output
        The :class:`Linear` ``Wᵒ``.
    dropout
        The :class:`Dropout` of weights, or ``None``.

    Raises
    ------
    OptionError
        If the heads do not divide the width, or the heads of keys those of queries.
    ShapeError, DtypeError, DataError
        If ``x``, the context, the lengths, the mask or the cache do not fit.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.2.2.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.MultiHeadAttention(8, 2, rng=0)
    >>> layer, layer(cr.ones((3, 5, 8)), causal=True).shape
    (MultiHeadAttention(8, 2), (3, 5, 8))
    >>> layer(cr.ones((3, 5, 8)), cr.ones((3, 7, 8)), lengths=[7, 2, 1]).shape
    (3, 5, 8)
    """

    input: Linear
    output: Linear
    dropout: Dropout | None
    heads: int
    key_value_heads: int
    rotary_base: float | None
    scaled: bool

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key_value_heads: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: bool = False,
        rotary_base: float = 10000.0,
        scaled: bool = True,
        init: str | Initializer = "xavier_uniform",
        output_init: str | Initializer | None = None,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        shared = heads if key_value_heads is None else key_value_heads
        who = f"MultiHeadAttention({width}, {heads})"
        check_sizes(who, width, heads, shared)
        if width % heads:
            rest, fit = width % heads, _divisors(width)
            raise OptionError("nn.heads", who=who, width=width, heads=heads, rest=rest, fit=fit)
        if heads % shared:
            rest, fit = heads % shared, _divisors(heads)
            raise OptionError(
                "nn.key_value_heads", who=who, heads=heads, got=shared, rest=rest, fit=fit
            )
        if rotary and width // heads % 2:
            raise OptionError("nn.rotary_heads", who=who, got=width // heads)
        if rotary:
            check_base(who, rotary_base)
        dtype, generator = checked_dtype(who, dtype), checked_rng(rng)
        draw, narrow = initializer(init), width // heads * shared
        parts = [draw(generator, (width, n), dtype) for n in (width, narrow, narrow)]
        biases = zeros(width + 2 * narrow, dtype) if bias else None
        self.input = Linear.of(asarray(concatenate(parts, axis=1), dtype), biases)
        last = init if output_init is None else output_init
        self.output = Linear(width, width, bias=bias, init=last, rng=generator, dtype=dtype)
        self.dropout = Dropout(dropout) if dropout else None
        self.heads, self.key_value_heads = int(heads), int(shared)
        self.rotary_base = float(rotary_base) if rotary else None
        self.scaled = bool(scaled)

    @property
    def width(self) -> int:
        """How many numbers a position has."""
        return self.output.out_features

    @property
    def rotary(self) -> bool:
        """Whether queries and keys are turned by their positions."""
        return self.rotary_base is not None

    def cache(self, batch: int, time: int) -> Cache:
        """A cache for ``batch`` sequences of at most ``time`` places, with nothing in it yet."""
        check_sizes(f"{self}.cache({batch}, {time})", batch, time)
        weight, head = self.output.weight, self.width // self.heads
        return empty_cache(batch, self.key_value_heads, time, head, weight.dtype)

    def keys_and_values(self, context: ArrayLike, lengths: ArrayLike | None = None) -> Cache:
        """What this layer looks at in a context, to look at it many times.

        Parameters
        ----------
        context
            ``(batch, S, width)``.
        lengths
            Integers ``(batch,)``: how many places are real; by default all.

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> layer = nn.MultiHeadAttention(8, 2, rng=0)
        >>> seen = layer.keys_and_values(cr.ones((3, 7, 8)), lengths=[7, 2, 1])
        >>> layer(cr.ones((3, 5, 8)), seen).shape
        (3, 5, 8)
        """
        context, _ = self._sequences(self._checked_context(context), lengths)
        k, v = self._context_heads(context)
        everywhere = np.full(context.shape[0], context.shape[1])
        return Cache(k, v, asarray(everywhere if lengths is None else lengths, np.int64))

    def __call__(
        self,
        x: ArrayLike,
        context: ArrayLike | Cache | None = None,
        *,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        causal: bool = False,
        weights: bool = False,
        cache: Cache | None = None,
        key: Tensor | None = None,
    ) -> Any:
        """What each position gathers from the context.

        Parameters
        ----------
        x
            ``(batch, T, width)``.
        context
            ``(batch, S, width)``, or its :meth:`keys_and_values`; by default ``x`` itself.
        lengths
            Integers ``(batch,)``: how many places of the context are real. Padded ones are not
            looked at; in self-attention the result is 0 there.
        mask
            As for :func:`chainrule.nn.attention`, to broadcast to ``(batch, heads, T, S)``.
        causal
            Whether a position sees itself and those before it only.
        weights
            Whether to return the weights, too.
        cache
            Keys and values of the places before those of ``x`` (:meth:`cache`). Then a position
            sees those, itself and those between; with ``mask``, ``S`` is the time of the cache.
        key
            For the dropout; without one there is none.

        Returns
        -------
        Tensor or tuple
            ``(batch, T, width)``; then, if asked for, the weights ``(batch, heads, T, S)``; then,
            if one was given, the cache with the places of ``x``.
        """
        x, real = self._sequences(x, lengths if context is None else None)
        if context is None:
            (q, k, v), seen = self._own_heads(x, cache), real
        else:
            if cache is not None or self.rotary:
                raise OptionError("nn.cross_positions", who=self)
            k, v, seen = self._looked_at(context, lengths, x.shape[0])
            q = self._queries(x)
        allowed = None if seen is None else seen[:, None, None, :]
        if cache is not None:
            check_cache(self, cache, x.shape[0], k.shape[1], k.shape[3], k.dtype)
            allowed, causal = cache.seen_from(x.shape[1]), False
            cache = cache.extended(k, v, None if lengths is None else asarray(lengths))
            k, v = cache.k, cache.v
        if mask is not None and allowed is not None:
            shape = (x.shape[0], self.heads, x.shape[1], k.shape[-2])
            allowed = _both(allowed, checked_mask(self, mask, shape))
        y = attended(
            q,
            k,
            v,
            mask=mask if allowed is None else allowed,
            causal=causal,
            scale="auto" if self.scaled else None,
            dropout=0.0 if self.dropout is None else self.dropout.rate,
            key=None if self.dropout is None else key,
            weights=weights,
            clean=cache is not None and mask is None,
        )
        y, p = y if weights else (y, None)
        y = self.output(transpose(y, (0, 2, 1, 3)).reshape(x.shape))
        y = y if real is None else where(real[:, :, None], y, 0)
        results = [y, *([p] if weights else []), *([] if cache is None else [cache])]
        return results[0] if len(results) == 1 else tuple(results)

    def _sequences(self, x: ArrayLike, lengths: ArrayLike | None) -> tuple[Tensor, Tensor | None]:
        """Sequences with 0 at padded places, and which places are real."""
        x = adapted(x, self.input.weight.dtype)
        if x.ndim != 3 or x.shape[1] < 1:
            mend = " " + words.text("nn.one_sequence") if x.ndim == 2 else ""
            raise ShapeError("nn.sequences", who=self, inputs=self.width, got=x.shape, mend=mend)
        x = checked_rows(self, x, self.input.weight)
        if lengths is None:
            return x, None
        lengths = checked_lengths(self, lengths, x.shape[:1], x.shape[1])
        real = arange(x.shape[1]) < lengths[:, None]
        return where(real[:, :, None], x, 0), real

    def _checked_context(self, context: ArrayLike, batch: int | None = None) -> Tensor:
        """Another sequence for each of ``batch``; raises if it does not fit."""
        context = adapted(context, self.input.weight.dtype)
        shape, wanted = context.shape, self.input.weight.dtype
        rows = shape[0] if batch is None and shape else batch
        if len(shape) != 3 or shape[1] < 1 or shape[::2] != (rows, self.width):
            named = "batch" if batch is None else batch
            raise ShapeError("nn.context", who=self, batch=named, width=self.width, got=shape)
        if context.dtype != wanted:
            raise DtypeError("nn.context_type", who=self, wanted=wanted, got=context.dtype)
        return context

    def _own_heads(self, x: Tensor, cache: Cache | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values in heads, by one product, and turned by their positions."""
        z, last = self.input(x), self.width + self._narrow
        q, k = self._heads(z[..., : self.width]), self._heads(z[..., self.width : last])
        if self.rotary_base is not None:
            places = None if cache is None else cache.places(x.shape[1])[:, None]
            q, k = (rotary(heads, places, base=self.rotary_base) for heads in (q, k))
        return q, k, self._heads(z[..., last:])

    def _looked_at(
        self, context: ArrayLike | Cache, lengths: ArrayLike | None, batch: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values of a context in heads, and which of its places are real."""
        if isinstance(context, Cache):
            head, dtype = self.width // self.heads, self.input.weight.dtype
            check_cache(self, context, batch, self.key_value_heads, head, dtype)
            return context.k, context.v, arange(context.time) < context.length[:, None]
        context, real = self._sequences(self._checked_context(context, batch), lengths)
        return *self._context_heads(context), real

    def _queries(self, x: Tensor) -> Tensor:
        bias, q = self.input.bias, x @ self.input.weight[:, : self.width]
        return self._heads(q if bias is None else q + bias[: self.width])

    def _context_heads(self, context: Tensor) -> tuple[Tensor, Tensor]:
        bias, z = self.input.bias, context @ self.input.weight[:, self.width :]
        z = z if bias is None else z + bias[self.width :]
        return self._heads(z[..., : self._narrow]), self._heads(z[..., self._narrow :])

    @property
    def _narrow(self) -> int:
        """How many numbers the keys of all heads have."""
        return self.width // self.heads * self.key_value_heads

    def _heads(self, z: Tensor) -> Tensor:
        """``(batch, T, heads · d)`` as ``(batch, heads, T, d)``."""
        head = self.width // self.heads
        return transpose(z.reshape(*z.shape[:-1], z.shape[-1] // head, head), (0, 2, 1, 3))

    def options(self) -> list[str]:
        """The options that are not the default, but for dropout, as in a constructor's call."""
        parts = []
        if self.key_value_heads != self.heads:
            parts.append(f"key_value_heads={self.key_value_heads}")
        if self.rotary_base is not None:
            parts.append("rotary=True")
        if self.rotary_base not in (None, 10000.0):
            parts.append(f"rotary_base={self.rotary_base:g}")
        if self.input.bias is None:
            parts.append("bias=False")
        if not self.scaled:
            parts.append("scaled=False")
        return parts

    def __repr__(self) -> str:
        if not hasattr(self.output.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(self.width), str(self.heads), *self.options()]
        if self.dropout is not None:
            parts.append(f"dropout={number(self.dropout.rate, 'rate')}")
        return constructor_form(type(self).__name__, parts)


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)


def _both(allowed: Tensor, mask: Tensor) -> Tensor:
    """A mask restricted to what is allowed."""
    return allowed & mask if mask.dtype.kind == "b" else where(allowed, mask, -np.inf)
