"""Checkpoints: when they are written, and what happens when they cannot be."""

import contextlib
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from chainrule import storage, words
from chainrule.errors import NonFiniteError, OptionError, StorageError
from chainrule.train.callbacks import Callback, is_better
from chainrule.train.rows import all_finite
from chainrule.train.run import Run
from chainrule.train.saving import save_model
from chainrule.train.snapshot import Snapshots

__all__ = ["Checkpoint", "CheckpointWarning", "Keeper"]

#: The most of the time that goes into checkpoints which nobody has asked for by epochs.
SHARE = 0.02


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often :func:`chainrule.fit` saves all that ``resume`` needs.

    A checkpoint is one safetensors file, which takes the place of the one before when it is whole
    and on the disk: whenever the process is killed, or the disk is full, the latest good one is
    there. The first is written before the first step, so that a path which cannot be written is an
    error at once; the last one when training ends, is stopped or is interrupted.

    Parameters
    ----------
    path
        The file, by custom ``*.safetensors``. :func:`load_model` reads its model, too.
    seconds
        Write after so many seconds, also within an epoch; where writing takes long, less often, so
        that it takes at most 2 % of the time. ``math.inf``: never for that reason.
    epochs
        Write also after every so many epochs, whatever that costs; None: not for that reason.
    best
        A second file, for the model of the best epoch (:func:`save_model`'s format); None: none.
    quantity
        The name in the history's records by which an epoch is the best.
    largest
        True for a quantity that should grow, such as an accuracy.

    Raises
    ------
    OptionError
        If ``seconds`` is not positive or ``epochs`` is below 1.

    Examples
    --------
    >>> import tempfile, chainrule as cr, numpy as np
    >>> from chainrule import nn, train
    >>> def cost(model, x, t):
    ...     return nn.mse(model(x), t)
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = nn.MLP(1, [16], 1, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/training.safetensors"
    ...     _, first = cr.fit(model, cost, (x, x**2), epochs=3, checkpoint=path)
    ...     _, both = cr.fit(model, cost, (x, x**2), epochs=5, checkpoint=path, resume=path)
    >>> len(first), len(both), first["loss"] == both["loss"][:3]
    (3, 5, True)

    See Also
    --------
    EarlyStopping : go back to the best model when training ends
    """

    path: str | Path
    seconds: float = 30.0
    epochs: int | None = None
    best: str | Path | None = None
    quantity: str = "validation_loss"
    largest: bool = False

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise OptionError("train.seconds", seconds=self.seconds)
        if self.epochs is not None and self.epochs < 1:
            raise OptionError("train.every", epochs=self.epochs)


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on."""


class Keeper(Callback):
    """Writes the checkpoints of one training; a context manager around it.

    Parameters
    ----------
    options
        Where and when.
    snapshots
        Writes the state of the training.
    """

    def __init__(self, options: Checkpoint, snapshots: Snapshots) -> None:
        self._options, self._snapshots = options, snapshots
        self._due = -math.inf
        self._written: tuple[int, int] | None = None
        self._best_model: Any = None
        self._failing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Where training fails, the last good checkpoint stays; say which that is."""
        if error is not None:
            with contextlib.suppress(StorageError):  # what ended training is the news
                self._save_best()
        if isinstance(error, NonFiniteError) and self._written is not None:
            epoch, step = self._written
            path = self._options.path
            error.values["kept"] = words.text("train.kept", path=path, epoch=epoch, step=step)

    def on_fit_begin(self, run: Run) -> None:
        """Write the first one. What goes wrong here is an error: nothing is lost yet."""
        storage.remove_leftovers(Path(self._options.path).parent)
        self._write(run)

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """Write one if it is time."""
        if time.perf_counter() >= self._due:
            self.save(run)

    def on_epoch_end(self, run: Run) -> None:
        """Notice the best model; write a checkpoint if it is time."""
        options = self._options
        if options.best is not None:
            self._notice_best(run, options.quantity)
        wanted = options.epochs is not None and run.epoch % options.epochs == 0
        if wanted or time.perf_counter() >= self._due:
            self.save(run)

    def on_fit_end(self, run: Run) -> None:
        """Write the last one, before callbacks put the best model in place of the latest."""
        self.save(run)

    def save(self, run: Run) -> Path | None:
        """Write a checkpoint now; returns where it is.

        Training is worth more than its checkpoint: if that cannot be written, for a full disk, a
        warning says so, once, and training goes on. Later ones may succeed.
        """
        try:
            self._write(run)
        except StorageError as error:
            self._due = time.perf_counter() + self._options.seconds
            if not self._failing:
                message = words.text("train.not_saved", error=error)
                warnings.warn(message, CheckpointWarning, stacklevel=2)
            self._failing = True
            return None
        self._failing = False
        return Path(self._options.path)

    def _write(self, run: Run) -> None:
        began = time.perf_counter()
        if not all_finite(run.model):
            return  # the next step will say so; the file keeps the last good state
        # The best model first: a checkpoint may know of it only when it is on the disk.
        self._save_best()
        self._snapshots.write(self._options.path)
        now = time.perf_counter()
        self._due = now + max(self._options.seconds, (now - began) / SHARE)
        self._written = run.epoch, run.step

    def _notice_best(self, run: Run, quantity: str) -> None:
        value = run.history[quantity][-1]
        best = self._snapshots.best.get(quantity, math.nan)
        if is_better(value, best, largest=self._options.largest):
            self._snapshots.best[quantity] = value
            self._best_model = run.model

    def _save_best(self) -> None:
        if self._best_model is not None and self._options.best is not None:
            save_model(self._options.best, self._best_model)
            self._best_model = None
