"""Chainrule over sequences: its layers, as anybody would put them together."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np

import chainrule as cr
from benchmarks.contestants import ours
from benchmarks.sequence_workloads import PROMPT, SequenceProblem, SequenceWorkload
from chainrule import nn

LAYERS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU}


class CharacterModel(nn.Module):
    """Symbols to the logits of the next ones, by way of a recurrent layer."""

    embedding: nn.Embedding
    layer: nn.LSTM | nn.GRU
    output: nn.Linear

    def __init__(self, workload: SequenceWorkload) -> None:
        width, symbols = workload.width, workload.symbols
        self.embedding = nn.Embedding(symbols, width, rng=0)
        self.layer = LAYERS[workload.network](width, width, rng=0)
        self.output = nn.Linear(width, symbols, rng=0)

    def __call__(self, ids: cr.Tensor) -> cr.Tensor:
        outputs, _ = self.layer(self.embedding(ids))
        return self.output(outputs)


def network(problem: SequenceProblem) -> Any:
    """The network with its first weights, which are in the order of the model's leaves."""
    w = problem.workload
    model: Any = (
        nn.LanguageModel(w.symbols, w.width, w.heads, w.blocks, w.time, rng=0)
        if w.network == "gpt"
        else CharacterModel(w)
    )
    leaves, definition = cr.tree_flatten(model)
    weights = [cr.asarray(array) for array in problem.weights.values()]
    assert [leaf.shape for leaf in leaves] == [weight.shape for weight in weights]
    return cr.tree_unflatten(definition, weights)


def cost(model: Any, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
    """Cross-entropy at every position."""
    z = model(x)
    return nn.cross_entropy(cr.reshape(z, (-1, z.shape[-1])), cr.reshape(t, (-1,)))


class Training(ours.Training):
    """Steps of training."""

    def _network(self, problem: Any) -> tuple[Any, Callable[..., cr.Tensor]]:
        return network(problem), cost


class Generation:
    """Greedy continuations of prompts by ``nn.generate``."""

    def __init__(self, problem: SequenceProblem, threads: int) -> None:
        self._model = network(problem)
        self._prompts = problem.x[: problem.workload.batch, :PROMPT]
        self._steps = problem.workload.time - PROMPT

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        """All symbols after the prompts."""
        self._found = nn.generate(
            self._model, self._prompts, self._steps, greedy=True, engine="native"
        )

    def values(self) -> list[float]:
        """A number that belongs to these symbols."""
        return [float(crc32(np.ascontiguousarray(self._found.numpy(), np.int64).tobytes()))]
