"""Chainrule: a run is one call of the compiled loop; a prediction is one compiled function."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.workloads import BETA1, BETA2, EPSILON, RATE, Problem
from chainrule import nn, optim
from chainrule.engines import repeat
from chainrule.train.step import Cost, training_step


def cross_entropy(model: nn.MLP, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
    return nn.cross_entropy(model(x), t)


def mse(model: nn.MLP, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
    return nn.mse(model(x), t)


def network(problem: Problem) -> nn.MLP:
    """The network with its first weights."""
    inputs, *hidden, outputs = problem.workload.sizes
    _, definition = cr.tree_flatten(nn.MLP(inputs, hidden, outputs, rng=0))
    weights = [cr.asarray(array) for layer in problem.weights for array in layer]
    model: nn.MLP = cr.tree_unflatten(definition, weights)
    return model


class Training:
    """Steps of training."""

    def __init__(self, problem: Any, threads: int) -> None:
        model, cost = self._network(problem)
        optimizer = optim.adam(RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
        step = training_step(Cost.of(cost), optimizer)

        def taken(state: Any, batch: Any, row: Any) -> Any:
            model, memory, _, error = step(*state, batch, None, None)
            return (model, memory), error

        self._first = model, optimizer.init(nn.parameters(model))
        loop = repeat(taken, engine="native", threads=threads)
        self._running = loop.start(self._first, (problem.x, problem.t))
        self._rows = problem.rows.astype(np.int64)

    def _network(self, problem: Any) -> tuple[Any, Callable[..., cr.Tensor]]:
        """The model with its first weights, and its cost."""
        return network(problem), cross_entropy if problem.workload.classification else mse

    def reset(self) -> None:
        """Begin again."""
        self._running.state = self._first

    def run(self) -> None:
        """All steps."""
        self._errors = self._running.advance(self._rows)

    def values(self) -> list[float]:
        """The error of every step."""
        found: list[float] = self._errors.numpy().tolist()
        return found


class Prediction:
    """The outputs for one batch; the weights are arguments, or constants if ``captured``."""

    def __init__(self, problem: Problem, threads: int, captured: bool = False) -> None:
        model, x = network(problem), cr.asarray(problem.x)
        if captured:
            self._predict = cr.compile(model.__call__, engine="native", threads=threads)
            self._arguments: tuple[Any, ...] = (x,)
        else:
            self._predict = cr.compile(lambda model, x: model(x), engine="native", threads=threads)
            self._arguments = (model, x)

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        self._y = self._predict(*self._arguments)

    def values(self) -> list[float]:
        """The length of the outputs."""
        return [float(np.linalg.norm(self._y.numpy()))]
