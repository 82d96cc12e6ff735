"""JAX over sequences: recurrent layers as ``lax.scan``, everything else written out.

The product with the inputs of all steps stands before the scan, so its body has one product.
"""

from functools import partial
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contestants import on_jax
from benchmarks.contestants.on_jax import Loss
from benchmarks.sequence_workloads import PROMPT, SequenceProblem, SequenceWorkload

Weights = dict[str, jax.Array]


def affine(w: Weights, name: str, x: jax.Array) -> jax.Array:
    return x @ w[name] + w[f"{name}_bias"]


def norm(w: Weights, name: str, x: jax.Array) -> jax.Array:
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * w[name] + w[f"{name}_bias"]


def lstm(w: Weights, state: Any, z: jax.Array) -> Any:
    h, c = state
    i, f, g, o = jnp.split(z + h @ w["recurrent"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru(w: Weights, state: Any, z: jax.Array) -> Any:
    (h,) = state
    y = h @ w["recurrent"]
    (r, u, n), (s, v, m) = jnp.split(z, 3, axis=-1), jnp.split(y, 3, axis=-1)
    update = jax.nn.sigmoid(u + v)
    candidate = jnp.tanh(n + jax.nn.sigmoid(r + s) * (m + w["recurrent_bias"]))
    h = (1 - update) * candidate + update * h
    return (h,), h


def recurrent(workload: SequenceWorkload, w: Weights, ids: jax.Array) -> jax.Array:
    """The logits of ``lstm`` and ``gru``, time first."""
    z = w["embedding"][ids.T] @ w["weight"] + w["bias"]
    zero = jnp.zeros((len(ids), workload.width))
    cell, state = (gru, (zero,)) if workload.network == "gru" else (lstm, (zero, zero))
    return affine(w, "out", jax.lax.scan(partial(cell, w), state, z)[1])


def attention(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array) -> jax.Array:
    scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def gpt_at(
    workload: SequenceWorkload, w: Weights, x: jax.Array, attend: Any, caches: list[Any]
) -> tuple[jax.Array, list[Any]]:
    """The logits, and what ``attend`` gives besides its outputs in every block."""
    new = []
    for i in range(workload.blocks):
        z = affine(w, f"{i}.qkv", norm(w, f"{i}.norm1", x))
        heads = z.reshape(*z.shape[:-1], 3 * workload.heads, -1).swapaxes(1, 2)
        y, cache = attend(*jnp.split(heads, 3, axis=1), caches[i])
        new.append(cache)
        x = x + affine(w, f"{i}.project", y.swapaxes(1, 2).reshape(x.shape))
        up = affine(w, f"{i}.up", norm(w, f"{i}.norm2", x))
        x = x + affine(w, f"{i}.down", jax.nn.gelu(up, approximate=False))
    return norm(w, "norm", x) @ w["out"], new


def causal(q: jax.Array, k: jax.Array, v: jax.Array, _: None) -> Any:
    return attention(q, k, v, jnp.tri(q.shape[2], dtype=bool)), (k, v)


def gpt(workload: SequenceWorkload, w: Weights, ids: jax.Array) -> jax.Array:
    """The logits of ``gpt``."""
    x = w["embedding"][ids] + w["positions"]
    return gpt_at(workload, w, x, causal, [None] * workload.blocks)[0]


class Training(on_jax.Training):
    """Steps of training."""

    def _network(self, problem: Any) -> tuple[Any, Loss]:
        workload = problem.workload

        def loss(w: Weights, x: jax.Array, t: jax.Array) -> jax.Array:
            if workload.network == "gpt":
                return on_jax.surprise(gpt(workload, w, x), t)
            return on_jax.surprise(recurrent(workload, w, x), t.T)

        return problem.weights, loss


class Generation:
    """Greedy continuations of prompts: one compiled ``lax.scan`` with a cache."""

    def __init__(self, problem: SequenceProblem, threads: int) -> None:
        self._weights = jax.tree.map(jnp.array, problem.weights)
        self._prompts = jnp.array(problem.x[: problem.workload.batch, :PROMPT])
        self._generate = jax.jit(partial(generated, problem.workload))

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        """All symbols after the prompts."""
        self._found = self._generate(self._weights, self._prompts).block_until_ready()

    def values(self) -> list[float]:
        """A number that belongs to these symbols."""
        return [float(crc32(np.ascontiguousarray(self._found, np.int64).tobytes()))]


def generated(workload: SequenceWorkload, w: Weights, prompts: jax.Array) -> jax.Array:
    index = jnp.arange(workload.time)

    def next_one(state: Any, position: jax.Array) -> Any:
        last, caches = state

        def attend(q: jax.Array, k: jax.Array, v: jax.Array, cache: Any) -> Any:
            k, v = (
                jax.lax.dynamic_update_slice_in_dim(old, new, position, axis=2)
                for old, new in zip(cache, (k, v), strict=True)
            )
            return attention(q, k, v, index <= position), (k, v)

        x = w["embedding"][last][:, None] + w["positions"][position]
        logits, caches = gpt_at(workload, w, x, attend, caches)
        symbol = jnp.argmax(logits[:, -1], axis=-1)
        return (symbol, caches), symbol

    x = w["embedding"][prompts] + w["positions"][:PROMPT]
    logits, pairs = gpt_at(workload, w, x, causal, [None] * workload.blocks)
    rest = [(0, 0), (0, 0), (0, workload.time - PROMPT), (0, 0)]
    caches = [tuple(jnp.pad(part, rest) for part in pair) for pair in pairs]
    first = jnp.argmax(logits[:, -1], axis=-1)
    _, found = jax.lax.scan(next_one, (first, caches), index[PROMPT:-1])
    return jnp.concatenate([first[:, None], found.T], axis=1)
