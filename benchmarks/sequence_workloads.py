"""What is trained over sequences in the benchmarks: character models, and text for them.

Every network reads symbols and predicts the next one *at every position* (many-to-many): the loss
is the cross-entropy, averaged over all positions of all sequences of a batch. Optimizer and number
format are those of :mod:`workloads`.

``lstm``, ``gru``
    An embedding, one recurrent layer, a linear layer to the symbols.
``gpt``
    An embedding and learned positions, pre-norm blocks of causal self-attention and a GELU
    network four times as wide, a last layer norm, a linear layer without biases to the symbols.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.workloads import Work, shuffled

#: Gates of a recurrent layer.
GATES = {"lstm": 4, "gru": 3}
#: Symbols that may follow one symbol in the text, so that there is something to learn.
FOLLOWERS = 4
#: Symbols that are given where more are to be generated.
PROMPT = 16
#: Standard deviation of the first weights of ``gpt``, as in GPT-2.
SPREAD = 0.02


@dataclass(frozen=True)
class SequenceWorkload(Work):
    """A network over sequences, and how it is trained.

    ``time`` is the length of the sequences, ``rows`` their number.
    """

    name: str
    network: str
    time: int
    batch: int
    width: int = 128
    symbols: int = 64
    heads: int = 4
    blocks: int = 4
    rows: int = 1024
    least: int = 2

    @property
    def flops(self) -> int:
        """Operations of one step in its matrix products: forward, for inputs and for weights.

        Attention counts in full, though half of its weights are zero.
        """
        width, out = self.width, self.width * self.symbols
        if self.network == "gpt":
            position = self.blocks * (12 * width**2 + 2 * self.time * width) + out
        else:
            position = 2 * GATES[self.network] * width**2 + out
        return 3 * 2 * self.batch * self.time * position

    @property
    def parameters(self) -> int:
        return sum(w.size for w in first_weights(np.random.default_rng(0), self).values())

    def problem(self) -> "SequenceProblem":
        """Text and first weights."""
        return SequenceProblem(self)

    def __str__(self) -> str:
        body = f"{self.network.upper()} {self.width}"
        if self.network == "gpt":
            body = f"{self.blocks} blocks of width {self.width}, {self.heads} heads"
        return (
            f"{self.name}: {self.symbols} symbols, {body}, {self.symbols} outputs at every step, "
            f"T = {self.time}, batch {self.batch}"
        )


class SequenceProblem:
    """What a workload works on.

    Attributes
    ----------
    x, t
        Symbols [rows, time], and those that follow them.
    rows
        The rows of every step of a run, as :func:`benchmarks.workloads.shuffled`.
    weights
        By name; those of products are [inputs, outputs]. Gates: input, forget, candidate, output;
        in ``gru`` reset, update, candidate, where ``recurrent_bias`` belongs to the candidate.
    """

    def __init__(self, workload: SequenceWorkload) -> None:
        self.workload = workload
        rng = np.random.default_rng(0)
        text = _text(rng, workload)
        self.x, self.t = (np.ascontiguousarray(part) for part in (text[:, :-1], text[:, 1:]))
        self.rows = shuffled(rng, workload.rows, workload)
        self.weights = first_weights(rng, workload)


def _text(rng: np.random.Generator, workload: SequenceWorkload) -> np.ndarray:
    """Walks [rows, time + 1] from symbol to symbol."""
    followers = rng.integers(0, workload.symbols, (workload.symbols, FOLLOWERS))
    turns = rng.integers(0, FOLLOWERS, (workload.rows, workload.time + 1))
    text = np.empty_like(turns)
    symbol = rng.integers(0, workload.symbols, workload.rows)
    for i, turn in enumerate(turns.T):
        symbol = text[:, i] = followers[symbol, turn]
    return text


def first_weights(rng: np.random.Generator, workload: SequenceWorkload) -> dict[str, np.ndarray]:
    """By name, drawn as each kind of network has it."""
    return (_gpt if workload.network == "gpt" else _recurrent)(rng, workload)


def _recurrent(rng: np.random.Generator, workload: SequenceWorkload) -> dict[str, np.ndarray]:
    """As PyTorch draws them, but biases of 0: one bias per gate instead of two."""
    width, gates = workload.width, GATES[workload.network] * workload.width

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-(width**-0.5), width**-0.5, shape).astype(np.float32)

    candidate = {"recurrent_bias": np.zeros(width, np.float32)}
    return {
        "embedding": rng.standard_normal((workload.symbols, width), np.float32),
        "weight": uniform(width, gates),
        "recurrent": uniform(width, gates),
        "bias": np.zeros(gates, np.float32),
        **(candidate if workload.network == "gru" else {}),
        "out": uniform(width, workload.symbols),
        "out_bias": np.zeros(workload.symbols, np.float32),
    }


def _gpt(rng: np.random.Generator, workload: SequenceWorkload) -> dict[str, np.ndarray]:
    """As GPT-2 draws them, all alike; the names of a block's weights begin with its number."""
    width = workload.width
    weights: dict[str, np.ndarray] = {}

    def matrix(name: str, rows: int, columns: int) -> None:
        weights[name] = np.float32(SPREAD) * rng.standard_normal((rows, columns), np.float32)

    def affine(name: str, inputs: int, outputs: int) -> None:
        matrix(name, inputs, outputs)
        weights[f"{name}_bias"] = np.zeros(outputs, np.float32)

    def norm(name: str) -> None:
        weights[name] = np.ones(width, np.float32)
        weights[f"{name}_bias"] = np.zeros(width, np.float32)

    matrix("embedding", workload.symbols, width)
    matrix("positions", workload.time, width)
    for i in range(workload.blocks):
        affine(f"{i}.qkv", width, 3 * width)
        affine(f"{i}.project", width, width)
        norm(f"{i}.norm1")
        affine(f"{i}.up", width, 4 * width)
        affine(f"{i}.down", 4 * width, width)
        norm(f"{i}.norm2")
    norm("norm")
    matrix("out", width, workload.symbols)
    return weights
