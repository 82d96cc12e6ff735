"""What is said about one step: its formula, and the derivative by each of its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from chainrule.explain.formulas.tree import Equation, Expression, Number, Symbol
from chainrule.explain.saying.numbers import Numbers

__all__ = ["Elements", "Index", "Occurrence", "Place", "Saying", "whole"]

#: An element's place: a letter, a number, or 0 for an axis of length 1.
Index = tuple[Expression, ...]


@dataclass(frozen=True)
class Occurrence:
    """One place in a formula where elements of an input stand.

    Attributes
    ----------
    index
        Which element, in the letters of the formula.
    factor
        The derivative of the output's element by it.
    """

    index: Index
    factor: Expression


@dataclass(frozen=True)
class Elements:
    """The symbols of an array's elements: ``Elements(z, (1, 3))`` at ``(0, 2)`` is ``z₂``.

    A constant that is one number is that number everywhere.
    """

    symbol: Symbol | Number
    shape: tuple[int, ...]

    def __call__(self, index: Index) -> Expression:
        """The symbol of the element at a place."""
        if isinstance(self.symbol, Number):
            return self.symbol
        kept = [i for i, size in zip(index, self.shape, strict=True) if size != 1]
        return replace(self.symbol, indices=tuple(kept))


@dataclass(frozen=True)
class Place:
    """What a step is said in: the symbols of its inputs and of its output.

    Attributes
    ----------
    inputs, output
        For each, its symbols.
    letters
        The letters of the output's axes; 0 for one of length 1.
    rows
        How many rows of data there are.
    """

    inputs: tuple[Elements, ...]
    output: Elements
    letters: Index
    rows: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's shape."""
        return self.output.shape

    def numbers(self, arrays: Sequence[np.ndarray], value: np.ndarray) -> Numbers:
        """What the symbols stand for if the inputs are these arrays and the output is this."""
        pairs = zip((*self.inputs, self.output), (*arrays, value), strict=True)
        return Numbers({e.symbol: a for e, a in pairs if isinstance(e.symbol, Symbol)})


@dataclass(frozen=True)
class Saying:
    """The formula of one element of a step's output, and its derivatives.

    Attributes
    ----------
    letters
        The place of the output's element.
    value
        Its formula.
    occurrences
        For each input where it stands in the formula; ``None`` where that is not said.
    sizes
        How many values each letter takes.
    derived
        Symbols of the step's own (probabilities, a mask), from the arrays of its inputs.
    before
        What these are, said before the formula.
    """

    letters: Index
    value: Expression
    occurrences: tuple[tuple[Occurrence, ...] | None, ...]
    sizes: Mapping[Symbol, int]
    derived: Callable[[Sequence[np.ndarray]], Mapping[Symbol, np.ndarray]] = field(
        default=lambda arrays: {}
    )
    before: tuple[Equation, ...] = ()
    note: str = ""

    @property
    def running(self) -> tuple[Symbol, ...]:
        """The letters of the output's element that run."""
        return tuple(letter for letter in self.letters if isinstance(letter, Symbol))


def whole(index: Sequence[int]) -> Index:
    """A place in numbers."""
    return tuple(map(Number, index))
