"""Reduce the learning rate when a metric stops improving; decided between epochs, on the host."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.optim.recipe import NON_NEGATIVE, SHRINKING, recipe
from chainrule.optim.remade import Remade

__all__ = ["Plateau", "PlateauState", "reduce_on_plateau"]


class PlateauState(NamedTuple):
    """What a plateau rule remembers; plain numbers.

    Attributes
    ----------
    learning_rate
        The rate to train with from now on.
    best
        The best metric up to now.
    waited
        Epochs since then, or since the last reduction.
    resting
        Epochs of the cooldown that are left.
    """

    learning_rate: float
    best: float
    waited: int = 0
    resting: int = 0


@dataclass(frozen=True, eq=False)
class Plateau(Remade):
    """Two pure functions: ``init(learning_rate) -> state``, ``update(metric, state) -> state``.

    The loop takes ``state.learning_rate`` over with :func:`set_learning_rate`.
    """

    init: Callable[[float], PlateauState]
    update: Callable[[float, PlateauState], PlateauState]
    label: str = "Plateau(init, update)"

    def __repr__(self) -> str:
        return self.label


@recipe(
    factor=SHRINKING,
    patience=NON_NEGATIVE,
    threshold=NON_NEGATIVE,
    cooldown=NON_NEGATIVE,
    minimum=NON_NEGATIVE,
)
def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    minimum: float = 0.0,
    maximize: bool = False,
    absolute: bool = False,
) -> Plateau:
    """Multiply the learning rate by ``factor`` after ``patience`` epochs without improvement.

    A metric is better if ``metric < best − threshold · |best|``. After more than ``patience``
    epochs that are not, ``α ← max(factor · α, minimum)``.

    Parameters
    ----------
    factor
        Above 0 and below 1.
    patience
        Epochs without improvement that are let pass.
    threshold
        How much better is better, not negative; relative to the best metric.
    cooldown
        Epochs after a reduction in which none is counted.
    minimum
        The smallest learning rate, not negative.
    maximize
        A larger metric is better: accuracy, not loss.
    absolute
        The threshold is an absolute difference.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    PyTorch compares with ``best · (1 − threshold)``, which calls a slightly worse metric better
    where metrics are negative, and ignores reductions by less than ``1e-8``. NaN is no improvement.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> plateau, optimizer = optim.reduce_on_plateau(0.5, patience=1), optim.sgd(0.1)
    >>> state = optimizer.init(cr.zeros(3))
    >>> watched = plateau.init(optim.learning_rate(state).item())
    >>> for loss in [1.0, 0.5, 0.6, 0.7]:
    ...     watched = plateau.update(loss, watched)
    ...     state = optim.set_learning_rate(state, watched.learning_rate)
    >>> optim.learning_rate(state)
    Tensor f32[] 0.05

    References
    ----------
    For positive metrics the same as PyTorch's ``ReduceLROnPlateau`` with ``eps=0``.
    """
    worst = -math.inf if maximize else math.inf

    def init(learning_rate: float) -> PlateauState:
        return PlateauState(learning_rate, worst)

    def is_better(metric: float, best: float) -> bool:
        # Of an infinite best metric, as the first one is, there is no part.
        margin = threshold if absolute or math.isinf(best) else threshold * abs(best)
        return metric > best + margin if maximize else metric < best - margin

    def update(metric: float, state: PlateauState) -> PlateauState:
        rate, best, waited, resting = state
        if is_better(metric, best):
            best, waited = metric, 0
        else:
            waited += 1
        if resting:
            resting, waited = resting - 1, 0
        if waited > patience:
            rate = max(factor * rate, min(rate, minimum))
            waited, resting = 0, cooldown
        return PlateauState(rate, best, waited, resting)

    return Plateau(init, update)
