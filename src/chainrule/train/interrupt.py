"""Ctrl-C while a model is trained: it ends between two steps, where everything fits together."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from chainrule import words
from chainrule.train.callbacks import Callback
from chainrule.train.run import Run

__all__ = ["Interrupted", "Interrupts"]


class Interrupted(KeyboardInterrupt):
    """Training was ended by Ctrl-C.

    Attributes
    ----------
    model, history
        The model as it was then, and the records of the finished epochs.
    checkpoint
        The file from which ``fit(…, resume=checkpoint)`` goes on; None if there is none.
    """

    def __init__(self, run: Run, checkpoint: Path | None) -> None:
        self.model, self.history, self.checkpoint = run.model, run.history, checkpoint
        self._place = divmod(run.step, run.steps_per_epoch)
        super().__init__(str(self))

    def __str__(self) -> str:
        epoch, step = self._place
        how = (
            "" if self.checkpoint is None else words.text("train.go_on", path=str(self.checkpoint))
        )
        return words.text("train.interrupted", epoch=epoch + 1, step=step, how=how)


class Interrupts(Callback):
    """Notes Ctrl-C, and raises :class:`Interrupted` at the next good place.

    These are: after a block of steps, after the callbacks of an epoch, and anywhere while only
    something is measured. A second Ctrl-C is obeyed at once. Does nothing outside of the main
    thread, or where the program has a handler of its own.

    Parameters
    ----------
    run
        The training.
    save
        Writes a checkpoint; returns where it is, if there is one.
    """

    def __init__(self, run: Run, save: Callable[[Run], Path | None]) -> None:
        self._run, self._save = run, save
        self._asked = self._installed = False
        # Until the first steps are taken nothing is lost, and compiling them may take a while.
        self._now = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._asked and kind is None:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: Any) -> None:
        if self._asked or self._now:
            raise KeyboardInterrupt
        self._asked = True

    def on_steps_end(self, run: Run, errors: np.ndarray) -> None:
        """A good place."""
        self._now = False
        self._stop_if_asked()

    def on_epoch_end(self, run: Run) -> None:
        """A good place."""
        self._stop_if_asked()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A block that changes nothing in the run: it need not come to its end."""
        self._stop_if_asked()
        self._now = True
        try:
            yield
        except KeyboardInterrupt:
            self._asked = True
        finally:
            self._now = False
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._asked:
            raise Interrupted(self._run, self._save(self._run))
