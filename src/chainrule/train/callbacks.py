"""Callbacks: code that runs between steps and epochs."""

import math
from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import OptionError
from chainrule.optim import Plateau, learning_rate, reduce_on_plateau, set_learning_rate
from chainrule.train.run import Run

__all__ = ["Callback", "EarlyStopping", "ReduceLearningRate"]


class Callback:
    """Base class: override what you need. ``run`` is the training run as it is now.

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
        self.largest, self.restore = largest, restore

    def on_fit_begin(self, run: Run) -> None:
        """Forget what an earlier run has left."""
        self.best, self.best_epoch = math.nan, 0
        self.best_model: Any = run.model

    def on_epoch_end(self, run: Run) -> None:
        """Remember the best model; stop when patience has run out."""
        value = run.history[self.quantity][-1]
        gain = value - self.best if self.largest else self.best - value
        if not self.best_epoch or gain > self.threshold:
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
        if self.restore and self.best_epoch:
            run.model = self.best_model


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
