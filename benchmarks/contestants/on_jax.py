"""JAX: a run is one compiled ``lax.scan``, its state donated; a prediction one function."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import BETA1, BETA2, EPSILON, RATE, Problem

Layers = list[tuple[jax.Array, jax.Array]]
#: The error for a tree of weights on a batch.
Loss = Callable[[Any, jax.Array, jax.Array], jax.Array]


def forward(layers: Layers, x: jax.Array) -> jax.Array:
    *hidden, (w, b) = layers
    for v, c in hidden:
        x = jax.nn.relu(x @ v + c)
    return x @ w + b


def mse(layers: Layers, x: jax.Array, t: jax.Array) -> jax.Array:
    return jnp.mean((forward(layers, x) - t) ** 2)


def cross_entropy(layers: Layers, x: jax.Array, t: jax.Array) -> jax.Array:
    return surprise(forward(layers, x), t)


def surprise(logits: jax.Array, t: jax.Array) -> jax.Array:
    """The mean over rows of the cross-entropy; classes are along the last axis."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.sum(log_p * jax.nn.one_hot(t, log_p.shape[-1]), axis=-1))


def adam(count: jax.Array, weights: Any, first: Any, second: Any, gradient: Any) -> Any:
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    rate = RATE / (1 - BETA1**count)
    correction = jax.lax.rsqrt(1 - BETA2**count)

    def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return w - rate * m / (jnp.sqrt(v) * correction + EPSILON)

    return jax.tree.map(moved, weights, first, second), first, second


class Training:
    """Steps of training; ``unroll`` is that of the scan."""

    def __init__(self, problem: Any, threads: int, unroll: int = 1) -> None:
        self._first, loss = self._network(problem)
        self._arrays = [jnp.asarray(a) for a in (problem.x, problem.t, problem.rows)]

        def run(state: Any, x: jax.Array, t: jax.Array, rows: jax.Array) -> Any:
            def step(state: Any, rows: jax.Array) -> Any:
                count, weights, first, second = state
                batch = (a.at[rows].get(mode="promise_in_bounds") for a in (x, t))
                error, gradient = jax.value_and_grad(loss)(weights, *batch)
                count = count + 1
                return (count, *adam(count, weights, first, second, gradient)), error

            state, errors = jax.lax.scan(step, state, rows, unroll=unroll)
            return state, errors

        self._run = jax.jit(run, donate_argnums=0)
        self.reset()

    def _network(self, problem: Any) -> tuple[Any, Loss]:
        """The first weights, and the error for them on a batch."""
        return problem.weights, cross_entropy if problem.workload.classification else mse

    def reset(self) -> None:
        """Begin again."""
        weights = jax.tree.map(jnp.array, self._first)
        zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        self._state = jax.block_until_ready((jnp.zeros(()), weights, *zeros))

    def run(self) -> None:
        """All steps."""
        self._state, self._errors = jax.block_until_ready(self._run(self._state, *self._arrays))

    def values(self) -> list[float]:
        """The error of every step."""
        found: list[float] = np.asarray(self._errors).tolist()
        return found


class Prediction:
    """The outputs for one batch; the weights are constants."""

    def __init__(self, problem: Problem, threads: int) -> None:
        layers = jax.tree.map(jnp.array, problem.weights)
        self._predict = jax.jit(lambda x: forward(layers, x))
        self._x = jnp.array(problem.x)

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        self._y = self._predict(self._x).block_until_ready()

    def values(self) -> list[float]:
        """The length of the outputs."""
        return [float(jnp.linalg.norm(self._y))]
