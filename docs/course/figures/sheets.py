"""What all figures share: a sheet of paper, labels in the colour of their line, panels."""

import re
from collections.abc import Callable
from importlib import resources
from typing import Any

from chainrule.report.figures import COLOURS, line_style, picture

INK, MUTED, RULE = COLOURS["ink"], COLOURS["muted"], COLOURS["rule"]
BLUE, ORANGE, RED = COLOURS["network"], COLOURS["validation"], COLOURS["wrong"]
PAPER = "#fdfcfa"
NARROW, WIDE = 360, 560
#: Pixels per unit: letters of 11 units are about as large as the text of the page.
SCALE = 1.4
FONTS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Noto Sans, sans-serif"
COLOUR = re.compile(r"var\(--([\w-]+)\)")

#: How the SVG of each figure is made.
FIGURES: dict[str, Callable[[], str]] = {}


def figure(
    name: str, height: int, description: str, width: int = NARROW
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """The decorated function draws the figure of this name on matplotlib's axes."""

    def register(plot: Callable[[Any], None]) -> Callable[[Any], None]:
        FIGURES[name] = lambda: _on_paper(name, description, plot, (width, height))
        return plot

    return register


def _on_paper(
    name: str, description: str, plot: Callable[[Any], None], size: tuple[int, int]
) -> str:
    """The SVG of a figure: on light paper, so that it can be read on a dark page too."""
    width, height = (f"{SCALE * units:.0f}" for units in size)
    style = f"background: {PAPER}; font-family: {FONTS}"
    svg = picture(name, name, description, plot, size=size).svg
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'style="{style}" '
    )
    return COLOUR.sub(_value, svg.replace("<svg ", root, 1)) + "\n"


def _value(found: re.Match[str]) -> str:
    """The value of a colour of the page: few programs but browsers know CSS variables."""
    css = resources.files("chainrule.report").joinpath("style.css").read_text(encoding="utf-8")
    value = re.search(rf"--{found[1]}:\s*([^;]+);", css)
    assert value is not None
    return value[1]


def label(axes: Any, x: float, y: float, text: str, line: str = "ink", **options: Any) -> None:
    """A label in the colour of the line beside it."""
    axes.text(x, y, text, color=COLOURS[line], **options)


def key(axes: Any, row: int, text: str, line: str, left: float = 0.02) -> None:
    """A row of a legend: a piece of the line, and what it is."""
    y = 0.94 - 17 * row / (_units(axes) - 62)
    axes.plot([left, left + 0.07], [y, y], transform=axes.transAxes, **line_style(line))
    label(axes, left + 0.09, y, text, line, transform=axes.transAxes, va="center_baseline")


def panels(axes: Any, columns: int, rows: int = 1, *, labels: bool = True) -> list[Any]:
    """Small axes in rows, with room for a title above each and, if wanted, labels below."""
    units = _units(axes) - 28  # without the margins
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


def _units(axes: Any) -> float:
    """How high the sheet is."""
    return float(axes.get_figure().get_size_inches()[1] * 72)
