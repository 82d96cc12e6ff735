"""Training steps, traced once for all trainings of one structure.

Numbers (learning rate, ``β``, ``α``, dropout rate) and weights are inputs of a step. So trainings
that differ in these only, as in a grid search, share one traced step and its compiled code; and so
do trainings on different numbers of rows, since the code is made for a *capacity*: a rounded number
of rows in a batch that serves every smaller one.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines import Repeat, Running, repeat
from chainrule.engines.choose import chosen_engine
from chainrule.errors import OptionError
from chainrule.estimators.losses import Loss, penalized
from chainrule.estimators.network import called
from chainrule.graph import Graph, Spec, make_graph
from chainrule.optim import Optimizer, current_learning_rate
from chainrule.train.step import Cost, training_step
from chainrule.trees import tree_flatten, tree_map

__all__ = ["Batch", "Loop", "Own", "Structure", "capacity_of", "loop_of", "rounded_up"]

#: How many structures are remembered, the latest used ones.
KEPT = 64
#: Up to this many rows all batches share code: the memory of a few hundred rows is no matter.
SMALLEST = 256


class Batch(NamedTuple):
    """Rows of data: features, targets, and weights or ``None``.

    ``x`` is ``None`` where the features are sparse: then every step brings its own.
    """

    x: Any
    t: Any
    weight: Any


class Own(NamedTuple):
    """What a step has of its own, or ``None`` for what it has not.

    Attributes
    ----------
    x
        Dense rows of sparse features.
    key
        A key for dropout.
    real
        Which rows of a batch count: not those that a shorter one is filled up with.
    """

    x: Any = None
    key: Any = None
    real: Any = None


@dataclass(frozen=True)
class Structure:
    """What decides which graph a training step is, apart from shapes.

    Attributes
    ----------
    loss
        See :mod:`chainrule.estimators.losses`.
    solver
        What :class:`chainrule.estimators.solvers.Solver` calls the structure of the optimizer.
    random
        Whether the network has dropout.
    sparse
        Whether every step brings its own features.
    filled
        Whether shorter batches are filled up, so that all have the same number of rows.
    capacity
        Rows in the largest batch that the code is made for.
    threads
        The most threads to run on; ``None``: as many as the process may use.
    optimizer
        One of those with this structure.
    """

    loss: Loss
    solver: Hashable
    random: bool
    sparse: bool
    filled: bool
    capacity: int
    threads: int | None
    optimizer: Optimizer = field(compare=False)

    @property
    def grows(self) -> bool:
        """Whether code can be made for any number of rows."""
        return self.capacity > 1 and not (self.random or self.sparse or self.filled)


def capacity_of(size: int, limit: int) -> int:
    """The rows that code is made for, when batches have ``size`` rows and may have ``limit``.

    Examples
    --------
    >>> from chainrule.estimators.loops import capacity_of
    >>> [capacity_of(size, 200) for size in (120, 143)], capacity_of(700, 5000)
    ([200, 200], 1024)
    """
    return min(max(1 << (size - 1).bit_length(), SMALLEST), limit)


def rounded_up(count: int) -> int:
    """The least of few sizes that holds so many: there are eight from one power of 2 to the next.

    Examples
    --------
    >>> from chainrule.estimators.loops import rounded_up
    >>> [rounded_up(count) for count in (1, 15, 17, 90, 100)]
    [1, 15, 18, 96, 104]
    """
    step = 1 << max(count.bit_length() - 4, 0)
    return -(-count // step) * step


@lru_cache(maxsize=KEPT)
def loop_of(structure: Structure) -> "Loop":
    """The loop of a structure, made when it is first asked for."""
    return Loop(structure)


class Loop:
    """Starts trainings of one structure; each may take another engine.

    Whether machine code pays is asked anew for each training, as long as it has not: what counts
    are all trainings together.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._cost = training_step(_cost_of(structure), structure.optimizer)
        self._repeats: dict[str, Repeat] = {}
        self._graphs: dict[Any, Graph] = {}
        self._native: set[Any] = set()

    def start(self, engine: str, state: Any, data: Batch, own: Own, steps: int) -> Running:
        """Begin a training of so many steps; ``own`` is like what each step will have."""
        key, chosen = self._key(state, data, own), engine
        if engine == "auto":
            chosen = "native" if key in self._native else self._pays(key, state, data, own, steps)
        running = self._repeat(chosen).start(state, data)
        if chosen == "native" and key not in self._native:
            self._native.add(key)
            if self._structure.grows:
                self._make_code(state, data)
        return running

    def _key(self, state: Any, data: Batch, own: Own) -> Any:
        """What tells trainings apart that are traced apart: trees, types, shapes but for rows."""
        fixed, definition = tree_flatten((state, own))
        rows, others = tree_flatten(data)
        shapes = (*(x.shape for x in fixed), *(x.shape[1:] for x in rows))
        return definition, others, shapes, tuple(x.dtype for x in (*fixed, *rows))

    def _pays(self, key: Any, state: Any, data: Batch, own: Own, steps: int) -> str:
        """The engine that pays for so many steps, and for all that were taken before."""
        if key not in self._graphs:
            capacity = self._structure.capacity
            batch = tree_map(lambda x: Spec((capacity, *x.shape[1:]), x.dtype), data)
            self._graphs[key] = make_graph(self._step, state, batch, own)
        return chosen_engine("auto", self._graphs[key], steps)

    def _make_code(self, state: Any, data: Batch) -> None:
        """Take one step of full capacity, whose result is thrown away: its code serves all."""
        one = np.zeros((1, self._structure.capacity), np.int64)
        self._repeat("native").start(state, data).advance(one, Own())

    def _repeat(self, engine: str) -> Repeat:
        if engine not in self._repeats:
            capacity, threads = self._structure.capacity, self._structure.threads
            # Two lengths of a batch are expected, so that the code is made for any length.
            expected = {capacity: 1} | ({capacity - 1: 1} if self._structure.grows else {})
            self._repeats[engine] = repeat(
                self._step, engine=engine, expected=expected, threads=threads
            )
        return self._repeats[engine]

    def _step(self, state: Any, batch: Batch, own: Own) -> tuple[Any, Any]:
        model, optimizer_state, alpha = state
        whole = batch if own.x is None else batch._replace(x=own.x)
        if own.real is not None:
            real = own.real.astype(alpha.dtype)
            whole = whole._replace(weight=real if batch.weight is None else real * batch.weight)
        *new, error = self._cost(model, optimizer_state, tuple(whole), own.key, alpha)
        return tuple(new), (error, _rate(new[1]))


def _cost_of(structure: Structure) -> Cost:
    """The cost of a batch; the penalty's ``α`` is a state that stays as it is."""

    def cost(model: Any, x: Any, t: Any, weight: Any, state: Any, key: Any = None) -> Any:
        error = structure.loss(called(model, x, key), t, weight)
        return penalized(error, model, state, t.shape[0], weight), state

    return Cost(cost, takes_key=structure.random, takes_state=True)


def _rate(optimizer_state: Any) -> Any:
    """The learning rate of the latest step, for optimizers that have one."""
    try:
        return current_learning_rate(optimizer_state)
    except OptionError:
        return None
