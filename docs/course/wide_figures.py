"""What the figures of days 5 to 7 share: a wide sheet with panels, contours, paths, files."""

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.report.figures import COLOURS, picture

INK, MUTED, RULE = COLOURS["ink"], COLOURS["muted"], COLOURS["rule"]
BLUE, ORANGE, RED = COLOURS["network"], COLOURS["validation"], COLOURS["wrong"]
PAPER = "#fdfcfa"
#: Pixels per unit: letters of 11 units are about as large as the text of the page.
WIDTH, SCALE = 560, 1.4
FONTS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Noto Sans, sans-serif"
COLOUR = re.compile(r"var\(--([\w-]+)\)")


class Figure(NamedTuple):
    """How high a figure is, what is seen in it, and how it is drawn."""

    height: int
    description: str
    plot: Callable[[Any], None]


FIGURES: dict[str, Figure] = {}


def figure(name: str, height: int, description: str) -> Callable[..., Any]:
    """The decorated function draws the figure of this name on matplotlib's axes."""

    def register(plot: Callable[[Any], None]) -> Callable[[Any], None]:
        FIGURES[name] = Figure(height, description, plot)
        return plot

    return register


def panels(axes: Any, columns: int, rows: int = 1, *, labels: bool = True) -> list[Any]:
    """Small axes in rows, with room for a title above each and, if wanted, labels below."""
    units = axes.get_figure().get_size_inches()[1] * 72 - 28  # without the margins
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])
    left, gap = 0.07, 0.08
    width = (1 - left - (columns - 1) * gap) / columns
    head, foot = 22 / units, (40 if labels else 22) / units
    pitch = (1 + 18 / units) / rows  # the lowest labels lie in the margin
    height = pitch - head - foot
    return [
        axes.inset_axes(
            (left + column * (width + gap), 1 - row * pitch - head - height, width, height)
        )
        for row in range(rows)
        for column in range(columns)
    ]


def gallery(axes: Any, count: int) -> list[Any]:
    """Panels for so many small pictures, four in a row."""
    places = panels(axes, 4, -(-count // 4), labels=False)
    for spare in places[count:]:
        spare.remove()
    return places[:count]


def beside(axes: Any, x: float, y: float, text: str, line: str = "ink", **options: Any) -> None:
    """A label in the colour of the line beside it."""
    axes.text(x, y, text, color=COLOURS[line], **options)


def contours(axes: Any, function: Callable[[Any], Any], box: Any, levels: Any) -> None:
    """Lines of equal height of a function of two weights."""
    low, high, bottom, top = box
    grid = np.meshgrid(np.linspace(low, high, 81), np.linspace(bottom, top, 81))
    points = np.stack([side.ravel() for side in grid], axis=1)
    heights = np.asarray(cr.vmap(function)(points)).reshape(grid[0].shape)
    axes.contour(*grid, heights, levels=levels, colors=MUTED, linewidths=0.6, alpha=0.55)
    axes.grid(False)
    axes.set(xlim=(low, high), ylim=(bottom, top))


def walk(axes: Any, points: Any, line: str = "network") -> None:
    """A path of steps, with a dot for each and a ring where it begins."""
    points, colour = np.asarray(points), COLOURS[line]
    axes.plot(*points.T, "o-", color=colour, markersize=2.2, linewidth=1.1)
    axes.plot(*points[0], "o", color=colour, markersize=6, fillstyle="none")


def drawn(name: str) -> str:
    """The SVG of a figure: on light paper, so that it can be read on a dark page too."""
    height, description, plot = FIGURES[name]
    pixels = {"width": f"{SCALE * WIDTH:.0f}", "height": f"{SCALE * height:.0f}"}
    style = f"background: {PAPER}; font-family: {FONTS}"
    root = {"xmlns": "http://www.w3.org/2000/svg", **pixels, "style": style}
    written = " ".join(f'{key}="{value}"' for key, value in root.items())
    svg = picture(name, name, description, plot, size=(WIDTH, height)).svg
    return COLOUR.sub(_value, svg.replace("<svg ", f"<svg {written} ", 1)) + "\n"


def _value(found: re.Match[str]) -> str:
    """The value of a colour of the page: few programs but browsers know CSS variables."""
    css = resources.files("chainrule.report").joinpath("style.css").read_text(encoding="utf-8")
    value = re.search(rf"--{found[1]}:\s*([^;]+);", css)
    assert value is not None
    return value[1]


def main(folder: Path) -> None:
    """Draw all figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        (folder / f"{name}.svg").write_text(drawn(name), encoding="utf-8")
