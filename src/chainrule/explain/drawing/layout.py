"""Layered layout: every edge runs forward, boxes do not overlap, groups enclose what is theirs.

After Sugiyama, Tagawa & Toda (1981), "Methods for visual understanding of hierarchical system
structures": boxes are put into layers, long edges get a bend in every layer that they pass, the
order in each layer is chosen so that few edges cross, and the places in a layer so that edges are
straight. A group is laid out alone, and is a box with ports in the layout around it.

Forward is to the right here; a drawing that runs down exchanges the axes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

__all__ = ["Box", "Edge", "Group", "Point", "lay_out"]

Point = tuple[float, float]
#: How often orders and places are improved.
SWEEPS = 8
#: Room for a line that passes.
LINE = 8.0


@dataclass(eq=False)
class Box:
    """Something of a size; ``x`` and ``y``, its centre, are found.

    ``rank`` decides about the first order in a layer: the lower above.
    """

    width: float
    height: float
    rank: float = 0
    x: float = 0.0
    y: float = 0.0


@dataclass(eq=False)
class Group(Box):
    """A box with boxes and groups in it, and room for a heading."""

    members: list[Box] = field(default_factory=list)
    heading: float = 0.0
    padding: float = 0.0


@dataclass(eq=False)
class Edge:
    """From the right side of a box to the left side of another.

    ``start`` and ``end`` are how far above or below the boxes' centres it is attached; ``points``
    are found.
    """

    source: Box
    target: Box
    start: float = 0.0
    end: float = 0.0
    points: list[Point] = field(default_factory=list)


def lay_out(
    root: Group, edges: Sequence[Edge], gap: Point = (30.0, 14.0), origin: Point = (0.0, 0.0)
) -> None:
    """Give places to all boxes in ``root`` and to all edges.

    Parameters
    ----------
    root
        Everything.
    edges
        Between boxes at any depth, but no groups; they form no circle.
    gap
        Between layers, and between the boxes of one layer.
    origin
        The left upper corner.
    """
    levels = list(_placed(root, edges, gap))
    root.x, root.y = origin[0] + root.width / 2, origin[1] + root.height / 2
    for level in reversed(levels):  # the outermost was placed last
        level.shift()
    for edge in edges:
        pieces = [level.points[edge] for level in levels if edge in level.points]
        edge.points = [point for points in sorted(pieces) for point in points]


def _placed(group: Group, edges: Sequence[Edge], gap: Point) -> Iterator["_Level"]:
    """The layouts of the groups in a group, then its own."""
    ports: dict[tuple[Edge, Box], float] = {}
    inside = {box: member for member in group.members for box in _boxes(member)}
    for member in group.members:
        if isinstance(member, Group):
            own = [e for e in edges if member in (inside.get(e.source), inside.get(e.target))]
            for level in _placed(member, own, gap):
                yield level
            ports |= {(edge, member): y for edge, y in level.ports.items()}
    yield _Level(group, edges, inside, ports, gap)


def _boxes(member: Box) -> Iterator[Box]:
    stack = [member]
    while stack:
        box = stack.pop()
        yield box
        if isinstance(box, Group):
            stack.extend(box.members)


# ---------------------------------------------------------------------- one group
#: For each box those that pull it, how far from them it should be, and how strongly.
_Pulls: TypeAlias = dict[Box, list[tuple[Box, float, float]]]


@dataclass(eq=False)
class _Link:
    """The part of an edge between two members, ports or bends of one group."""

    source: Box
    target: Box
    start: float
    end: float


class _Level:
    """The layout of one group's members.

    ``ports`` are the heights at which edges cross the group's side, from its centre.
    """

    def __init__(
        self,
        group: Group,
        edges: Sequence[Edge],
        inside: Mapping[Box, Box],
        ports: Mapping[tuple[Edge, Box], float],
        gap: Point,
    ) -> None:
        self.group, self.gap = group, gap
        self.inlets: dict[Edge, Box] = {}
        self.outlets: dict[Edge, Box] = {}
        self.links: dict[Edge, list[_Link]] = {}
        for edge in edges:
            source, target = inside.get(edge.source), inside.get(edge.target)
            if source is not None and source is target:
                continue  # all of it lies in that member
            start = ports.get((edge, source), edge.start) if source else 0.0
            end = ports.get((edge, target), edge.end) if target else 0.0
            source = source or self.inlets.setdefault(edge, Box(0, LINE))
            target = target or self.outlets.setdefault(edge, Box(0, LINE))
            self.links[edge] = [_Link(source, target, start, end)]
        self.layers = self._layers()
        self._bend()
        self._order()
        self._place_across()
        self._place_along()
        self.ports = {edge: box.y for edge, box in (*self.inlets.items(), *self.outlets.items())}

    @property
    def all_links(self) -> list[_Link]:
        return [link for links in self.links.values() for link in links]

    # ------------------------------------------------------------------ which layer
    def _layers(self) -> list[list[Box]]:
        """As far left as possible; what begins there stands right before its first reader."""
        boxes = [*self.inlets.values(), *self.group.members, *self.outlets.values()]
        after: dict[Box, list[Box]] = {box: [] for box in boxes}
        before: dict[Box, list[Box]] = {box: [] for box in boxes}
        for link in self.all_links:
            after[link.source].append(link.target)
            before[link.target].append(link.source)
        order = _sorted(boxes, after, before)
        first = 1 if self.inlets else 0
        layer: dict[Box, int] = {}
        for box in order:
            least = 0 if box in self.inlets.values() else first
            layer[box] = max([least, *(layer[b] + 1 for b in before[box])])
        self.loose = _loose(order, after, before, set(self.inlets.values()))
        for box in reversed(order):
            if box in self.loose and after[box]:
                layer[box] = min(layer[b] for b in after[box]) - 1
        last = max(layer.values(), default=0)
        for box in self.outlets.values():
            layer[box] = max(last, 1)
        layers: list[list[Box]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
        for box in sorted(boxes, key=lambda box: box.rank):
            layers[layer[box]].append(box)
        return layers

    def _bend(self) -> None:
        """A bend in every layer that an edge passes."""
        layer = {box: i for i, boxes in enumerate(self.layers) for box in boxes}
        for edge, (link,) in self.links.items():
            chain = [link.source]
            for i in range(layer[link.source] + 1, layer[link.target]):
                bend = Box(0, LINE, (link.source.rank + link.target.rank) / 2)
                self.layers[i].append(bend)
                chain.append(bend)
            chain.append(link.target)
            last = len(chain) - 2
            self.links[edge] = [
                _Link(a, b, link.start if i == 0 else 0.0, link.end if i == last else 0.0)
                for i, (a, b) in enumerate(pairwise(chain))
            ]

    # ------------------------------------------------------------------ which order
    def _order(self) -> None:
        """Sort each layer by the mean place of the neighbours; keep the best."""
        links = self.all_links
        best, least = [list(layer) for layer in self.layers], _crossings(self.layers, links)
        for sweep in range(SWEEPS):
            ahead = sweep % 2 == 0
            places: dict[Box, list[float]] = {}
            for layer in self.layers if ahead else reversed(self.layers):
                number = {box: i for i, box in enumerate(layer)}
                means = {box: _mean(places.get(box, [number[box]])) for box in layer}
                layer.sort(key=means.__getitem__)
                for i, box in enumerate(layer):
                    _tell(places, links, box, (i + 0.5) / len(layer) * 100, ahead)
            count = _crossings(self.layers, links)
            if count < least:
                best, least = [list(layer) for layer in self.layers], count
        self.layers = best

    # ------------------------------------------------------------------ which place
    def _place_across(self) -> None:
        """Heights: as straight as the order and the sizes allow."""
        for layer in self.layers:
            _set_apart(layer, [0.0] * len(layer), [1.0] * len(layer), self.gap[1])
        for sweep in range(SWEEPS):
            ahead = sweep % 2 == 0
            self._straighten(
                self.layers if ahead else self.layers[::-1], self._pulls(ahead, not ahead)
            )
        for _ in range(SWEEPS):
            self._straighten(self.layers, self._pulls(True, True))
        boxes = [box for layer in self.layers for box in layer]
        top = min((box.y - box.height / 2 for box in boxes), default=0.0)
        bottom = max((box.y + box.height / 2 for box in boxes), default=0.0)
        group = self.group
        group.height = bottom - top + 2 * group.padding + group.heading
        for box in boxes:  # from the centre of the group
            box.y += group.padding + group.heading - top - group.height / 2

    def _pulls(self, ahead: bool, back: bool) -> _Pulls:
        """Where each box is pulled by those before it, by those after it, or by both."""
        found: _Pulls = {}
        for link in self.all_links:
            bends = link.source.width == 0 or link.target.width == 0
            stiff = 4.0 if bends else 0.2 if link.source in self.loose else 1.0
            shift = link.start - link.end
            if ahead:
                found.setdefault(link.target, []).append((link.source, shift, stiff))
            if back or link.source in self.loose:
                found.setdefault(link.source, []).append((link.target, -shift, stiff))
        return found

    def _straighten(self, layers: Sequence[Sequence[Box]], pulls: _Pulls) -> None:
        for layer in layers:
            wanted, weights = [], []
            for box in layer:
                own = pulls.get(box, [(box, 0.0, 0.1)])
                weights.append(sum(stiff for _, _, stiff in own))
                wanted.append(sum((b.y + s) * stiff for b, s, stiff in own) / weights[-1])
            _set_apart(layer, wanted, weights, self.gap[1])

    def _place_along(self) -> None:
        x = self.group.padding
        for layer in self.layers:
            width = max((box.width for box in layer), default=0.0)
            for box in layer:
                # What hangs on its reader alone stands near to it.
                box.x = x + (width - box.width / 2 if box in self.loose else width / 2)
            x += width + self.gap[0]
        group = self.group
        group.width = max(x - self.gap[0] + group.padding, group.width)
        for edges, side in ((self.inlets, 0.0), (self.outlets, group.width)):
            for box in edges.values():
                box.x = side
        for box in (box for layer in self.layers for box in layer):
            box.x -= group.width / 2

    def shift(self) -> None:
        """From the group's centre to where the group is; now the edges' points are known."""
        for box in (box for layer in self.layers for box in layer):
            box.x += self.group.x
            box.y += self.group.y
        self.points = {edge: list(_points(links)) for edge, links in self.links.items()}


def _points(links: Sequence[_Link]) -> Iterator[Point]:
    for link in links:
        yield link.source.x + link.source.width / 2, link.source.y + link.start
        yield link.target.x - link.target.width / 2, link.target.y + link.end


def _sorted(
    boxes: Iterable[Box], after: Mapping[Box, list[Box]], before: Mapping[Box, list[Box]]
) -> list[Box]:
    """Every box after those before it."""
    waiting = {box: len(before[box]) for box in boxes}
    ready = [box for box, count in waiting.items() if count == 0]
    for box in ready:  # grows
        for later in after[box]:
            waiting[later] -= 1
            if waiting[later] == 0:
                ready.append(later)
    return ready


def _loose(
    order: Sequence[Box],
    after: Mapping[Box, list[Box]],
    before: Mapping[Box, list[Box]],
    fixed: set[Box],
) -> set[Box]:
    """What hangs on nothing but its readers: chains that begin nowhere."""
    found: set[Box] = set()
    for box in order:
        sources = before[box]
        if box not in fixed and (
            not sources
            or (len(sources) == 1 and sources[0] in found and len(after[sources[0]]) == 1)
        ):
            found.add(box)
    return found


def _tell(
    places: dict[Box, list[float]], links: Sequence[_Link], box: Box, at: float, ahead: bool
) -> None:
    """Let the neighbours in the next layer know where a box stands."""
    for link in links:
        source, target = (link.source, link.target) if ahead else (link.target, link.source)
        if source is box:
            places.setdefault(target, []).append(at + (link.start if ahead else link.end) / 100)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _crossings(layers: Sequence[Sequence[Box]], links: Sequence[_Link]) -> int:
    """How many pairs of lines cross."""
    place = {box: i for layer in layers for i, box in enumerate(layer)}
    number = {box: i for i, layer in enumerate(layers) for box in layer}
    between: dict[int, list[tuple[float, float]]] = {}
    for link in links:
        ends = (place[link.source] + link.start / 1000, place[link.target] + link.end / 1000)
        between.setdefault(number[link.source], []).append(ends)
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for lines in between.values()
        for i, a in enumerate(lines)
        for b in lines[:i]
    )


def _set_apart(
    layer: Sequence[Box], wanted: Sequence[float], weights: Sequence[float], gap: float
) -> None:
    """The heights nearest to those wanted at which boxes in this order do not overlap.

    Weighted least squares under ``yᵢ₊₁ ≥ yᵢ + dᵢ``: with the distances taken off, the best rising
    sequence, found by joining neighbours that violate it (pool adjacent violators).
    """
    offsets, total = [], 0.0
    for i, box in enumerate(layer):
        if i:
            total += (layer[i - 1].height + box.height) / 2 + gap
        offsets.append(total)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, length = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, heavy, count = blocks.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, length = weight + heavy, length + count
        blocks.append((mean, weight, length))
    means = [mean for mean, _, length in blocks for _ in range(length)]
    for box, mean, offset in zip(layer, means, offsets, strict=True):
        box.y = mean + offset
