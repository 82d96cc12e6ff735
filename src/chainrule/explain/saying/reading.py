"""A graph read as a formula of one element, with its derivatives by the elements that it reads.

The reader asks for an element of the output by letters (``z_nj``) and follows it back: an
elementwise op keeps the letters, a transpose exchanges them, a sum and a matrix product bring a new
one that runs (``Σᵢ xₙᵢ wᵢⱼ``). So every formula says exactly what the graph does. What picks
elements by data cannot be read this way and raises :class:`Unreadable`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.explain.formulas.tree import Expression, Symbol
from chainrule.explain.saying.algebra import (
    ONE,
    ZERO,
    cases,
    number,
    product,
    summed,
    total,
)
from chainrule.explain.saying.ops import ELEMENTWISE, local_derivatives
from chainrule.explain.saying.places import Scaled, index_of, letters_in, taken_apart
from chainrule.explain.saying.saying import Index, Occurrence, Place, Saying
from chainrule.graph import Graph
from chainrule.graph.node import Node
from chainrule.graph.simplify import inline_calls

__all__ = ["LETTERS", "Unreadable", "letters_for", "read"]

#: The letters of axes: ``n`` counts rows of data.
ROW, LETTERS = "n", "jklabcd"
#: The letters of the sums in a formula, and of those in its derivatives. They differ, so that a
#: derivative ``−eⱼ / (Σᵢ eᵢ)²`` by an element ``e_m`` can say which one it means.
INNER, BESIDE = "ihgfe", "mpqrsv"
#: A graph of more nodes is no readable formula.
LONGEST = 40


class Unreadable(Exception):
    """A graph is no formula of single elements."""


@dataclass(frozen=True)
class _Term:
    """Where an input stands in a formula: its element, the derivative, and the sums around it."""

    position: int
    index: Index
    factor: Expression
    sums: tuple[Symbol, ...] = ()


@dataclass(frozen=True)
class _Read:
    value: Expression
    terms: tuple[_Term, ...]


def letters_for(shape: Sequence[int], rows: int, letters: str = LETTERS) -> Index:
    """Letters for the axes of an array; an axis of length 1 has none.

    Examples
    --------
    >>> from chainrule.explain.saying.reading import letters_for
    >>> [getattr(letter, "name", 0) for letter in letters_for((5, 1, 3), rows=5)]
    ['n', 0, 'j']
    """
    rest = iter(letters)
    found: list[Expression] = []
    for axis, size in enumerate(shape):
        if size == 1:
            found.append(ZERO)
        elif axis == 0 and size == rows:
            found.append(Symbol(ROW))
        else:
            found.append(Symbol(next(rest)))
    return tuple(found)


def read(graph: Graph, place: Place) -> Saying:
    """What a graph of one output says about one element.

    Raises
    ------
    Unreadable
        If it does more than pick, combine and sum elements.
    """
    graph = inline_calls(graph)
    if len(graph.nodes) > LONGEST:
        raise Unreadable
    reader = _Reader(graph, place)
    found = reader.read(graph.outputs[0], place.letters)
    by_input = [
        tuple(_merged([term for term in found.terms if term.position == i]))
        for i in range(len(graph.inputs))
    ]
    return Saying(place.letters, found.value, tuple(by_input), reader.sizes)


def _merged(terms: list[_Term]) -> Iterator[Occurrence]:
    """The same element more than once is one place, with the sum of the derivatives."""
    merged: dict[Index, list[Expression]] = {}
    for term in terms:
        bound = letters_in(term.index)
        free = tuple(letter for letter in term.sums if letter not in bound)
        merged.setdefault(term.index, []).append(summed(term.factor, free))
    for index, factors in merged.items():
        factor = total(*factors)
        if factor != ZERO:
            yield Occurrence(index, factor)


class _Reader:
    def __init__(self, graph: Graph, place: Place) -> None:
        self.place = place
        self.input = {node: i for i, node in enumerate(graph.inputs)}
        self.output = graph.outputs[0]
        self.fresh = iter(INNER)
        self.beside = iter(BESIDE)
        self.known: dict[tuple[Node, Index], _Read] = {}
        self.sizes = {
            letter: size
            for letter, size in zip(place.letters, place.shape, strict=True)
            if isinstance(letter, Symbol)
        }

    def read(self, node: Node, index: Index) -> _Read:
        """One element of a node; graphs that are read are small, so recursion is."""
        key = (node, index)
        if key not in self.known:
            self.known[key] = self._read(node, index)
        return self.known[key]

    def _read(self, node: Node, index: Index) -> _Read:
        if node in self.input:
            position = self.input[node]
            return _Read(self.place.inputs[position](index), (_Term(position, index, ONE),))
        name = node.op.name
        if name in ELEMENTWISE:
            return self._elementwise(node, index)
        method = getattr(self, f"_{name}", None)
        if method is None:
            raise Unreadable(name)
        return method(node, index)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ elementwise
    def _elementwise(self, node: Node, index: Index) -> _Read:
        parts = [self.read(child, index) for child in node.inputs]
        values = [part.value for part in parts]
        value = ELEMENTWISE[node.op.name](*values)
        if node.op.name == "stop_gradient":
            return _Read(value, ())
        if node.op.name == "where":
            return _Read(value, self._chosen(values[0], parts[1], parts[2]))
        own = node is self.output and node.op.name in ("tanh", "sigmoid", "exp", "sqrt")
        factors = local_derivatives(node, values, self.place.output(index) if own else value)
        terms = [
            _Term(term.position, term.index, product(factor, term.factor), term.sums)
            for part, factor in zip(parts, factors, strict=True)
            if factor != ZERO
            for term in part.terms
        ]
        return _Read(value, tuple(terms))

    def _chosen(self, condition: Expression, then: _Read, other: _Read) -> tuple[_Term, ...]:
        """A choice between derivatives, as one place where both sides read the same element."""
        merged: dict[tuple[int, Index, tuple[Symbol, ...]], list[Expression]] = {}
        for side, read_side in enumerate((then, other)):
            for term in read_side.terms:
                key = (term.position, term.index, term.sums)
                pair = merged.setdefault(key, [ZERO, ZERO])
                pair[side] = total(pair[side], term.factor)
        return tuple(
            _Term(position, index, cases(condition, *pair), sums)
            for (position, index, sums), pair in merged.items()
        )

    # ------------------------------------------------------------------ places
    def _constant(self, node: Node, index: Index) -> _Read:
        array = node.attributes["value"].array
        if array.size == 0 or (array != array.reshape(-1)[0]).any():
            raise Unreadable("constant")
        return _Read(number(array.reshape(-1)[0]), ())

    def _broadcast_to(self, node: Node, index: Index) -> _Read:
        (child,) = node.inputs
        kept = index[len(index) - child.spec.ndim :]
        stretched = [
            ZERO if small == 1 else letter
            for letter, small in zip(kept, child.spec.shape, strict=True)
        ]
        return self.read(child, tuple(stretched))

    def _slice(self, node: Node, index: Index) -> _Read:
        steps = zip(index, node.attributes["start"], node.attributes["step"], strict=True)
        return self.read(node.inputs[0], tuple(_moved(i, start, by) for i, start, by in steps))

    def _reshape(self, node: Node, index: Index) -> _Read:
        (child,) = node.inputs
        if child.spec.size == 0:
            raise Unreadable("reshape")
        start, letters, far = 0, [], 1
        for i, size in zip(reversed(index), reversed(node.spec.shape), strict=True):
            begin, parts = taken_apart(i)
            start += far * begin
            letters += [(far * distance, letter) for distance, letter in parts]
            far *= size
        return self.read(child, self._unflattened((start, tuple(letters)), child.spec.shape))

    def _unflattened(self, flat: Scaled, shape: Sequence[int]) -> Index:
        """The place in an array of an element that is counted along all axes.

        Each letter must stay within one axis.
        """
        start, letters = flat
        found: list[Expression] = []
        for axis in range(len(shape)):
            far = math.prod(shape[axis + 1 :])
            here = [(distance, letter) for distance, letter in letters if distance >= far]
            letters = tuple(pair for pair in letters if pair[0] < far)
            reach = start % far + sum(d * (self.sizes[letter] - 1) for d, letter in letters)
            if reach >= far or any(distance % far for distance, _ in here):
                raise Unreadable("reshape")
            scaled = tuple((distance // far, letter) for distance, letter in here)
            found.append(index_of((start // far, scaled)))
            start %= far
        return tuple(found)

    def _transpose(self, node: Node, index: Index) -> _Read:
        places = dict(zip(node.attributes["axes"], index, strict=True))
        return self.read(node.inputs[0], tuple(places[axis] for axis in range(len(index))))

    def _sum(self, node: Node, index: Index) -> _Read:
        (child,) = node.inputs

        def place(beside: bool) -> tuple[Index, tuple[Symbol, ...]]:
            kept, found = iter(index), []
            new: list[Symbol] = []
            for axis, size in enumerate(child.spec.shape):
                if axis not in node.attributes["axes"]:
                    found.append(next(kept))
                elif size == 1:
                    found.append(ZERO)
                else:
                    rows = axis == 0 and size == self.place.rows
                    new.append(self._new(size, beside, rows))
                    found.append(new[-1])
            return tuple(found), tuple(new)

        inside, letters = place(beside=False)
        value = summed(self.read(child, inside).value, letters)
        outside, others = place(beside=True)
        return _Read(value, _within(self.read(child, outside).terms, others))

    def _matmul(self, node: Node, index: Index) -> _Read:
        left, right = node.inputs
        if left.spec.ndim < 2 or right.spec.ndim < 2:
            raise Unreadable("matmul")

        def factors(inner: Expression) -> tuple[_Read, _Read]:
            batch = index[:-2]
            a = self.read(left, (*batch, index[-2], inner))
            return a, self.read(right, (*batch, inner, index[-1]))

        size = left.spec.shape[-1]
        letters = () if size == 1 else (self._new(size, beside=False),)
        a, b = factors(letters[0] if letters else ZERO)
        value = summed(product(a.value, b.value), letters)
        others = () if size == 1 else (self._new(size, beside=True),)
        a, b = factors(others[0] if others else ZERO)
        terms = tuple(
            _Term(t.position, t.index, product(other.value, t.factor), t.sums)
            for part, other in ((a, b), (b, a))
            for t in part.terms
        )
        return _Read(value, _within(terms, others))

    def _new(self, size: int, beside: bool, rows: bool = False) -> Symbol:
        """A letter that is not used yet."""
        if rows and not beside and Symbol(ROW) not in self.sizes:
            letter = Symbol(ROW)
        else:
            name = next(self.beside if beside else self.fresh, "")
            if not name:
                raise Unreadable("letters")
            letter = Symbol(name)
        self.sizes[letter] = size
        return letter


def _moved(index: Expression, start: int, by: int) -> Expression:
    """An index of a slice as one of what was sliced."""
    begin, letters = taken_apart(index)
    return index_of((start + by * begin, tuple((by * d, letter) for d, letter in letters)))


def _within(terms: tuple[_Term, ...], letters: tuple[Symbol, ...]) -> tuple[_Term, ...]:
    return tuple(_Term(t.position, t.index, t.factor, (*t.sums, *letters)) for t in terms)
