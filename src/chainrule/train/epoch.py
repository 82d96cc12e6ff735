"""One pass through the data: steps in blocks, as long as Python need not be woken."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.errors import NonFiniteError
from chainrule.graph import Tensor
from chainrule.train.callbacks import Callback
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
    """

    def __init__(
        self,
        run: Run,
        size: int,
        order: np.random.Generator | None,
        observers: Sequence[Callback],
    ) -> None:
        self._run, self._size, self._order, self._observers = run, size, order, observers
        self._listeners = [o for o in observers if _hears_every_step(o)]
        self._steps_in_block = 1

    def run_one(self, keys: Tensor | None) -> dict[str, float]:
        """One pass; ``keys`` are one per step. Returns what its record begins with."""
        run, seconds, total, done = self._run, 0.0, 0.0, 0
        order = np.arange(run.rows) if self._order is None else self._order.permutation(run.rows)
        self._keep(done)
        for block in _blocks(order, self._size):
            start = 0
            while start < len(block):
                began = time.perf_counter()
                stop = start + (1 if self._listeners else self._steps_in_block)
                rows = block[start:stop]
                own = None if keys is None else keys[done : done + len(rows)]
                errors = run.advance(rows, own)
                took = time.perf_counter() - began
                if not np.isfinite(errors).all():
                    bad = done + int(np.argmin(np.isfinite(errors)))
                    raise self._not_finite(order, keys, bad)
                run.step += len(rows)
                start, done = start + len(rows), done + len(rows)
                seconds, total = (
                    seconds + took,
                    total + float(errors.sum(dtype=float)) * rows.shape[1],
                )
                self._steps_in_block = max(1, int(BLOCK / took * len(rows)))
                self._tell(errors, done)
        run.epoch += 1
        rate = {} if run.learning_rate is None else {"learning_rate": run.learning_rate}
        return {
            "epoch": run.epoch,
            "loss": total / run.rows,
            **rate,
            "seconds": seconds,
            "rows_per_second": run.rows / seconds,
        }

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

    def _not_finite(self, order: np.ndarray, keys: Tensor | None, bad: int) -> NonFiniteError:
        """The error for a step that gave NaN or infinity, with the value where it began.

        The steps before it are taken once more, since the state has gone on.
        """
        run = self._run
        chosen = [rows for block in _blocks(order, self._size) for rows in block]
        run.go_back(self._kept)
        for i in range(self._kept_at, bad):
            run.advance(chosen[i][None], None if keys is None else keys[i : i + 1])
        found = run.first_nonfinite(chosen[bad], None if keys is None else keys[bad])
        step = run.epoch * run.steps_per_epoch + bad + 1
        error = NonFiniteError("train.nonfinite", epoch=run.epoch + 1, step=step, found=str(found))
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
