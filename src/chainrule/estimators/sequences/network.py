"""Networks that read sequences, pool what they found over time, and answer with a linear layer."""

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.errors import OptionError
from chainrule.graph import Tensor, arange, asarray, max, random, sum, where
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike
from chainrule.nn.recurrent import Recurrent
from chainrule.trees import tree_leaves

__all__ = [
    "LAYERS",
    "POOLINGS",
    "RecurrentNetwork",
    "SequenceNetwork",
    "TransformerNetwork",
    "sequence_network",
]

RECURRENT: dict[str, type[Recurrent]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
LAYERS = (*RECURRENT, "transformer")
POOLINGS = ("last", "max", "mean")
#: A head of attention has at least so many numbers, and there are at most so many heads.
HEAD, HEADS = 8, 4


class SequenceNetwork(nn.Module):
    """Base class: subclasses read, this one pools and answers.

    Attributes
    ----------
    output
        The linear layer at the end.
    dropout
        What acts on the pooled numbers and between layers, or ``None``.
    pooling
        What becomes of the numbers of all steps: ``"last"``: those after the last step are taken;
        ``"mean"`` or ``"max"`` over the real steps.
    """

    output: nn.Linear
    dropout: nn.Dropout | None
    pooling: str

    def __call__(
        self, x: ArrayLike, lengths: ArrayLike | None = None, key: Tensor | None = None
    ) -> Tensor:
        """What the output layer says, ``(batch, outputs)``, before an activation.

        Parameters
        ----------
        x
            ``(batch, time, features)``.
        lengths
            Integers ``(batch,)``: how many steps of each sequence are real; by default all.
        key
            For dropout; without one there is none.
        """
        x = asarray(x)
        real = None if lengths is None else nn.length_mask(lengths, x.shape[1])[:, :, None]
        reading, answering = (None, None) if key is None else random.split(key, 2)
        outputs, last = self.read(x, lengths, real, reading)
        if self.pooling == "last":
            pooled = last
        elif self.pooling == "max":
            pooled = max(outputs if real is None else where(real, outputs, -np.inf), axis=1)
        else:
            count = x.shape[1] if lengths is None else asarray(lengths)[:, None]
            pooled = sum(outputs, axis=1) / asarray(count, outputs.dtype)
        return self.output(self._dropped(pooled, answering))

    def read(
        self, x: Tensor, lengths: ArrayLike | None, real: Tensor | None, key: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What was found at every step, 0 at padded ones, and after the last real one."""
        raise NotImplementedError

    def numbers(self, time: int) -> int:
        """How many numbers the largest array holds for a sequence of so many steps, about."""
        widest: int = builtins.max(size for leaf in tree_leaves(self) for size in leaf.shape)
        return time * widest

    def _dropped(self, x: Tensor, key: Tensor | None) -> Tensor:
        return x if self.dropout is None else self.dropout(x, key=key)


class RecurrentNetwork(SequenceNetwork):
    """Recurrent layers on top of each other, which may differ in size.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> from chainrule.estimators.sequences.network import RecurrentNetwork
    >>> layers = nn.GRU(3, 8, rng=0), nn.GRU(8, 4, rng=1)
    >>> network = RecurrentNetwork(nn.Linear(4, 2, rng=2), None, "mean", layers)
    >>> network(cr.ones((5, 7, 3)), lengths=[7, 1, 2, 3, 4]).shape
    (5, 2)
    """

    layers: tuple[Recurrent, ...]

    def read(
        self, x: Tensor, lengths: ArrayLike | None, real: Tensor | None, key: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The last layer's outputs, and its last ones of both directions."""
        between = len(self.layers) - 1
        keys = random.split(key, between) if key is not None and between else [None] * between
        states: Any = None
        for layer, layer_key in zip(self.layers, [None, *keys], strict=True):
            x = x if layer_key is None else self._dropped(x, layer_key)
            x, states = layer(x, lengths)
        return x, self.layers[-1].last(states)


class TransformerNetwork(SequenceNetwork):
    """A transformer's encoder, after a linear layer for the features and sinusoidal positions.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> from chainrule.estimators.sequences.network import TransformerNetwork
    >>> parts = nn.Linear(3, 8, rng=0), nn.Encoder(8, 2, 1, rng=1)
    >>> network = TransformerNetwork(nn.Linear(8, 2, rng=2), None, "mean", *parts)
    >>> network(cr.ones((5, 7, 3)), lengths=[7, 1, 2, 3, 4]).shape
    (5, 2)
    """

    embedding: nn.Linear
    encoder: nn.Encoder

    def read(
        self, x: Tensor, lengths: ArrayLike | None, real: Tensor | None, key: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What the encoder says about every step."""
        time, width = x.shape[1], self.embedding.out_features
        if real is not None:
            x = where(real, x, 0)
        x = self.embedding(x) + nn.sinusoidal_positions(time, width, dtype=x.dtype)
        outputs = self.encoder(x, lengths, key=key)
        if lengths is None:
            return outputs, outputs[:, -1]
        at_end = (arange(time) == asarray(lengths)[:, None] - 1)[:, :, None]
        return outputs, sum(where(at_end, outputs, 0), axis=1)

    def numbers(self, time: int) -> int:
        """The weights of attention join in: one for two steps each, in every head."""
        heads = self.encoder.blocks[0].attention.heads
        return builtins.max(super().numbers(time), heads * time**2)


def sequence_network(
    layer: str,
    features: int,
    sizes: Sequence[int],
    outputs: int,
    *,
    bidirectional: bool,
    dropout: float,
    pooling: str,
    rng: Any,
    dtype: np.dtype[Any],
) -> SequenceNetwork:
    """A network with its first weights, from an estimator's parameters.

    Raises
    ------
    OptionError
        If there is no hidden layer, or the layers of a transformer differ in width.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.sequences.network import sequence_network
    >>> options = {"bidirectional": True, "dropout": 0.0, "pooling": "last", "rng": 0}
    >>> network = sequence_network("lstm", 3, [8, 4], 2, dtype=np.dtype("float32"), **options)
    >>> network.layers, network.output
    ((LSTM(3, 8, bidirectional=True), LSTM(16, 4, bidirectional=True)), Linear(8, 2))
    """
    if not sizes:
        raise OptionError("estimators.no_hidden", layer=layer)
    if pooling == "auto":
        pooling = "mean" if layer == "transformer" else "last"
    generator = checked_rng(rng)
    common: dict[str, Any] = {"rng": generator, "dtype": dtype}
    dropped = nn.Dropout(dropout) if dropout else None
    if layer == "transformer":
        width, heads = sizes[0], _heads(sizes)
        embedding = nn.Linear(features, width, **common)
        encoder = nn.Encoder(width, heads, len(sizes), dropout=dropout, **common)
        answer = nn.Linear(width, outputs, **common)
        return TransformerNetwork(answer, dropped, pooling, embedding, encoder)
    directions = 2 if bidirectional else 1
    inputs = [features, *(directions * size for size in sizes)]
    layers = tuple(
        RECURRENT[layer](count, size, bidirectional=bidirectional, **common)
        for count, size in zip(inputs, sizes, strict=False)
    )
    answer = nn.Linear(inputs[-1], outputs, **common)
    return RecurrentNetwork(answer, dropped, pooling, layers)


def _heads(sizes: Sequence[int]) -> int:
    """The heads of a transformer whose blocks have these widths, all the same."""
    if len(set(sizes)) > 1:
        raise OptionError("estimators.transformer_sizes", got=tuple(sizes))
    fitting = (heads for heads in (HEADS, 2) if sizes[0] % heads == 0 and sizes[0] // heads >= HEAD)
    return next(fitting, 1)
