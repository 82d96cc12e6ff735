"""What a schedule is: a link that multiplies the updates by a factor of the step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import OptionError
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.movement import broadcast_to
from chainrule.graph.tensor import Tensor, asarray
from chainrule.optim.averages import counter
from chainrule.optim.protocol import LinkState, Optimizer, Tree, number_type
from chainrule.optim.recipe import POSITIVE, check_number, recipe, written
from chainrule.optim.remade import remade
from chainrule.trees import tree_map

__all__ = ["Schedule", "check_boundaries", "join", "scale_by_schedule", "schedule"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Schedule(Optimizer):
    """A link ``u = f(t) g`` that stands behind an optimizer: ``chain(adam(1e-3), cosine(1000))``.

    The learning rate of step ``t`` is then ``α f(t)``. The learning rate stays one number, which
    can be swept and changed, and every schedule goes with every optimizer. Steps are updates, not
    epochs; the first one is ``t = 0``. Two schedules in one chain multiply.

    Calling a schedule gives its factor, for a plot for instance.

    Attributes
    ----------
    numbers
        A tree of Python numbers, which the state holds as tensors.
    factor
        ``factor(step, **numbers)`` in tensor operations; the step arrives as a float.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.linear(steps=4)([0, 1, 2, 3, 4, 5])
    Tensor f64[6] [1.   0.75 0.5  0.25 0.   0.  ]
    """

    numbers: Mapping[str, Any]
    factor: Callable[..., Any]

    def __call__(self, step: Any) -> Tensor:
        """The factor at a step, or at each of many, in float64."""
        at = asarray(step).astype(np.float64)
        numbers = tree_map(lambda x: asarray(x, at.dtype), dict(self.numbers))
        return broadcast_to(asarray(self.factor(at, **numbers)), at.shape)


def schedule(numbers: Mapping[str, Any], factor: Callable[..., Any]) -> Schedule:
    """A schedule from its numbers and its formula; see :class:`Schedule`.

    Examples
    --------
    >>> from chainrule import optim
    >>> halving = optim.schedule({"every": 10}, lambda step, every: 0.5 ** (step / every))
    >>> halving(20)
    Tensor f64[] 0.25
    """
    numbers = dict(numbers)

    def init(params: Tree) -> LinkState:
        dtype = number_type(params)
        held = tree_map(lambda x: asarray(x, dtype), numbers)
        first = asarray(factor(asarray(0.0, dtype), **held), dtype)
        return LinkState(held, {"step": counter(), "factor": first})

    def update(grads: Tree, state: LinkState, params: Tree) -> tuple[Tree, LinkState]:
        step = state.memory["step"]
        dtype = state.memory["factor"].dtype
        now = asarray(factor(step.astype(dtype), **state.numbers), dtype)
        updates = tree_map(lambda g: now * g, grads)
        return updates, LinkState(state.numbers, {"step": step + 1, "factor": now})

    made = Schedule(init, update, numbers=numbers, factor=factor)
    return remade(made, schedule, numbers, factor)


@recipe()
def scale_by_schedule(factor: Callable[[Tensor], Any]) -> Schedule:
    """A schedule from any function of the step: ``u = f(t) g``.

    Parameters
    ----------
    factor
        Takes the step as a float tensor, returns the factor. The numbers in it are constants of
        compiled code; use :func:`schedule` for numbers to be swept.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> def noam(step):
    ...     return cr.minimum((step + 1) ** -0.5, (step + 1) * 400**-1.5)
    >>> optim.scale_by_schedule(noam)(399)
    Tensor f64[] 0.05

    References
    ----------
    The example is that of Vaswani et al. (2017), *Attention is all you need*, equation 3.
    """
    return schedule({}, factor)


@recipe()
def join(schedules: Sequence[Schedule], boundaries: Sequence[float]) -> Schedule:
    """One schedule after the other: ``f(t) = f_i(t − b_i)`` for ``b_i ≤ t < b_{i+1}``, ``b_0 = 0``.

    Parameters
    ----------
    schedules
        At least one.
    boundaries
        The step at which each schedule but the first begins; its own steps then count from 0.

    Raises
    ------
    OptionError
        If the boundaries do not increase, or are not one fewer than the schedules.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.join([optim.warmup(2), optim.exponential(0.5)], [2])([0, 1, 2, 3, 4])
    Tensor f64[5] [0.   0.5  1.   0.5  0.25]

    References
    ----------
    The same as PyTorch's ``SequentialLR``.
    """
    who = written("join", {"schedules": schedules, "boundaries": boundaries})
    check_boundaries(who, boundaries, "schedules", schedules)

    def factor(step: Tensor, parts: list[Any], boundaries: list[Tensor]) -> Tensor:
        value: Tensor = schedules[0].factor(step, **parts[0])
        for part, numbers, begin in zip(schedules[1:], parts[1:], boundaries, strict=True):
            value = where(step >= begin, part.factor(step - begin, **numbers), value)
        return value

    numbers = {"parts": [dict(part.numbers) for part in schedules], "boundaries": list(boundaries)}
    return schedule(numbers, factor)


def check_boundaries(
    who: str, boundaries: Sequence[float], name: str, pieces: Sequence[Any]
) -> None:
    """Raise unless increasing positive boundaries separate the pieces."""
    for boundary in boundaries:
        check_number(who, "boundary", boundary, POSITIVE)
    if list(boundaries) != sorted(set(boundaries)):
        raise OptionError("optim.boundaries", who=who, got=list(boundaries))
    if len(pieces) != len(boundaries) + 1:
        raise OptionError(
            "optim.pieces", who=who, name=name, count=len(pieces), boundaries=len(boundaries)
        )
