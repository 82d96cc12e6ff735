"""Callbacks: code that runs between steps and epochs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import DivergedError, OptionError
from chainrule.optim import (
    Plateau,
    PlateauState,
    learning_rate,
    reduce_on_plateau,
    set_learning_rate,
)
from chainrule.train.run import Run
from chainrule.train.saving import named_arrays, with_arrays

__all__ = ["Callback", "EarlyStopping", "ReduceLearningRate", "StopWhenDiverging", "is_better"]


class Callback:
    """Base class: override what you need. ``run`` is the training run as it is now.

    A callback that remembers something overrides :meth:`state` and :meth:`restore`, too, so that a
    resumed training goes on as if it had not been interrupted.

    Examples
    --------
    >>> import chainrule as cr
    >>> class Print(cr.train.Callback):
    ...     def on_epoch_end(self, run):
    ...         print(f"{run.epoch}: {run.history[-1]['loss']:.3f}")
    """

    def on_fit_begin(self, run: Run) -> None:
        """Before the first step."""

    def on_step_end(self, run: Run, error: float) -> None:
        """After every step; ``error`` is the cost of the batch before the step.

        A callback that overrides this makes compiled code come back to Python after every step.
        """

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """After some steps, whenever Python is back from compiled code: at least every 0.1 s.

        ``errors`` are the costs of these steps.
        """

    def on_epoch_end(self, run: Run) -> None:
        """After every epoch; ``run.history[-1]`` is its record."""

    def on_fit_end(self, run: Run) -> None:
        """After the last epoch."""

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps: text, numbers, lists and mappings of these, arrays."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave; comes after :meth:`on_fit_begin`."""


def is_better(value: float, best: float, threshold: float = 0.0, largest: bool = False) -> bool:
    """Whether a value is better than the best one until now, by more than ``threshold``.

    NaN is better than nothing, and anything is better than NaN, which is what there is at first.

    Examples
    --------
    >>> from chainrule.train.callbacks import is_better
    >>> is_better(0.5, 0.6), is_better(0.5, 0.6, threshold=0.2), is_better(0.5, float("nan"))
    (True, False, True)
    """
    if math.isnan(best):
        return not math.isnan(value)
    gain = value - best if largest else best - value
    return gain > threshold


class EarlyStopping(Callback):
    """Stop when a quantity has not improved for a while, and go back to the best model.

    Parameters
    ----------
    quantity
        A name in the history's records.
    patience
        Epochs without improvement after which training stops.
    threshold
        How much better counts as better.
    largest
        True for a quantity that should grow, such as an accuracy.
    restore
        Return the model of the best epoch, not of the last.

    Raises
    ------
    OptionError
        If ``patience`` is below 1.

    Examples
    --------
    >>> from chainrule.train import EarlyStopping
    >>> EarlyStopping(patience=5).quantity
    'validation_loss'
    """

    def __init__(
        self,
        quantity: str = "validation_loss",
        patience: int = 10,
        threshold: float = 0.0,
        largest: bool = False,
        restore: bool = True,
    ) -> None:
        if patience < 1:
            raise OptionError("train.patience", patience=patience)
        self.quantity, self.patience, self.threshold = quantity, patience, threshold
        self.largest, self.back_to_best = largest, restore

    def on_fit_begin(self, run: Run) -> None:
        """Forget what an earlier run has left."""
        self.best, self.best_epoch = math.nan, 0
        self.best_model: Any = run.model

    def on_epoch_end(self, run: Run) -> None:
        """Remember the best model; stop when patience has run out."""
        value = run.history[self.quantity][-1]
        if is_better(value, self.best, self.threshold, self.largest):
            self.best, self.best_epoch, self.best_model = value, run.epoch, run.model
        if run.epoch - self.best_epoch >= self.patience:
            run.stop(
                words.text(
                    "train.early",
                    quantity=self.quantity,
                    best=self.best,
                    epoch=self.best_epoch,
                    patience=self.patience,
                )
            )

    def on_fit_end(self, run: Run) -> None:
        """Go back to the best model."""
        if self.back_to_best and self.best_epoch:
            run.model = self.best_model

    def state(self) -> Mapping[str, Any]:
        """The best value, its epoch and its model."""
        model = named_arrays(self.best_model) if self.back_to_best and self.best_epoch else {}
        return {"best": self.best, "epoch": self.best_epoch, "model": model}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.best, self.best_epoch = float(state["best"]), int(state["epoch"])
        if state["model"]:
            self.best_model = with_arrays(self.best_model, state["model"], "checkpoint")


