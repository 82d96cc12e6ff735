"""A network with a box for each layer, from its input down to the cost."""

from dataclasses import dataclass, field

from chainrule.explain.drawing.facts import Facts, norm, number
from chainrule.explain.drawing.layout import Box, Edge, Group, lay_out
from chainrule.explain.drawing.legend import Legend
from chainrule.explain.drawing.svg import (
    HEADING,
    LARGE,
    SMALL,
    Canvas,
    clipped,
    curve,
    text_width,
)
from chainrule.explain.formulas.arrays import shape_text
from chainrule.explain.walking.walkthrough import Step, Value

__all__ = ["layers"]

MARGIN, LINE, WIDEST = 22.0, 15.0, 360.0
#: What belongs to the box before it, if nothing else reads that.
ATTACHED = frozenset({"activation", "random", "norm"})
SILENT = frozenset({"cast", "stop_gradient"})


@dataclass(eq=False)
class _Layer:
    """A box: a layer with what follows it, another step, or an input."""

    steps: list[Step] = field(default_factory=list)
    value: Value | None = None

    @property
    def inputs(self) -> list[Value]:
        """What its steps read."""
        return list(dict.fromkeys(value for step in self.steps for value in step.inputs))

    @property
    def output(self) -> Value:
        """What comes out."""
        if self.value is not None:
            return self.value
        return self.steps[-1].output


def layers(facts: Facts, title: str) -> Canvas:
    """Draw the boxes."""
    return _Layers(facts).drawn(title)


class _Layers:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.layers: list[_Layer] = []
        self.maker: dict[Value, _Layer] = {}
        for step in facts.steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        inputs = [value for value in step.inputs if not (value.weight or value.constant)]
        if not inputs:
            return
        before = self.maker.get(inputs[0])
        if step.name in SILENT:
            self.maker[step.output] = before or self._input(inputs[0])
            return
        attached = (
            before is not None
            and step.kind is not None
            and step.kind.family in ATTACHED
            and before.steps
            and before.steps[-1].output is inputs[0]
            and len(self.facts.walk.readers[inputs[0]]) == 1
        )
        if attached and before is not None:
            before.steps.append(step)
            self.maker[step.output] = before
            return
        for value in inputs:
            if value not in self.maker:
                self._input(value)
        layer = _Layer([step])
        self.layers.append(layer)
        for value in step.outputs:
            self.maker[value] = layer

    def _input(self, value: Value) -> _Layer:
        """The box of an argument."""
        layer = self.maker[value] = _Layer(value=value)
        self.layers.append(layer)
        return layer

    # ------------------------------------------------------------------ text
    def _heading(self, layer: _Layer) -> str:
        if layer.value is not None:
            return layer.value.path
        path = next((step.path for step in layer.steps if step.path), "")
        labels = ", ".join(_label(step) for step in layer.steps)
        return f"{path}: {labels}" if path else labels

    def _lines(self, layer: _Layer) -> list[tuple[str, str]]:
        """About the output and each weight: what runs forward, what runs back."""
        weights = [value for step in layer.steps for value in step.inputs if value.weight]
        values = [layer.output, *dict.fromkeys(weights)]
        return [self._line(value) for value in values]

    def _line(self, value: Value) -> tuple[str, str]:
        name, shape = self.facts.name(value), shape_text(value.shape)
        gradient = value.gradient if self.facts.shows_gradients else None
        if not self.facts.shows_values:
            return (f"{name}: {shape}" if shape else name), ""
        if not shape:
            backward = "" if gradient is None else f"∂J/∂{name} = {number(gradient)}"
            return f"{name} = {number(value.array)}", backward
        backward = "" if gradient is None else f"‖∂J/∂{name}‖ = {norm(gradient)}"
        return f"{name}: {shape}, ‖{name}‖ = {norm(value.array)}", backward

    # ------------------------------------------------------------------ painting
    def drawn(self, title: str) -> Canvas:
        """The drawing."""
        boxes = {layer: self._box(layer, i) for i, layer in enumerate(self.layers)}
        edges = [
            Edge(boxes[self.maker[value]], boxes[layer])
            for layer in self.layers
            for value in layer.inputs
            if self.maker.get(value, layer) is not layer
        ]
        root = Group(0, 0, members=list(boxes.values()))
        lay_out(root, edges, (26.0, 24.0), (MARGIN + HEADING + 10, MARGIN))
        entries = ["forward", "backward"] if self.facts.shows_gradients else []
        legend = Legend(self.facts, entries, root.height)
        shown = clipped(title, 900, LARGE)
        width = max(root.height, legend.width, text_width(shown, LARGE)) + 2 * MARGIN
        height = root.width + legend.height + HEADING + 3 * MARGIN
        canvas = Canvas(width, height, title, self._description(), self.facts.lang)
        canvas.text(MARGIN, MARGIN, shown, anchor="start", size=LARGE)
        shift = (width - 2 * MARGIN - root.height) / 2
        for edge in edges:
            points = [(y + shift, x) for x, y in edge.points]
            canvas.add("path", "wire", d=curve(points, down=True))
            canvas.arrow(*points[-1], down=True)
        for layer, box in boxes.items():
            self._paint(canvas, layer, box.y + shift, box.x, box.height, box.width)
        legend.paint(canvas, MARGIN, height - legend.height - MARGIN / 2)
        return canvas

    def _box(self, layer: _Layer, rank: int) -> Box:
        """The size of a layer's box; the layout runs to the right, the drawing down."""
        lines = self._lines(layer)
        width = max(
            text_width(clipped(self._heading(layer), WIDEST)),
            *(text_width(a, SMALL) + text_width(b, SMALL) + 20 for a, b in lines),
        )
        return Box(LINE * (len(lines) + 1) + 14, max(width + 24, 120), rank)

    def _paint(
        self, canvas: Canvas, layer: _Layer, x: float, y: float, width: float, height: float
    ) -> None:
        hints = [
            hint for value in (layer.output, *layer.inputs) for hint in self.facts.hints(value)
        ]
        with canvas.hint(self._heading(layer), *dict.fromkeys(hints)):
            canvas.box(x, y, width, height, "pill" if layer.value else "node", 8)
            left, right, top = x - width / 2 + 12, x + width / 2 - 12, y - height / 2 + 15
            heading = clipped(self._heading(layer), width - 24)
            canvas.text(left, top, heading, anchor="start")
            for i, (forward, backward) in enumerate(self._lines(layer), 1):
                at = top + LINE * i
                kind = "forward" if self.facts.shows_values else "quiet"
                canvas.text(left, at, forward, kind, anchor="start", size=SMALL)
                if backward:
                    canvas.text(right, at, backward, "backward", anchor="end", size=SMALL)

    def _description(self) -> str:
        labels = "; ".join(self._heading(layer) for layer in self.layers)
        return self.facts.say("explain.draw_layers_description", layers=labels)


def _label(step: Step) -> str:
    if step.node.op.name == "scan":
        return f"scan × {step.node.attributes['length']}"
    return step.label
