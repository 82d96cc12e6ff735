"""The scalar view of a derivation: one weight, one chain with numbers, then all chains by sums."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule import words
from chainrule.explain.derivation.flow import Factor, Link, Pulled, chained
from chainrule.explain.derivation.joining import FORMULA
from chainrule.explain.derivation.teller import Teller
from chainrule.explain.derivation.written import written_array
from chainrule.explain.document import Block, Cell, Code, Formula, Grid, Prose
from chainrule.explain.formulas.arrays import as_matrix, is_small
from chainrule.explain.formulas.tree import Dots, Equation, Expression, Multiply, Number, Symbol
from chainrule.explain.saying import Saying, bound, matched, signed
from chainrule.explain.saying.algebra import replaced
from chainrule.explain.walking.walkthrough import Step, Value

if TYPE_CHECKING:
    from chainrule.explain.derivation.derive import Derivation

__all__ = ["scalar_blocks", "title"]

#: A derivative of an activation below this passes next to nothing on.
TINY = 1e-2
#: A network with more values on the way is shown in tables.
DEEP = 14
#: The step whose result is shown as a table.
ATTENTION = "attention_weights"
#: A table of attention weights has at most so many rows and columns.
LARGEST = 12
#: What a derivative says about the direction of gradient descent.
RISING, FALLING, FLAT = "explain.derive_rising", "explain.derive_falling", "explain.derive_flat"
#: A larger count is rounded.
COUNTED = 10**6
#: Functions with a kink at 0.
KINKED = ("relu", "leaky_relu", "elu", "abs")


def title(derivation: "Derivation", lang: str | None) -> str:
    """The heading of the whole."""
    return words.text("explain.derive_title", lang, path=derivation.target.path)


def scalar_blocks(derivation: "Derivation", lang: str | None) -> list[Block]:
    """Question, forward pass, chain, backpropagation, result."""
    teller = _Scalar(derivation, lang)
    blocks = [*teller.question(), *teller.not_finite()]
    if not teller.is_reached:
        return [*blocks, *teller.independent()]
    return [
        *blocks,
        *teller.forward(),
        *teller.chain(),
        *teller.backpropagation(),
        *teller.result(),
    ]


class _Scalar(Teller):
    # ------------------------------------------------------------------ the forward pass
    def forward(self) -> Iterator[Block]:
        """Each value that takes part: formula, numbers, result."""
        yield self.heading("explain.derive_forward")
        *steps, last = self.steps()
        if self.is_deep:
            yield self.table(
                ("explain.derive_step", "explain.derive_formula_head", "explain.derive_value"),
                map(self._row, steps),
            )
            for step in steps:
                if step.name == ATTENTION:
                    yield from self._array(step.output)
        for step in [last] if self.is_deep else [*steps, last]:
            yield self._step_name(step)
            yield from self._values(step)

    def _row(self, step: Step) -> tuple[Cell, ...]:
        """A step of a deep network on one line."""
        element = self.flow.representative(step.output)
        said, left = self.symbols.saying(step), self.symbols.element(step.output, element.place)
        formula = left
        if said is not None:
            formula = Equation((left, bound(said, element.place)))
        label = step.title if step.time else step.path or step.label
        return Code(label), formula, Number(element.number)

    def _array(self, value: Value) -> Iterator[Block]:
        """A value written out; the weights of attention are a table where they are many."""
        maker, weights = self.walk.maker(value), as_matrix(value.array)
        is_table = maker is not None and maker.name == ATTENTION and weights.ndim == 2
        if not is_table or is_small(weights) or max(weights.shape) > LARGEST:
            yield Formula(Equation((self.name(value), written_array(value.array))))
            return
        yield self.say("explain.derive_weights", weights=self.name(value))
        heads = ["", *map(str, range(weights.shape[1]))]
        yield Grid(heads, [[str(i), *map(Number, row.tolist())] for i, row in enumerate(weights)])

    def _step_name(self, step: Step) -> Prose:
        family = step.kind.family if step.kind is not None else ""
        label = Code(step.title)
        if family == "layer" and step.path:
            layer = self.name(step.output).layer.partition("(")[0]
            return self.say("explain.derive_layer", layer=layer, label=label, path=Code(step.path))
        if family == "layer":
            return self.say("explain.derive_bare_layer", layer=self.name(step.output).layer)
        if family == "loss":
            return self.say("explain.derive_loss", label=label)
        if step.name == "identity":
            return self.say("explain.derive_identity")
        if step.output is self.walk.cost:
            return self.say("explain.derive_bare_loss")
        return (
            self.say("explain.derive_formula")
            if step.name == FORMULA
            else self.say("explain.derive_then", label=label)
        )

    def _values(self, step: Step) -> Iterator[Block]:
        said, output = self.symbols.saying(step), step.output
        for value in step.inputs:  # what was computed before and takes part from here on
            known = value.source and value not in self.flow.active
            if known and value.array.size and value.array.dtype.kind == "f":
                yield from self._array(value)
        if said is not None:
            yield from self._own(step, said)
            numbers = self.symbols.numbers_of(step)
            element = self.flow.representative(output)
            formula = bound(said, element.place)
            left = self.symbols.element(output, element.place)
            substituted = signed(numbers.put_in(formula))
            yield Formula(chained(left, formula, substituted, Number(element.number)))
        if output.array.size > 1 or said is None:
            yield from self._array(output)

    def _shown(self, step: Step, said: Saying) -> dict[Expression, Expression]:
        """The letters of a loss at the output that the chosen chain goes through."""
        for link in self.flow.chain:
            occurrences = said.occurrences[link.position] if link.step is step else None
            if occurrences:
                return matched(occurrences[0].index, link.into.place, said.sizes) or {}
        return {}

    def _own(self, step: Step, said: Saying) -> Iterator[Block]:
        """The symbols of a step's own: probabilities, targets, a mask."""
        shown = self._shown(step, said)
        numbers = self.symbols.numbers_of(step)
        arrays = [value.array for value in step.inputs]
        for own, array in said.derived(arrays).items():
            for equation in said.before:
                left, formula = (replaced(side, shown) for side in equation.sides)
                value = numbers.of(left)
                if isinstance(left, Symbol) and left.name == own.name and value is not None:
                    yield Formula(chained(left, formula, numbers.put_in(formula), Number(value)))
            match own.name:
                case "t" if any(value.array.shape != array.shape for value in self._targets(step)):
                    yield self.say("explain.derive_one_hot")
                case "q":
                    yield self.say("explain.derive_smoothed", target=own)
                case "c":
                    yield self.say("explain.derive_counts", counts=own)
                case "m" if step.name == ATTENTION:
                    yield self.say("explain.derive_allowed", mask=own)
                case "m":
                    yield self.say("explain.derive_mask", mask=own)
            if array.size > 1 or own.name not in ("p", "t"):
                yield Formula(Equation((own, written_array(array))))

    def _targets(self, step: Step) -> list[Value]:
        return [value for value in step.inputs if self.name(value).name == "t"]

    @property
    def is_deep(self) -> bool:
        """Whether the network is so deep that tables say more than pages of formulas."""
        return len(self.flow.active) > DEEP

    # ------------------------------------------------------------------ one chain
    def chain(self) -> Iterator[Block]:
        """The chain of factors, each with formula, numbers and result."""
        derivation, factors = self.derivation, self.derivation.factors
        names = {"weight": self.weight, "cost": self.symbols.cost}
        count = self.flow.count
        yield self.heading("explain.derive_chain")
        if count == 1 and len(factors) == 1:
            yield self.say("explain.derive_direct", **names)
        elif count == 1:
            yield self.say("explain.derive_one_chain", **names)
            yield Formula(Equation((derivation.symbol, derivation.chain)))
        else:
            yield self.say(
                "explain.derive_chains", **names, count=count if count < COUNTED else float(count)
            )
            if self.flow.symbolic is not None:
                yield Formula(Equation((derivation.symbol, self.flow.symbolic)))
            yield self.say("explain.derive_chosen")
            yield Formula(derivation.chain)
        if len(factors) > 1:
            yield self.say("explain.derive_factors")
        yield from self._factors(factors)
        if len(factors) > 1:
            numbers = Multiply(tuple(Number(factor.value) for factor in factors))
            yield self.say(
                "explain.derive_product" if count == 1 else "explain.derive_contribution"
            )
            yield Formula(Equation((numbers, Number(derivation.contribution))))

    def _factors(self, factors: Sequence[Factor]) -> Iterator[Block]:
        if self.is_deep:
            rows = [(f.symbol, f.formula or Dots(), Number(f.value)) for f in factors]
            yield self.table(
                ("explain.derive_factor", "explain.derive_formula_head", "explain.derive_value"),
                rows,
            )
        for link, factor in zip(reversed(self.flow.chain), factors, strict=True):
            if not self.is_deep:
                yield Formula(factor.equation)
            yield from self._note(link, factor)

    def _note(self, link: Link, factor: Factor) -> Iterator[Prose]:
        """Why a factor is 0 or nearly so, and what stands at a kink."""
        name, z = link.step.name, self.symbols.element(link.into.value, link.into.place)
        is_activation = link.step.kind is not None and link.step.kind.family == "activation"
        if name in KINKED and link.into.number == 0:
            yield self.say("explain.derive_kink", z=z, number=Number(factor.value))
        elif name == "relu" and factor.value == 0:
            yield self.say("explain.derive_off", z=z)
        elif factor.value == 0 and np.isfinite(self.derivation.contribution):
            yield self.say("explain.derive_zero")
        elif is_activation and abs(factor.value) < TINY:
            yield self.say("explain.derive_saturated", z=z, number=Number(factor.value))

    # ------------------------------------------------------------------ all chains
    def backpropagation(self) -> Iterator[Block]:
        """From the cost backwards: upstream times local, each error once."""
        if len(self.derivation.sums) == 1:
            return
        yield self.heading("explain.derive_backpropagation")
        yield self.say(
            "explain.derive_errors" if self.derivation.deltas else "explain.derive_upstreams"
        )
        before = self.derivation.sums[:-1]
        if self.is_deep:
            rows = [(pulled.symbol, pulled.formula, Number(pulled.value)) for pulled in before]
            yield self.table(
                (
                    "explain.derive_derivative",
                    "explain.derive_formula_head",
                    "explain.derive_value",
                ),
                rows,
            )
            return
        for pulled in before:
            yield Formula(pulled.equation)
            yield from self._whole(pulled)

    def _whole(self, pulled: Pulled) -> Iterator[Block]:
        value = pulled.element.value
        if value.gradient is not None and value.array.size > 1:
            whole = self.symbols.upstream_whole(value)
            yield Formula(Equation((whole, written_array(value.gradient))))

    def result(self) -> Iterator[Block]:
        """The derivative, and what it means."""
        value = self.derivation.value
        yield self.heading("explain.derive_result")
        if len(self.derivation.sums) > 1 or self.flow.count > 1:
            yield Formula(self.derivation.equation)
        yield self.say("explain.derive_checked", of=self.derivation.symbol, number=Number(value))
        if np.isfinite(value):
            key = FLAT if value == 0 else RISING if value > 0 else FALLING
            yield self.say(key, weight=self.weight, cost=self.symbols.cost)
