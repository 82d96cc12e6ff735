"""What :func:`chainrule.explain.trace` returns: numbered steps that show themselves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule import words
from chainrule.errors import OptionError
from chainrule.explain.document import (
    Block,
    Cell,
    Document,
    Documented,
    Formula,
    Grid,
    Heading,
    Prose,
)
from chainrule.explain.formulas import Equation, Expression, Partial, Symbol, to_text
from chainrule.explain.formulas.arrays import MEASURES, is_small, measures
from chainrule.explain.tracing.products import COST, derivative
from chainrule.explain.walking.passing import Passed

__all__ = ["Part", "Shown", "Total", "Trace", "TraceStep", "Updated"]

#: What each kind of step is called, and what is said about it.
SAID = {
    "loss": ("explain.trace_loss", "explain.trace_loss_does"),
    "output": ("explain.trace_output", "explain.trace_output_does"),
    "hidden": ("explain.trace_hidden", "explain.trace_hidden_does"),
    "activation": ("explain.trace_activation", "explain.trace_activation_does"),
    "gate": ("explain.trace_gate", "explain.trace_gate_does"),
    "operation": ("explain.trace_operation", "explain.trace_operation_does"),
    "update": ("explain.trace_update", "explain.trace_update_does"),
    "optimizer": ("explain.trace_update", "explain.trace_optimizer_does"),
}
#: The largest Jacobian that is looked at only to say how large its elements are.
LARGEST = 100_000


@dataclass(frozen=True, eq=False)
class Updated:
    """A weight, its derivative, and the weight after the update."""

    local: np.ndarray
    upstream: np.ndarray
    product: np.ndarray
    form: str = "update"


@dataclass(frozen=True, eq=False)
class Part:
    """What one step of a trace does for one value.

    Attributes
    ----------
    symbol
        The value's name; its ``key`` is what :attr:`TraceStep.product` calls it.
    path
        Of a weight, where it stands in the model: ``hidden.0.weight``.
    formula
        What is computed: formula, numbers put in (where they are few), result.
    rules
        The formula of the local derivative, element by element, and what it needs.
    """

    symbol: Expression
    path: str
    formula: Equation
    piece: Passed | Updated
    rules: tuple[Equation, ...] = ()

    @property
    def name(self) -> str:
        """The symbol in plain characters: ``w^1``."""
        return self.symbol.key if isinstance(self.symbol, Symbol) else to_text(self.symbol)

    @property
    def form(self) -> str:
        """How the factors are multiplied, see :mod:`chainrule.explain.walking.passing`."""
        return self.piece.form

    @property
    def local(self) -> np.ndarray:
        """The local derivative in the form in which it is written; of the update, the weight."""
        return self.piece.local

    @property
    def upstream(self) -> np.ndarray:
        """The derivative that the step receives."""
        return self.piece.upstream

    @property
    def product(self) -> np.ndarray:
        """What is passed to the value; of the update, the new weight."""
        return self.piece.product


@dataclass(frozen=True, eq=False)
class Total:
    """A derivative that several steps have passed parts of.

    Attributes
    ----------
    symbol
        The value's name.
    steps
        The numbers of the steps that passed the parts.
    formula
        The sum, with numbers where they are few.
    array
        The result.
    """

    symbol: Expression
    steps: tuple[int, ...]
    formula: Equation
    array: np.ndarray


@dataclass(frozen=True, eq=False)
class TraceStep(Documented):
    """One numbered step; prints itself, and shows itself in a notebook.

    Attributes
    ----------
    number
        From 1, in the order of backpropagation.
    kind
        ``"loss"``, ``"output"``, ``"hidden"``, ``"activation"``, ``"gate"``, ``"operation"``,
        ``"update"`` or ``"optimizer"``.
    parts
        One for each value that a derivative is passed to, or that is updated.
    label, path
        The function as a user writes it, ``Linear(2, 3)``, and where in the model it stands.
    symbol, value, upstream
        What the step made in the forward pass, and the cost's derivative for it, which arrives from
        the steps before; ``None`` in the update.
    formula
        The forward pass: ``z¹ = x w¹ + b¹``; of the update, ``w_new = w − α ∂J/∂w``.
    totals
        The derivatives of which this step passes the last part of several.
    data
        The inputs that nothing is passed to.
    """

    number: int
    kind: str
    parts: tuple[Part, ...]
    label: str = ""
    path: str = ""
    symbol: Expression | None = None
    value: np.ndarray | None = None
    upstream: np.ndarray | None = None
    formula: Equation | None = None
    totals: tuple[Total, ...] = ()
    data: tuple[Expression, ...] = ()

    @property
    def local(self) -> dict[str, np.ndarray]:
        """The local derivatives by the names of the inputs: ``{"w^2": …, "a^1": …}``."""
        return {part.name: part.local for part in self.parts}

    @property
    def product(self) -> dict[str, np.ndarray]:
        """What is passed back, by the names of those that get it; of the update, new weights."""
        return {part.name: part.product for part in self.parts}

    @property
    def title(self) -> str:
        """A few words: ``"Output layer: output, Linear(3, 1)"``."""
        return self.title_in(None)

    @property
    def prose(self) -> str:
        """What happens, in a sentence or two."""
        return Document(self._said(None)).to_text()

    def title_in(self, lang: str | None) -> str:
        """The title in a language."""
        what = words.text(SAID[self.kind][0], lang)
        named = ", ".join(filter(None, (self.path, self.label)))
        return f"{what}: {named}" if named else what

    def document(self, lang: str | None = None) -> Document:
        """The step as a document."""
        return Document(self.blocks(lang), lang=lang)

    def blocks(self, lang: str | None = None) -> Iterator[Block]:
        """Title, what happens, a formula for each derivative, and what is too large for one."""
        yield Heading(f"{self.number}. {self.title_in(lang)}", 3)
        yield from self._said(lang)
        for rule in dict.fromkeys(rule for part in self.parts for rule in part.rules):
            yield Formula(rule)
        for part in self.parts:
            yield Formula(part.formula)
        for total in self.totals:
            steps = ", ".join(map(str, total.steps))
            yield Prose.say("explain.trace_total", lang, name=total.symbol, steps=steps)
            yield Formula(total.formula)
        yield from sizes(self._arrays(), lang)

    def _said(self, lang: str | None) -> Iterator[Prose]:
        yield Prose.say(SAID[self.kind][1], lang, name=self.symbol or "")
        for data in self.data:
            yield Prose.say("explain.trace_data", lang, name=data)

    def _arrays(self) -> Iterator[tuple[Expression, np.ndarray]]:
        """The value, what arrives, the factors, the products."""
        if self.symbol and self.value is not None and self.upstream is not None:
            yield self.symbol, self.value
            yield derivative(self.symbol), self.upstream
        for part in self.parts:
            if part.form == "update":
                yield part.symbol, part.local
                yield derivative(part.symbol), part.upstream
                yield part.formula.sides[0], part.product
                continue
            if self.symbol and self._has_local(part):
                yield Partial(self.symbol, part.symbol), part.local
            yield derivative(part.symbol), part.product

    def _has_local(self, part: Part) -> bool:
        """Whether the local derivative is an array of its own, and no huge one."""
        if part.form == "general":
            return part.upstream.size * part.product.size <= LARGEST
        return part.form == "each" or (part.form == "scale" and self.symbol != COST)


class Trace(Documented):
    """A function's forward and backward pass at one point, step by step.

    ``trace[3]`` is step 3, ``for step in trace`` takes them in turn, and ``steps = iter(trace);
    next(steps)`` one at a time in a notebook.

    Attributes
    ----------
    steps
        The steps of backpropagation and, if there was a learning rate, the update.
    forward
        The forward pass in the order of evaluation: for each step of the function its label,
        formula and value.
    cost
        The function's value.
    gradient
        The derivative of the cost for each weight, by path.
    """

    def __init__(
        self,
        steps: Sequence[TraceStep],
        forward: Sequence[tuple[Equation, np.ndarray]],
        cost: float,
        gradient: dict[str, np.ndarray],
    ) -> None:
        self.steps, self.forward = tuple(steps), tuple(forward)
        self.cost, self.gradient = cost, gradient

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[TraceStep]:
        return iter(self.steps)

    def __getitem__(self, number: int) -> TraceStep:
        if not 1 <= number <= len(self.steps):
            raise OptionError("explain.trace_number", got=number, count=len(self.steps))
        return self.steps[number - 1]

    def show(self, upto: int | None = None, first: int = 1) -> "Shown":
        """The steps from ``first`` to ``upto``, to be looked at one after the other.

        Raises
        ------
        OptionError
            If there is no such step.
        """
        last = self[len(self) if upto is None else upto].number
        return Shown(tuple(self[number] for number in range(first, last + 1)))

    def document(self, lang: str | None = None) -> Document:
        """The forward pass, then all steps."""
        return Document(self._blocks(lang), words.text("explain.trace_title", lang), lang=lang)

    def _blocks(self, lang: str | None) -> Iterator[Block]:
        yield Heading(words.text("explain.trace_forward", lang))
        for equation, _ in self.forward:
            yield Formula(equation)
        yield from sizes([(equation.sides[0], array) for equation, array in self.forward], lang)
        yield Heading(words.text("explain.trace_backward", lang))
        yield Prose.say("explain.trace_rule", lang)
        for step in self.steps:
            yield from step.blocks(lang)


@dataclass(frozen=True, eq=False)
class Shown(Documented):
    """Some steps of a trace."""

    steps: tuple[TraceStep, ...]

    def document(self, lang: str | None = None) -> Document:
        """The steps, one after the other."""
        return Document([block for step in self.steps for block in step.blocks(lang)], lang=lang)


def sizes(arrays: Iterable[tuple[Expression, np.ndarray]], lang: str | None) -> Iterator[Block]:
    """A table of the arrays that are too large to be written out, if there are any."""
    rows: list[list[Cell]] = [[name, *measures(a)] for name, a in arrays if not is_small(a)]
    if rows:
        heads = [words.text(head, lang) for head in MEASURES]
        yield Grid(["", *heads], rows)
