"""The search for the smallest edit that makes a formula right.

Single edits are tried one and all; then pairs. Values of parts do not depend on what is around
them, so candidates for one place are laid along an axis of an array, and carried to the root
together; of two places at once along two axes. Whatever is right at the few points of the search
is a candidate, and has to prove itself at other points and with other sizes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import thread_time

import numpy as np

from chainrule.explain.claims.agreement import ABSOLUTE
from chainrule.explain.claims.meaning import Known, Meaning, parts
from chainrule.explain.claims.search.batches import Batch, batched, carried, one_step, turned
from chainrule.explain.claims.search.edit import Edit
from chainrule.explain.claims.search.edits import edits_at
from chainrule.explain.claims.search.materials import Materials
from chainrule.explain.claims.search.places import (
    Place,
    cancels,
    exchanged,
    places_of,
    tidied,
    with_part,
    with_replaced,
)
from chainrule.explain.claims.values import POINTS, Value
from chainrule.explain.formulas.tree import Expression

__all__ = ["Mend", "Search", "mends"]

#: Two values are the same for the search if they differ by less than this part.
RELATIVE = 1e-8
#: How many edits of a place take part in pairs, and what the dearest of them may cost.
PAIRED, DEAREST = 80, 1.5
MOST = 3


@dataclass(frozen=True)
class Mend:
    """A formula that is right, and the edits that led to it.

    Attributes
    ----------
    formula
        The whole formula after the edits.
    edits
        One or two.
    cost
        How unnatural they are together.
    """

    formula: Expression
    edits: tuple[Edit, ...]
    cost: float


@dataclass
class Search:
    """A formula, the value it should have, and everything the search may use.

    Attributes
    ----------
    root
        The formula.
    meaning
        The points of the search.
    truth
        The value it should have.
    materials
        What may be put in.
    finish
        What is made of the formula's value before it is compared (a variance); by default nothing.
    proves
        Whether a formula is right at other points, too.
    seconds
        How long to look for pairs.
    """

    root: Expression
    meaning: Meaning
    truth: Value
    materials: Materials
    proves: Callable[[Expression], bool]
    finish: Callable[[Value], Value] = lambda value: value
    seconds: float = 0.7

    def __post_init__(self) -> None:
        self.places = list(places_of(self.root))
        self._edits: dict[Place, list[tuple[Edit, Value]]] = {}
        self._remembered: dict[tuple[tuple[int, ...], int, int], Value | None] = {}
        self._scale = np.abs(self.truth.array).max() if self.truth.array.size else 1.0

    # ---------------------------------------------------------------------- comparing

    def right(self, value: Value | None) -> np.ndarray | None:
        """For all pairs of candidates, whether the value is the true one; ``None`` if none is."""
        if value is None:
            return None
        try:
            value = self.finish(value)
        except (ValueError, KeyError):
            return None
        lead = self.meaning.layout.lead
        if value.open and self.truth.rank == value.rank:
            value = value.grown(self.truth.array.shape[lead:])
        ours, theirs = value.array.shape, self.truth.array.shape
        if value.rank != self.truth.rank or ours[lead:] != theirs[lead:]:
            return None
        if value.row != self.truth.row:
            return None
        if any(a != b and 1 not in (a, b) for a, b in zip(ours[2:], theirs[2:], strict=True)):
            return None
        # Of candidates side by side all seem to depend on letters that only some of them have.
        true = self.truth.array
        with np.errstate(all="ignore"):
            error = np.abs(value.array - true)
            bound = RELATIVE * np.maximum(np.abs(true), 1e-3 * self._scale) + ABSOLUTE
            flags = (error <= bound).all(axis=tuple(range(POINTS, error.ndim)))
        return flags if flags.any() else None

    # ---------------------------------------------------------------------- candidates

    def edits(self, place: Place) -> list[tuple[Edit, Value]]:
        """All edits of a place with their values."""
        found = []
        try:
            value = self.meaning.value(place.node)
        except (ValueError, KeyError, LookupError):
            value = Value(self.meaning.number(np.nan).array)
        for edit in edits_at(place, value, self.materials):
            new = self._evaluated(edit.new)
            if new is not None:
                found.append((edit, new))
        return found

    def _evaluated(self, formula: Expression) -> Value | None:
        try:
            return self.meaning.fresh(formula)
        except (ValueError, KeyError, LookupError):
            return None

    def singles(self) -> list[Mend]:
        """All single edits that make the formula right at the points of the search."""
        found = []
        for place in self.places:
            edits = self._edits[place] = self.edits(place)
            for batch in batched(edits):
                flags = self.right(carried(self.meaning, place, batch.value))
                if flags is not None:
                    found += [
                        Mend(with_replaced(place, edit.new), (edit,), edit.cost + _deep(place))
                        for edit, flag in zip(batch.edits, flags[:, 0], strict=True) if flag
                    ]  # fmt: skip
        return found

    def pairs(self) -> list[Mend]:
        """All pairs of edits that do, as far as time allows."""
        end = thread_time() + self.seconds
        cheap = {place: list(batched(_cheapest(edits))) for place, edits in self._edits.items()}
        found: list[Mend] = []
        for place in self.places:
            found += self._nested(place, cheap[place], end)
        for one, other in self._apart():
            if thread_time() > end:
                break
            found += self._both(one, other, cheap)
        return found

    def _apart(self) -> Iterator[tuple[Place, Place]]:
        for position, one in enumerate(self.places):
            for other in self.places[position + 1 :]:
                if not one.holds(other) and not other.holds(one):
                    yield one, other

    def _both(self, one: Place, other: Place, cheap: dict[Place, list[Batch]]) -> Iterator[Mend]:
        """Edits of two places, neither of which lies inside the other."""
        common = 0
        while one.path[common] == other.path[common]:
            common += 1
        node = one.above[common]
        for first in cheap[one]:
            left = self._raised(one, first, common + 1)
            if left is None:
                continue
            for second in cheap[other]:
                right = self._raised(other, second, common + 1)
                if right is None:
                    continue
                beside = {one.path[common]: left}
                try:
                    value = one_step(self.meaning, node, other.path[common], turned(right), beside)
                except (ValueError, KeyError):
                    continue
                above = Place(node, one.path[:common], one.above[:common])
                flags = self.right(carried(self.meaning, above, value))
                if flags is None:
                    continue
                for a, b in zip(*np.nonzero(flags), strict=True):
                    edits = (first.edits[a], second.edits[b])
                    formula = _two(one, other, edits)
                    cost = edits[0].cost + edits[1].cost + _deep(one) + _deep(other)
                    yield Mend(formula, edits, cost)

    def _raised(self, place: Place, batch: Batch, level: int) -> Value | None:
        """The values of a batch at an ancestor; remembered, for every partner asks for them."""
        key = (place.path, id(batch), level)
        if key not in self._remembered:
            self._remembered[key] = carried(self.meaning, place, batch.value, level)
        return self._remembered[key]

    def _nested(self, place: Place, batches: Sequence[Batch], end: float) -> Iterator[Mend]:
        """An edit of a place, and then one of a node around it or of the new part itself."""
        for batch in batches:
            for level in range(len(place.path), -1, -1):
                if thread_time() > end:
                    return
                value = carried(self.meaning, place, batch.value, level)
                if value is None:
                    continue
                yield from self._around(place, batch, level, value)

    def _around(self, place: Place, batch: Batch, level: int, value: Value) -> Iterator[Mend]:
        """Edits of the ancestor at a level, whose value is known for all of a batch."""
        if level == len(place.path):
            known = Known(value)
            node: Expression = known
        else:
            parent, position = place.above[level], place.path[level]
            inner = carried(self.meaning, place, batch.value, level + 1)
            assert inner is not None
            known = Known(inner)
            node = with_part(parent, position, known)
        outer = Place(node, place.path[:level], place.above[:level], _bound_at(place, level))
        for edit in edits_at(outer, value, self.materials):
            if edit.cost > DEAREST or not _contains(edit.new, known):
                continue
            changed = self._evaluated(edit.new)
            if changed is None:
                continue
            flags = self.right(carried(self.meaning, outer, changed))
            if flags is None or flags.shape[0] != len(batch.edits):
                continue
            for position in map(int, np.flatnonzero(flags[:, 0])):
                inner_edit = batch.edits[position]
                part = _rebuilt(place, level, inner_edit.new)
                old, new = (exchanged(one, known, part) for one in (edit.old, edit.new))
                outer_edit = replace(edit, old=old, new=new)
                cost = edit.cost + inner_edit.cost + _deep(place) + _deep(outer)
                yield Mend(with_replaced(outer, new), (inner_edit, outer_edit), cost)


def mends(search: Search) -> list[Mend]:
    """The smallest mends, most natural first; at most three that are about equally so."""
    best = _proven(search, search.singles())
    return best or _proven(search, search.pairs())


def _proven(search: Search, found: list[Mend]) -> list[Mend]:
    proven: list[Mend] = []
    for rough in sorted(found, key=lambda mend: mend.cost):
        mend = replace(rough, formula=tidied(rough.formula))
        if proven and (mend.cost > proven[0].cost + 0.06 or len(proven) == MOST):
            break
        if any(_alike(mend, other) for other in proven):
            continue
        if not cancels(mend.formula) and search.proves(mend.formula):
            proven.append(mend)
    return proven


def _alike(one: Mend, other: Mend) -> bool:
    """Whether two mends say the same in two ways: a minus here or there."""
    return one.formula == other.formula or [(e.kind, e.said) for e in one.edits] == [
        (e.kind, e.said) for e in other.edits
    ]


def _deep(place: Place) -> float:
    """Between equals, the edit nearer to the root is said more simply."""
    return 0.002 * len(place.path)


def _cheapest(edits: list[tuple[Edit, Value]]) -> list[tuple[Edit, Value]]:
    """Those that may take part in pairs, no two with one value."""
    kept: list[tuple[Edit, Value]] = []
    seen: set[tuple[object, ...]] = set()
    for edit, value in sorted(edits, key=lambda pair: pair[0].cost):
        if edit.cost > DEAREST or len(kept) == PAIRED:
            break
        array = value.array
        key = (value.rank, value.row, array.shape, array.round(10).tobytes())
        if key not in seen:
            seen.add(key)
            kept.append((edit, value))
    return kept


def _bound_at(place: Place, level: int) -> frozenset[str]:
    probe = next(
        (one for one in places_of(place.above[0]) if one.path == place.path[:level]), None
    ) if place.above else None  # fmt: skip
    return probe.bound if probe is not None else place.bound


def _contains(formula: Expression, part: Expression) -> bool:
    if formula is part:
        return True
    return any(_contains(child, part) for child in formula.children)


def _rebuilt(place: Place, level: int, new: Expression) -> Expression:
    """What stands in the place of the known part: the new one and what is around it."""
    for depth in range(len(place.path) - 1, level, -1):
        new = with_part(place.above[depth], place.path[depth], new)
    return new


def _two(one: Place, other: Place, edits: tuple[Edit, Edit]) -> Expression:
    """The formula with both places changed."""
    formula = with_replaced(one, edits[0].new)
    node, above = formula, []
    for position in other.path:
        above.append(node)
        node = parts(node)[position]
    return with_replaced(Place(node, other.path, tuple(above)), edits[1].new)
