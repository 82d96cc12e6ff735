"""The graph of a function as a circuit: values run forward above the wires, derivatives back below.

Every wire carries, at the node that reads it, what this node passes back along it: the derivative
that the node has received times its local derivative. Where a value is read twice, its wires carry
the two parts, and the value itself their sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.errors import OptionError
from chainrule.explain.drawing.facts import Facts, number
from chainrule.explain.drawing.layout import Box, Edge, Group, Point, lay_out
from chainrule.explain.drawing.legend import Legend
from chainrule.explain.drawing.svg import (
    HEADING,
    LARGE,
    SIZE,
    SMALL,
    Canvas,
    clipped,
    curve,
    text_width,
)
from chainrule.explain.formulas.arrays import shape_text
from chainrule.explain.walking.passing import Passed
from chainrule.explain.walking.walkthrough import Step, Value
from chainrule.graph.node import Node

__all__ = ["circuit"]

#: How operations are written in a circle; the others stand in a box by their name.
SIGNS = {
    "add": "+",
    "divide": "÷",
    "equal": "=",
    "exp": "exp",
    "less": "<",
    "less_equal": "≤",
    "log": "log",
    "matmul": "@",
    "multiply": "×",
    "negative": "−x",
    "reciprocal": "1/x",
    "square": "x²",
    "sqrt": "√",
    "subtract": "−",
    "sum": "Σ",
}
#: What makes no difference to a reader: the value before it is drawn.
SILENT = frozenset({"cast", "stop_gradient"})
LINE = 14.0
RADIUS = 16.0
MARGIN = 20.0
#: So many steps are drawn.
MOST = 300
#: The widest text in a box.
WIDEST = 200.0


@dataclass(eq=False)
class _Wire:
    """From a value to one of the inputs of a step, or to the end."""

    value: Value
    step: Step | None
    place: int
    label: Box | None
    edges: list[Edge] = field(default_factory=list)

    @property
    def points(self) -> list[Point]:
        return [point for edge in self.edges for point in edge.points]


def circuit(facts: Facts, title: str) -> Canvas:
    """Draw the graph."""
    return _Circuit(facts).drawn(title)


class _Circuit:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.root = Group(0, 0)
        self.groups: dict[tuple[Node, ...], Group] = {(): self.root}
        self.boxes: dict[Step | Value, Box] = {}
        self.ends: dict[Value, Box] = {}
        self.wires: list[_Wire] = []
        self.readers: dict[Value, int] = {}
        self._collect()

    # ------------------------------------------------------------------ what is drawn
    def _collect(self) -> None:
        steps = [step for step in self.facts.steps if self._is_drawn(step)]
        if len(steps) > MOST:
            raise OptionError("explain.draw_nodes", count=len(steps), most=MOST)
        reading: dict[Value, list[Step]] = {}
        for step in steps:
            for value in map(self._source, step.inputs):
                reading.setdefault(value, []).append(step)
        for value, readers in reading.items():
            if not value.source:  # an input or a constant
                around = _common([step.around for step in readers])
                self._put(value, self._pill(value), around if self._is_inner(value) else ())
        for step in steps:
            self._put(step, self._node(step), step.around)
        self.readers = {value: len(readers) for value, readers in reading.items()}
        for step in steps:
            for place, value in enumerate(step.inputs):
                self._connect(self._source(value), step, place)
        for value in map(self._source, self.facts.outputs):
            self.ends[value] = Box(text_width(self.facts.name(value)) + 8, 20, len(self.boxes))
            self.root.members.append(self.ends[value])
            self._connect(value, None, 0)

    def _is_drawn(self, step: Step) -> bool:
        constant = all(self._source(value).constant for value in step.inputs)
        return not constant and step.name not in SILENT

    def _source(self, value: Value) -> Value:
        """The value that a value stands for: the one before a cast, the number of a broadcast."""
        maker = self.facts.walk.maker(value)
        while maker and (maker.name in SILENT or all(v.constant for v in maker.inputs)):
            value = maker.inputs[0]
            maker = self.facts.walk.maker(value)
        return value

    def _is_inner(self, value: Value) -> bool:
        """Whether an input is drawn beside its readers: weights and constants, no data."""
        return value.weight or value.constant

    def _put(self, key: Step | Value, box: Box, around: tuple[Node, ...]) -> None:
        box.rank = len(self.boxes)
        self.boxes[key] = box
        self._group(around).members.append(box)

    def _group(self, around: tuple[Node, ...]) -> Group:
        """The frame of a container."""
        if around not in self.groups:
            width = min(text_width(_label(around)), WIDEST) + 24
            group = Group(width, 0, len(self.boxes), heading=18, padding=14)
            self.groups[around] = group
            self._group(around[:-1]).members.append(group)
        return self.groups[around]

    def _pill(self, value: Value) -> Box:
        return Box(text_width(self._named(value)) + 16, 24)

    def _named(self, value: Value) -> str:
        return clipped(self.facts.name(value), WIDEST)

    def _node(self, step: Step) -> Box:
        if step.name in SIGNS:
            return Box(2 * RADIUS, 2 * RADIUS)
        width = max(text_width(line, size) for line, size in _lines(step))
        return Box(width + 20, 24 + LINE * (len(_lines(step)) - 1))

    def _connect(self, value: Value, step: Step | None, place: int) -> None:
        """A wire from a value to a reader, with its label in between."""
        source = self.boxes[self.facts.walk.maker(value) or value]
        target = self.boxes[step] if step else self.ends[value]
        end = _port(step, place, target) if step else 0.0
        label = self._label_box(value, step, place)
        wire = _Wire(value, step, place, label)
        if label is None:
            wire.edges = [Edge(source, target, 0.0, end)]
        else:
            label.rank = source.rank + 0.5
            around = step.around if step else ()
            maker = self.facts.walk.maker(value)
            inner = around if self._is_inner(value) and not maker else ()
            outer = _common([maker.around, around]) if maker else inner
            self._group(outer).members.append(label)
            wire.edges = [Edge(source, label), Edge(label, target, 0.0, end)]
        self.wires.append(wire)

    # ------------------------------------------------------------------ labels of wires
    def _label_box(self, value: Value, step: Step | None, place: int) -> Box | None:
        above, below = self._above(value), self._below(value, step, place)
        if not above and not below:
            return None
        width = max(text_width(line, SMALL) for line in (above, *below))
        return Box(width + 8, 2 * (4 + LINE * max(1, len(below))))

    def _above(self, value: Value) -> str:
        """What runs forward."""
        if value.constant:
            return ""
        if self.facts.shows_values:
            return self.facts.short(value.array)
        return shape_text(value.shape)

    def _below(self, value: Value, step: Step | None, place: int) -> list[str]:
        """What is passed back, and the two factors if they are numbers."""
        if not self.facts.shows_gradients or value.constant:
            return []
        if step is None:
            return [] if value.gradient is None else [self.facts.short(value.gradient)]
        piece = self.facts.piece(step, place)
        if piece is None:
            return []
        product = self.facts.short(piece.product)
        if piece.form != "scale" or piece.product.size > 1:
            return [product]
        return [product, f"= {_factor(piece.upstream)} · {_factor(piece.local)}"]

    # ------------------------------------------------------------------ painting
    def drawn(self, title: str) -> Canvas:
        """The drawing."""
        edges = [edge for wire in self.wires for edge in wire.edges]
        lay_out(self.root, edges, (18.0, 12.0), (MARGIN, MARGIN + HEADING))
        legend = Legend(self.facts, ("forward", "backward"), self.root.width)
        width = max(self.root.width, legend.width, text_width(title, LARGE)) + 2 * MARGIN
        height = self.root.height + HEADING + legend.height + 3 * MARGIN
        canvas = Canvas(width, height, title, self._description(), self.facts.lang)
        canvas.text(MARGIN, MARGIN, title, anchor="start", size=LARGE)
        for around, group in self.groups.items():
            if around:
                self._paint_frame(canvas, group, _label(around))
        for wire in self.wires:
            self._paint_wire(canvas, wire)
        for key, box in self.boxes.items():
            self._paint_node(canvas, key, box)
        for value, box in self.ends.items():
            canvas.text(box.x, box.y, self.facts.name(value))
        legend.paint(canvas, MARGIN, height - legend.height - MARGIN)
        return canvas

    def _description(self) -> str:
        names = ", ".join(self.facts.name(v) for v in self.boxes if isinstance(v, Value))
        count = sum(isinstance(key, Step) for key in self.boxes)
        return self.facts.say("explain.draw_graph_description", inputs=names, count=count)

    def _paint_frame(self, canvas: Canvas, group: Group, label: str) -> None:
        left, top = group.x - group.width / 2, group.y - group.height / 2
        with canvas.hint(label):
            canvas.add(
                "rect", "frame", x=left, y=top, width=group.width, height=group.height, rx=10
            )
            text = clipped(label, group.width - 20, SMALL)
            canvas.text(left + 10, top + 12, text, "quiet", anchor="start", size=SMALL)

    def _paint_wire(self, canvas: Canvas, wire: _Wire) -> None:
        value, step = wire.value, wire.step
        with canvas.hint(*self._wire_hints(wire)):
            canvas.add("path", "wire", d=curve(wire.points))
            canvas.arrow(*wire.points[-1])
            if (box := wire.label) is None:
                return
            if above := self._above(value):
                kind = "forward" if self.facts.shows_values else "quiet"
                canvas.text(box.x, box.y - 9, above, kind, size=SMALL)
            for i, line in enumerate(self._below(value, step, wire.place)):
                canvas.text(box.x, box.y + 10 + LINE * i, line, "backward", size=SMALL)

    def _wire_hints(self, wire: _Wire) -> list[str]:
        name = self.facts.name(wire.value)
        if wire.step is None or (piece := self.facts.piece(wire.step, wire.place)) is None:
            return [name]
        output = self.facts.name(wire.step.output)
        return [
            f"{name} → {output}",
            self.facts.say(
                "explain.draw_upstream", text=f"∂J/∂{output} = {self.facts.short(piece.upstream)}"
            ),
            *self._local_hint(name, output, piece),
            self.facts.say("explain.draw_product", text=self.facts.short(piece.product)),
        ]

    def _local_hint(self, name: str, output: str, piece: Passed) -> list[str]:
        if piece.form == "general":
            return []
        return [
            self.facts.say(
                "explain.draw_local", text=f"∂{output}/∂{name}: {self.facts.short(piece.local)}"
            )
        ]

    def _paint_node(self, canvas: Canvas, key: Step | Value, box: Box) -> None:
        value = key.output if isinstance(key, Step) else key
        head = [", ".join(filter(None, (key.path, key.label)))] if isinstance(key, Step) else []
        hints = [] if value.constant else self.facts.hints(value)
        with canvas.hint(*head, *hints):
            if isinstance(key, Step) and key.name in SIGNS:
                canvas.add("circle", "node", cx=box.x, cy=box.y, r=RADIUS)
                canvas.text(box.x, box.y, SIGNS[key.name])
                return
            round_ends = box.height / 2 if isinstance(key, Value) else 6
            kind = "pill" if isinstance(key, Value) else "node"
            canvas.box(box.x, box.y, box.width, box.height, kind, round_ends)
            if isinstance(key, Value):
                canvas.text(box.x, box.y, self._named(key))
                return
            lines = _lines(key)
            for i, (line, size) in enumerate(lines):
                canvas.text(box.x, box.y + LINE * (i - (len(lines) - 1) / 2), line, size=size)


def _lines(step: Step) -> list[tuple[str, float]]:
    """What stands in a box."""
    label = step.label
    if step.node.op.name == "scan":
        label = f"scan × {step.node.attributes['length']}"
    lines = [(clipped(label, WIDEST), SIZE)]
    if step.path:
        lines.append((clipped(step.path, WIDEST, SMALL), SMALL))
    return lines


def _label(around: tuple[Node, ...]) -> str:
    return str(around[-1].attributes["label"])


def _common(arounds: Sequence[tuple[Node, ...]]) -> tuple[Node, ...]:
    """The containers that all stand in."""
    shared: list[Node] = []
    for calls in zip(*arounds, strict=False):
        if any(call is not calls[0] for call in calls):
            break
        shared.append(calls[0])
    return tuple(shared)


def _port(step: Step, place: int, box: Box) -> float:
    """How far from its centre an input of a step arrives."""
    count = len(step.inputs)
    room = min(12.0, 0.7 * box.height / max(count - 1, 1))
    return (place - (count - 1) / 2) * room


def _factor(array: np.ndarray) -> str:
    """A number as a factor: a negative one in parentheses."""
    text = number(array.reshape(-1)[0])
    return f"({text})" if text.startswith("−") else text
