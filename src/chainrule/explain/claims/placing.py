"""From arrays with axes of their own to axes that belong to index letters: ``x`` → ``x_ij``."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.explain.claims.elementwise import Backend
from chainrule.explain.claims.values import FRONT, Layout, Misfit, Value

__all__ = ["gathered", "placed"]


def placed(
    backend: Backend, layout: Layout, array: Any, lead: int, picks: Sequence[Any], rank: int
) -> Value:
    """The elements of ``array`` that indices pick.

    Parameters
    ----------
    backend
        NumPy or :mod:`chainrule.graph`.
    layout
        The index letters.
    array
        The first ``lead`` axes stay; indices pick along those after them.
    lead
        :data:`~chainrule.explain.claims.values.FRONT` (candidates and points), or as many as the
        layout has, if the array depends on index letters already.
    picks
        One per index: a letter, a position (from 0), an array of positions for every value of the
        letters, or ``None`` for an axis that is kept.
    rank
        How many axes the array has after ``lead``. Those that no index picks from remain.
    """
    if len(picks) > rank:
        raise Misfit
    if lead == FRONT:
        shape = tuple(array.shape)
        extra = (1,) * len(layout.letters)
        array = backend.reshape(array, shape[:FRONT] + extra + shape[FRONT:])
    plain = lead == FRONT and all(isinstance(pick, str) for pick in picks)
    if plain and len(set(picks)) == len(picks):
        return _moved(backend, layout, array, picks, rank)
    for pick in picks:
        array = _picked(backend, layout, array, pick)
    kept = sum(pick is None for pick in picks)
    if kept:  # the axes that were kept lie last, and belong first
        axes = list(range(lead_now := len(layout.letters) + FRONT))
        own = list(range(lead_now, array.ndim))
        array = backend.transpose(array, [*axes, *own[len(own) - kept :], *own[: len(own) - kept]])
    return Value(array, rank - len(picks) + kept)


def gathered(backend: Backend, layout: Layout, value: Value, letters: Sequence[str]) -> Any:
    """The other way: the axes of ``letters`` become the first ones of the array's own."""
    array, lead = value.array, layout.lead
    others = [axis for axis in range(lead) if axis not in {layout.axis(one) for one in letters}]
    own = list(range(lead, lead + value.rank))
    order = [*others, *(layout.axis(letter) for letter in letters), *own]
    array = backend.transpose(array, order)
    shape = tuple(array.shape)
    if any(size != 1 for size in shape[FRONT : len(others)]):
        raise Misfit
    return backend.reshape(array, shape[:FRONT] + shape[len(others) :])


def _moved(
    backend: Backend, layout: Layout, array: Any, letters: Sequence[str], rank: int
) -> Value:
    """Every letter takes an axis, and nothing is there yet: a transposition is enough."""
    order, shape = list(range(FRONT)), list(array.shape[:FRONT])
    for letter in layout.letters:
        if letter in letters:
            axis = layout.lead + list(letters).index(letter)
            order.append(axis)
            shape.append(array.shape[axis])
        else:
            shape.append(1)
    rest = list(range(layout.lead + len(letters), layout.lead + rank))
    shape += [array.shape[axis] for axis in rest]
    unused = list(range(FRONT, layout.lead))
    whole = backend.transpose(array, [*order, *unused, *rest])
    return Value(backend.reshape(whole, tuple(shape)), rank - len(letters))


def _picked(backend: Backend, layout: Layout, array: Any, pick: Any) -> Any:
    """One index used on the first axis after the letters'."""
    lead = layout.lead
    size = array.shape[lead]
    if pick is None:  # ``x_{:j}`` keeps this axis: it goes behind the others
        order = [*range(lead), *range(lead + 1, array.ndim), lead]
        return backend.transpose(array, order)
    if isinstance(pick, int):
        if not 0 <= pick < size:
            raise Misfit
        return array[(slice(None),) * lead + (pick,)]
    if isinstance(pick, str):
        axis = layout.axis(pick)
        shape = [1] * array.ndim
        shape[axis] = shape[lead] = size
        if array.shape[axis] not in (1, size):
            raise Misfit
        chosen = np.eye(size).reshape(shape)
    else:
        flags = pick[..., None] == np.arange(size)
        chosen = flags.astype(float).reshape(flags.shape + (1,) * (array.ndim - lead - 1))
    return backend.sum(array * chosen, axis=lead)
