"""A network as columns of neurons: which step makes which column, and from which it reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.errors import OptionError
from chainrule.explain.drawing.facts import Facts
from chainrule.explain.walking.passing import is_linear, role
from chainrule.explain.walking.walkthrough import Step, Value

__all__ = ["Link", "Stage", "Stages", "stages_of"]

#: So many neurons in a column and so many layers are drawn unless more are asked for.
NEURONS, LAYERS = 8, 3
#: More than these cannot be read.
MOST_NEURONS, MOST_STAGES = 16, 12
#: Operations on two columns of the same size, neuron by neuron.
SIGNS = {"add": "+", "subtract": "−", "multiply": "×"}
#: What a step does that a reader need not see.
SILENT = frozenset({"cast", "stop_gradient"})


@dataclass(frozen=True, eq=False)
class Link:
    """From a column to another: by weights, or neuron by neuron (``weight`` is ``None``)."""

    source: int
    step: Step
    place: int
    weight: int | None


@dataclass(eq=False)
class Stage:
    """A column of neurons.

    Attributes
    ----------
    size
        How many.
    values
        What each of them computes, in turn: the weighted sum, the activation.
    steps
        The steps that do it.
    links
        What it reads.
    others
        What else the steps read: targets.
    """

    size: int
    values: list[Value]
    steps: list[Step] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    others: list[Value] = field(default_factory=list)

    @property
    def bias(self) -> Value | None:
        """The biases, if there are any."""
        for step in self.steps[:1]:
            for place, value in enumerate(step.inputs):
                if role(step, place) == "bias":
                    return value
        return None

    @property
    def sign(self) -> str:
        """What an operation on two columns does."""
        return SIGNS.get(self.steps[0].name, "") if self.steps else ""


@dataclass(frozen=True, eq=False)
class Stages:
    """The columns, each after those that it reads."""

    stages: tuple[Stage, ...]
    rows: int

    @property
    def is_small(self) -> bool:
        """Whether neurons can be read without being asked for."""
        layers = sum(any(link.weight is not None for link in stage.links) for stage in self.stages)
        return layers <= LAYERS and all(stage.size <= NEURONS for stage in self.stages)

    def check(self, row: int) -> None:
        """Raise unless there is such a row, and the neurons can be read at all."""
        if not 0 <= row < self.rows:
            raise OptionError("explain.draw_row", got=row, count=self.rows)
        largest = max(stage.size for stage in self.stages)
        if largest > MOST_NEURONS or len(self.stages) > MOST_STAGES:
            raise OptionError(
                "explain.draw_large",
                size=largest,
                most=MOST_NEURONS,
                count=len(self.stages),
                columns=MOST_STAGES,
            )


def stages_of(facts: Facts) -> Stages | None:
    """The columns of a network of layers, activations and a loss; ``None`` for anything else."""
    finder = _Finder(facts)
    if not all(finder.take(step) for step in facts.steps) or len(finder.stages) < 2:
        return None
    if not any(link.weight is not None for stage in finder.stages for link in stage.links):
        return None
    return Stages(tuple(finder.stages), finder.rows)


def of_row(array: np.ndarray, row: int) -> np.ndarray:
    """The numbers of a column for one row."""
    return array[row] if array.ndim == 2 else array.reshape(-1)


class _Finder:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.stages: list[Stage] = []
        self.stage_of: dict[Value, int] = {}
        self.alias: dict[Value, Value] = {}
        self.rows = 1

    def take(self, step: Step) -> bool:
        """Give a step its place; False if it has none in a network of neurons."""
        inputs = [self.alias.get(value, value) for value in step.inputs]
        family = step.kind.family if step.kind else ""
        if step.name in SILENT or all(value.constant for value in inputs):
            self.alias[step.output] = inputs[0]
            return True
        if len(step.outputs) != 1 or not self._fits(step.output, family == "loss"):
            return False
        if family == "layer":
            return self._layer(step, inputs)
        if family in ("activation", "random", "norm"):
            return self._on_a_stage(step, inputs)
        if family == "loss":
            return self._loss(step, inputs)
        return step.name in SIGNS and self._both(step, inputs)

    def _fits(self, value: Value, is_loss: bool) -> bool:
        """Whether it is a row of neurons, or one for each row of a batch."""
        if is_loss:
            return value.shape == ()
        if value.array.ndim == 2:
            self.rows = value.shape[0]
        return value.array.ndim in (1, 2)

    def _layer(self, step: Step, inputs: Sequence[Value]) -> bool:
        if not is_linear(step):
            return False
        roles = [role(step, place) for place in range(len(inputs))]
        read, weight = roles.index("x"), roles.index("weight")
        source = self._stage(inputs[read])
        if source is None:
            return False
        self._add(step, [Link(source, step, read, weight)])
        return True

    def _on_a_stage(self, step: Step, inputs: Sequence[Value]) -> bool:
        """An activation: one more value of the same neurons."""
        at = self.stage_of.get(inputs[0])
        if at is None or step.output.shape != inputs[0].shape or len(inputs) > 1:
            return False
        self.stages[at].values.append(step.output)
        self.stages[at].steps.append(step)
        self.stage_of[step.output] = at
        return True

    def _loss(self, step: Step, inputs: Sequence[Value]) -> bool:
        links = [
            Link(self.stage_of[value], step, place, None)
            for place, value in enumerate(inputs)
            if value in self.stage_of
        ]
        others = [value for value in inputs if value not in self.stage_of and not value.constant]
        self._add(step, links, others)
        return bool(links)

    def _both(self, step: Step, inputs: Sequence[Value]) -> bool:
        at = [self._stage(value) for value in inputs]
        if None in at or any(value.shape != step.output.shape for value in inputs):
            return False
        self._add(step, [Link(i, step, place, None) for place, i in enumerate(at) if i is not None])
        return True

    def _stage(self, value: Value) -> int | None:
        """The column of a value; data become a column when they are first read."""
        if value not in self.stage_of and not value.source and not value.weight:
            if value.array.ndim not in (1, 2) or value.constant:
                return None
            self.stage_of[value] = len(self.stages)
            self.stages.append(Stage(value.shape[-1], [value]))
        return self.stage_of.get(value)

    def _add(self, step: Step, links: list[Link], others: Sequence[Value] = ()) -> None:
        size = step.output.shape[-1] if step.output.shape else 1
        self.stage_of[step.output] = len(self.stages)
        self.stages.append(Stage(size, [step.output], [step], links, list(others)))
