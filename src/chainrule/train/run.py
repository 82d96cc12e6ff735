"""A training run while it goes on: what callbacks see and may influence."""

from dataclasses import dataclass, field
from typing import Any

from chainrule.train.history import History

__all__ = ["Run"]


@dataclass
class Run:
    """The state of a training run, handed to callbacks.

    Attributes
    ----------
    model
        The model as it is now.
    optimizer_state
        The optimizer's state; a callback may replace it.
    state
        What the cost carries from step to step, if it does.
    epochs, steps_per_epoch, rows
        What is planned: epochs, steps in each, and rows of training data.
    epoch, step
        Finished epochs, and finished steps in all.
    history
        Records of the finished epochs.
    stopped
        Set by :meth:`stop`: the reason why training ends after this epoch.
    """

    model: Any
    optimizer_state: Any
    state: Any
    epochs: int
    steps_per_epoch: int
    rows: int
    epoch: int = 0
    step: int = 0
    history: History = field(default_factory=History)
    stopped: str = ""

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
        """Append an epoch's record to the history."""
        self.history = History((*self.history.records, record))
