"""What classification and regression mean for ``chainrule train``: cost, score and baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.engines import one_thread
from chainrule.graph import Tensor, argmax, mean

__all__ = ["TASKS", "Task", "baseline_scores"]

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Task:
    """How a kind of task is learned and judged.

    Attributes
    ----------
    cost_name, cost
        What training makes small: ``cost(model, x, t, key)``.
    metrics
        What is measured on the validation rows after each epoch, besides the cost.
    predict
        A model's outputs → what it predicts, comparable with ``t``.
    score_name, score
        How test rows are judged: ``score(predicted, t)``, larger is better.
    baselines
        ``baselines(seed)`` → models of scikit-learn by name, untrained.
    """

    cost_name: str
    cost: Callable[..., Tensor]
    metrics: Mapping[str, Callable[..., Tensor]]
    predict: Callable[[np.ndarray], np.ndarray]
    score_name: str
    score: Callable[[np.ndarray, np.ndarray], float]
    baselines: Callable[[int], Mapping[str, Any]]


def cross_entropy(model: Any, x: Tensor, t: Tensor, key: Tensor | None = None) -> Tensor:
    """The cost of classification: softmax and cross-entropy."""
    return nn.cross_entropy(model(x, key=key), t)


def mean_squared_error(model: Any, x: Tensor, t: Tensor, key: Tensor | None = None) -> Tensor:
    """The cost of regression."""
    return nn.mse(model(x, key=key), t)


def batch_accuracy(model: Any, x: Tensor, t: Tensor) -> Tensor:
    """The share of rows whose class is found, inside a graph."""
    return mean((argmax(model(x), axis=-1) == t).astype(np.float32))


def accuracy(predicted: np.ndarray, t: np.ndarray) -> float:
    """The share of rows whose class is found."""
    return float((predicted == t).mean())


def r_squared(predicted: np.ndarray, t: np.ndarray) -> float:
    """The share of a target's variance that is explained, averaged over the targets.

    NaN where every target is the same in all rows: then there is nothing to explain.
    """
    error = ((t - predicted) ** 2).sum(axis=0)
    spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    varying = spread > 0
    return float((1 - error[varying] / spread[varying]).mean()) if varying.any() else float("nan")


def classifiers(seed: int) -> dict[str, Any]:
    """Logistic regression and gradient-boosted trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    return {
        "linear_model": LogisticRegression(max_iter=5000),
        "boosted_trees": HistGradientBoostingClassifier(early_stopping=True, random_state=seed),
    }


def regressors(seed: int) -> dict[str, Any]:
    """Ridge regression, and gradient-boosted trees for each target."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.multioutput import MultiOutputRegressor

    trees = HistGradientBoostingRegressor(early_stopping=True, random_state=seed)
    return {"linear_model": Ridge(), "boosted_trees": MultiOutputRegressor(trees)}


TASKS = {
    "classification": Task(
        cost_name="cross_entropy",
        cost=cross_entropy,
        metrics={"accuracy": batch_accuracy},
        predict=lambda outputs: outputs.argmax(axis=-1),
        score_name="accuracy",
        score=accuracy,
        baselines=classifiers,
    ),
    "regression": Task(
        cost_name="mse",
        cost=mean_squared_error,
        metrics={},
        predict=lambda outputs: outputs,
        score_name="r_squared",
        score=r_squared,
        baselines=regressors,
    ),
}


def baseline_scores(task: Task, train: Arrays, test: Arrays, seed: int) -> dict[str, float]:
    """The score on the test rows of each baseline, trained on the training rows."""
    scores = {}
    models = task.baselines(seed)
    # On data as small as these threads wait for each other: on a busy machine, two of them took
    # 17 times the processor time of one for the trees of the digits.
    with one_thread():
        for name, model in models.items():
            try:
                model.fit(*train)
            except ValueError:  # too few rows: one class only, or none to stop early by
                continue
            scores[name] = task.score(model.predict(test[0]).reshape(test[1].shape), test[1])
    return scores
