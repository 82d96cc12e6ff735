"""Progress on the terminal: loss, validation, throughput, time left."""

import statistics
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from chainrule import words
from chainrule.train.callbacks import Callback
from chainrule.train.run import Run

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Pace", "ProgressBar"]

#: Seconds between two repaints: a step may take microseconds, a repaint a millisecond.
INTERVAL = 0.25
#: Seconds that the pace looks back.
MEMORY = 5.0
#: What a record holds besides quantities.
HIDDEN = ("epoch", "seconds", "rows_per_second", "learning_rate")


class Pace:
    """How fast steps are taken, seen over the last seconds, and how long the rest will take.

    Between two epochs something is measured and callbacks run; that time is counted apart.

    Parameters
    ----------
    epochs, steps_per_epoch
        What is planned.

    Examples
    --------
    >>> from chainrule.train.progress import Pace
    >>> pace = Pace(epochs=2, steps_per_epoch=100)
    >>> pace.stepped(0, now=0.0)
    >>> pace.stepped(50, now=1.0)
    >>> pace.steps_per_second, pace.seconds_left(50)
    (50.0, 3.0)
    """

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        self._epochs, self._steps = epochs, steps_per_epoch
        self._seen: deque[tuple[float, int]] = deque()
        self._between = 0.0

    def stepped(self, step: int, now: float) -> None:
        """So many steps are taken by now."""
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[1][0] > MEMORY:
            self._seen.popleft()

    def rested(self, now: float) -> None:
        """An epoch has been measured by now; steps go on."""
        if self._seen:
            self._between = now - self._seen[-1][0]
            self._seen = deque((when + self._between, step) for when, step in self._seen)

    @property
    def steps_per_second(self) -> float:
        """Over the last seconds of steps; 0 while nothing is known."""
        if len(self._seen) < 2:
            return 0.0
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / max(now - began, 1e-9)

    def seconds_left(self, step: int) -> float | None:
        """Until the last epoch ends; None while nothing is known."""
        if not self.steps_per_second:
            return None
        rests = self._epochs - step // self._steps
        return (self._epochs * self._steps - step) / self.steps_per_second + rests * self._between


class ProgressBar(Callback):
    """A live bar for :func:`chainrule.fit`, used as a context manager.

    Parameters
    ----------
    console
        A rich console; by default one on standard output.
    """

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        epoch = words.text("train.epoch")
        self._progress = Progress(
            TextColumn(epoch + " {task.fields[epoch]:>4}/{task.fields[epochs]}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[left]}"),
            console=console,
            # It paints in a thread of its own, which takes time from Python only.
            refresh_per_second=1 / INTERVAL,
        )
        self._painted = 0.0
        self._sum, self._count = 0.0, 0
        self._quantities: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def on_fit_begin(self, run: Run) -> None:
        """Draw the bar; a resumed training has a part of it."""
        self._pace = Pace(run.epochs, run.steps_per_epoch)
        self._pace.stepped(run.step, time.perf_counter())
        self._task = self._progress.add_task(
            "",
            total=run.epochs * run.steps_per_epoch,
            completed=run.step,
            epoch=run.epoch,
            epochs=run.epochs,
            numbers="",
            speed="",
            left="",
        )

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """Move the bar, but only now and then; the loss is that of the steps since then."""
        self._sum, self._count = self._sum + float(errors.sum()), self._count + len(errors)
        now = time.perf_counter()
        if now - self._painted >= INTERVAL:
            self._pace.stepped(run.step, now)
            self._quantities["loss"] = self._sum / self._count
            self._sum, self._count = 0.0, 0
            self._paint(run, run.epoch + 1, now)
        elif run.steps_in_epoch == run.steps_per_epoch:
            self._pace.stepped(run.step, now)

    def on_epoch_end(self, run: Run) -> None:
        """Show the numbers of the epoch."""
        now = time.perf_counter()
        self._pace.rested(now)
        if now - self._painted >= INTERVAL:
            self._paint_epoch(run, now)

    def on_fit_end(self, run: Run) -> None:
        """Show the last epoch; fill the bar, also where training stopped early."""
        if len(run.history):
            self._paint_epoch(run, time.perf_counter())
            # Of a short training the bar has seen little but compiling.
            usual = statistics.median(run.history["rows_per_second"])
            self._progress.update(self._task, speed=words.text("train.speed", rows=_short(usual)))
        done = max(run.step, 1)
        self._progress.update(self._task, total=done, completed=done, left="")

    def _paint_epoch(self, run: Run, now: float) -> None:
        record = run.history[-1]
        self._quantities = {name: record[name] for name in record if name not in HIDDEN}
        self._paint(run, run.epoch, now)

    def _paint(self, run: Run, epoch: int, now: float) -> None:
        self._painted = now
        rows = self._pace.steps_per_second * run.rows / run.steps_per_epoch
        left = self._pace.seconds_left(run.step)
        numbers = (f"{_label(name)} {value:.3g}" for name, value in self._quantities.items())
        self._progress.update(
            self._task,
            completed=run.step,
            epoch=epoch,
            numbers="  ".join(numbers),
            speed=words.text("train.speed", rows=_short(rows)),
            left="" if left is None else words.text("train.left", time=_clock(left)),
        )


def _clock(seconds: float) -> str:
    """A time as on a clock: 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


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
            value = number / unit
            return f"{value:.{1 if value < 9.95 else 0}f}{suffix}"
    return f"{number:.0f}"
