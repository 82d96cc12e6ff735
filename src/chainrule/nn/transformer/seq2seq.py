"""A sequence-to-sequence model: a source is read as a whole, a target is written step by step."""

from typing import Any

import numpy as np

from chainrule.graph.functions import arange
from chainrule.graph.ops.elementwise import where
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor
from chainrule.nn.attention import Cache
from chainrule.nn.checks import check_sizes
from chainrule.nn.dropout import Dropout
from chainrule.nn.embedding import Embedding
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.recurrent.lengths import checked_lengths
from chainrule.nn.text import constructor_form
from chainrule.nn.transformer.language_model import rows_of_ids
from chainrule.nn.transformer.parts import keys_for, normal
from chainrule.nn.transformer.positions import PositionTable, check_positions, with_positions
from chainrule.nn.transformer.stacks import Transformer, was_read

__all__ = ["Seq2Seq"]


class Seq2Seq(Module):
    """An encoder–decoder transformer from ids to logits, for translation and the like.

    ::

        context = encoder(Eˢ[source] + positions)
        logits  = decoder(E[target] + positions, context) Wᵒ

    Trained by :func:`chainrule.nn.cross_entropy` of the logits and the target one place further
    (the target begins with a start symbol); then :func:`chainrule.nn.generate` writes a target for
    a ``source``.

    Parameters
    ----------
    symbols
        How many symbols there are; or a pair of numbers, of the source and of the target.
    width, heads, blocks
        See :class:`Transformer`.
    time
        How long a source or a target may be: the length of the learned tables of positions, and the
        time of the cache by default.
    positions
        See :class:`LanguageModel`; ``"rotary"`` turns within the source and within the target.
    tied
        Whether the output is the target's embedding, ``Wᵒ = Eᵀ``.
    dropout
        Rate of the dropout after the embeddings and in the blocks.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.
    **options
        Others of :class:`TransformerBlock`.

    Attributes
    ----------
    source_embedding, embedding
        The :class:`Embedding` of the source, and of the target.
    source_position_table, position_table
        Their :class:`PositionTable`, or ``None``.
    transformer
        The :class:`Transformer`.
    output
        The :class:`Linear` ``Wᵒ`` without biases, or ``None`` if it is tied.

    Notes
    -----
    Weights begin normal with the standard deviation 0.02, as in BART; biases at 0.

    Raises
    ------
    ShapeError
        If ids are not ``(batch, time)`` with a time from 1 to that of the table.
    DataError, DtypeError
        If an id is out of range, or no integer.
    OptionError
        If an option does not fit.

    References
    ----------
    Sutskever, Vinyals & Le (2014), "Sequence to sequence learning with neural networks"; Vaswani et
    al. (2017), "Attention is all you need"; Lewis et al. (2020), "BART".

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.Seq2Seq(11, 16, 2, 1, time=8, rng=0)
    >>> model, model([[1, 2, 3, 4]], [[10, 4, 3]]).shape
    (Seq2Seq(11, 16, 2, 1, time=8), (1, 3, 11))
    >>> nn.generate(model, [10], 4, source=[1, 2, 3, 4], greedy=True).shape
    (4,)
    """

    source_embedding: Embedding
    source_position_table: PositionTable | None
    embedding: Embedding
    position_table: PositionTable | None
    transformer: Transformer
    output: Linear | None
    dropout: Dropout | None
    positions: str
    time: int

    def __init__(
        self,
        symbols: int | tuple[int, int],
        width: int,
        heads: int,
        blocks: int | tuple[int, int],
        time: int,
        *,
        positions: str = "learned",
        tied: bool = False,
        dropout: float = 0.0,
        rng: Any = None,
        dtype: Any = np.float32,
        **options: Any,
    ) -> None:
        who = f"Seq2Seq({symbols}, {width}, {heads}, {blocks}, time={time})"
        read, written = symbols if isinstance(symbols, tuple) else (symbols, symbols)
        check_sizes(who, read, written, width, heads, time)
        check_positions(who, positions)
        common: dict[str, Any] = {"init": normal(0.02), "rng": checked_rng(rng)}
        common["dtype"] = dtype
        learned = positions == "learned"
        self.source_embedding = Embedding(read, width, **common)
        self.source_position_table = PositionTable(time, width, **common) if learned else None
        self.embedding = Embedding(written, width, **common)
        self.position_table = PositionTable(time, width, **common) if learned else None
        own = {"dropout": dropout, "rotary": positions == "rotary"}
        self.transformer = Transformer(width, heads, blocks, **common, **own, **options)
        self.output = None if tied else Linear(width, written, bias=False, **common)
        self.dropout = Dropout(dropout) if dropout else None
        self.positions, self.time = positions, int(time)

    @property
    def symbols(self) -> int:
        """How many symbols a target may have."""
        return self.embedding.count

    def cache(self, batch: int, time: int | None = None) -> tuple[Cache, ...]:
        """An empty cache for ``batch`` targets of at most ``time`` places, by default the model's.

        Examples
        --------
        >>> from chainrule import nn
        >>> model = nn.Seq2Seq(11, 16, 2, 1, time=8, rng=0)
        >>> source = model.read([[1, 2, 3, 4]])
        >>> logits, cache = model(source, [[10, 4]], cache=model.cache(1))
        >>> logits, cache = model(source, [[3]], cache=cache)
        >>> logits.shape, cache[0].length.tolist()
        ((1, 1, 11), [3])
        """
        return self.transformer.decoder.cache(batch, self.time if time is None else time)

    def read(
        self, source: ArrayLike, lengths: ArrayLike | None = None, *, key: Tensor | None = None
    ) -> tuple[Cache, ...]:
        """What the decoder looks at in a source, to write several symbols by it.

        Parameters
        ----------
        source
            Integers ``(batch, S)``.
        lengths
            Integers ``(batch,)``: how many places are real; by default all.
        key
            For dropout; without one there is none.
        """
        return self.transformer.decoder.read(self._context(source, lengths, key), lengths)

    def __call__(
        self,
        source: ArrayLike | tuple[Cache, ...],
        target: ArrayLike,
        source_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
        *,
        cache: tuple[Cache, ...] | None = None,
        key: Tensor | None = None,
    ) -> Any:
        """The logits of the symbol after each place of the target.

        Parameters
        ----------
        source
            Integers ``(batch, S)``; or what :meth:`read` gave for them.
        target
            Integers ``(batch, T)``.
        source_lengths, target_lengths
            Integers ``(batch,)``: how many places are real; by default all. What stands in the
            others is not looked at.
        cache
            Of the places before those of ``target`` (:meth:`cache`).
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor or (Tensor, tuple of Cache)
            ``(batch, T, symbols)``; and the cache with these places, if one was given.
        """
        reading, writing, dropping = keys_for(key, 3)
        context, seen = source, None
        if not was_read(source):
            context, seen = self._context(source, source_lengths, reading), source_lengths
        ids = _without_padding(self, target, target_lengths)
        places = None if cache is None else cache[0].places(ids.shape[1])
        x = with_positions(self.embedding(ids), self.positions, self.position_table, places)
        x = x if self.dropout is None else self.dropout(x, key=dropping)
        y = self.transformer.decoder(x, context, target_lengths, seen, cache=cache, key=writing)
        y, cache = (y, None) if cache is None else y
        logits = self.embedding.scores(y) if self.output is None else self.output(y)
        return logits if cache is None else (logits, cache)

    def _context(self, source: Any, lengths: ArrayLike | None, key: Tensor | None) -> Tensor:
        """The source as the encoder sees it."""
        encoding, dropping = keys_for(key, 2)
        x = self.source_embedding(_without_padding(self, source, lengths))
        x = with_positions(x, self.positions, self.source_position_table)
        x = x if self.dropout is None else self.dropout(x, key=dropping)
        return self.transformer.encoder(x, lengths, key=encoding)

    def __repr__(self) -> str:
        first = self.transformer.encoder.blocks[0]
        if not hasattr(first, "attention") or not hasattr(first.attention.output.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        stacks = self.transformer.encoder, self.transformer.decoder
        symbols = _one_or_two(self.source_embedding.count, self.embedding.count)
        blocks = _one_or_two(*(len(stack.blocks) for stack in stacks))
        attention = first.attention
        parts = [symbols, str(attention.width), str(attention.heads), blocks, f"time={self.time}"]
        parts += [f'positions="{self.positions}"'] * (self.positions != "learned")
        parts += ["tied=True"] * (self.output is None)
        parts += [option for option in first.options() if option != "rotary=True"]
        return constructor_form(type(self).__name__, parts)


def _one_or_two(a: int, b: int) -> str:
    return str(a) if a == b else str((a, b))


def _without_padding(who: object, ids: ArrayLike, lengths: ArrayLike | None) -> Tensor:
    """Ids with symbol 0 at padded places, where anything may stand: it is not looked at."""
    ids = rows_of_ids(who, ids)
    if lengths is None:
        return ids
    lengths = checked_lengths(who, lengths, ids.shape[:1], ids.shape[1])
    return where(arange(ids.shape[1]) < lengths[:, None], ids, 0)
