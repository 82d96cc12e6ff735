"""What classification and regression mean for ``chainrule train``: cost, metrics, score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.compare import accuracy, r_squared
from chainrule.graph import Tensor, argmax, mean

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """How a kind of task is learned and judged.

    Attributes
    ----------
    cost
        What training makes small: ``cost(model, x, t, key)``.
    metrics
        What is measured on the validation rows after each epoch, besides the cost.
    predict
        A model's outputs → what it predicts, comparable with ``t``.
    score_name, score
        How test rows are judged: ``score(predicted, t)``, larger is better.
    """

    cost: Callable[..., Tensor]
    metrics: Mapping[str, Callable[..., Tensor]]
    predict: Callable[[np.ndarray], np.ndarray]
    score_name: str
    score: Callable[[np.ndarray, np.ndarray], float]


def cross_entropy(model: Any, x: Tensor, t: Tensor, key: Tensor | None = None) -> Tensor:
    """The cost of classification: softmax and cross-entropy."""
    return nn.cross_entropy(model(x, key=key), t)


def mean_squared_error(model: Any, x: Tensor, t: Tensor, key: Tensor | None = None) -> Tensor:
    """The cost of regression."""
    return nn.mse(model(x, key=key), t)


def batch_accuracy(model: Any, x: Tensor, t: Tensor) -> Tensor:
    """The share of rows whose class is found, inside a graph."""
    return mean((argmax(model(x), axis=-1) == t).astype(np.float32))


TASKS = {
    "classification": Task(
        cost=cross_entropy,
        metrics={"accuracy": batch_accuracy},
        predict=lambda outputs: outputs.argmax(axis=-1),
        score_name="accuracy",
        score=accuracy,
    ),
    "regression": Task(
        cost=mean_squared_error,
        metrics={},
        predict=lambda outputs: outputs,
        score_name="r_squared",
        score=r_squared,
    ),
}
