"""Stochastic training: epochs of mini-batches, several epochs in one call where nobody looks."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import words
from chainrule.errors import NonFiniteError
from chainrule.estimators.loops import Own
from chainrule.estimators.network import BLOCK, dense
from chainrule.estimators.progress import Progress
from chainrule.graph import random as keys
from chainrule.train import Callback, Run
from chainrule.trees import tree_map

__all__ = ["Course", "Orders", "train"]

#: Seconds after which Python comes back from compiled code, so that Ctrl-C works.
CALL = 0.05
#: A copy of the state is made every so many calls; to find a NaN, those since then are repeated.
REPEATED = 16

#: What is done after each epoch, given its loss: it may stop the run, or change its learning rate.
AfterEpoch = Callable[[float], None]


class Orders:
    """The order of the rows in each epoch: every one is drawn from that of the epoch before.

    So scikit-learn does it, and with the same generator the batches are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.training import Orders
    >>> orders = Orders(5, np.random.RandomState(0), shuffle=True)
    >>> sorted(orders.draw().tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, rows: int, random: np.random.RandomState, shuffle: bool) -> None:
        self.rows, self._random, self._shuffle = rows, random, shuffle
        self._order = np.arange(rows)

    def draw(self) -> np.ndarray:
        """The order of the next epoch."""
        if self._shuffle:
            chosen = np.arange(self.rows)
            self._random.shuffle(chosen)
            self._order = self._order[chosen]
        return self._order

    def draw_keys(self, steps: int) -> Any:
        """A key for each step of an epoch, for dropout."""
        return keys.split(keys.key(int(self._random.randint(2**31))), steps)


class Steps(NamedTuple):
    """Some steps: the rows of each, how many of them count, and its key, if there are keys."""

    order: np.ndarray
    sizes: np.ndarray
    key: Any

    def part(self, start: int, stop: int) -> "Steps":
        """Some of them."""
        chosen = slice(start, stop)
        key = None if self.key is None else self.key[chosen]
        return Steps(self.order[chosen], self.sizes[chosen], key)


class Course:
    """Passes through the data.

    Parameters
    ----------
    run
        The training run, with an engine attached.
    sparse
        Features that are made dense batch by batch; ``None`` if the engine has them.
    orders
        Draws the order of the rows.
    size
        Rows of a batch.
    keyed
        Whether steps get keys.
    filled
        Whether a shorter batch is filled up with rows that do not count.
    listeners
        Callbacks that are told of steps.
    """

    def __init__(
        self,
        run: Run,
        sparse: Any,
        orders: Orders,
        size: int,
        keyed: bool,
        filled: bool,
        listeners: Sequence[Callback],
    ) -> None:
        self._run, self._sparse, self._orders = run, sparse, orders
        self._size, self._keyed, self._filled = size, keyed, filled
        self._listeners = listeners
        self._slow = any(type(o).on_step_end is not Callback.on_step_end for o in listeners)
        self._steps_in_call = 1
        # A state to come back to, and the calls since then.
        self._kept: Any = None
        self._since: list[Steps] = []

    def losses_of(self, epochs: int) -> np.ndarray:
        """Go through the data so many times; the loss of each time."""
        run, parts, own = self._run, [], []
        for _ in range(epochs):
            parts.append(_batches(self._orders.draw(), self._size))
            if self._keyed:
                own.append(self._orders.draw_keys(run.steps_per_epoch))
        order, key = np.concatenate(parts), np.concatenate(own) if own else None
        sizes = np.tile(_sizes(self._orders.rows, self._size), epochs)
        errors, start = np.empty(len(order)), 0
        while start < len(order):
            part = slice(start, start + self._call_length(sizes[start:]))
            began = time.perf_counter()
            errors[part] = self._call(
                Steps(order[part], sizes[part], None if key is None else key[part])
            )
            took = time.perf_counter() - began
            count = len(order[part])
            self._steps_in_call = max(1, int(CALL / took * count))
            start += count
        losses: np.ndarray = (errors * sizes).reshape(epochs, -1).sum(axis=1) / self._orders.rows
        return losses

    def _call_length(self, sizes: np.ndarray) -> int:
        """How many of the next steps to take at once, in bounded time and memory."""
        if self._slow:
            return 1
        if self._sparse is None:
            return self._steps_in_call
        # What steps bring along is made for one size at a time.
        alike = int(np.argmin(sizes == sizes[0])) or len(sizes)
        fitting = BLOCK // (self._size * int(self._sparse.shape[1]))
        return min(self._steps_in_call, alike, max(1, fitting))

    def _call(self, steps: Steps) -> np.ndarray:
        """One call of the engine; raises at the first NaN or infinity."""
        run = self._run
        if run.changed or len(self._since) % REPEATED == 0:
            self._kept, self._since = run.kept(), []
        errors = self._advance(steps)
        if not np.isfinite(errors).all():
            raise self._not_finite(steps, int(np.argmin(np.isfinite(errors))))
        self._since.append(steps)
        run.step += len(errors)
        for listener in self._listeners:
            if self._slow:
                listener.on_step_end(run, float(errors[-1]))
            listener.on_steps_end(run, errors)
        return errors

    def _advance(self, steps: Steps) -> np.ndarray:
        order, own = self._taken(steps)
        mixed = not self._filled and steps.sizes.min() < order.shape[1]
        return self._run.advance(order, own, sizes=steps.sizes if mixed else None)

    def _taken(self, steps: Steps) -> tuple[np.ndarray, Own]:
        """The rows that steps take, and what each has of its own."""
        order, own = steps.order, Own(key=steps.key)
        if self._filled:
            own = own._replace(real=np.arange(self._size) < steps.sizes[:, None])
        else:
            order = order[:, : steps.sizes.max()]
        if self._sparse is not None:
            x = dense(self._sparse[order.ravel()]).reshape(*order.shape, -1)
            own = own._replace(x=x)
        return order, own

    def _not_finite(self, steps: Steps, bad: int) -> NonFiniteError:
        """The error for a step that gave NaN or infinity, with the value where it began."""
        run = self._run
        run.go_back(self._kept)
        for earlier in [*self._since, *([steps.part(0, bad)] if bad else [])]:
            self._advance(earlier)
        chosen, own = self._taken(steps.part(bad, bad + 1))
        found = run.first_nonfinite(chosen[0], tree_map(lambda value: value[0], own))
        epoch, step = len(run.history) + 1, run.step + bad + 1
        error = NonFiniteError(
            "estimators.nonfinite", epoch=epoch, step=step, found=str(found or "")
        )
        error.model, error.history, error.found = run.model, run.history, found
        return error


