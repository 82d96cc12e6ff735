"""How a change of one number flows to the cost: its chains, and what backpropagation adds up.

A step's output depends on an input's element through some of its elements; each such dependence is
a link with a local derivative. A *chain* of links leads from a weight to the cost, and its product
is one summand of the derivative. Backpropagation sums all chains without listing them: from the
cost backwards, the derivative for an element is the sum of upstream · local over its links.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.formulas.tree import (
    Big,
    Equation,
    Expression,
    Multiply,
    Number,
    Partial,
    Symbol,
)
from chainrule.explain.saying import (
    Occurrence,
    Saying,
    binding,
    letters_for,
    listed,
    matched,
    signed,
    tangents,
)
from chainrule.explain.saying.algebra import ONE, product, replaced, summed, total
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough

__all__ = ["Element", "Factor", "Flow", "Link", "Pulled", "chained"]

Place = tuple[int, ...]
#: A sum of chains over more letters is not written.
LONGEST = 3


@dataclass(frozen=True)
class Element:
    """One number of a value."""

    value: Value
    place: Place

    @property
    def number(self) -> float:
        """What it is."""
        return float(self.value.array[self.place])

    @property
    def gradient(self) -> float:
        """The derivative of the cost for it."""
        return 0.0 if self.value.gradient is None else float(self.value.gradient[self.place])


@dataclass(frozen=True)
class Link:
    """A step from one number to another: ``out`` depends on ``into`` with this derivative."""

    step: Step
    position: int
    into: Element
    out: Element
    slope: float

    @property
    def use(self) -> tuple[Step, int]:
        """The step, and which of its inputs."""
        return self.step, self.position


@dataclass(frozen=True)
class Factor:
    """One factor of a chain.

    Attributes
    ----------
    symbol
        ``∂a¹₁/∂z¹₁``.
    formula
        What it is: ``a¹₁ (1 − a¹₁)``; ``None`` where there is no formula of one line.
    substituted
        The formula with numbers put in.
    value
        What that comes to.
    """

    symbol: Partial
    formula: Expression | None
    substituted: Expression | None
    value: float

    @property
    def equation(self) -> Equation:
        """Symbol, formula, numbers, result; nothing is said twice."""
        sides = (self.formula, self.substituted, Number(self.value))
        return chained(self.symbol, *(side for side in sides if side is not None))


@dataclass(frozen=True)
class Pulled:
    """The derivative of the cost for one element, from those behind it.

    Attributes
    ----------
    element
        For what.
    symbol
        ``δ¹₁`` or ``∂J/∂a¹₁``.
    formula, substituted
        The sum of upstream · local, in symbols and in numbers.
    value
        What that comes to.
    """

    element: Element
    symbol: Expression
    formula: Expression
    substituted: Expression
    value: float

    @property
    def equation(self) -> Equation:
        """Symbol, formula, numbers, result; nothing is said twice."""
        return chained(self.symbol, self.formula, self.substituted, Number(self.value))


def chained(*sides: Expression) -> Equation:
    """An equation in which nothing is said twice in a row."""
    found: list[Expression] = []
    for side in sides:
        if not found or not _alike(side, found[-1]):
            found.append(side)
    return Equation(tuple(found))


def _alike(one: Expression, other: Expression) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        return one.value == other.value or (one.value != one.value and other.value != other.value)
    return one == other


class Flow:
    """Chains from one element to the cost, and the sums that backpropagation makes of them.

    Parameters
    ----------
    symbols
        What everything is called.
    target
        The element that the cost is differentiated by.
    """

    def __init__(self, symbols: Symbols, target: Element) -> None:
        self.symbols, self.target = symbols, target
        self.walk: Walkthrough = symbols.walk

    # ------------------------------------------------------------------ what takes part
    @cached_property
    def active(self) -> tuple[Value, ...]:
        """The values that depend on the target and that the cost depends on, in their order."""
        found = {self.target.value}
        for step in self.walk.steps:
            if found.intersection(step.inputs):
                found.update(o for o in step.outputs if o.gradient is not None)
        return tuple(value for value in self.walk.values if value in found)

    def uses(self, value: Value) -> Iterator[tuple[Step, int, Value]]:
        """Where a value is read: the step, which of its inputs, and an output that depends."""
        for step in self.walk.readers.get(value, ()):
            for position, read in enumerate(step.inputs):
                if read is value:
                    for output in step.outputs:
                        if output in self._active:
                            yield step, position, output

    @cached_property
    def _active(self) -> frozenset[Value]:
        return frozenset(self.active)

    # ------------------------------------------------------------------ one chain
    @cached_property
    def chain(self) -> tuple[Link, ...]:
        """The chain whose links contribute most, from the target to the cost."""
        links: list[Link] = []
        at = self.target
        while at.value is not self.walk.cost:
            candidates = [link for use in self.uses(at.value) if (link := self._best(at, *use))]
            if not candidates:
                return ()
            links.append(max(candidates, key=_weight))
            at = links[-1].out
        return tuple(links)

    def _best(self, at: Element, step: Step, position: int, output: Value) -> Link | None:
        """The link through the element of the output that contributes most."""
        slopes = self._slopes(at, step, position, output)
        reached = self._reached(at, step, position, slopes)
        if not reached.any() or output.gradient is None:
            return None
        with np.errstate(invalid="ignore"):  # 0 · inf
            contributions = slopes * output.gradient
        for score in (contributions, slopes, output.gradient, np.ones(slopes.shape)):
            size = np.where(reached, np.nan_to_num(np.abs(score), nan=np.inf), -1.0)
            if size.max() > 0:
                break
        place = tuple(map(int, np.unravel_index(int(size.argmax()), size.shape)))
        return Link(step, position, at, Element(output, place), slopes[place].item())

    def _slopes(self, at: Element, step: Step, position: int, output: Value) -> np.ndarray:
        """The local derivatives of all of an output by one element."""
        arrays = [value.array for value in step.inputs]
        found = tangents(step.graph, position, arrays, at.place)
        return found[step.outputs.index(output)]

    def slopes(self, at: Element, step: Step, value: Value) -> np.ndarray:
        """The derivatives of a step's output by one element of an input."""
        positions = [i for i, read in enumerate(step.inputs) if read is value]
        return np.asarray(sum(self._slopes(at, step, i, step.output) for i in positions))

    def _reached(self, at: Element, step: Step, position: int, slopes: np.ndarray) -> np.ndarray:
        """Which elements of the output depend on the element, though the derivative may be 0."""
        occurrences = self._occurrences(step, position)
        if occurrences is None or step.name == "Embedding":  # which rows depends on data
            return slopes != 0 if (slopes != 0).any() else np.ones(slopes.shape, bool)
        reached = np.zeros(slopes.shape, bool)
        said = self.symbols.saying(step)
        assert said is not None
        for occurrence in occurrences:
            letters = binding(said, occurrence, at.place)
            if letters is not None:
                index = [letters.get(letter, letter) for letter in said.letters]
                reached[tuple(_selected(place) for place in index)] = True
        return reached if reached.any() else np.ones(slopes.shape, bool)  # as with 0 · x

    def _occurrences(self, step: Step, position: int) -> tuple[Occurrence, ...] | None:
        said = self.symbols.saying(step)
        # A formula in which nothing is left of the input (0 · x) says less than its numbers.
        return None if said is None else said.occurrences[position] or None

    @cached_property
    def count(self) -> int:
        """How many chains there are, those with a factor 0 included."""
        counts = {self.walk.cost: 1}
        for value in reversed(self.active):
            if value is not self.walk.cost:
                element = self.representative(value)
                counts[value] = sum(
                    self._fan(element, *use) * counts[use[2]] for use in self.uses(value)
                )
        return counts[self.target.value]

    def _fan(self, at: Element, step: Step, position: int, output: Value) -> int:
        """Through how many elements of the output one element acts."""
        slopes = self._slopes(at, step, position, output)
        return int(self._reached(at, step, position, slopes).sum())

    @cached_property
    def symbolic(self) -> Expression | None:
        """The sum of all chains in letters, ``Σₖ ∂J/∂zₖ · ∂zₖ/∂aⱼ · …``; ``None`` if it is long."""
        if any(len(list(self.uses(link.into.value))) > 1 for link in self.chain):
            return None
        index: tuple[Expression, ...] = tuple(map(Number, self.target.place))
        factors: list[Expression] = []
        running: list[Symbol] = []
        fresh = iter("jklm"[:LONGEST])
        for link in self.chain:
            before = self.symbols.element(link.into.value, index)
            index = self._following(link, index, running, fresh) or ()
            if len(index) != link.out.value.array.ndim:
                return None
            factors.append(Partial(self.symbols.element(link.out.value, index), before))
        whole: Expression = Multiply(tuple(reversed(factors))) if len(factors) > 1 else factors[0]
        for letter in reversed(running):
            whole = Big("sum", whole, letter)
        return whole

    def _following(
        self,
        link: Link,
        index: tuple[Expression, ...],
        running: list[Symbol],
        fresh: Iterator[str],
    ) -> tuple[Expression, ...] | None:
        """The place in the output in letters, where the place in the input is given in letters."""
        said, occurrences = self.symbols.saying(link.step), self._occurrences(*link.use)
        if said is None or occurrences is None or len(occurrences) != 1:
            return None
        if not all(isinstance(i, (Number, Symbol)) for i in occurrences[0].index):
            return None
        known = dict(zip(occurrences[0].index, index, strict=True))
        found = []
        for letter in said.letters:
            if letter in known or isinstance(letter, Number):
                found.append(known.get(letter, letter))
                continue
            name = "n" if letter == Symbol("n") and letter not in running else next(fresh, "")
            if not name:
                return None
            running.append(Symbol(name))
            found.append(running[-1])
        return tuple(found)

    def factor(self, link: Link) -> Factor:
        """A link as a factor: formula, numbers, result."""
        name = self.symbols.element
        symbol = Partial(
            name(link.out.value, link.out.place), name(link.into.value, link.into.place)
        )
        formula = self._local(link)
        if formula is None:
            return Factor(symbol, None, None, link.slope)
        numbers = self.symbols.numbers_of(link.step)
        return Factor(symbol, formula, signed(numbers.put_in(formula)), link.slope)

    def _local(self, link: Link) -> Expression | None:
        """The formula of a link's derivative, if there is one."""
        said = self.symbols.saying(link.step)
        occurrences = self._occurrences(link.step, link.position)
        if said is None or occurrences is None:
            return None
        found = []
        for occurrence in occurrences:
            letters = binding(said, occurrence, link.into.place)
            own = matched(said.letters, link.out.place, said.sizes)
            if letters is None or own is None:
                continue
            if all(own.get(letter, place) == place for letter, place in letters.items()):
                found.append(replaced(occurrence.factor, {**own, **letters}))
        return total(*found)

    # ------------------------------------------------------------------ the sum of all chains
    def pulled(self, element: Element) -> Pulled:
        """What backpropagation adds up for one element."""
        formulas, numbers = [], []
        for step, position, output in self.uses(element.value):
            for formula, written in self._terms(element, step, position, output):
                formulas.append(formula)
                numbers.append(written)
        symbol = self.symbols.upstream(element.value, element.place)
        return Pulled(
            element,
            symbol,
            total(*formulas),
            numbers[0] if len(numbers) == 1 else _added(numbers),
            element.gradient,
        )

    def _terms(
        self, element: Element, step: Step, position: int, output: Value
    ) -> Iterator[tuple[Expression, Expression]]:
        """For each place where a step's formula reads the element: upstream · local, summed."""
        said, occurrences = self.symbols.saying(step), self._occurrences(step, position)
        if said is None or occurrences is None:
            yield self._unsaid(element, step, position, output)
            return
        for occurrence in occurrences:
            letters = binding(said, occurrence, element.place)
            if letters is not None:
                yield self._term(step, output, said, occurrence, letters)

    def _term(
        self,
        step: Step,
        output: Value,
        said: Saying,
        occurrence: Occurrence,
        letters: dict[Expression, Expression],
    ) -> tuple[Expression, Expression]:
        index = tuple(letters.get(letter, letter) for letter in said.letters)
        factor = replaced(occurrence.factor, letters)
        upstream = self.symbols.upstream(output, index)
        running = tuple(letter for letter in index if isinstance(letter, Symbol))
        formula = summed(product(upstream, factor), running)
        numbers = self.symbols.numbers_of(step)
        sizes = [numbers.sizes[letter] for letter in running]

        def term(k: int) -> Expression:
            places = [Number(int(i)) for i in np.unravel_index(k, sizes)]
            place: dict[Expression, Expression] = dict(zip(running, places, strict=True))
            parts = [replaced(part, place) for part in (upstream, factor) if part != ONE]
            return _times([signed(numbers.put_in(part)) for part in parts])

        return formula, listed(int(np.prod(sizes)), term)

    def _unsaid(
        self, element: Element, step: Step, position: int, output: Value
    ) -> tuple[Expression, Expression]:
        """The same in numbers alone: ``Σ ∂J/∂u · ∂u/∂v`` over the elements that depend."""
        slopes = self._slopes(element, step, position, output)
        moving = slopes != 0 if (slopes != 0).any() else np.ones(slopes.shape, bool)
        places = [tuple(map(int, place)) for place in np.argwhere(moving)]
        into = self.symbols.element(element.value, element.place)
        letters = letters_for(output.shape, self.symbols.rows)
        at: Sequence[Expression] = tuple(map(Number, places[0])) if len(places) == 1 else letters
        formula = self._product(output, tuple(at), into)
        running = tuple(letter for letter in at if isinstance(letter, Symbol))

        def term(k: int) -> Expression:
            upstream = Number(Element(output, places[k]).gradient)
            slope = Number(slopes[places[k]].item())
            return slope if output is self.walk.cost else Multiply((upstream, slope))

        return summed(formula, running), listed(len(places), term)

    def _product(self, output: Value, at: tuple[Expression, ...], into: Expression) -> Expression:
        local = Partial(self.symbols.element(output, at), into)
        return product(self.symbols.upstream(output, at), local)

    def representative(self, value: Value) -> Element:
        """The element of a value that is shown: the chosen chain's, else the most sensitive one."""
        for link in self.chain:
            if link.out.value is value:
                return link.out
        if value is self.target.value:
            return self.target
        size = np.nan_to_num(np.abs(value.gradient), nan=np.inf)  # type: ignore[arg-type]
        return Element(value, tuple(map(int, np.unravel_index(int(size.argmax()), size.shape))))


def _selected(place: Expression) -> int | slice:
    return int(place.value) if isinstance(place, Number) else slice(None)


def _weight(link: Link) -> tuple[float, float]:
    return abs(link.slope * link.out.gradient), abs(link.slope)


def _times(factors: Sequence[Expression]) -> Expression:
    """A product of numbers as it is written: nothing is computed."""
    flat: list[Expression] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Multiply) else [factor]
    return Number(1) if not flat else flat[0] if len(flat) == 1 else Multiply(tuple(flat))


def _added(terms: Sequence[Expression]) -> Expression:
    return total(*terms) if not terms else listed(len(terms), lambda k: terms[k])
