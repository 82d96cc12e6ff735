"""A language model: from the symbols so far to the logits of the next one."""

import math
from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import ShapeError
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.activations import Activation
from chainrule.nn.attention import Cache
from chainrule.nn.checks import check_sizes
from chainrule.nn.dropout import Dropout
from chainrule.nn.embedding import Embedding
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.normalization import LayerNorm, RMSNorm
from chainrule.nn.text import constructor_form
from chainrule.nn.transformer.block import TransformerBlock, normalization
from chainrule.nn.transformer.parts import keys_for, normal
from chainrule.nn.transformer.positions import PositionTable, check_positions, with_positions

__all__ = ["LanguageModel", "rows_of_ids"]


class LanguageModel(Module):
    """A decoder-only transformer: ids to logits, each position seeing itself and its past.

    ::

        x = E[ids] + positions
        x = block(x)                     causal, for every block
        logits = norm(x) Wᵒ

    Trained by :func:`chainrule.nn.cross_entropy` of the logits and the ids one place further; then
    :func:`chainrule.nn.generate` continues a prompt.

    Parameters
    ----------
    symbols
        How many symbols there are.
    width, heads, blocks
        See :class:`Encoder`.
    time
        How long a sequence may be: the length of the learned table of positions, and the time of
        the cache by default.
    positions
        ``"learned"`` (:class:`PositionTable`), ``"sinusoidal"``
        (:func:`chainrule.nn.sinusoidal_positions`), ``"rotary"`` (:func:`chainrule.nn.rotary`), or
        ``"none"``: the causal mask alone tells positions apart.
    tied
        Whether the output is the embedding's table, ``Wᵒ = Eᵀ``.
    hidden, activation, norm, bias, key_value_heads
        See :class:`TransformerBlock`. With ``activation="swiglu"``, ``norm="rms"``, ``bias=False``
        and ``positions="rotary"`` this is Llama's architecture.
    dropout
        Rate of the dropout after the embedding and in the blocks.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    embedding
        The :class:`Embedding` ``E``.
    position_table
        The :class:`PositionTable`, or ``None``.
    blocks
        The blocks.
    norm
        The normalisation before the output.
    output
        The :class:`Linear` ``Wᵒ`` without biases, or ``None`` if it is tied.

    Notes
    -----
    Weights begin as in GPT-2: normal with the standard deviation 0.02, and of those whose result is
    added to a residual path, ``0.02 / √(2 · blocks)``; biases 0.

    Raises
    ------
    ShapeError
        If ``ids`` is not ``(batch, time)`` with a time from 1 to that of the table.
    DataError, DtypeError
        If an id is out of range, or no integer.
    OptionError
        If an option does not fit.

    References
    ----------
    Radford et al. (2019), "Language models are unsupervised multitask learners".

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.LanguageModel(64, 16, 2, 2, time=32, rng=0)
    >>> model, model([[1, 2, 3]]).shape
    (LanguageModel(64, 16, 2, 2, time=32), (1, 3, 64))
    """

    embedding: Embedding
    position_table: PositionTable | None
    blocks: tuple[TransformerBlock, ...]
    norm: LayerNorm | RMSNorm
    output: Linear | None
    dropout: Dropout | None
    positions: str
    time: int

    def __init__(
        self,
        symbols: int,
        width: int,
        heads: int,
        blocks: int,
        time: int,
        *,
        positions: str = "learned",
        tied: bool = False,
        hidden: int | None = None,
        activation: str | Activation = "gelu",
        norm: str = "layer",
        dropout: float = 0.0,
        bias: bool = True,
        key_value_heads: int | None = None,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        who = f"LanguageModel({symbols}, {width}, {heads}, {blocks}, time={time})"
        check_sizes(who, symbols, width, heads, blocks, time)
        check_positions(who, positions)
        generator, draw = checked_rng(rng), normal(0.02)
        common: dict[str, Any] = {"init": draw, "rng": generator, "dtype": dtype}
        self.embedding = Embedding(symbols, width, **common)
        learned = positions == "learned"
        self.position_table = PositionTable(time, width, **common) if learned else None
        self.blocks = tuple(
            TransformerBlock(
                width,
                heads,
                hidden=hidden,
                activation=activation,
                causal=True,
                norm=norm,
                dropout=dropout,
                bias=bias,
                key_value_heads=key_value_heads,
                rotary=positions == "rotary",
                output_init=normal(0.02 / math.sqrt(2 * blocks)),
                **common,
            )
            for _ in range(blocks)
        )
        self.norm = normalization(norm, width, dtype)
        self.output = None if tied else Linear(width, symbols, bias=False, **common)
        self.dropout = Dropout(dropout) if dropout else None
        self.positions, self.time = positions, int(time)

    @property
    def symbols(self) -> int:
        """How many symbols there are."""
        return self.embedding.count

    def cache(self, batch: int, time: int | None = None) -> tuple[Cache, ...]:
        """An empty cache for ``batch`` sequences of at most ``time`` places.

        Parameters
        ----------
        batch
            How many sequences.
        time
            By default that of the model.

        Examples
        --------
        >>> from chainrule import nn
        >>> model = nn.LanguageModel(64, 16, 2, 2, time=32, rng=0)
        >>> logits, cache = model([[1, 2, 3]], cache=model.cache(1))
        >>> logits, cache = model([[4]], cache=cache)
        >>> logits.shape, cache[0].length.tolist()
        ((1, 1, 64), [4])
        """
        time = self.time if time is None else time
        return tuple(block.attention.cache(batch, time) for block in self.blocks)

    def __call__(
        self,
        ids: ArrayLike,
        lengths: ArrayLike | None = None,
        *,
        cache: tuple[Cache, ...] | None = None,
        key: Tensor | None = None,
    ) -> Any:
        """The logits of the symbol after each place.

        Parameters
        ----------
        ids
            Integers ``(batch, T)``.
        lengths
            Integers ``(batch,)``: how many places of each sequence are real; by default all. Since
            no position sees what comes later, this matters for the cache only.
        cache
            Of the places before those of ``ids`` (:meth:`cache`).
        key
            For dropout; without one there is none.

        Returns
        -------
        Tensor or (Tensor, tuple of Cache)
            ``(batch, T, symbols)``; and the cache with these places, if one was given.
        """
        x = self._embedded(ids, cache)
        keys = keys_for(key, len(self.blocks) + 1)
        x = x if self.dropout is None else self.dropout(x, key=keys[-1])
        grown = []
        for i, block in enumerate(self.blocks):
            if cache is None:
                x = block(x, lengths=lengths, key=keys[i])
            else:
                x, filled = block(x, lengths=lengths, cache=cache[i], key=keys[i])
                grown.append(filled)
        x = self.norm(x)
        logits = self.embedding.scores(x) if self.output is None else self.output(x)
        return logits if cache is None else (logits, tuple(grown))

    def _embedded(self, ids: ArrayLike, cache: tuple[Cache, ...] | None) -> Tensor:
        """Vectors of symbols, with their positions added if they are vectors too."""
        ids = rows_of_ids(self, ids)
        if cache is not None and (len(cache), cache[0].k.shape[0]) != (len(self.blocks), len(ids)):
            raise ShapeError("nn.caches", who=self, blocks=len(self.blocks), batch=len(ids))
        places = None if cache is None else cache[0].places(ids.shape[1])
        return with_positions(self.embedding(ids), self.positions, self.position_table, places)

    def __repr__(self) -> str:
        first = self.blocks[0]
        if not hasattr(first, "attention") or not hasattr(first.attention.output.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        sizes = (self.symbols, first.attention.width, first.attention.heads, len(self.blocks))
        parts = [*map(str, sizes), f"time={self.time}"]
        parts += [f'positions="{self.positions}"'] * (self.positions != "learned")
        parts += ["tied=True"] * (self.output is None)
        hidden = ("causal=True", "rotary=True")
        parts += [option for option in first.options() if option not in hidden]
        return constructor_form(type(self).__name__, parts)


def rows_of_ids(who: object, ids: ArrayLike) -> Tensor:
    """Ids as a tensor; raises unless they are ``(batch, time)``."""
    ids = asarray(ids)
    if ids.ndim != 2 or ids.shape[1] < 1:
        mend = " " + words.text("nn.one_row_of_ids") if ids.ndim == 1 else ""
        raise ShapeError("nn.ids_shape", who=who, got=ids.shape, mend=mend)
    return ids
