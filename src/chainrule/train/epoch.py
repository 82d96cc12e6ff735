"""One pass through the data: steps in blocks, as long as Python need not be woken."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from chainrule import words
from chainrule.errors import NonFiniteError
from chainrule.graph import Tensor
from chainrule.train.callbacks import Callback
from chainrule.train.rows import all_finite
from chainrule.train.run import Run

__all__ = ["Epochs"]

#: Seconds after which Python comes back from compiled code: signals, progress, other threads.
BLOCK = 0.05


class Epochs:
    """Runs epochs of a training.

    Parameters
    ----------
    run
        The training run.
    size
        Rows in a mini-batch.
    order
        Draws the order of the rows of every epoch; None: as they come.
    observers
        Callbacks.
    watch
        Every so many steps one is watched (:mod:`chainrule.train.statistics`); 0: none.
    chosen
        The rows of the data that are trained on; None: all.
    """

    def __init__(
        self,
        run: Run,
        size: int,
        order: np.random.Generator | None,
        observers: Sequence[Callback],
        watch: int = 0,
        chosen: np.ndarray | None = None,
    ) -> None:
        self._chosen = chosen
        self._run, self._size, self._order, self._observers = run, size, order, observers
        self._listeners = [o for o in observers if _hears_every_step(o)]
        self._steps_in_block, self._watch = 1, watch

    def run_one(self, keys: Tensor | None) -> dict[str, float]:
        """One pass, or the rest of one; ``keys`` are one per step. Returns how its record begins.

        The steps of the epoch that have been taken are those that ``run.step`` counts.
        """
        run = self._run
        self._rows = self._draw(run.rows)
        self._keys, done = keys, run.steps_in_epoch
        if not done:
            run.errors, run.seconds = [], 0.0
        self._keep(done)
        first = 0
        for block in _blocks(self._rows, self._size):
            self._steps_of(block, first)
            first += len(block)
        rate = {} if run.learning_rate is None else {"learning_rate": run.learning_rate}
        return {
            "epoch": run.epoch + 1,
            "loss": self._loss(),
            **rate,
            "seconds": run.seconds,
            "rows_per_second": run.rows / run.seconds,
        }

    def _draw(self, rows: int) -> np.ndarray:
        """The order of the rows in this epoch."""
        order = np.arange(rows) if self._order is None else self._order.permutation(rows)
        return order if self._chosen is None else self._chosen[order]

    def _steps_of(self, block: np.ndarray, first: int) -> None:
        """The steps of the epoch from ``first`` on, as far as they are not taken yet."""
        run = self._run
        before = run.epoch * run.steps_per_epoch + first
        while (start := run.step - before) < len(block):
            began = time.perf_counter()
            count, watched = self._next_steps(block.shape[1] == self._size)
            rows = block[start : start + count]
            done = first + start
            own = None if self._keys is None else self._keys[done : done + len(rows)]
            errors = run.advance(rows, own, watched)
            took = time.perf_counter() - began
            if not np.isfinite(errors).all():
                raise self._not_finite(run.step + int(np.argmin(np.isfinite(errors))))
            run.step += len(rows)
            run.errors.append(errors)
            run.seconds += took
            if not watched:
                self._steps_in_block = max(1, int(BLOCK / took * len(rows)))
            self._tell(errors, done + len(rows))

    def _next_steps(self, whole: bool) -> tuple[int, bool]:
        """How many steps to take before Python looks again, and whether they are watched."""
        count = 1 if self._listeners else self._steps_in_block
        if not (self._watch and whole):
            return count, False
        since = self._run.step % self._watch
        return (1, True) if since == 0 else (min(count, self._watch - since), False)

    def _loss(self) -> float:
        """The mean over the rows; of all errors at once, since blocks differ from run to run."""
        errors = np.concatenate(self._run.errors)
        whole, rest = divmod(self._run.rows, self._size)
        total = float(errors[:whole].sum(dtype=float)) * self._size
        return (total + float(errors[whole:].sum(dtype=float)) * rest) / self._run.rows

    def check_last_step(self) -> None:
        """Raise if the latest step has made weights that are not finite: no error shows them yet.

        Raises
        ------
        NonFiniteError
            As for a step whose error is not finite.
        """
        if self._run.errors and not all_finite(self._run.model):
            raise self._not_finite(self._run.step - 1)

    def _tell(self, errors: np.ndarray, done: int) -> None:
        for observer in self._listeners:
            observer.on_step_end(self._run, float(errors[-1]))
        for observer in self._observers:
            observer.on_steps_end(self._run, errors)
        if self._run.changed:
            self._keep(done)

    def _keep(self, done: int) -> None:
        """Remember the state, from which the steps after can be taken again."""
        self._kept, self._kept_at = self._run.kept(), done

    def _not_finite(self, step: int) -> NonFiniteError:
        """The error for a step that gave NaN or infinity, with the value where it began.

        The steps before it are taken once more, since the state has gone on.
        """
        run, (epoch, bad) = self._run, divmod(step, self._run.steps_per_epoch)
        rate = run.learning_rate
        chosen = [rows for block in _blocks(self._rows, self._size) for rows in block]
        run.go_back(self._kept)
        for i in range(self._kept_at, bad):
            run.advance(chosen[i][None], None if self._keys is None else self._keys[i : i + 1])
        found = run.first_nonfinite(chosen[bad], None if self._keys is None else self._keys[bad])
        error = NonFiniteError(
            "train.nonfinite",
            epoch=epoch + 1,
            step=step + 1,
            rate="" if rate is None else words.text("train.with_rate", rate=rate),
            found=str(found or ""),
            kept="",
        )
        error.model, error.history, error.found = run.model, run.history, found
        return error


def _hears_every_step(observer: Callback) -> bool:
    return type(observer).on_step_end is not Callback.on_step_end


def _blocks(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The batches of an epoch as matrices: all that are whole, then the shorter last one."""
    whole = len(order) // size * size
    if whole:
        yield order[:whole].reshape(-1, size)
    if whole < len(order):
        yield order[None, whole:]
