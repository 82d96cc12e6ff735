"""Many candidates at once: values laid side by side, and carried from a place to the root."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from chainrule.explain.claims.meaning import Meaning, parts
from chainrule.explain.claims.search.edit import Edit
from chainrule.explain.claims.search.places import Place
from chainrule.explain.claims.values import Value
from chainrule.explain.formulas.tree import Expression, Power

__all__ = ["Batch", "batched", "carried", "one_step", "turned"]


@dataclass(frozen=True)
class Batch:
    """Edits whose values have one shape, and these values along an axis of candidates."""

    edits: tuple[Edit, ...]
    value: Value


def batched(found: Iterable[tuple[Edit, Value]], most: int = 4096) -> Iterator[Batch]:
    """Group values by shape and stack them."""
    groups: dict[tuple[object, ...], list[tuple[Edit, Value]]] = {}
    for edit, value in found:
        own = value.array.shape[value.array.ndim - value.rank :]
        groups.setdefault((value.rank, value.row, value.open, own), []).append((edit, value))
    for group in groups.values():
        for start in range(0, len(group), most):
            part = group[start : start + most]
            shape = np.broadcast_shapes(*(value.array.shape[2:] for _, value in part))
            stacked = np.empty((len(part), 1, *shape))
            for position, (_, value) in enumerate(part):
                stacked[position, 0] = value.array[0, 0]
            yield Batch(tuple(edit for edit, _ in part), replace(part[0][1], array=stacked))


def turned(value: Value) -> Value:
    """The same candidates along the second axis of candidates."""
    return replace(value, array=np.swapaxes(value.array, 0, 1))


def one_step(
    meaning: Meaning,
    parent: Expression,
    position: int,
    value: Value,
    others: Mapping[int, Value] = MappingProxyType({}),
) -> Value:
    """The value of a node some of whose parts have other values."""
    given = {**others, position: value}
    # A part that is replaced is not evaluated: it may be the one whose shapes do not fit.
    values = [
        given[place] if place in given else meaning.value(part)
        for place, part in enumerate(parts(parent))
    ]
    if isinstance(parent, Power) and position == 1:
        return meaning.elementwise(np.power, *values)
    return meaning.combine(parent, values)


def carried(meaning: Meaning, place: Place, value: Value, down_to: int = 0) -> Value | None:
    """The value of an ancestor (by default the root) if the part at a place had this value."""
    try:
        for level in range(len(place.path) - 1, down_to - 1, -1):
            value = one_step(meaning, place.above[level], place.path[level], value)
    except (ValueError, KeyError):
        return None
    return value
