"""The neuron's view (vectors) and the layer's view (matrices) of a derivation."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain.derivation.flow import Element
from chainrule.explain.derivation.teller import Teller
from chainrule.explain.derivation.written import written_array
from chainrule.explain.document import Block, Cell, Code, Formula, Grid
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Equation,
    Expression,
    MatMul,
    Multiply,
    Number,
    Partial,
    Symbol,
    Transpose,
)
from chainrule.explain.walking.walkthrough import Step, Value

if TYPE_CHECKING:
    from chainrule.explain.derivation.derive import Derivation

__all__ = ["layer_blocks", "layer_summary", "neuron_blocks"]

#: A whole axis, as in code: ``w¹`` at ``[:, 1]``.
ALL = Symbol(":")
#: So many rows of a table are shown.
ROWS = 12


def layer_blocks(derivation: "Derivation", lang: str | None) -> list[Block]:
    """Forward and backward pass in matrices, and Jacobians where there is one row of data."""
    return list(_Matrices(derivation, lang).layer())


def layer_summary(derivation: "Derivation", lang: str | None) -> list[Block]:
    """What the layer's view comes to."""
    return list(_Matrices(derivation, lang).summary())


def neuron_blocks(derivation: "Derivation", lang: str | None) -> list[Block]:
    """All weights of one neuron; of anything else than a layer's weight, the layer's view."""
    teller = _Matrices(derivation, lang)
    step = teller.layer_step
    return list(teller.layer() if step is None else teller.neuron(step))


