"""A network with every neuron: circles in columns, edges as thick as their weights are large.

In a circle stand the weighted sum and the activation; on an edge the weight and, below it, the
derivative of the cost for it. Where there are more edges than labels fit, every edge still shows
both by colour and thickness, and all numbers under the pointer.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from chainrule.explain.drawing.facts import Facts, number
from chainrule.explain.drawing.labels import Rectangle, WeightEdge, clearest, disjoint
from chainrule.explain.drawing.legend import Legend
from chainrule.explain.drawing.stages import Link, Stage, Stages, of_row
from chainrule.explain.drawing.svg import HEADING, LARGE, SMALL, Canvas, clipped, text_width
from chainrule.explain.walking.walkthrough import Value

__all__ = ["network"]

RADIUS, PITCH, MARGIN = 30.0, 108.0, 22.0
#: Between columns: with few or with many labels on the edges, without any, and to the cost.
WIDE, WIDER, NARROW, SHORT = 270.0, 330.0, 210.0, 140.0
#: So many edges between two columns may get labels; more than a few of them need more room.
MOST_LABELS, FEW_LABELS = 16, 6
LINE = 13.0
#: The thinnest and the thickest edge, and the same for its derivative.
WEIGHT, SLOPE = (0.7, 5.0), (0.5, 3.0)


def network(facts: Facts, stages: Stages, title: str) -> Canvas:
    """Draw the neurons."""
    stages.check(facts.row)
    return _Network(facts, stages).drawn(title)


class _Network:
    def __init__(self, facts: Facts, stages: Stages) -> None:
        self.facts, self.stages = facts, stages.stages
        self.rows = stages.rows
        self.row = facts.row
        edges = [
            self.stages[link.source].size * stage.size
            for stage in self.stages
            for link in stage.links
            if link.weight is not None
        ]
        self._is_sparse = max(edges) <= MOST_LABELS
        self.xs = self._columns()
        tallest = max(stage.size for stage in self.stages)
        self.top = MARGIN + HEADING + 3 * LINE + 14
        self.middle = self.top + tallest * PITCH / 2
        self.bottom = self.top + tallest * PITCH

    def _columns(self) -> list[float]:
        """The column's places from left to right."""
        xs = [MARGIN + 50.0]
        for stage in self.stages[1:]:
            weights = [link for link in stage.links if link.weight is not None]
            edges = sum(self.stages[link.source].size * stage.size for link in weights)
            fits = NARROW if edges > MOST_LABELS else WIDER if edges > FEW_LABELS else WIDE
            xs.append(xs[-1] + (fits if weights else SHORT))
        return xs

    def place(self, column: int, i: int) -> tuple[float, float]:
        """The centre of a neuron."""
        size = self.stages[column].size
        return self.xs[column], self.middle + (i - (size - 1) / 2) * PITCH

    # ------------------------------------------------------------------ painting
    def drawn(self, title: str) -> Canvas:
        """The drawing."""
        skips = [(i, link) for i, stage in enumerate(self.stages) for link in stage.links]
        skips = [(i, link) for i, link in skips if link.source < i - 1]
        entries = self._entries()
        width = max(self.xs[-1] + 70 + MARGIN, min(text_width(title, LARGE), 900) + 2 * MARGIN)
        legend = Legend(self.facts, entries, width - 2 * MARGIN)
        under = self.bottom + 24 * len(skips) + (14 if skips else 0)
        height = under + legend.height + MARGIN
        canvas = Canvas(width, height, title, self._description(), self.facts.lang)
        shown = clipped(title, width - 2 * MARGIN, LARGE)
        canvas.text(MARGIN, MARGIN, shown, anchor="start", size=LARGE)
        for lane, (i, link) in enumerate(skips):
            self._paint_skip(canvas, i, link, self.bottom + 24 * lane + 14)
        labels = self._paint_edges(canvas)
        for column, stage in enumerate(self.stages):
            self._paint_heading(canvas, column, stage)
            for i in range(stage.size):
                self._paint_neuron(canvas, column, i)
        for label in labels:
            self._paint_label(canvas, *label)
        legend.paint(canvas, MARGIN, under)
        return canvas

    def _entries(self) -> list[str]:
        if not self.facts.shows_values:
            return []
        if not self.facts.shows_gradients:
            return ["forward", "more", "less", "size", "hint"]
        entries = ["forward", "backward", "more", "less", "rising", "falling", "size", "hint"]
        return [*entries, "shared"] if self._has_shared else entries

    @property
    def _has_shared(self) -> bool:
        """Whether a weight stands at several edges."""
        weights = [
            link.step.inputs[link.weight]
            for stage in self.stages
            for link in stage.links
            if link.weight is not None
        ]
        return len(set(weights)) < len(weights)

    def _description(self) -> str:
        sizes = ", ".join(str(stage.size) for stage in self.stages)
        return self.facts.say("explain.draw_network_description", sizes=sizes)

    def _paint_heading(self, canvas: Canvas, column: int, stage: Stage) -> None:
        x, room = self.xs[column], 150.0
        lines = [step.label for step in stage.steps]
        lines[:0] = [path for path in [stage.steps[0].path if stage.steps else ""] if path]
        if not lines:
            lines = [self.facts.name(stage.values[0])]
        if len(lines) > 3:
            lines = [*lines[:2], ", ".join(lines[2:])]
        with canvas.hint(*lines):
            for i, line in enumerate(lines):
                y = self.top - 16 - LINE * (len(lines) - 1 - i)
                canvas.text(x, y, clipped(line, room, SMALL), "quiet", size=SMALL)

    # ------------------------------------------------------------------ neurons
    def _paint_neuron(self, canvas: Canvas, column: int, i: int) -> None:
        stage, (x, y) = self.stages[column], self.place(column, i)
        with canvas.hint(*self._neuron_hints(stage, i)):
            canvas.add("circle", "node", cx=x, cy=y, r=RADIUS)
            names = [self._element(value, i) for value in stage.values]
            canvas.plated(x, y - RADIUS - 9, ", ".join(names))
            if not self.facts.shows_values:
                canvas.text(x, y, stage.sign)
                return
            room = 2 * RADIUS - (6 if len(stage.values) == 1 else 10)
            numbers = [self._number(value.array, i, room) for value in stage.values]
            self._paint_numbers(canvas, x, y, numbers)
            self._paint_below(canvas, x, y + RADIUS + 9, stage, i)

    def _paint_numbers(self, canvas: Canvas, x: float, y: float, numbers: Sequence[str]) -> None:
        for j, text in enumerate(numbers):
            at = y + 15 * (j - (len(numbers) - 1) / 2)
            canvas.text(x, at, text, "forward", size=SMALL)
            if j:
                canvas.add("path", "rule", d=f"M{x - RADIUS + 5} {at - 7.5}h{2 * RADIUS - 10}")

    def _paint_below(self, canvas: Canvas, x: float, y: float, stage: Stage, i: int) -> None:
        """The bias and what arrives from above; of the cost, the target."""
        texts = []
        if stage.bias is not None and self._is_sparse:
            texts.append((f"b {number(stage.bias.array.reshape(-1)[i])}", "forward"))
        gradient = stage.values[0].gradient
        if self.facts.shows_gradients and gradient is not None:
            texts.append((self._number(gradient, i), "backward"))
        widths = [text_width(text, SMALL) for text, _ in texts]
        left = x - (sum(widths) + 8 * (len(texts) - 1)) / 2
        for (text, kind), width in zip(texts, widths, strict=True):
            canvas.plated(left + width / 2, y, text, kind)
            left += width + 8
        for j, value in enumerate(stage.others):
            shown = of_row(value.array, self.row) if value.array.ndim else value.array
            text = f"{self.facts.name(value)} = {self.facts.short(np.squeeze(shown))}"
            canvas.plated(x, y + LINE * (j + 1), text, "forward")

    def _neuron_hints(self, stage: Stage, i: int) -> Iterator[str]:
        for value in stage.values:
            name = self._element(value, i)
            if self.facts.shows_values:
                yield f"{name} = {self._number(value.array, i)}"
            if self.facts.shows_gradients and value.gradient is not None:
                yield f"∂J/∂{name} = {self._number(value.gradient, i)}"
        if stage.bias is not None:
            yield from self._weight_hints(stage.bias, (i,))

    def _element(self, value: Value, i: int) -> str:
        return self.facts.element(value, (i,)) if value.shape else self.facts.name(value)

    def _number(self, array: np.ndarray, i: int, room: float = math.inf) -> str:
        return number(of_row(array, self.row)[i] if array.ndim else array[()], room)

    # ------------------------------------------------------------------ edges
    def _paint_edges(self, canvas: Canvas) -> list[tuple[WeightEdge, float, float]]:
        """All edges between neighbouring columns; returns the labels that fit."""
        labels: list[tuple[WeightEdge, float, float]] = []
        for column, stage in enumerate(self.stages):
            for link in stage.links:
                if link.source == column - 1:
                    edges = list(self._edges(column, link))
                    self._paint_lines(canvas, edges)
                    labels += self._labels(column, edges)
        return labels

    def _edges(self, column: int, link: Link) -> Iterator[WeightEdge]:
        source, target = self.stages[link.source], self.stages[column]
        if link.weight is None:
            for i in range(source.size):
                j = i if target.size == source.size else 0
                yield WeightEdge(*self._ends(link.source, i, column, j), None, None, ())
            return
        weight = link.step.inputs[link.weight]
        piece = self.facts.piece(link.step, link.weight)
        for i in range(source.size):
            for j in range(target.size):
                slope = None if piece is None else float(piece.product[i, j])
                hints = tuple(self._weight_hints(weight, (i, j), slope))
                ends = self._ends(link.source, i, column, j)
                number = float(weight.array[i, j]) if self.facts.shows_values else None
                yield WeightEdge(*ends, number, slope, hints, self.facts.element(weight, (i, j)))

    def _ends(
        self, column: int, i: int, to: int, j: int
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """From circle to circle."""
        (x, y), (to_x, to_y) = self.place(column, i), self.place(to, j)
        length = math.hypot(to_x - x, to_y - y)
        across, down = RADIUS * (to_x - x) / length, RADIUS * (to_y - y) / length
        return (x + across, y + down), (to_x - across, to_y - down)

    def _weight_hints(
        self, weight: Value, place: tuple[int, ...], slope: float | None = None
    ) -> Iterator[str]:
        name = self.facts.element(weight, place)
        yield f"{name}: {weight.path}[{', '.join(map(str, place))}]"
        if not self.facts.shows_values:
            return
        yield f"{name} = {number(weight.array[place])}"
        if not self.facts.shows_gradients or weight.gradient is None:
            return
        whole = weight.gradient[place]
        yield f"∂J/∂{name} = {number(whole)}"
        if slope is not None and not np.isclose(slope, whole, rtol=1e-9, atol=0):
            yield self.facts.say("explain.draw_part", text=number(slope))

    def _paint_lines(self, canvas: Canvas, edges: Sequence[WeightEdge]) -> None:
        largest = _largest(edge.weight for edge in edges)
        steepest = _largest(edge.slope for edge in edges)
        for edge in edges:
            with canvas.hint(*edge.hints):
                if edge.weight is None:
                    canvas.add("path", "wire", d=_line(edge.start, edge.end))
                    continue
                wide = _width(edge.weight, largest, WEIGHT)
                kind = "more" if edge.weight >= 0 else "less"
                canvas.add("path", kind, d=_line(edge.start, edge.end), stroke_width=wide)
                if edge.slope:
                    thin = _width(edge.slope, steepest, SLOPE)
                    kind = "slope" if edge.slope > 0 else "slope falling"
                    start, end = _beside(edge, (wide + thin) / 2 + 0.8)
                    canvas.add("path", kind, d=_line(start, end), stroke_width=thin)

    # ------------------------------------------------------------------ labels
    def _labels(
        self, column: int, edges: Sequence[WeightEdge]
    ) -> list[tuple[WeightEdge, float, float]]:
        """A place for each edge's label, or for none of them."""
        if not edges[0].name or len(edges) > MOST_LABELS:
            return []
        taken = [
            rectangle
            for c in (column - 1, column)
            for i in range(self.stages[c].size)
            for rectangle in self._room_of(*self.place(c, i))
        ]
        choices = [
            [
                rectangle
                for t in clearest(edge, edges)
                for rectangle in [Rectangle(*edge.at(t), *self._label_size(edge), edge.angle)]
                if not any(rectangle.meets(other) for other in taken)
            ]
            for edge in edges
        ]
        found = disjoint(choices)
        return [(edge, r.x, r.y) for edge, r in zip(edges, found, strict=True)] if found else []

    def _room_of(self, x: float, y: float) -> Iterator[Rectangle]:
        """What a neuron and the text about it cover."""
        yield Rectangle(x, y, 2 * RADIUS + 6, 2 * RADIUS + 6)
        yield Rectangle(x, y - RADIUS - 9, 60, LINE)
        yield Rectangle(x, y + RADIUS + 9, 110, LINE)

    def _label_size(self, edge: WeightEdge) -> tuple[float, float]:
        """Above the edge there is one line, below it another."""
        width = max(text_width(text, SMALL) for text, _ in edge.label)
        return width + 4, 2 * LINE + 8

    def _paint_label(self, canvas: Canvas, edge: WeightEdge, x: float, y: float) -> None:
        with canvas.hint(*edge.hints):
            for (text, kind), side in zip(edge.label, (-1, 1), strict=False):
                canvas.text(
                    x,
                    y + side * (LINE / 2 + 3),
                    text,
                    f"{kind} label",
                    size=SMALL,
                    transform=f"rotate({math.degrees(edge.angle):.2f} {x:.2f} {y:.2f})",
                )

    def _paint_skip(self, canvas: Canvas, column: int, link: Link, lane: float) -> None:
        """A connection that passes columns by, below them: one line for all of its neurons."""
        source, target = self.stages[link.source], self.stages[column]
        x, y = self.place(link.source, source.size - 1)
        to_x, to_y = self.place(column, target.size - 1)
        x, to_x = x + RADIUS, to_x - RADIUS
        path = (
            f"M{x} {y}C{x + 50} {y} {x} {lane} {x + 60} {lane}H{to_x - 60}"
            f"C{to_x} {lane} {to_x - 50} {to_y} {to_x} {to_y}"
        )
        name = self.facts.name(link.step.inputs[link.place])
        key = "explain.draw_skip" if link.weight is None else "explain.draw_skip_weights"
        text = self.facts.say(key, name=name)
        with canvas.hint(text):
            canvas.add("path", "wire", d=path, stroke_width=2.5)
            canvas.arrow(to_x, to_y)
            canvas.text((x + to_x) / 2, lane - 8, text, "quiet", size=SMALL)


def _largest(numbers: Iterable[float | None]) -> float:
    return max((abs(n) for n in numbers if n and math.isfinite(n)), default=1.0)


def _width(number: float, largest: float, limits: tuple[float, float]) -> float:
    """As much of the thickest line as the number is of the largest one."""
    least, most = limits
    share = abs(number) / largest if math.isfinite(number) else 1.0
    return least + (most - least) * share


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"


def _beside(edge: WeightEdge, distance: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """A line beside an edge."""
    (x, y), (to_x, to_y) = edge.start, edge.end
    length = math.hypot(to_x - x, to_y - y) or 1.0
    across, down = -(to_y - y) / length * distance, (to_x - x) / length * distance
    return (x + across, y + down), (to_x + across, to_y + down)
