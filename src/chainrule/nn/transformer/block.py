"""The block that transformers are stacks of: attention, then a feed-forward layer."""

from typing import Any

import numpy as np

from chainrule.errors import OptionError, suggest
from chainrule.graph.functions import arange
from chainrule.graph.ops.elementwise import where
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor
from chainrule.nn.activations import Activation
from chainrule.nn.attention import Cache, MultiHeadAttention
from chainrule.nn.checks import adapted
from chainrule.nn.dropout import Dropout
from chainrule.nn.init import Initializer
from chainrule.nn.module import Module
from chainrule.nn.normalization import LayerNorm, RMSNorm
from chainrule.nn.recurrent.lengths import checked_lengths
from chainrule.nn.text import constructor_form, number
from chainrule.nn.transformer.feed_forward import FeedForward, activation_name
from chainrule.nn.transformer.parts import keys_for

__all__ = ["NORMS", "TransformerBlock", "normalization", "without_padding"]

#: Normalisations by name.
NORMS: dict[str, type[LayerNorm] | type[RMSNorm]] = {"layer": LayerNorm, "rms": RMSNorm}


class TransformerBlock(Module):
    """Attention and a feed-forward layer, each added to what came in.

    ::

        pre-norm      x ← x + f(norm(x))            f: attention, cross-attention, feed-forward
        post-norm     x ← norm(x + f(x))

    Pre-norm leaves a path through all blocks that nothing scales, so deep stacks train without
    warm-up (Xiong et al. 2020, "On layer normalization in the transformer architecture"); post-norm
    is the original.

    Parameters
    ----------
    width, heads
        See :class:`MultiHeadAttention`.
    hidden
        The width between the feed-forward layer's two linear ones; by default ``4 · width``.
    activation
        See :class:`FeedForward`.
    cross
        Whether a cross-attention to a context stands between the two.
    causal
        Whether a position sees itself and those before it only.
    pre_norm
        Pre-norm or post-norm.
    norm
        ``"layer"`` (:class:`LayerNorm`) or ``"rms"`` (:class:`RMSNorm`).
    dropout
        Rate of the dropout of attention weights, after the activation, and of what each ``f`` adds.
    bias
        Whether linear layers have biases.
    key_value_heads, rotary, rotary_base
        See :class:`MultiHeadAttention`.
    init, output_init
        How weights begin (:func:`chainrule.nn.initializer`), and those of the projections whose
        result is added; by default as in the layers.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    attention, cross_attention, feed_forward
        The layers; ``cross_attention`` may be ``None``.
    attention_norm, cross_norm, feed_forward_norm
        Their normalisations.
    dropout
        The :class:`Dropout` of what is added, or ``None``.

    Raises
    ------
    OptionError
        If an option does not fit, or a context is given or missing.
    ShapeError, DtypeError, DataError
        If the tensors do not fit.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.1.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> block = nn.TransformerBlock(8, 2, causal=True, rng=0)
    >>> block, block(cr.ones((3, 5, 8))).shape
    (TransformerBlock(8, 2, causal=True), (3, 5, 8))
    """

    attention: MultiHeadAttention
    attention_norm: LayerNorm | RMSNorm
    cross_attention: MultiHeadAttention | None
    cross_norm: LayerNorm | RMSNorm | None
    feed_forward: FeedForward
    feed_forward_norm: LayerNorm | RMSNorm
    dropout: Dropout | None
    causal: bool
    pre_norm: bool

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        hidden: int | None = None,
        activation: str | Activation = "gelu",
        cross: bool = False,
        causal: bool = False,
        pre_norm: bool = True,
        norm: str = "layer",
        dropout: float = 0.0,
        bias: bool = True,
        key_value_heads: int | None = None,
        rotary: bool = False,
        rotary_base: float = 10000.0,
        init: str | Initializer | None = None,
        output_init: str | Initializer | None = None,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        common: dict[str, Any] = {"bias": bias, "dropout": dropout, "dtype": dtype}
        common["rng"] = checked_rng(rng)
        common |= {} if init is None else {"init": init}
        common |= {} if output_init is None else {"output_init": output_init}
        own: dict[str, Any] = {"rotary": rotary, "rotary_base": rotary_base}
        shared = {"key_value_heads": key_value_heads, **common}
        self.attention = MultiHeadAttention(width, heads, **own, **shared)
        self.attention_norm = normalization(norm, width, dtype)
        self.cross_attention = MultiHeadAttention(width, heads, **shared) if cross else None
        self.cross_norm = normalization(norm, width, dtype) if cross else None
        self.feed_forward = FeedForward(width, hidden, activation, **common)
        self.feed_forward_norm = normalization(norm, width, dtype)
        self.dropout = Dropout(dropout) if dropout else None
        self.causal, self.pre_norm = bool(causal), bool(pre_norm)

    def __call__(
        self,
        x: ArrayLike,
        context: ArrayLike | Cache | None = None,
        *,
        lengths: ArrayLike | None = None,
        context_lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        cache: Cache | None = None,
        key: Tensor | None = None,
    ) -> Any:
        """The block's output.

        Parameters
        ----------
        x
            ``(batch, T, width)``.
        context
            ``(batch, S, width)``, if there is a cross-attention; or the keys and values that this
            layer looks at there (:meth:`MultiHeadAttention.keys_and_values`).
        lengths, context_lengths
            Integers ``(batch,)``: how many places are real. At padded ones the output is some
            finite number, whatever stands there in ``x``, and nobody has looked at them.
        mask
            For the attention within ``x``; see :func:`chainrule.nn.attention`.
        cache
            Keys and values of the places before those of ``x``.
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor or (Tensor, Cache)
            ``(batch, T, width)``; and the cache with the places of ``x``, if one was given.
        """
        if (context is None) != (self.cross_attention is None):
            raise OptionError("nn.block_context", who=self, cross=self.cross_attention is not None)
        x = without_padding(self, adapted(x, self.attention.input.weight.dtype), lengths)
        keys = keys_for(key, 6)
        h = self._before(self.attention_norm, x)
        h = self.attention(
            h, lengths=lengths, mask=mask, causal=self.causal, cache=cache, key=keys[0]
        )
        h, cache = h if cache is not None else (h, None)
        x = self._after(self.attention_norm, x, h, keys[1])
        if self.cross_attention is not None and self.cross_norm is not None:
            h = self._before(self.cross_norm, x)
            h = self.cross_attention(h, context, lengths=context_lengths, key=keys[2])
            x = self._after(self.cross_norm, x, h, keys[3])
        h = self.feed_forward(self._before(self.feed_forward_norm, x), key=keys[4])
        x = self._after(self.feed_forward_norm, x, h, keys[5])
        return x if cache is None else (x, cache)

    def _before(self, norm: LayerNorm | RMSNorm, x: Tensor) -> Tensor:
        return norm(x) if self.pre_norm else x

    def _after(self, norm: LayerNorm | RMSNorm, x: Tensor, h: Tensor, key: Tensor | None) -> Tensor:
        """What came in plus what a layer has to add."""
        y = x + (h if self.dropout is None else self.dropout(h, key=key))
        return y if self.pre_norm else norm(y)

    def options(self) -> list[str]:
        """The options that are not the default, as in a constructor's call."""
        attention, feed_forward = self.attention, self.feed_forward
        name, hidden = activation_name(feed_forward), feed_forward.hidden
        parts = [f"hidden={hidden}"] * (hidden != 4 * attention.width)
        parts += [f'activation="{name}"'] * (name != "gelu")
        parts += ["cross=True"] * (self.cross_attention is not None)
        parts += ["causal=True"] * self.causal + ["pre_norm=False"] * (not self.pre_norm)
        parts += ['norm="rms"'] * isinstance(self.attention_norm, RMSNorm)
        if self.dropout is not None:
            parts.append(f"dropout={number(self.dropout.rate, 'rate')}")
        return parts + attention.options()

    def __repr__(self) -> str:
        if not hasattr(self.attention.output.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(self.attention.width), str(self.attention.heads), *self.options()]
        return constructor_form(type(self).__name__, parts)


def normalization(name: str, width: int, dtype: Any) -> LayerNorm | RMSNorm:
    """The normalisation of this name."""
    if name not in NORMS:
        hint, known = suggest(str(name), NORMS), ", ".join(NORMS)
        raise OptionError("nn.norm", got=name, hint=hint, known=known)
    return NORMS[name](width, dtype=dtype)


def without_padding(who: object, x: Tensor, lengths: ArrayLike | None) -> Tensor:
    """``x`` with 0 at padded places: NaN there would reach gradients as NaN times 0."""
    if lengths is None or x.ndim != 3:
        return x
    lengths = checked_lengths(who, lengths, x.shape[:1], x.shape[1])
    return where((arange(x.shape[1]) < lengths[:, None])[:, :, None], x, 0)
