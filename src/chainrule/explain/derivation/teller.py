"""What every view of a derivation tells: the question, the steps, what is not finite."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule import words
from chainrule.explain.derivation.wholes import Wholes
from chainrule.explain.derivation.written import written_array
from chainrule.explain.document import Block, Cell, Code, Formula, Grid, Heading, Prose
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import Equation, Expression, Number, Symbol
from chainrule.explain.walking.walkthrough import Step, Value

if TYPE_CHECKING:
    from chainrule.explain.derivation.derive import Derivation

__all__ = ["Teller"]


class Teller:
    """Tells one derivation in one language."""

    def __init__(self, derivation: "Derivation", lang: str | None) -> None:
        self.derivation, self.lang = derivation, lang
        self.symbols, self.flow = derivation.symbols, derivation.flow
        self.walk, self.target = derivation.walk, derivation.target.element
        self.wholes = Wholes(self.flow)

    def text(self, key: str, **values: object) -> str:
        """A message of the catalogue."""
        return words.text(key, self.lang, **values)

    def heading(self, key: str, **values: object) -> Heading:
        """A message as a heading."""
        return Heading(self.text(key, **values))

    def say(self, key: str, **values: object) -> Prose:
        """A message as a paragraph."""
        return Prose.say(key, self.lang, **values)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Grid:
        """A table with messages as heads."""
        return Grid([self.text(head) for head in heads], list(rows))

    def name(self, value: Value) -> Symbol:
        """What a whole value is called."""
        return self.symbols.symbol(value)

    @property
    def weight(self) -> Expression:
        """``w¹₃₁``."""
        return self.symbols.element(self.target.value, self.target.place)

    # ------------------------------------------------------------------ the question
    def question(self) -> Iterator[Block]:
        """What is asked, of which model, at which data."""
        derivation = self.derivation
        yield self.heading("explain.derive_question")
        yield self.say(
            "explain.derive_asked", cost=self.symbols.cost, weight=self.weight, of=derivation.symbol
        )
        yield self._what_it_is()
        if not derivation.target.is_one:
            yield self.say(
                "explain.derive_largest", weight=self.weight, path=Code(derivation.target.asked)
            )
        data = [value for value in self.walk.inputs if not value.weight and value.path]
        if data:
            yield self.say("explain.derive_data", rows=self.symbols.rows)
            for value in data:
                yield Formula(Equation((self.name(value), written_array(value.array))))
        if derivation.frozen:
            yield self.say("explain.derive_frozen", path=Code(self.target.value.path))
        yield self.say("explain.derive_conventions", digits=derivation.digits)
        if any(step.time for step in self.walk.steps):
            yield self.say("explain.derive_time")

    def _what_it_is(self) -> Prose:
        value, place = self.target.value, self.target.place
        path = self.derivation.target.path
        known: dict[str, object] = {"weight": self.weight, "number": Number(self.target.number)}
        if path == to_text(self.weight):
            return self.say("explain.derive_what_bare", **known)
        known["path"] = Code(path)
        step = next(iter(self.walk.readers.get(value, ())), None)
        if step is not None and step.time and value.weight:
            return self.say("explain.derive_what_time", **known)
        factors = self.wholes.factors(step) if step is not None and value.weight else None
        if step is None or factors is None or value is factors[0]:
            return self.say("explain.derive_what", **known)
        known |= {"layer": self.name(step.output).layer, "neuron": place[-1]}
        if value is factors[1]:
            return self.say("explain.derive_what_weight", **known, source=place[0])
        return self.say("explain.derive_what_bias", **known)

    def not_finite(self) -> Iterator[Block]:
        """Where the first NaN or infinity arises."""
        for value in self.walk.inputs:
            if value.array.dtype.kind == "f" and not np.isfinite(value.array).all():
                yield self.say(
                    "explain.derive_not_finite_input", value=self.name(value), path=Code(value.path)
                )
                return
        for step in self.walk.steps:
            for value in step.outputs:
                if value.array.dtype.kind == "f" and not np.isfinite(value.array).all():
                    number = value.array[~np.isfinite(value.array)][0].item()
                    yield self.say(
                        "explain.derive_not_finite",
                        number=Number(number),
                        value=self.name(value),
                        step=Code(step.label),
                    )
                    return

    def independent(self) -> Iterator[Block]:
        """The cost does not depend on the weight."""
        yield self.heading("explain.derive_result")
        yield self.say("explain.derive_independent", cost=self.symbols.cost, weight=self.weight)
        yield Formula(Equation((self.derivation.symbol, Number(0))))

    @property
    def is_reached(self) -> bool:
        """Whether the cost depends on the weight at all."""
        return self.walk.cost in self.flow.active

    def steps(self) -> list[Step]:
        """The steps that the target flows through."""
        makers = {self.walk.maker(value) for value in self.flow.active}
        return [step for step in self.walk.steps if step in makers]
