"""Places in a formula: where an edit can be made, and what is around it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.explain.claims.meaning import parts
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Expression,
    Multiply,
    Negative,
    Number,
    walk,
)

__all__ = ["Place", "cancels", "exchanged", "places_of", "tidied", "with_part", "with_replaced"]


@dataclass(frozen=True, eq=False)
class Place:
    """A part of a formula.

    Attributes
    ----------
    node
        The part.
    path
        From the root: which part of each node is entered.
    above
        The nodes that are passed, the root first.
    bound
        The letters that sums around it run over.
    """

    node: Expression
    path: tuple[int, ...] = ()
    above: tuple[Expression, ...] = ()
    bound: frozenset[str] = frozenset()

    @property
    def parent(self) -> Expression | None:
        """The node around it."""
        return self.above[-1] if self.above else None

    def holds(self, other: "Place") -> bool:
        """Whether the other place is this one or lies inside."""
        return other.path[: len(self.path)] == self.path


def places_of(root: Expression) -> Iterator[Place]:
    """All places, the root first; bounds of sums are none."""
    waiting = [Place(root)]
    while waiting:
        place = waiting.pop(0)
        yield place
        node = place.node
        bound = place.bound
        inner: Sequence[Expression] = parts(node)
        if isinstance(node, Big):
            inner = inner[:1]
            bound = bound | ({node.index.key} if node.index else frozenset())
        if isinstance(node, Apply) and node.function in ("ones", "zeros", "eye"):
            inner = ()
        for position, part in enumerate(inner):
            path, above = (*place.path, position), (*place.above, node)
            waiting.append(Place(part, path, above, bound))


def with_part(node: Expression, position: int, part: Expression) -> Expression:
    """A node with another one of its parts."""
    if isinstance(node, Big):
        return replace(node, body=part)
    children = list(node.children)
    children[position] = part
    return node.with_children(children)


def with_replaced(place: Place, part: Expression) -> Expression:
    """The whole formula with another part at a place."""
    for node, position in zip(reversed(place.above), reversed(place.path), strict=True):
        part = with_part(node, position, part)
    return part


def exchanged(formula: Expression, old: Expression, new: Expression) -> Expression:
    """The formula with ``new`` wherever this very object ``old`` stands."""
    if formula is old:
        return new
    children = formula.children
    if not children:
        return formula
    return formula.with_children([exchanged(child, old, new) for child in children])


def tidied(formula: Expression) -> Expression:
    """The formula without products in products, sums in sums and a minus of a minus."""
    if not formula.children:
        return formula
    formula = formula.with_children([tidied(child) for child in formula.children])
    if isinstance(formula, Negative) and isinstance(formula.operand, Negative):
        return formula.operand.operand
    if isinstance(formula, Add):
        terms = [part for one in formula.terms for part in _terms(one)]
        return replace(formula, terms=tuple(terms))
    if isinstance(formula, Multiply):
        factors = [
            part
            for one in formula.factors
            for part in (
                one.factors if isinstance(one, Multiply) and one.arrays == formula.arrays else [one]
            )
        ]
        factors = [one for one in factors if one != Number(1)] or [Number(1)]
        return factors[0] if len(factors) == 1 else replace(formula, factors=tuple(factors))
    return formula


def cancels(formula: Expression) -> bool:
    """Whether a term stands in a sum with both signs: nobody writes that."""
    return any(
        isinstance(node, Add) and any(Negative(term) in node.terms for term in node.terms)
        for node in walk(formula)
    )


def _terms(term: Expression) -> Sequence[Expression]:
    return term.terms if isinstance(term, Add) else (term,)
