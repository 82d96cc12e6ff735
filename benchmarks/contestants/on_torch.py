"""PyTorch: one step after the other with fused Adam, or whole steps through ``torch.compile``.

Compiled steps are written as functions, since a graph cannot hold ``backward()``.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear, mse_loss, relu

from benchmarks.workloads import BETA1, BETA2, EPSILON, RATE, Problem

Tensors = list[torch.Tensor]
#: The error for the weights on a batch.
Loss = Callable[[Tensors, torch.Tensor, torch.Tensor], torch.Tensor]


def forward(weights: Tensors, x: torch.Tensor) -> torch.Tensor:
    *hidden, w, b = weights
    for v, c in zip(hidden[::2], hidden[1::2], strict=True):
        x = relu(linear(x, v, c))
    return linear(x, w, b)


def tensors(problem: Problem) -> Tensors:
    """W [outputs, inputs] and b of every layer."""
    return [torch.tensor(array.T.copy()) for array in chain(*problem.weights)]


class Training:
    """Steps of training."""

    def __init__(self, problem: Any, threads: int, compiled: bool = False) -> None:
        torch.set_num_threads(threads)
        self._first, self._loss = self._network(problem)
        self._x, self._t = torch.tensor(problem.x), torch.tensor(problem.t)
        self._rows = list(torch.tensor(problem.rows))
        self._step: Any = self._compiled() if compiled else self._eager
        self.reset()

    def _network(self, problem: Any) -> tuple[Tensors, Loss]:
        """The first weights, and the error for them on a batch."""
        loss: Any = cross_entropy if problem.workload.classification else mse_loss
        return tensors(problem), lambda weights, x, t: loss(forward(weights, x), t)

    def reset(self) -> None:
        """Begin again."""
        self._weights = [a.clone().requires_grad_() for a in self._first]
        self._optimizer = torch.optim.Adam(self._weights, RATE, (BETA1, BETA2), EPSILON, fused=True)
        self._state = [[torch.zeros_like(a) for a in self._first] for _ in range(2)]
        self._count = torch.zeros(())

    def run(self) -> None:
        """All steps."""
        self._errors = [self._step(rows) for rows in self._rows]

    def values(self) -> list[float]:
        """The error of every step."""
        return [float(error) for error in self._errors]

    def _cost(self, weights: Tensors, rows: torch.Tensor) -> torch.Tensor:
        return self._loss(weights, self._x.index_select(0, rows), self._t.index_select(0, rows))

    def _eager(self, rows: torch.Tensor) -> torch.Tensor:
        error = self._cost(self._weights, rows)
        self._optimizer.zero_grad()
        error.backward()
        self._optimizer.step()
        return error.detach()

    def _compiled(self) -> Any:
        # Less Python around each call.
        torch._inductor.config.cpp_wrapper = True

        def step(
            weights: Tensors, state: list[Tensors], count: torch.Tensor, rows: torch.Tensor
        ) -> torch.Tensor:
            gradient, error = torch.func.grad_and_value(self._cost)(weights, rows)
            count += 1
            rate, correction = RATE / (1 - BETA1**count), torch.rsqrt(1 - BETA2**count)
            for w, m, v, g in zip(weights, *state, gradient, strict=True):
                m.mul_(BETA1).add_(g, alpha=1 - BETA1)
                v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
                w.sub_(rate * m / (v.sqrt() * correction + EPSILON))
            return error

        compiled = torch.compile(torch.no_grad()(step), fullgraph=True, dynamic=False)
        return lambda rows: compiled(self._weights, self._state, self._count, rows)


class Network(torch.nn.Module):
    """The network as a module, which is what ``torch.jit`` and the compiler can freeze."""

    def __init__(self, weights: Tensors) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return forward(list(self.weights), x)


class Prediction:
    """The outputs for one batch; ``mode`` is ``"eager"``, ``"jit"`` or ``"compiled"``."""

    def __init__(self, problem: Problem, threads: int, mode: str = "eager") -> None:
        torch.set_num_threads(threads)
        weights, self._x = tensors(problem), torch.tensor(problem.x)
        network: Any = Network(weights).eval()
        with torch.inference_mode():
            if mode == "jit":
                traced = torch.jit.trace(network, self._x)
                self._predict: Any = torch.jit.optimize_for_inference(traced)
            elif mode == "compiled":
                torch._inductor.config.freezing = True
                self._predict = torch.compile(network, fullgraph=True, dynamic=False)
            else:
                self._predict = partial(forward, weights)

    def reset(self) -> None:
        """Nothing to do."""

    @torch.inference_mode()
    def run(self) -> None:
        self._y = self._predict(self._x)

    def values(self) -> list[float]:
        """The length of the outputs."""
        return [float(torch.linalg.norm(self._y))]