def _sizes(rows: int, size: int) -> np.ndarray:
    """The rows of each batch of an epoch: the last one may be shorter."""
    return np.minimum(rows - np.arange(0, rows, size), size)


def _batches(order: np.ndarray, size: int) -> np.ndarray:
    """The batches of an epoch as a matrix; a shorter last one is filled up, with any rows."""
    spare = -len(order) % size
    return np.concatenate([order, order[:1].repeat(spare)]).reshape(-1, size)


def train(
    course: Course,
    run: Run,
    progress: Progress,
    observers: Sequence[Callback],
    measure: Callable[[], dict[str, float]] | None,
    after_epoch: AfterEpoch,
    every_epoch: bool,
) -> None:
    """Run epochs until the last one, until the run is stopped, or until Ctrl-C.

    Parameters
    ----------
    course, run, progress
        What passes through the data, the run, and what the stopping rules remember.
    observers
        Callbacks.
    measure
        Measures the model after an epoch; what it gives joins the epoch's record.
    after_epoch
        Decides what follows from an epoch.
    every_epoch
        Whether ``after_epoch`` has to see each epoch before the next one begins, although patience
        has not run out.

    Warns
    -----
    UserWarning
        On Ctrl-C: what was learned is kept.
    """
    single = bool(observers) or measure is not None or every_epoch
    for observer in observers:
        observer.on_fit_begin(run)
    pace = 1e-3  # seconds an epoch takes: at first a guess
    try:
        while len(run.history) < run.epochs and not run.stopped:
            left = min(run.epochs - len(run.history), progress.epochs_at_least)
            epochs = 1 if single else int(max(1, min(left, CALL / pace)))
            began = time.perf_counter()
            losses = course.losses_of(epochs)
            pace = (time.perf_counter() - began) / epochs
            for loss in losses.tolist():
                run.record(_record(run, loss, pace, measure))
                after_epoch(loss)
                for observer in observers:
                    observer.on_epoch_end(run)
        for observer in observers:
            observer.on_fit_end(run)
    except KeyboardInterrupt:
        warnings.warn(words.text("estimators.interrupted"), stacklevel=2)


def _record(
    run: Run, loss: float, seconds: float, measure: Callable[[], dict[str, float]] | None
) -> dict[str, Any]:
    """What the history remembers of an epoch."""
    rate = {} if run.learning_rate is None else {"learning_rate": run.learning_rate}
    speed = {"seconds": seconds, "rows_per_second": run.rows / seconds}
    found = {} if measure is None else measure()
    return {"epoch": len(run.history) + 1, "loss": loss, **rate, **speed, **found}
