"""Progress on the terminal: loss, validation, throughput, time left."""

import time
from typing import TYPE_CHECKING, Self

import numpy as np

from chainrule import words
from chainrule.train.callbacks import Callback
from chainrule.train.run import Run

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ProgressBar"]

#: Seconds between two repaints: a step may take microseconds, a repaint a millisecond.
INTERVAL = 0.1


class ProgressBar(Callback):
    """A live bar for :func:`chainrule.fit`, used as a context manager.

    Parameters
    ----------
    console
        A rich console; by default one on standard output.
    """

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn(
                words.text("train.epoch") + " {task.fields[epoch]:>4}/{task.fields[epochs]}"
            ),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._began = self._painted = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def on_fit_begin(self, run: Run) -> None:
        """Draw the empty bar."""
        total = run.epochs * run.steps_per_epoch
        self._task = self._progress.add_task(
            "", total=total, epoch=0, epochs=run.epochs, numbers="", speed=""
        )

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """Move the bar, but repaint only now and then."""
        now = time.perf_counter()
        if now - self._painted >= INTERVAL:
            self._painted = now
            self._progress.update(self._task, completed=run.step, epoch=run.epoch + 1)

    def on_epoch_end(self, run: Run) -> None:
        """Show the numbers of the epoch."""
        record = run.history[-1]
        hidden = ("epoch", "seconds", "rows_per_second", "learning_rate")
        numbers = [
            f"{_label(name)} {value:.3g}" for name, value in record.items() if name not in hidden
        ]
        self._progress.update(
            self._task,
            completed=run.step,
            epoch=run.epoch,
            numbers="  ".join(numbers),
            speed=words.text("train.speed", rows=_short(record["rows_per_second"])),
        )

    def on_fit_end(self, run: Run) -> None:
        """Fill the bar, also where training stopped early."""
        self._progress.update(self._task, total=max(run.step, 1), completed=max(run.step, 1))


def _label(name: str) -> str:
    """A quantity of the history in the user's language; a metric keeps its name."""
    labels = {
        "loss": words.text("train.loss"),
        "validation_loss": words.text("train.validation_loss"),
        "accuracy": words.text("train.accuracy"),
    }
    return labels.get(name, name)


def _short(number: float) -> str:
    """A number with a suffix: 1.9 M."""
    for unit, suffix in ((1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{number / unit:.2g}{suffix}"
    return f"{number:.0f}"
