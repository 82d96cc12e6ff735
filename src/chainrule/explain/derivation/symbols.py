"""The symbols of a derivation: elements of values, errors ``δ``, and the numbers behind them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from chainrule.explain.formulas.tree import Expression, Number, Partial, Symbol
from chainrule.explain.saying import Index, Numbers, Place, Saying, letters_for, saying_of
from chainrule.explain.saying.algebra import number
from chainrule.explain.saying.saying import Elements
from chainrule.explain.walking.naming import names_of
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough

__all__ = ["Symbols"]


class Symbols:
    """What each value of a walkthrough is called, element by element, and what is said of steps.

    Parameters
    ----------
    walk
        The function at one point.
    """

    def __init__(self, walk: Walkthrough) -> None:
        self.walk = walk
        self.names = names_of(walk)
        self.rows = _rows(walk)
        self._constants: dict[Value, Symbol | Number] = {}
        self._sayings: dict[Step, Saying | None] = {}
        for step in walk.steps:
            if step.name == "cast":  # another number type is no other value
                self.names[step.output] = self.symbol(step.inputs[0])
            if self.is_weighted_sum(step.output):
                self._by_layer(step)

    def _by_layer(self, step: Step) -> None:
        """A user's ``w1`` in layer 1 is ``w¹``, like the weights of the library's own layers."""
        layer = self.symbol(step.output).layer
        for value in step.inputs:
            symbol = self.names.get(value)
            if symbol and value.weight and symbol.label == layer and not symbol.layer:
                raised = replace(symbol, label="", layer=layer)
                if raised not in self.names.values():
                    self.names[value] = raised

    def symbol(self, value: Value) -> Symbol:
        """The symbol of the whole value."""
        found = self._called(value)
        return found if isinstance(found, Symbol) else Symbol("const")

    def _called(self, value: Value) -> Symbol | Number:
        if not value.constant:
            return self.names[value]
        if value not in self._constants:
            self._constants[value] = _constant(value.array, len(self._constants))
        return self._constants[value]

    def elements(self, value: Value) -> Elements:
        """The symbols of a value's elements."""
        return Elements(self._called(value), value.shape)

    def element(self, value: Value, index: Sequence[int] | Index) -> Expression:
        """The symbol of one element, ``w¹₃₁``; axes of length 1 are not counted."""
        places = [Number(i) if isinstance(i, int) else i for i in index]
        return self.elements(value)(tuple(places))

    # ------------------------------------------------------------------ derivatives of the cost
    @property
    def cost(self) -> Symbol:
        """``J``."""
        return self.names[self.walk.cost]

    def is_weighted_sum(self, value: Value) -> bool:
        """Whether the derivative for a value is an error ``δ``: it is the ``z`` of a layer."""
        maker = self.walk.maker(value)
        return maker is not None and maker.kind is not None and maker.kind.family == "layer"

    def error(self, value: Value) -> Elements:
        """``δˡ``, of a weighted sum."""
        layer = self.symbol(value).layer
        return Elements(Symbol("delta", layer=layer), value.shape)

    def upstream(self, value: Value, index: Sequence[int] | Index) -> Expression:
        """The derivative of the cost for one element: ``δˡⱼ`` or ``∂J/∂aˡⱼ``."""
        places = tuple(Number(i) if isinstance(i, int) else i for i in index)
        if value is self.walk.cost:
            return Number(1)
        if self.is_weighted_sum(value):
            return self.error(value)(places)
        return Partial(self.cost, self.element(value, places))

    def upstream_whole(self, value: Value) -> Expression:
        """The derivative of the cost for all of a value: ``δˡ`` or ``∂J/∂aˡ``."""
        if self.is_weighted_sum(value):
            return self.error(value).symbol
        return Partial(self.cost, self.symbol(value))

    # ------------------------------------------------------------------ numbers and sayings
    @cached_property
    def numbers(self) -> Numbers:
        """The number of every symbol."""
        arrays, gradients = {}, {}
        for value in self.walk.values:
            arrays[self.symbol(value)] = value.array
            if value.gradient is not None:
                gradients[self.symbol(value)] = value.gradient
                if self.is_weighted_sum(value):
                    symbol = self.error(value).symbol
                    assert isinstance(symbol, Symbol)
                    arrays[symbol] = value.gradient
        return Numbers(arrays, gradients)

    def numbers_of(self, step: Step) -> Numbers:
        """The same with what a step has of its own: probabilities, a mask, ranges of letters."""
        said = self.saying(step)
        constants = {
            symbol: value.array
            for value in step.inputs
            if value.constant and isinstance(symbol := self._called(value), Symbol)
        }
        if said is None:
            return self.numbers.with_more(constants, {})
        arrays = [value.array for value in step.inputs]
        return self.numbers.with_more({**constants, **said.derived(arrays)}, said.sizes)

    def place(self, step: Step) -> Place:
        """The symbols that a step is said in."""
        inputs = tuple(map(self.elements, step.inputs))
        letters = letters_for(step.output.shape, self.rows)
        return Place(inputs, self.elements(step.output), letters, self.rows)

    def saying(self, step: Step) -> Saying | None:
        """What is said of a step; ``None`` if only its numbers can be."""
        if step not in self._sayings:
            arrays = [value.array for value in step.inputs]
            found = None
            if len(step.outputs) == 1 and all(array.size for array in arrays):
                found = saying_of(step.name, step.graph, self.place(step), arrays)
            self._sayings[step] = found
        return self._sayings[step]


def _rows(walk: Walkthrough) -> int:
    """How many rows of data there are: the first axis of the first argument that is no weight."""
    for value in walk.inputs:
        if not value.weight and value.array.ndim:
            return value.shape[0]
    return 1


def _constant(array: np.ndarray, count: int) -> Symbol | Number:
    """A constant that is one number is that number; another one has a letter."""
    if array.size and (array == array.reshape(-1)[0]).all():
        return number(array.reshape(-1)[0])
    return Symbol("const", label=str(count) if count else "")
