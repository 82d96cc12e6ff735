"""Measuring a model on data: the cost on validation rows, and metrics."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.engines import Compiled, compile
from chainrule.train.rows import parts, prepared, row_count
from chainrule.train.run import Run
from chainrule.train.step import Cost

__all__ = ["Measure", "Metric", "evaluate"]

Batch = tuple[Any, ...]
Metric = Callable[..., Any]
#: Rows in one batch where nothing is learned, so that memory stays bounded.
EVALUATION_ROWS = 4096


class Measure:
    """Cost and metrics on validation data, compiled once."""

    def __init__(self, cost: Cost, metrics: Mapping[str, Metric], engine: str) -> None:
        def error(model: Any, batch: Batch, state: Any) -> Any:
            return cost(model, batch, None, state)[0]

        self._cost = compile(error, engine=engine)
        self._metrics = {name: _on_batch(metric, engine) for name, metric in metrics.items()}

    def __call__(self, run: Run, data: Any, validation: Any) -> dict[str, float]:
        """What an epoch's record gains."""
        found = {}
        if validation is not None:
            found["validation_loss"] = mean_over(
                validation, lambda batch: self._cost(run.model, batch, run.state)
            )
        where = data if validation is None else validation
        for name, metric in self._metrics.items():
            found[name] = mean_over(where, functools.partial(metric, run.model))
        return found


def _on_batch(metric: Metric, engine: str) -> Compiled:
    """``metric(model, *batch)`` as a compiled function of model and batch."""

    def measured(model: Any, batch: Batch) -> Any:
        return metric(model, *batch)

    return compile(measured, engine=engine)


def evaluate(model: Any, metric: Metric, data: Any, *, engine: str = "auto") -> float:
    """The mean of ``metric(model, *batch)`` over all rows of ``data``.

    Parameters
    ----------
    model
        A module.
    metric
        Returns the mean over a batch: a cost or, say, an accuracy.
    data
        A tuple of arrays with the same number of rows.
    engine
        See :func:`chainrule.compile`.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule import nn
    >>> model = nn.Linear(1, 1, rng=0)
    >>> data = np.zeros((4, 1)), np.ones((4, 1))
    >>> cr.evaluate(model, lambda model, x, t: nn.mse(model(x), t), data)
    1.0
    """
    data, _ = prepared(data, model, "data")
    return mean_over(data, functools.partial(_on_batch(metric, engine), model))


def mean_over(data: Any, measure: Callable[[Any], Any]) -> float:
    """The mean over all rows of what ``measure`` gives as means over batches."""
    sums = (float(measure(part)) * rows for part, rows in parts(data, EVALUATION_ROWS))
    return math.fsum(sums) / row_count(data)