class _Matrices(Teller):
    @property
    def layer_step(self) -> Step | None:
        """The layer whose weight or bias is asked for, if nothing else reads it."""
        readers = self.walk.readers.get(self.target.value, ())
        if len(readers) != 1 or self.target.value.array.ndim not in (1, 2):
            return None
        is_layer = self.symbols.is_weighted_sum(readers[0].output)
        if not is_layer or not self.target.value.weight:
            return None
        products = self.wholes.products(readers[0])
        return readers[0] if len(products) == 1 and not readers[0].time else None

    # ------------------------------------------------------------------ matrices
    def layer(self) -> Iterator[Block]:
        """The whole layer."""
        yield from self.question()
        if not self.is_reached:
            yield from self.independent()
            return
        yield self.heading("explain.derive_forward_matrices")
        yield self.say("explain.derive_matrices")
        for step in self.steps():
            yield from self._forward(step)
        yield self.heading("explain.derive_backward_matrices")
        for value in reversed(self.flow.active[1:]):
            if value is not self.walk.cost and value.gradient is not None:
                yield Formula(self._backward(value))
        yield from self._jacobians()
        yield self.heading("explain.derive_result")
        yield Formula(self._backward(self.target.value))
        yield self.say(
            "explain.derive_contains",
            of=self.derivation.symbol,
            number=Number(self.target.gradient),
        )

    def summary(self) -> Iterator[Block]:
        """The backward pass in matrices, in symbols, and the array that it gives."""
        yield self.heading("explain.derive_whole")
        yield self.say("explain.derive_whole_layer", path=Code(self.target.value.path))
        for value in reversed(self.flow.active[1:]):
            if self.symbols.is_weighted_sum(value):
                yield Formula(Equation((self.wholes.upstream(value), self._through(value))))
        yield Formula(self._backward(self.target.value))
        yield self.say(
            "explain.derive_contains",
            of=self.derivation.symbol,
            number=Number(self.target.gradient),
        )

    def _through(self, value: Value) -> Expression:
        """The error of a layer from that of the next, activations in between put in."""
        uses = list(self.flow.uses(value))
        formula = self.wholes.pulled(value)
        if len(uses) != 1 or uses[0][2] is self.walk.cost:
            return formula
        _, _, behind = uses[0]
        if self.symbols.is_weighted_sum(behind):
            return formula
        inner = self._through(behind)
        return _put(formula, self.wholes.upstream(behind), inner)

    def _forward(self, step: Step) -> Iterator[Block]:
        formula = self.wholes.value(step)
        sides = [self.wholes.name(step.output)]
        if formula is not None:
            sides.append(formula)
        elif step.output is self.walk.cost and (said := self.symbols.saying(step)) is not None:
            sides.append(said.value)
            numbers = said.derived([value.array for value in step.inputs])
            for own, array in numbers.items():
                yield Formula(Equation((own, written_array(array))))
        yield Formula(Equation((*sides, written_array(step.output.array))))

    def _backward(self, value: Value) -> Equation:
        assert value.gradient is not None
        formula = self.wholes.pulled(value)
        symbol = self.wholes.upstream(value)
        sides = [symbol] if formula == symbol else [symbol, formula]
        return Equation((*sides, written_array(value.gradient)))

    def _jacobians(self) -> Iterator[Block]:
        """The Jacobian of each step that the chain goes through, for one row of data."""
        links = self.flow.chain[1:-1]
        if self.symbols.rows != 1 or not links or any(len(x.into.value.shape) != 2 for x in links):
            return
        yield self.say("explain.derive_jacobians")
        partials = [
            Partial(self.wholes.name(x.out.value), self.wholes.name(x.into.value))
            for x in reversed(links)
        ]
        first, last = links[-1].out.value, links[0].into.value
        product: Expression = self.wholes.upstream(first)
        for partial in partials:
            product = MatMul(product, partial)
        yield Formula(Equation((self.wholes.upstream(last), product)))
        for link, partial in zip(reversed(links), partials, strict=True):
            yield Formula(Equation((partial, *self._jacobian(link.step, link.into.value))))

    def _jacobian(self, step: Step, value: Value) -> tuple[Expression, ...]:
        """The formula of a Jacobian, and its numbers where it is small."""
        factors = self.wholes.factors(step, value)
        if factors is not None:
            weight = factors[1]
            return Transpose(self.wholes.name(weight)), written_array(weight.array.T)
        said = self.symbols.saying(step)
        occurrences = said.occurrences[step.inputs.index(value)] if said else None
        if said and occurrences and occurrences[0].index == said.letters:
            factor = self.wholes.stripped(said, occurrences[0].factor)
            if factor is not None:
                slopes = _slopes(self, step, value)
                return Apply("diag", (factor,)), written_array(np.diag(slopes))
        return (written_array(_full(self, step, value)),)

    # ------------------------------------------------------------------ one neuron
    def neuron(self, step: Step) -> Iterator[Block]:
        """All weights of a neuron at once."""
        factors = self.wholes.factors(step)
        assert factors is not None
        data, weight = factors
        j = self.target.place[-1]
        yield from self.question()
        if not self.is_reached:
            yield from self.independent()
            return
        yield self.heading("explain.derive_neuron")
        z = self._column(self.symbols.symbol(step.output), step.output.array, j)
        w = self._column(self.symbols.symbol(weight), weight.array, j)
        bias = [v for v in step.inputs if v not in factors and v.array.ndim]
        yield self.say(
            "explain.derive_neuron_weights",
            neuron=j,
            weights=w,
            path=Code(f"{weight.path}[:, {j}]"),
        )
        terms: list[Expression] = [MatMul(self.wholes.name(data), w)]
        terms += [self.symbols.element(v, (0,) * (v.array.ndim - 1) + (j,)) for v in bias]
        formula = terms[0] if len(terms) == 1 else Add(tuple(terms))
        yield Formula(Equation((z, formula, written_array(step.output.array[:, j]))))
        yield self.say("explain.derive_neuron_error")
        for pulled in self.derivation.sums[:-1]:
            value = pulled.element.value
            if self.symbols.is_weighted_sum(value):
                yield Formula(pulled.equation)
                if value is not step.output and value.array.size > 1:
                    assert value.gradient is not None
                    whole = self.wholes.upstream(value)
                    yield Formula(Equation((whole, written_array(value.gradient))))
            elif value is not self.walk.cost:
                yield Formula(pulled.equation)
        yield self.heading("explain.derive_result")
        yield from self._gradient(step, data, weight, w, j)

    def _gradient(
        self, step: Step, data: Value, weight: Value, column: Expression, j: int
    ) -> Iterator[Block]:
        output = step.output
        assert output.gradient is not None and weight.gradient is not None
        error = self._column(self.symbols.error(output).symbol, output.gradient, j)
        x = self.wholes.name(data)
        one_row = output.shape[0] == 1
        formula = Multiply((error, x)) if one_row else MatMul(Transpose(x), error)
        gradient = weight.gradient[:, j]
        if not one_row and output.array[:, j].size > 1:
            yield Formula(Equation((error, written_array(output.gradient[:, j]))))
        whole = Partial(self.symbols.cost, column)
        yield Formula(Equation((whole, formula, written_array(gradient))))
        yield self._table(weight, gradient, j)
        yield self.say(
            "explain.derive_contains",
            of=self.derivation.symbol,
            number=Number(self.target.gradient),
        )

    def _table(self, weight: Value, gradient: np.ndarray, j: int) -> Grid:
        """The weights of the neuron, one a row; of many those with the largest derivatives."""
        largest = np.argsort(-np.abs(gradient), kind="stable")[:ROWS]
        places = sorted(largest.tolist())
        rows: list[Sequence[Cell]] = []
        for i in places:
            element = Element(weight, (i, j))
            symbol = self.symbols.element(weight, (i, j))
            rows.append(
                [Code(f"{weight.path}[{i}, {j}]"), Number(element.number),
                 Equation((Partial(self.symbols.cost, symbol), Number(element.gradient)))]
            )  # fmt: skip
        shown = (
            ""
            if len(rows) == len(gradient)
            else self.text("explain.derive_largest_rows", count=len(rows))
        )
        return Grid(
            [
                self.text("explain.derive_path"),
                self.text("explain.derive_value"),
                self.text("explain.derive_derivative"),
            ],
            rows,
            shown,
        )

    def _column(self, symbol: Expression, array: np.ndarray, j: int) -> Expression:
        """A column's name: ``w¹`` at ``[:, 1]``, without the axes that have length 1."""
        assert isinstance(symbol, Symbol)
        rows, columns = array.shape
        places = [*([ALL] if rows > 1 else []), *([Number(j)] if columns > 1 else [])]
        return replace(symbol, indices=tuple(places))


def _put(formula: Expression, part: Expression, new: Expression) -> Expression:
    if formula == part:
        return new
    if not formula.children:
        return formula
    return formula.with_children([_put(child, part, new) for child in formula.children])


def _slopes(teller: _Matrices, step: Step, value: Value) -> np.ndarray:
    """The derivatives of an elementwise step, of one row."""
    return np.diag(_full(teller, step, value))


def _full(teller: _Matrices, step: Step, value: Value) -> np.ndarray:
    """The Jacobian of a step by one input."""
    columns = [
        teller.flow.slopes(Element(value, tuple(map(int, place))), step, value).reshape(-1)
        for place in np.ndindex(value.shape)
    ]
    return np.stack(columns, axis=1)
