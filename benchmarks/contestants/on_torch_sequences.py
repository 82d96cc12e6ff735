"""PyTorch over sequences: its own recurrent layers and ``scaled_dot_product_attention``.

Recurrent layers are called as ``torch.nn.LSTM`` and ``GRU`` call them. Those have two biases where
others have one; the second stays 0 here, but for the candidate of ``gru``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from zlib import crc32

import torch
from torch.nn.functional import (
    cross_entropy,
    embedding,
    gelu,
    layer_norm,
    linear,
    scaled_dot_product_attention,
)

from benchmarks.contestants import on_torch
from benchmarks.contestants.on_torch import Loss, Tensors
from benchmarks.sequence_workloads import PROMPT, SequenceProblem, SequenceWorkload

Weights = dict[str, torch.Tensor]
#: From q, k and v of a block, of which the number is given, to its outputs.
Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
#: Tables are looked up; all other matrices are for ``linear``, so [outputs, inputs].
TABLES = ("embedding", "positions")


def tensors(problem: SequenceProblem) -> Weights:
    """The first weights."""
    return {
        name: torch.tensor(array if name in TABLES else array.T.copy())
        for name, array in problem.weights.items()
    }


def affine(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return linear(x, w[name], w[f"{name}_bias"])


def norm(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return layer_norm(x, x.shape[-1:], w[name], w[f"{name}_bias"])


def recurrent(workload: SequenceWorkload, w: Weights, ids: torch.Tensor) -> torch.Tensor:
    """The logits of ``lstm`` and ``gru``."""
    x = embedding(ids, w["embedding"])
    start = x.new_zeros(1, len(ids), workload.width)
    # Biases, one layer, no dropout, training, one direction, batch first.
    how = (True, 1, 0.0, True, False, True)
    second = torch.zeros_like(w["bias"])
    if workload.network == "gru":
        second = torch.cat([second[: -workload.width], w["recurrent_bias"]])
        h = torch.gru(x, start, [w["weight"], w["recurrent"], w["bias"], second], *how)[0]
    else:
        layer = [w["weight"], w["recurrent"], w["bias"], second]
        h = torch.lstm(x, (start, start), layer, *how)[0]
    return affine(w, "out", h)


def gpt(workload: SequenceWorkload, w: Weights, ids: torch.Tensor) -> torch.Tensor:
    """The logits of ``gpt``."""
    return gpt_at(workload, w, ids, w["positions"], causal)


def gpt_at(
    workload: SequenceWorkload,
    w: Weights,
    ids: torch.Tensor,
    positions: torch.Tensor,
    attend: Attend,
) -> torch.Tensor:
    x = embedding(ids, w["embedding"]) + positions
    for i in range(workload.blocks):
        z = affine(w, f"{i}.qkv", norm(w, f"{i}.norm1", x))
        heads = z.unflatten(-1, (3 * workload.heads, -1)).transpose(1, 2)
        y = attend(i, *heads.chunk(3, dim=1)).transpose(1, 2).flatten(2)
        x = x + affine(w, f"{i}.project", y)
        x = x + affine(w, f"{i}.down", gelu(affine(w, f"{i}.up", norm(w, f"{i}.norm2", x))))
    return linear(norm(w, "norm", x), w["out"])


def causal(block: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return scaled_dot_product_attention(q, k, v, is_causal=True)


class Training(on_torch.Training):
    """Steps of training."""

    def _network(self, problem: Any) -> tuple[Tensors, Loss]:
        weights = tensors(problem)
        logits = partial(gpt if problem.workload.network == "gpt" else recurrent, problem.workload)

        def loss(values: Tensors, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            named = dict(zip(weights, values, strict=True))
            return cross_entropy(logits(named, x).flatten(0, 1), t.flatten())

        return list(weights.values()), loss


class Cache:
    """Keys and values of all positions so far [blocks, batch, heads, time, width of a head]."""

    def __init__(self, workload: SequenceWorkload) -> None:
        w = workload
        shape = w.blocks, w.batch, w.heads, w.time, w.width // w.heads
        self._keys, self._values = torch.zeros(shape), torch.zeros(shape)
        self._index = torch.arange(w.time)

    def attend(
        self, position: int, block: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Of one position, to those up to it."""
        end = position + 1
        keys, values = self._keys[block], self._values[block]
        keys[:, :, position:end], values[:, :, position:end] = k, v
        return scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end])

    def attend_masked(
        self, position: torch.Tensor, block: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """The same with the same shapes for every position, which a compiler wants."""
        keys, values = self._keys[block], self._values[block]
        keys.index_copy_(2, position, k)
        values.index_copy_(2, position, v)
        seen = self._index[None] <= position
        return scaled_dot_product_attention(q, keys, values, attn_mask=seen)

    def attend_first(
        self, block: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Of the first positions, among each other."""
        end = q.shape[2]
        self._keys[block, :, :, :end], self._values[block, :, :, :end] = k, v
        return causal(block, q, k, v)


class Generation:
    """Greedy continuations of prompts, with a cache; through ``torch.compile`` if ``compiled``."""

    def __init__(self, problem: SequenceProblem, threads: int, compiled: bool = False) -> None:
        torch.set_num_threads(threads)
        self._workload, self._weights = problem.workload, tensors(problem)
        self._prompts = torch.tensor(problem.x[: problem.workload.batch, :PROMPT])
        self._cache = Cache(problem.workload)
        after = range(PROMPT, problem.workload.time - 1)
        self._positions: list[Any] = list(torch.tensor(after)[:, None] if compiled else after)
        masked: Any = torch.compile(self._masked, fullgraph=True, dynamic=False)
        self._next = masked if compiled else self._eager

    def reset(self) -> None:
        """Nothing to do."""

    @torch.inference_mode()
    def run(self) -> None:
        """All symbols after the prompts."""
        last = self._first()
        found = [last]
        for position in self._positions:
            last = self._next(last, position)
            found.append(last)
        self._found = torch.cat(found, dim=1)

    def values(self) -> list[float]:
        """A number that belongs to these symbols."""
        return [float(crc32(self._found.numpy().tobytes()))]

    def _first(self) -> torch.Tensor:
        table = self._weights["positions"][:PROMPT]
        return self._symbols(self._prompts, table, self._cache.attend_first)

    def _eager(self, last: torch.Tensor, position: int) -> torch.Tensor:
        table = self._weights["positions"][position]
        return self._symbols(last, table, partial(self._cache.attend, position))

    def _masked(self, last: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        table = self._weights["positions"][position]
        return self._symbols(last, table, partial(self._cache.attend_masked, position))

    def _symbols(self, ids: torch.Tensor, table: torch.Tensor, attend: Attend) -> torch.Tensor:
        """The likeliest symbols after the last position [batch, 1]."""
        logits = gpt_at(self._workload, self._weights, ids, table, attend)
        return logits[:, -1:].argmax(-1)
