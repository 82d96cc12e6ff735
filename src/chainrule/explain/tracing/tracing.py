"""``trace``: backpropagation as numbered steps, each local derivative times upstream derivative.

The order is that of the chain rule: the loss first, then the output layer, then the hidden layers
from the last to the first. Every node multiplies its *local* derivative with the *upstream*
derivative that it receives and passes the product back. All derivatives are formed with the weights
as they are before the update; so the update comes last.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from chainrule.autodiff.transforms import checked_function
from chainrule.errors import GradientError, OptionError
from chainrule.explain.derivation.flow import chained
from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.formulas import (
    Add,
    Equation,
    Expression,
    Multiply,
    Negative,
    Number,
    Partial,
    Symbol,
)
from chainrule.explain.formulas.arrays import as_formula, is_small
from chainrule.explain.saying import signed
from chainrule.explain.tracing.products import (
    derivative,
    forward_equations,
    passed_equation,
    with_numbers,
)
from chainrule.explain.tracing.traced import Part, Total, Trace, TraceStep, Updated
from chainrule.explain.unfolding import unfolded
from chainrule.explain.walking.kinds import WEIGHTED
from chainrule.explain.walking.passing import Passed, passed
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough
from chainrule.graph import Node, asarray
from chainrule.graph.trace import is_array
from chainrule.optim import Optimizer
from chainrule.trees import tree_flatten

__all__ = ["trace"]

#: What changes a number's type only.
SILENT = frozenset({"cast"})
#: The learning rate, and the step that an optimizer makes of a derivative.
RATE, MOVE = Symbol("alpha"), Symbol("s")


def trace(
    function: Callable[..., Any],
    *arguments: Any,
    learning_rate: float | None = None,
    optimizer: Optimizer | None = None,
    detail: str = "layer",
    inputs: bool = False,
) -> Trace:
    """Backpropagation at one point as numbered steps.

    Parameters
    ----------
    function
        Takes trees of tensors, returns a number: a cost.
    *arguments
        Its arguments. The floating leaves of the first are the weights.
    learning_rate
        If given, the last step is the update ``w ← w − α ∂J/∂w``.
    optimizer
        In its place: the last step is the first one that this optimizer takes.
    detail
        ``"layer"``: functions that have a name in the field (``Linear``, ``relu``, ``mse``) are one
        step; ``"op"``: every operation is one.
    inputs
        Whether derivatives are passed on to the data too.

    Returns
    -------
    Trace
        Prints itself as text; has Markdown, LaTeX and HTML too.

    Raises
    ------
    GradientError
        If the result is not one number, or the first argument has no floating number.
    OptionError
        If an option has a value that it cannot have.

    Examples
    --------
    >>> from chainrule.explain import trace
    >>> found = trace(lambda w, x, t: (t - w * x) ** 2, 3.0, 2.0, 7.0, learning_rate=0.1)
    >>> [(step.number, step.label or step.kind) for step in found]
    [(1, 'square'), (2, 'subtract'), (3, 'multiply'), (4, 'update')]
    >>> found[3].product["w"].item(), found[4].product["w"].item()
    (-4.0, 3.4)
    """
    checked_function("trace", function)
    if detail not in ("layer", "op"):
        raise OptionError("explain.trace_detail", got=detail)
    if learning_rate is not None and not _is_rate(learning_rate):
        raise OptionError("explain.trace_rate", got=learning_rate)
    if learning_rate is not None and optimizer is not None:
        raise OptionError("explain.trace_both")
    closed = None if detail == "layer" else _never
    unfold = unfolded if detail == "layer" else None
    walk = Walkthrough.of(function, *arguments, closed=closed, unfold=unfold)
    if not any(value.weight and value.gradient is not None for value in walk.inputs):
        raise GradientError(
            "explain.trace_no_weights", got=type(arguments[0]).__name__ if arguments else None
        )
    tracer = _Tracer(walk, inputs)
    steps = list(tracer.steps())
    trained = _trained(walk, arguments[0])
    if learning_rate is not None:
        parts = [tracer.descended(value, learning_rate) for value in trained]
        steps.append(TraceStep(len(steps) + 1, "update", tuple(parts)))
    if optimizer is not None:
        parts = list(tracer.moved(trained, optimizer))
        label = repr(optimizer)
        steps.append(TraceStep(len(steps) + 1, "optimizer", tuple(parts), label))
    gradient = {v.path: v.gradient for v in walk.inputs if v.weight and v.gradient is not None}
    return Trace(steps, list(tracer.forward()), float(walk.cost.array), gradient)


class _Tracer:
    """Makes the steps of a trace from a walkthrough."""

    def __init__(self, walk: Walkthrough, inputs: bool) -> None:
        self.walk = walk
        self.symbols = Symbols(walk)
        self.moving = _moving(walk, inputs)
        self.last_layer = max(
            (step.number for step in walk.steps if step.kind and step.kind.family in WEIGHTED),
            default=0,
        )

    def name(self, value: Value) -> Expression:
        """A value's symbol; a constant is its number."""
        return self.symbols.names.get(value) or as_formula(value.array)

    def forward(self) -> Iterator[tuple[Equation, np.ndarray]]:
        """What each step computes."""
        for step in self.walk.steps:
            if step.name not in SILENT and not all(value.constant for value in step.inputs):
                equations = forward_equations(step, self.name)
                arrays = (output.array for output in step.outputs)
                yield from zip(equations, arrays, strict=True)

    def steps(self) -> Iterator[TraceStep]:
        """The steps of backpropagation: from the last step of the function to the first."""
        pieces = {step: self._pieces(step) for step in self.walk.steps}
        order = [step for step in reversed(self.walk.steps) if pieces[step]]
        number = {step: i for i, step in enumerate(order, 1)}
        givers: dict[Value, list[Passed]] = {}
        for step in order:
            for piece in pieces[step]:
                givers.setdefault(piece.value, []).append(piece)
        for step in order:
            totals = tuple(
                self._total(given, [number[piece.step] for piece in given])
                for value, given in givers.items()
                if len(given) > 1 and given[-1].step is step
            )
            parts = tuple(
                self._part(piece, len(givers[piece.value]) == 1) for piece in pieces[step]
            )
            yield self._step(number[step], step, parts, totals)

    def descended(self, value: Value, rate: float) -> Part:
        """``w_new = w − α ∂J/∂w``."""
        assert value.gradient is not None
        symbol, new = self.name(value), value.array - rate * value.gradient
        move = Multiply((RATE, derivative(symbol)))
        sides: list[Expression] = [Add((symbol, Negative(move)))]
        if is_small(value.array):
            numbers = Multiply((Number(rate), as_formula(value.gradient)))
            sides.append(Add((as_formula(value.array), Negative(numbers))))
        formula = Equation((_new(symbol), *sides, *with_numbers(new)))
        return Part(symbol, value.path, formula, Updated(value.array, value.gradient, new))

    def moved(self, values: Sequence[Value], optimizer: Optimizer) -> Iterator[Part]:
        """``w_new = w + s``, where the optimizer makes ``s`` of the derivatives."""
        weights = [asarray(value.array) for value in values]
        gradients = [asarray(value.gradient) for value in values if value.gradient is not None]
        updates, _ = optimizer.update(gradients, optimizer.init(weights), weights)
        for value, update in zip(values, updates, strict=True):
            assert value.gradient is not None
            symbol, move = self.name(value), np.asarray(update)
            new = value.array + move
            sides: list[Expression] = [Add((symbol, MOVE))]
            if is_small(value.array):
                sides.append(Add((as_formula(value.array), as_formula(move))))
            formula = Equation((_new(symbol), *sides, *with_numbers(new)))
            yield Part(symbol, value.path, formula, Updated(value.array, value.gradient, new))

    def _pieces(self, step: Step) -> list[Passed]:
        """What a step passes to weights, and to values that depend on weights."""
        return [piece for piece in passed(step) if piece.value in self.moving]

    def _part(self, piece: Passed, whole: bool) -> Part:
        formula = passed_equation(piece, self.name, whole=whole)
        rules = tuple(self._rules(piece))
        if rules and rules[-1].sides[0] == formula.sides[0]:  # of the loss: it passes its own
            formula = chained(*rules[-1].sides, *formula.sides[1:])
            rules = rules[:-1]
        return Part(self.name(piece.value), piece.value.path, formula, piece, rules)

    def _rules(self, piece: Passed) -> Iterator[Equation]:
        """The local derivative of one element as a formula, where there is one for all of them."""
        is_gate = piece.step.kind is not None and piece.step.kind.family == "gate"
        short = piece.form in ("scale", "each") or is_gate
        said = self.symbols.saying(piece.step) if short else None
        places = said.occurrences[piece.place] if said else None
        if said is None or places is None or len(places) != 1:
            return
        yield from said.before
        output = self.symbols.elements(piece.step.output)(said.letters)
        value = self.symbols.elements(piece.value)(places[0].index)
        sides = [Partial(output, value), places[0].factor]
        if piece.product.size == 1:
            numbers = self.symbols.numbers_of(piece.step)
            sides += [signed(numbers.put_in(places[0].factor)), as_formula(piece.local)]
        yield chained(*sides)

    def _total(self, given: Sequence[Passed], numbers: Sequence[int]) -> Total:
        value, symbol = given[0].value, self.name(given[0].value)
        assert value.gradient is not None
        sides: list[Expression] = [derivative(symbol)]
        if is_small(value.array):
            sides.append(Add(tuple(as_formula(piece.product) for piece in given)))
        formula = Equation((*sides, *with_numbers(value.gradient)))
        return Total(symbol, tuple(numbers), formula, value.gradient)

    def _step(
        self, number: int, step: Step, parts: tuple[Part, ...], totals: tuple[Total, ...]
    ) -> TraceStep:
        output = step.output
        return TraceStep(
            number,
            self._kind(step),
            parts,
            step.title,
            step.path,
            self.name(output),
            output.array,
            output.gradient,
            forward_equations(step, self.name)[0],
            totals,
            tuple(self.name(value) for value in step.inputs if self._is_data(value)),
        )

    def _kind(self, step: Step) -> str:
        family = step.kind.family if step.kind else ""
        if family in WEIGHTED:
            return "output" if step.number == self.last_layer else "hidden"
        return family if family in ("loss", "activation", "gate") else "operation"

    def _is_data(self, value: Value) -> bool:
        return bool(value.path) and not value.weight and value not in self.moving


def _moving(walk: Walkthrough, inputs: bool) -> set[Value]:
    """The values that depend on weights (on any input, if these are asked for too)."""
    moving = {
        value for value in walk.inputs if value.gradient is not None and (inputs or value.weight)
    }
    for step in walk.steps:
        if any(value in moving for value in step.inputs):
            moving.update(output for output in step.outputs if output.gradient is not None)
    return moving


def _trained(walk: Walkthrough, weights: Any) -> list[Value]:
    """The weights that an update changes: not those that are frozen."""
    leaves, definition = tree_flatten(weights)
    flags = [
        flag for leaf, flag in zip(leaves, definition.trainable, strict=True) if is_array(leaf)
    ]
    values = [value for value in walk.inputs if value.weight]
    pairs = zip(values, flags, strict=True)
    return [value for value, trained in pairs if trained and value.gradient is not None]


def _new(symbol: Expression) -> Expression:
    return replace(symbol, label="new") if isinstance(symbol, Symbol) else symbol


def _is_rate(value: Any) -> bool:
    return isinstance(value, Real) and 0 < float(value) < np.inf


def _never(node: Node) -> bool:
    return False
