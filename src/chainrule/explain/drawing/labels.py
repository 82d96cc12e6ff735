"""Labels on edges: where each of them can stand so that none covers another.

A label lies along its edge, the weight above it and the derivative below, so that nobody takes it
for that of an edge that crosses. Places are tried one after the other, those far from other edges
first; what leads nowhere is taken back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.explain.drawing.facts import number

__all__ = ["Rectangle", "WeightEdge", "clearest", "disjoint"]

#: So many places are tried before the labels are given up.
TRIES = 20_000
#: Where on an edge its label may stand.
PLACES = tuple(0.2 + 0.02 * i for i in range(31))
#: A label so far from other edges is not taken for theirs.
CLEAR = 24.0


@dataclass(frozen=True)
class Rectangle:
    """About a point, turned by an angle."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    def meets(self, other: "Rectangle") -> bool:
        """Whether two rectangles overlap: no side of either one separates them."""
        return not any(
            _apart(self._along(axis), other._along(axis))
            for axis in (a.angle + turn for a in (self, other) for turn in (0, math.pi / 2))
        )

    def _along(self, axis: float) -> tuple[float, float]:
        """From where to where it reaches in a direction."""
        centre = self.x * math.cos(axis) + self.y * math.sin(axis)
        turn = axis - self.angle
        half = (self.width * abs(math.cos(turn)) + self.height * abs(math.sin(turn))) / 2
        return centre - half, centre + half


def _apart(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[1] <= b[0] or b[1] <= a[0]


@dataclass(frozen=True)
class WeightEdge:
    """One weight between two neurons, or a wire."""

    start: tuple[float, float]
    end: tuple[float, float]
    weight: float | None
    slope: float | None
    hints: tuple[str, ...]
    name: str = ""

    @property
    def label(self) -> tuple[tuple[str, str], ...]:
        """The lines of its label and their classes."""
        if self.weight is None:
            return ((self.name, "quiet"),)
        forward = (number(self.weight), "forward")
        return (forward,) if self.slope is None else (forward, (number(self.slope), "backward"))

    @property
    def angle(self) -> float:
        """How it falls, in radians."""
        return math.atan2(self.end[1] - self.start[1], self.end[0] - self.start[0])

    def at(self, t: float) -> tuple[float, float]:
        """A point on the way."""
        (x, y), (to_x, to_y) = self.start, self.end
        return x + t * (to_x - x), y + t * (to_y - y)


def clearest(edge: WeightEdge, edges: Sequence[WeightEdge]) -> list[float]:
    """The places on an edge, those first where no other edge is near."""

    def badness(t: float) -> tuple[float, float]:
        x, y = edge.at(t)
        near = min((_distance(other, x, y) for other in edges if other is not edge), default=CLEAR)
        return -min(near, CLEAR), abs(t - 0.5)

    return sorted(PLACES, key=badness)


def _distance(edge: WeightEdge, x: float, y: float) -> float:
    """How far a point is from the line of an edge."""
    (x0, y0), (x1, y1) = edge.start, edge.end
    return abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / math.hypot(x1 - x0, y1 - y0)


def disjoint(choices: Sequence[Sequence[Rectangle]]) -> list[Rectangle] | None:
    """One rectangle of each, none of which meet; ``None`` if that is not found in time."""
    chosen: list[Rectangle] = []
    tried = [0]
    for _ in range(TRIES):
        if len(chosen) == len(choices):
            return chosen
        options = choices[len(chosen)]
        while tried[-1] < len(options):
            option = options[tried[-1]]
            tried[-1] += 1
            if not any(option.meets(other) for other in chosen):
                chosen.append(option)
                tried.append(0)
                break
        else:
            if not chosen:
                return None
            chosen.pop()
            tried.pop()
    return None
