"""A training run while it goes on: what callbacks see and may influence."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engines import NonFinite, Running
from chainrule.train.history import History
from chainrule.train.statistics import Statistics

__all__ = ["Run"]


class Run:
    """The state of a training run, handed to callbacks.

    The model lies in the engine's memory while steps are taken; it is copied from there when a
    callback looks at it, and put there if one sets it.

    Parameters
    ----------
    model, optimizer_state, state
        What training starts from.
    epochs, steps_per_epoch, rows
        What is planned: epochs, steps in each, and rows of training data.

    Attributes
    ----------
    model
        The model as it is now; a callback may replace it.
    optimizer_state
        The optimizer's state; a callback may replace it.
    state
        What the cost carries from step to step, if it does.
    epoch, step
        Finished epochs, and finished steps in all.
    learning_rate
        That of the latest step, for optimizers that have one.
    history
        Records of the finished epochs.
    statistics
        Those of the watched steps so far.
    stopped
        Set by :meth:`stop`: the reason why training ends after this epoch.
    """

    def __init__(
        self,
        model: Any,
        optimizer_state: Any,
        state: Any,
        epochs: int,
        steps_per_epoch: int,
        rows: int,
    ) -> None:
        self.epochs, self.steps_per_epoch, self.rows = epochs, steps_per_epoch, rows
        self.epoch = self.step = 0
        self.learning_rate: float | None = None
        self.history, self.stopped = History(), ""
        self._values: list[Any] | None = [model, optimizer_state, state]
        self._running: Running | None = None
        self.changed = False
        self.statistics: tuple[Statistics, ...] = ()
        # Of the epoch under way: the errors of its steps, and the time that these took.
        self.errors: list[np.ndarray] = []
        self.seconds = 0.0

    def stop(self, reason: str) -> None:
        """End training after this epoch; ``reason`` is a sentence for the history.

        Examples
        --------
        >>> from chainrule.train import Run
        >>> run = Run(
        ...     model=None, optimizer_state=None, state=None, epochs=1, steps_per_epoch=1, rows=1
        ... )
        >>> run.stop("Enough.")
        >>> run.stopped
        'Enough.'
        """
        self.stopped = reason

    def record(self, record: dict[str, Any]) -> None:
        """Append an epoch's record to the history: the epoch is finished."""
        self.epoch += 1
        self.history = History((*self.history.records, record), "", self.statistics)

    @property
    def steps_in_epoch(self) -> int:
        """Finished steps of the epoch under way."""
        return self.step - self.epoch * self.steps_per_epoch

    # ------------------------------------------------------------------ what is trained
    def _value(self, i: int) -> Any:
        if self._values is None:
            assert self._running is not None
            self._values = list(self._running.state)
        return self._values[i]

    def _set_value(self, i: int, value: Any) -> None:
        self._value(i)
        assert self._values is not None
        self._values[i] = value
        self.changed = True

    @property
    def model(self) -> Any:
        """The model as it is now."""
        return self._value(0)

    @model.setter
    def model(self, model: Any) -> None:
        self._set_value(0, model)

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's state as it is now."""
        return self._value(1)

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        self._set_value(1, state)

    @property
    def state(self) -> Any:
        """What the cost carries from step to step."""
        return self._value(2)

    @state.setter
    def state(self, state: Any) -> None:
        self._set_value(2, state)

    # ------------------------------------------------------------------ for the training loop
    def attach(self, start: Callable[[Any], Running]) -> None:
        """Let an engine take over from the present state."""
        self._running = start(tuple(self._values or ()))

    def advance(
        self,
        order: np.ndarray,
        keys: Any,
        watched: bool = False,
        sizes: np.ndarray | None = None,
    ) -> np.ndarray:
        """Take steps on the given rows, or on the first ``sizes`` of each; returns their errors.

        The statistics of a watched one join :attr:`statistics`.
        """
        running = self._up_to_date()
        errors, rates, *layers = running.advance(order, keys, watched=watched, sizes=sizes)
        if watched:
            self._note(layers[0])
        self._values = None
        self.learning_rate = None if rates is None else rates[-1].item()
        found: np.ndarray = errors.numpy()
        return found

    def _note(self, layers: Any) -> None:
        numbers = {
            layer: {name: float(value[-1].item()) for name, value in found.items()}
            for layer, found in layers.items()
        }
        self.statistics += (Statistics(self.step, self.epoch, numbers),)

    def kept(self) -> Any:
        """What :meth:`go_back` needs to come back to the present state."""
        return self._up_to_date().checkpoint()

    def go_back(self, kept: Any) -> None:
        """Back to where :meth:`kept` was asked for."""
        self._up_to_date().restore(kept)
        self._values = None

    def first_nonfinite(self, chosen: np.ndarray, key: Any) -> NonFinite | None:
        """Where the first NaN or infinity comes from in a step on the chosen rows."""
        return self._up_to_date().first_nonfinite(chosen, key)

    def _up_to_date(self) -> Running:
        assert self._running is not None
        if self.changed:
            self._running.state, self.changed = tuple(self._values or ()), False
        return self._running
