"""Drawings of nodes and edges: the network of the week, and a node alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from sheets import NARROW, PAPER, label

from chainrule.report.figures import COLOURS

INPUTS, HIDDEN, OUTPUT = ((30, 155), (30, 65)), ((170, 190), (170, 110), (170, 30)), (285, 110)
RADIUS = 21


def diagram(axes: Any, height: int) -> None:
    """Axes that are a sheet of paper with a point for each unit."""
    axes.set_axis_off()
    axes.set(xlim=(0, NARROW), ylim=(0, height), position=(0, 0, 1, 1))
    axes.get_figure().subplots_adjust = lambda **margins: axes.set_position((0, 0, 1, 1))


def node(axes: Any, place: tuple[float, float], text: str, line_name: str = "ink") -> None:
    """A circle with a text."""
    from matplotlib.patches import Circle

    outline = {"facecolor": PAPER, "edgecolor": COLOURS[line_name], "linewidth": 1.4, "zorder": 3}
    axes.add_patch(Circle(place, RADIUS, **outline))
    label(axes, *place, text, line_name, ha="center", va="center", zorder=4, linespacing=1.15)


def edge(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str,
    line_name: str = "muted",
    at: float = 0.5,
    width: float = 1.2,
) -> None:
    """A line between two nodes with a text on it."""
    (x, y), (u, v) = start, end
    axes.plot([x, u], [y, v], color=COLOURS[line_name], linewidth=width, zorder=1)
    frame = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    place = (x + at * (u - x), y + at * (v - y))
    label(axes, *place, text, line_name, ha="center", va="center", zorder=2, bbox=frame)


def draw_network(
    axes: Any,
    nodes: Sequence[str],
    first: Sequence[Sequence[str]],
    second: Sequence[str],
    error: str,
    line_name: str = "ink",
    live: Iterable[bool] = (True, True, True),
) -> None:
    """Two inputs, three hidden neurons and one output, with texts on nodes and edges."""
    diagram(axes, 220)
    for j, alive in enumerate(live):
        colour = line_name if alive else "muted"
        for i, place in enumerate(INPUTS):
            edge(axes, place, HIDDEN[j], first[i][j], colour, 0.68)
        edge(axes, HIDDEN[j], OUTPUT, second[j], colour, 0.5)
        node(axes, HIDDEN[j], nodes[2 + j], colour)
    for place, text in zip(INPUTS, nodes[:2], strict=True):
        node(axes, place, text)
    edge(axes, OUTPUT, (345, 110), "", line_name)
    node(axes, OUTPUT, nodes[5], line_name)
    label(axes, 352, 135, error, line_name, ha="right")