class ReduceLearningRate(Callback):
    """Reduce the learning rate when a quantity stops improving.

    Parameters
    ----------
    rule
        A rule of :mod:`chainrule.optim`; by default ``reduce_on_plateau()``.
    quantity
        A name in the history's records.

    Examples
    --------
    >>> from chainrule import optim
    >>> from chainrule.train import ReduceLearningRate
    >>> ReduceLearningRate(optim.reduce_on_plateau(0.5, patience=3), "loss").quantity
    'loss'
    """

    def __init__(self, rule: Plateau | None = None, quantity: str = "validation_loss") -> None:
        self.rule, self.quantity = rule or reduce_on_plateau(), quantity

    def on_fit_begin(self, run: Run) -> None:
        """Start from the optimizer's learning rate."""
        self._state = self.rule.init(float(learning_rate(run.optimizer_state)))

    def on_epoch_end(self, run: Run) -> None:
        """Hand the new rate to the optimizer if the rule has changed it."""
        before = self._state.learning_rate
        self._state = self.rule.update(run.history[self.quantity][-1], self._state)
        if self._state.learning_rate != before:
            rate = self._state.learning_rate
            run.optimizer_state = set_learning_rate(run.optimizer_state, rate)

    def state(self) -> Mapping[str, Any]:
        """What the rule remembers."""
        return self._state._asdict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        rate, best = float(state["learning_rate"]), float(state["best"])
        self._state = PlateauState(rate, best, int(state["waited"]), int(state["resting"]))


class StopWhenDiverging(Callback):
    """Stop when the error has grown beyond all bounds, though it is still a number.

    The bound is ``m + (factor − 1) |m|``, where ``m`` is the median error of the first ``steps``
    steps. One step above it is chance; ``steps`` steps in a row are not.

    Parameters
    ----------
    factor
        How many times the first errors; above 1.
    steps
        How many steps in a row; at least 1.

    Raises
    ------
    OptionError
        If ``factor`` or ``steps`` are too small.
    DivergedError
        From :func:`chainrule.fit`, with the model of the last epoch that ended before.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule import nn, optim, train
    >>> def cost(model, x, t):
    ...     return nn.mse(model(x), t)
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> try:
    ...     cr.fit(
    ...         nn.Linear(1, 1, rng=0),
    ...         cost,
    ...         (x, 2 * x),
    ...         optimizer=optim.sgd(4.0),
    ...         epochs=100,
    ...         callbacks=[train.StopWhenDiverging(steps=5)],
    ...     )
    ... except cr.errors.DivergedError as error:
    ...     print(type(error.model).__name__)
    Linear
    """

    def __init__(self, factor: float = 100.0, steps: int = 20) -> None:
        if not (factor > 1 and steps >= 1):
            raise OptionError("train.diverging", factor=factor, steps=steps)
        self.factor, self.steps = factor, steps

    def on_fit_begin(self, run: Run) -> None:
        """Forget what an earlier run has left."""
        self._first: list[float] = []
        self._above = 0
        self._good: Any = run.model

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """Count the steps in a row that are above the bound."""
        learnt = max(0, min(self.steps - len(self._first), len(errors)))
        self._first.extend(errors[:learnt].tolist())
        errors = errors[learnt:]
        if not len(errors):
            return
        start = float(np.median(self._first))
        below = np.flatnonzero(errors <= start + (self.factor - 1) * abs(start))
        # Steps in a row before the first that is below, between such, and after the last.
        ends = np.array([-1 - self._above, *below, len(errors)])
        rows = np.diff(ends) - 1
        if rows.max() >= self.steps:
            run_of = int(np.argmax(rows >= self.steps))
            at = int(ends[run_of]) + self.steps
            raise self._diverged(run, start, float(errors[at]), run.step - len(errors) + at)
        self._above = int(rows[-1])

    def on_epoch_end(self, run: Run) -> None:
        """Remember a model that is still good."""
        if not self._above:
            self._good = run.model

    def _diverged(self, run: Run, start: float, error: float, step: int) -> DivergedError:
        diverged = DivergedError(
            "train.diverged",
            epoch=step // run.steps_per_epoch + 1,
            step=step + 1,
            error=error,
            start=start,
            steps=self.steps,
            kept="",
        )
        diverged.model, diverged.history = self._good, run.history
        return diverged

    def state(self) -> Mapping[str, Any]:
        """The first errors, and how many of the latest are above the bound."""
        return {"first": self._first, "above": self._above}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self._first = [float(error) for error in state["first"]]
        self._above = int(state["above"])
