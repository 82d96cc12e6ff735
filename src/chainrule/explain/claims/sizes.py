"""How long every axis is: sizes that formulas and declarations tie together.

``x_ij w_j`` says that the second axis of ``x`` is as long as ``w``; ``Σ_{i=1}^n`` that ``i`` has
``n`` values; a declaration ``x: n, d`` names the sizes of ``x``. What is tied together is one size.
Different sizes get different small numbers, so that whatever does not fit is seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chainrule.explain.claims.letters import compared_letters, indices_of
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Expression,
    MatMul,
    Number,
    Symbol,
    Transpose,
    walk,
)

__all__ = ["ContradictionError", "Sizes", "axis_of", "tied"]

#: A size by its name (``("size", "n")``), an index letter, or an axis of a symbol.
Place = tuple[str, ...] | tuple[str, str, int]

#: Letters that are the number of values of an index, where nobody says so: ``1/n Σ_i``.
CUSTOMARY = {"i": "nNmM", "j": "dDpmMk", "k": "KCkcd", "n": "N", "t": "T", "c": "C", "l": "L"}


class ContradictionError(Exception):
    """Two whole numbers, or two declared sizes, that would have to be the same."""


@dataclass
class Sizes:
    """Which sizes are the same; :meth:`numbers` gives each one a number.

    ``overrun`` is set if a sum of the claim is said to have another number of terms than it has.
    """

    parent: dict[Place, Place] = field(default_factory=dict)
    fixed: dict[Place, int] = field(default_factory=dict)
    declared: dict[Place, str] = field(default_factory=dict)
    overrun: bool = False

    def root(self, place: Place) -> Place:
        """The place that stands for all those that are tied to it."""
        self.parent.setdefault(place, place)
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = self.parent[place]
        return place

    def tie(self, one: Place, other: Place) -> None:
        """Say that two sizes are the same.

        Raises
        ------
        ContradictionError
            If they cannot be.
        """
        a, b = self.root(one), self.root(other)
        if a == b:
            return
        if a in self.fixed and b in self.fixed and self.fixed[a] != self.fixed[b]:
            raise ContradictionError(str(self.fixed[a]), str(self.fixed[b]))
        if a in self.declared and b in self.declared:
            raise ContradictionError(self.declared[a], self.declared[b])
        self.parent[b] = a
        if b in self.fixed:
            self.fixed.setdefault(a, self.fixed[b])
        if b in self.declared:
            self.declared.setdefault(a, self.declared[b])

    def declare(self, place: Place, size: str | int) -> None:
        """Say how long an axis is: a whole number, or a name."""
        if isinstance(size, int):
            known = self.fixed.setdefault(self.root(place), size)
            if known != size:
                raise ContradictionError(str(known), str(size))
        else:
            name: Place = ("size", size)
            self.declared.setdefault(self.root(name), size)
            self.tie(name, place)

    def numbers(self, start: int) -> dict[Place, int]:
        """A number for every size, by the places that stand for them.

        ``start`` chooses among several ways to do it.
        """
        free = [place for place in self.parent if self.root(place) == place]
        free = [place for place in free if place not in self.fixed]
        taken = set(self.fixed.values())
        ways = ([3, 2, 4, 5, 6, 7], [2, 4, 3, 6, 5, 7], [4, 3, 5, 2, 7, 6])[start % 3]
        spare = [number for number in ways if number not in taken]
        spare += [number for number in range(8, 40) if number not in taken]
        return {**self.fixed, **dict(zip(free, spare, strict=False))}


def tied(
    formulas: Iterable[Expression],
    letters: set[str],
    shapes: Mapping[str, tuple[str | int, ...]],
    names: set[str],
    claimed: Iterable[Expression] = (),
) -> Sizes:
    """Everything that is known about sizes.

    Parameters
    ----------
    formulas
        All but those that are claimed.
    letters
        The index letters.
    shapes
        Declared shapes by the key of a symbol.
    names
        Symbols without axes that stand for nothing yet, so that they may be sizes.
    claimed
        Formulas that may contradict the others, which is for the points to find out.

    Raises
    ------
    ContradictionError
        If sizes contradict each other.
    """
    sizes = Sizes()
    for key, shape in shapes.items():
        for axis, size in enumerate(shape):
            sizes.declare(("axis", key, axis), size)
    formulas = list(formulas)
    for formula in formulas:
        for node in walk(formula):
            _tie_node(sizes, node, letters, names)
    for formula in claimed:
        for node in walk(formula):
            try:
                _tie_node(sizes, node, letters, names)
            except ContradictionError:
                sizes.overrun |= isinstance(node, Big)
    _tie_customary(sizes, letters, names)
    return sizes


def _tie_node(sizes: Sizes, node: Expression, letters: set[str], names: set[str]) -> None:
    if isinstance(node, Symbol):
        for axis, index in enumerate(indices_of(node)):
            if isinstance(index, Symbol) and index.key in letters:
                sizes.tie(("axis", node.key, axis), ("index", index.key))
    for one, other in compared_letters(node):
        if {one, other} <= letters:
            sizes.tie(("index", one), ("index", other))
    if isinstance(node, Apply) and node.function == "element":
        for axis, index in enumerate(indices_of(node)):
            own = axis_of(node.arguments[0], axis)
            if own is not None and isinstance(index, Symbol) and index.key in letters:
                sizes.tie(own, ("index", index.key))
    if isinstance(node, Big) and node.index is not None:
        place: Place = ("index", node.index.key)
        sizes.root(place)
        starts_at_one = node.lower is None or node.lower == Number(1)
        if isinstance(node.upper, Symbol) and starts_at_one and not node.upper.indices:
            name: Place = ("size", node.upper.key)
            if node.upper.key in names or name in sizes.parent:
                sizes.tie(name, place)
        if isinstance(node.upper, Number) and starts_at_one and isinstance(node.upper.value, int):
            sizes.declare(place, node.upper.value)


def axis_of(node: Expression, axis: int) -> Place | None:
    """The axis of a symbol that a formula has as its own axis number ``axis``, if one is seen."""
    match node:
        case Symbol():
            return ("axis", node.key, axis + len(node.indices))
        case MatMul(left=left, right=right):
            return axis_of(left, axis) if axis == 0 else axis_of(right, 1)
        case Transpose(operand=operand):
            return axis_of(operand, 1 - axis)
        case Apply(function="element"):
            return None
        case Number():
            return None
    return next((found for part in node.children if (found := axis_of(part, axis))), None)


def _tie_customary(sizes: Sizes, letters: set[str], names: set[str]) -> None:
    """Take ``n`` for the number of values of ``i`` if nothing else says how many these are."""
    known = {sizes.root(place) for place in list(sizes.parent) if place[0] == "size"}
    for letter in sorted(letters):
        place: Place = ("index", letter)
        root = sizes.root(place)
        if root in known or root in sizes.fixed:
            continue
        for name in CUSTOMARY.get(letter, ""):
            if name in names and name not in letters and ("size", name) not in sizes.parent:
                sizes.tie(("size", name), place)
                known.add(sizes.root(place))
                break
