"""Stacks of blocks: encoder, decoder, and both together."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.attention import Cache
from chainrule.nn.checks import check_sizes
from chainrule.nn.module import Module
from chainrule.nn.normalization import LayerNorm, RMSNorm
from chainrule.nn.text import constructor_form
from chainrule.nn.transformer.block import TransformerBlock, normalization, without_padding
from chainrule.nn.transformer.parts import keys_for

__all__ = ["Decoder", "Encoder", "Transformer", "was_read"]


class _Stack(Module):
    """Blocks one after another, and a normalisation of what the last one puts out."""

    blocks: tuple[TransformerBlock, ...]
    norm: LayerNorm | RMSNorm | None

    def __init__(
        self,
        width: int,
        heads: int,
        blocks: int,
        *,
        final_norm: bool | None = None,
        rng: Any = None,
        **options: Any,
    ) -> None:
        check_sizes(f"{type(self).__name__}({width}, {heads}, {blocks})", width, heads, blocks)
        generator = checked_rng(rng)
        self.blocks = tuple(
            TransformerBlock(width, heads, rng=generator, **options) for _ in range(blocks)
        )
        wanted = self.blocks[0].pre_norm if final_norm is None else final_norm
        kind, dtype = options.get("norm", "layer"), options.get("dtype", np.float32)
        self.norm = normalization(kind, width, dtype) if wanted else None

    def _walk(
        self,
        x: ArrayLike,
        contexts: Sequence[Any],
        lengths: Any,
        cache: tuple[Cache, ...] | None,
        key: Any,
        **options: Any,
    ) -> Any:
        keys = keys_for(key, len(self.blocks))
        y: Any = x
        grown = []
        for i, block in enumerate(self.blocks):
            own = None if cache is None else cache[i]
            y = block(y, contexts[i], lengths=lengths, cache=own, key=keys[i], **options)
            if cache is not None:
                y, filled = y
                grown.append(filled)
        y = without_padding(self, y if self.norm is None else self.norm(y), lengths)
        return y if cache is None else (y, tuple(grown))

    def __repr__(self) -> str:
        first = self.blocks[0]
        if not hasattr(first, "attention") or not hasattr(first.attention.output.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(first.attention.width), str(first.attention.heads), str(len(self.blocks))]
        hidden = ("cross=True", "causal=True")
        parts += [option for option in first.options() if option not in hidden]
        if (self.norm is not None) != first.pre_norm:
            parts.append(f"final_norm={self.norm is not None}")
        return constructor_form(type(self).__name__, parts)


class Encoder(_Stack):
    """A stack of blocks in which every position sees all others.

    Parameters
    ----------
    width, heads
        See :class:`MultiHeadAttention`.
    blocks
        How many blocks.
    final_norm
        Whether the output is normalised; by default with pre-norm only, where nothing else does.
    rng
        Seed or generator, as SPEC 7.
    **options
        Those of :class:`TransformerBlock`.

    Attributes
    ----------
    blocks
        The blocks.
    norm
        The last normalisation, or ``None``.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.1; without a decoder: Devlin et
    al. (2019), "BERT".

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.Encoder(8, 2, 3, rng=0)
    >>> layer, layer(cr.ones((2, 5, 8)), lengths=[5, 3]).shape
    (Encoder(8, 2, 3), (2, 5, 8))
    """

    def __init__(self, width: int, heads: int, blocks: int, **options: Any) -> None:
        super().__init__(width, heads, blocks, **options)

    def __call__(
        self,
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        key: Tensor | None = None,
    ) -> Tensor:
        """What the last block puts out.

        Parameters
        ----------
        x
            ``(batch, time, width)``.
        lengths
            Integers ``(batch,)``: how many places of each sequence are real; by default all. The
            others are not looked at, and the output is 0 there.
        mask
            See :func:`chainrule.nn.attention`.
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor
            ``(batch, time, width)``.
        """
        y: Tensor = self._walk(x, [None] * len(self.blocks), lengths, None, key, mask=mask)
        return y


class Decoder(_Stack):
    """A stack of blocks that see their own past, and all of a context.

    Parameters
    ----------
    width, heads, blocks, final_norm, rng, **options
        See :class:`Encoder`.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.Decoder(8, 2, 3, rng=0)
    >>> layer(cr.ones((2, 5, 8)), cr.ones((2, 7, 8)), context_lengths=[7, 4]).shape
    (2, 5, 8)
    """

    def __init__(self, width: int, heads: int, blocks: int, **options: Any) -> None:
        super().__init__(width, heads, blocks, **{"causal": True, **options}, cross=True)

    def cache(self, batch: int, time: int) -> tuple[Cache, ...]:
        """An empty cache for ``batch`` sequences of at most ``time`` places."""
        return tuple(block.attention.cache(batch, time) for block in self.blocks)

    def read(self, context: ArrayLike, lengths: ArrayLike | None = None) -> tuple[Cache, ...]:
        """What each block looks at in a context, computed once for many calls.

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
        >>> layer = nn.Decoder(8, 2, 3, rng=0)
        >>> context = layer.read(cr.ones((2, 7, 8)), [7, 4])
        >>> y, cache = layer(cr.ones((2, 5, 8)), context, cache=layer.cache(2, 10))
        >>> y, cache = layer(cr.ones((2, 1, 8)), context, cache=cache)
        >>> y.shape, cache[0].length.tolist()
        ((2, 1, 8), [6, 6])
        """
        layers = [block.cross_attention for block in self.blocks]
        return tuple(
            layer.keys_and_values(context, lengths) for layer in layers if layer is not None
        )

    def __call__(
        self,
        x: ArrayLike,
        context: ArrayLike | tuple[Cache, ...],
        lengths: ArrayLike | None = None,
        context_lengths: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        cache: tuple[Cache, ...] | None = None,
        key: Tensor | None = None,
    ) -> Any:
        """What the last block puts out.

        Parameters
        ----------
        x
            ``(batch, T, width)``.
        context
            ``(batch, S, width)``, or what :meth:`read` gave for it.
        lengths, context_lengths
            Integers ``(batch,)``: how many places of ``x`` and of the context are real; by default
            all. The others are not looked at, and the output is 0 there.
        mask
            For the attention within ``x``; see :func:`chainrule.nn.attention`.
        cache
            Of the places before those of ``x`` (:meth:`cache`).
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor or (Tensor, tuple of Cache)
            ``(batch, T, width)``; and the cache with these places, if one was given.
        """
        blocks, batch = len(self.blocks), len(asarray(x))
        contexts = context if was_read(context) else (context,) * blocks
        for given in (cache, contexts if was_read(contexts) else None):
            if given is not None and (len(given), given[0].k.shape[0]) != (blocks, batch):
                raise ShapeError("nn.caches", who=self, blocks=blocks, batch=batch)
        options = {"mask": mask, "context_lengths": context_lengths}
        return self._walk(x, contexts, lengths, cache, key, **options)


class Transformer(Module):
    """Encoder and decoder: a sequence is read as a whole, another one is written step by step.

    Works on vectors: embeddings and positions come before, a linear layer to logits after
    (:class:`Seq2Seq` has them).

    Parameters
    ----------
    width, heads
        See :class:`MultiHeadAttention`.
    blocks
        How many blocks the encoder and the decoder have; or a pair of numbers.
    rng
        Seed or generator, as SPEC 7.
    **options
        Those of :class:`Encoder`.

    Attributes
    ----------
    encoder, decoder
        The stacks.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", figure 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Transformer(8, 2, 2, pre_norm=False, activation="relu", rng=0)
    >>> source, target = cr.ones((2, 7, 8)), cr.ones((2, 5, 8))
    >>> model(source, target, source_lengths=[7, 4]).shape
    (2, 5, 8)
    """

    encoder: Encoder
    decoder: Decoder

    def __init__(
        self,
        width: int,
        heads: int,
        blocks: int | tuple[int, int] = 6,
        *,
        rng: Any = None,
        **options: Any,
    ) -> None:
        generator = checked_rng(rng)
        reading, writing = (blocks, blocks) if isinstance(blocks, int) else blocks
        self.encoder = Encoder(width, heads, reading, rng=generator, **options)
        self.decoder = Decoder(width, heads, writing, rng=generator, **options)

    def __call__(
        self,
        source: ArrayLike,
        target: ArrayLike,
        source_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        key: Tensor | None = None,
    ) -> Tensor:
        """What the decoder puts out at every place of ``target``, of which it sees the past only.

        Parameters
        ----------
        source, target
            ``(batch, S, width)`` and ``(batch, T, width)``.
        source_lengths, target_lengths
            Integers ``(batch,)``: how many places are real; by default all.
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor
            ``(batch, T, width)``; 0 at padded places.
        """
        reading, writing = keys_for(key, 2)
        context = self.encoder(source, source_lengths, key=reading)
        y: Tensor = self.decoder(target, context, target_lengths, source_lengths, key=writing)
        return y


def was_read(context: Any) -> TypeGuard[tuple[Cache, ...]]:
    """Whether this is what a decoder looks at in a context (:meth:`Decoder.read`)."""
    return isinstance(context, tuple) and all(isinstance(part, Cache) for part in context)
