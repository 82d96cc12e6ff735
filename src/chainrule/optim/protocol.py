"""The protocol of stochastic steps: a pair of pure functions, chained from links.

A *link* turns gradients into updates and carries a state; an optimizer is a link, or a chain of
links, whose updates are ready to be added to the parameters::

    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = apply_updates(params, updates)

Everything is written with tensor operations, so a step is traced and compiled like any function.
The *numbers* of a link (learning rate, decay, …) are leaves of its state: run-time inputs of
compiled code. Two optimizers that differ in numbers only trace to the same graph, so a grid search
compiles once; and the learning rate can be changed between two steps. Whether a term is in the
graph is no question of numbers: ``None`` leaves it out, 0.0 keeps it in.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import DtypeError, OptionError
from chainrule.graph.tensor import Tensor, asarray
from chainrule.optim.remade import Remade, remade
from chainrule.trees import tree_flatten, tree_map

__all__ = [
    "LinkState",
    "Optimizer",
    "Tree",
    "apply_updates",
    "chain",
    "current_learning_rate",
    "learning_rate",
    "link",
    "number_type",
    "set_learning_rate",
]

Tree = Any  # a tree of tensors (chainrule.trees)


class LinkState(NamedTuple):
    """What a link carries from step to step.

    Attributes
    ----------
    numbers
        The hyperparameters as scalars in the type of the parameters; no update changes them. The
        one called ``learning_rate`` can be read and set in the state of a chain.
    memory
        What the updates write: a step counter, averages shaped like the parameters. One called
        ``factor`` is a schedule's latest.
    """

    numbers: dict[str, Any]
    memory: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Optimizer(Remade):
    """A link or a chain of links: two pure functions.

    What the factories of this room make can be pickled and copied.

    Parameters
    ----------
    init
        ``init(params) -> state``; the state is a tree of tensors.
    update
        ``update(grads, state, params) -> (updates, state)``; gradients and updates have the tree
        shape of the parameters, the new state has that of the old one.
    label
        How a user would write it.

    Examples
    --------
    Any pair of functions will do; this one follows the sign of the gradient.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> signs = optim.Optimizer(
    ...     init=lambda params: (),
    ...     update=lambda grads, state, params: (cr.tree_map(cr.sign, grads), state),
    ...     label="signs()",
    ... )
    >>> optim.chain(signs, optim.scale_by_learning_rate(0.1))
    chain(signs(), scale_by_learning_rate(learning_rate=0.1))
    """

    init: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]
    label: str = "Optimizer(init, update)"

    def __repr__(self) -> str:
        return self.label


def link(
    numbers: Mapping[str, Any],
    memory: Callable[[Tree], dict[str, Any]],
    rule: Callable[..., tuple[Tree, dict[str, Any]]],
) -> Optimizer:
    """A link whose numbers live in its state.

    Parameters
    ----------
    numbers
        Python numbers by name; ``None`` stays ``None``.
    memory
        The first memory for given parameters.
    rule
        ``rule(grads, memory, params, **numbers) -> (updates, memory)``; the numbers arrive as
        tensors.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> def rule(grads, memory, params, factor):
    ...     return cr.tree_map(lambda g: factor * g, grads), memory
    >>> scale = optim.link({"factor": -0.5}, lambda params: {}, rule)
    >>> scale.init(cr.zeros(2)).numbers
    {'factor': Tensor f32[] -0.5}
    """
    numbers = dict(numbers)

    def init(params: Tree) -> LinkState:
        dtype = number_type(params)
        return LinkState(tree_map(lambda x: asarray(x, dtype), numbers), memory(params))

    def update(grads: Tree, state: LinkState, params: Tree) -> tuple[Tree, LinkState]:
        updates, new_memory = rule(grads, state.memory, params, **state.numbers)
        return updates, LinkState(state.numbers, new_memory)

    return remade(Optimizer(init, update), link, numbers, memory, rule)


def number_type(params: Tree) -> np.dtype[Any]:
    """The one floating type of all parameters, in which the numbers are held."""
    leaves, definition = tree_flatten(params)
    specs = [asarray(leaf).spec for leaf in leaves]
    for path, spec in zip(definition.paths, specs, strict=True):
        if not spec.is_float:
            raise DtypeError("optim.not_float", path=path, spec=spec)
        if spec.dtype != specs[0].dtype:
            raise DtypeError("optim.mixed", path=path, spec=spec, first=specs[0])
    return specs[0].dtype if specs else np.dtype(np.float32)


def chain(*links: Optimizer) -> Optimizer:
    """One link after the other: the updates of each are the gradients of the next.

    The state is the tuple of the links' states.

    Raises
    ------
    OptionError
        If something else than a link is given; from ``init``, if two links have a learning rate.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(0.1), optim.cosine(1000))
    chain(clip_by_global_norm(limit=1.0), sgd(learning_rate=0.1),
          cosine(steps=1000, warmup=0, final=0.0))
    """
    for part in links:
        if not isinstance(part, Optimizer):
            name = getattr(part, "__name__", repr(part))
            raise OptionError("optim.not_a_link", got=name)
    label = f"chain({', '.join(map(repr, links))})"

    def init(params: Tree) -> tuple[Tree, ...]:
        state = tuple(part.init(params) for part in links)
        if len(_rates(state)) > 1:
            raise OptionError("optim.learning_rates", who=label, count=len(_rates(state)))
        return state

    def update(grads: Tree, state: Tree, params: Tree) -> tuple[Tree, tuple[Tree, ...]]:
        states = []
        for part, before in zip(links, state, strict=True):
            grads, after = part.update(grads, before, params)
            states.append(after)
        return grads, tuple(states)

    return remade(Optimizer(init, update, label), chain, *links)


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """The parameters after the step: ``params + updates``, leaf by leaf.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optim.apply_updates({"w": cr.tensor([1.0, 2.0])}, {"w": cr.tensor([-0.5, 0.5])})
    {'w': Tensor f32[2] [0.5 2.5]}
    """
    return tree_map(lambda parameter, change: parameter + change, params, updates)


# ------------------------------------------------------------------ the learning rate in a state
def _links(state: Tree) -> Iterator[LinkState]:
    """The states of all links in the state of a chain."""
    if isinstance(state, LinkState):
        yield state
    elif type(state) is tuple:
        for part in state:
            yield from _links(part)


def _rates(state: Tree) -> list[Tensor]:
    return [part.numbers["learning_rate"] for part in _links(state) if _has_rate(part)]


def _has_rate(part: LinkState) -> bool:
    return "learning_rate" in part.numbers


def learning_rate(state: Tree) -> Tensor:
    """The learning rate in an optimizer's state, before schedules.

    Raises
    ------
    OptionError
        If no link has one.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optim.learning_rate(optim.adam(0.5).init(cr.zeros(3)))
    Tensor f32[] 0.5
    """
    rates = _rates(state)
    if len(rates) != 1:
        raise OptionError("optim.learning_rates", who="learning_rate(state)", count=len(rates))
    return rates[0]


def current_learning_rate(state: Tree) -> Tensor:
    """The learning rate times the factors of the schedules: what the latest update used.

    Before the first update it is what that will use.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.chain(optim.sgd(1.0), optim.exponential(0.5))
    >>> grads = params = cr.ones(2)
    >>> state = optimizer.init(params)
    >>> for _ in range(3):
    ...     updates, state = optimizer.update(grads, state, params)
    >>> optim.current_learning_rate(state)
    Tensor f32[] 0.25
    """
    rate = learning_rate(state)
    for part in _links(state):
        if "factor" in part.memory:
            rate = rate * part.memory["factor"]
    return rate


def set_learning_rate(state: Tree, value: float | Tensor) -> Tree:
    """The state with another learning rate; compiled code takes it as it is.

    Parameters
    ----------
    state
        The state of an optimizer.
    value
        The new learning rate; schedules go on multiplying it. A symbolic tensor will do, so that
        :func:`~chainrule.vmap` can run many learning rates at once.

    Raises
    ------
    OptionError
        If no link has a learning rate, or the value is negative or not finite.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> state = optim.sgd(0.5).init(cr.zeros(3))
    >>> optim.learning_rate(optim.set_learning_rate(state, 0.25))
    Tensor f32[] 0.25
    """
    old = learning_rate(state)
    new = asarray(value, old.dtype)  # of the state: 0.1 in float32 is another number
    if not new.is_symbolic and not 0 <= new.item() < np.inf:
        raise OptionError(
            "optim.limit",
            who="set_learning_rate(state, value)",
            condition="0 <= value < inf",
            name="value",
            got=value,
        )
    return _with_rate(state, new)


def _with_rate(state: Tree, rate: Tensor) -> Tree:
    if isinstance(state, LinkState) and _has_rate(state):
        return state._replace(numbers={**state.numbers, "learning_rate": rate})
    if type(state) is tuple:
        return tuple(_with_rate(part, rate) for part in state)
    return state
