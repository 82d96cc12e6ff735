"""Figures: matplotlib draws, and what it drew becomes SVG that belongs to the page.

Text stays text, in the page's font. Colours become CSS variables, so that a figure is dark on a
dark page. A figure is drawn as wide as a telephone, 360 units, so that 11 units are 11 pixels there
and more elsewhere. The same facts give the same bytes.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from chainrule.errors import OptionError
from chainrule.report.blocks import Key, Picture
from chainrule.report.text import clean, number

__all__ = [
    "COLOURS",
    "DASHES",
    "LAYER_LINES",
    "decimated",
    "house_axes",
    "library",
    "line_style",
    "log_axis",
    "picture",
    "plot_height",
    "standalone",
]

WIDTH, HEIGHT, SMALL = 360, 230, (250, 165)
#: The room for a label above the axes and for one below.
TOP, BOTTOM = 26, 36
UNITS_PER_INCH = 72
#: The width of a digit, in units.
LETTER = 7
#: Points of a curve, more than anyone can see.
POINTS = 300

#: matplotlib's colour → the page's. They are marks, never seen.
COLOURS = {
    "ink": "#000001",
    "muted": "#000002",
    "rule": "#000003",
    "network": "#000004",
    "validation": "#000005",
    "wrong": "#000006",
    **{f"layer-{index}": f"#0000{index + 16:x}" for index in range(6)},
}
#: Lines differ in more than colour.
DASHES = {
    "validation": (5, 2.5),
    "layer-1": (6, 2),
    "layer-2": (1.5, 2),
    "layer-3": (8, 2, 1.5, 2),
    "layer-4": (3, 2),
    "layer-5": (9, 3),
}
LAYER_LINES = tuple(name for name in COLOURS if name.startswith("layer-"))

HOUSE_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": COLOURS["rule"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.linewidth": 1.0,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": COLOURS["muted"],
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.titlesize": 11.0,
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 11.0,
    "figure.dpi": UNITS_PER_INCH,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same measures on every machine
    "font.size": 11.0,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "svg.hashsalt": "chainrule",
    "text.color": COLOURS["ink"],
    "text.parse_math": False,  # a column may be called $x
    "xtick.major.pad": 6.0,
    "xtick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "xtick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.color": COLOURS["rule"],
    "ytick.labelcolor": COLOURS["muted"],
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
}


@contextmanager
def library(name: str) -> Iterator[None]:
    """A block that imports ``name``; if that is missing, the message says what to install.

    Raises
    ------
    OptionError
        If the library cannot be imported.

    Examples
    --------
    >>> from chainrule.report.figures import library
    >>> with library("json"):
    ...     import json
    """
    try:
        yield
    except ImportError as error:
        raise OptionError("report.library", name=name, cause=error) from None


# ---------------------------------------------------------------------- drawing
def picture(
    name: str,
    title: str,
    description: str,
    plot: Callable[[Any], None],
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    keys: Sequence[Key] = (),
    caption: str = "",
) -> Picture:
    """A figure that ``plot(axes)`` draws.

    Parameters
    ----------
    name
        Unique on the page: identifiers inside begin with it.
    title, description
        What the figure shows, and what is seen in it: read out by screen readers.
    plot
        Draws on matplotlib's axes, in :data:`COLOURS`.
    size
        Width and height in units.
    keys, caption
        The legend and a line under the figure.

    Raises
    ------
    OptionError
        If matplotlib is not installed.
    """
    with library("matplotlib"):
        import matplotlib
        from matplotlib.figure import Figure
    inches = size[0] / UNITS_PER_INCH, size[1] / UNITS_PER_INCH
    file = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Letters that the measuring font lacks are measured roughly; the browser has them.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(HOUSE_STYLE)
        figure = Figure(figsize=inches)
        axes = figure.subplots()
        plot(axes)
        _leave_margins(axes, *size)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    svg = _embedded(file.getvalue(), name, clean(title), clean(description))
    return Picture(name, title, svg, keys, caption)


def house_axes(
    axes: Any, x_label: str = "", y_label: str = "", *, whole_x: bool = False, whole_y: bool = False
) -> None:
    """Labels where they are read first: that of the vertical axis lies above it."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(clean(y_label))
    axes.set_xlabel(clean(x_label))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_tick))
    steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=whole_x, steps=steps))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=whole_y, steps=steps))


def log_axis(axes: Any, values: np.ndarray, name: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis, with labels also where it spans less than a power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(**{f"{name}scale": "log"})
    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    decades = np.log10(values.max() / values.min())
    steps = (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=6))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_tick))


def line_style(line: str) -> dict[str, Any]:
    """How ``line``, a name of :data:`COLOURS`, is drawn."""
    dashes = DASHES.get(line)
    return {"color": COLOURS[line], "linestyle": (0, dashes) if dashes else "solid"}


def decimated(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve of at most :data:`POINTS` points, its lowest among them."""
    if len(x) <= POINTS:
        return x, y
    chosen = np.linspace(0, len(x) - 1, POINTS - 1).astype(int)
    if np.isfinite(y).any():
        chosen = np.append(chosen, np.nanargmin(y))
    chosen = np.unique(chosen)
    return x[chosen], y[chosen]


def plot_height(height: int) -> int:
    """How high the axes of a figure with two labels are, in units."""
    return height - TOP - BOTTOM


def _tick(x: float, _: int | None = None) -> str:
    return number(float(f"{x:.12g}"), digits=6)


def _leave_margins(axes: Any, width: int, height: int) -> None:
    """Room for labels; matplotlib's own layout engines draw every figure twice to find it."""
    low, high = sorted(axes.get_ylim())
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    letters = max((len(_tick(tick)) for tick in ticks), default=0)
    left = LETTER * letters + (6 if letters else 1)
    bottom = BOTTOM if axes.get_xlabel() else 20
    top = TOP if axes.get_title(loc="left") else 8
    axes.figure.subplots_adjust(
        left=left / width, right=1 - 10 / width, bottom=bottom / height, top=1 - top / height
    )


# ---------------------------------------------------------------------- SVG
def standalone(figure: Picture) -> str:
    """The SVG of a picture that stands by itself: on paper, in the colours of a light page."""
    css = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    variables = " ".join(css[css.index("{") + 1 : css.index("}")].split())
    shown = "display: block; max-width: 36rem; background: var(--paper); font-family: var(--sans)"
    style = html.escape(f"{variables} {shown}")
    return figure.svg.replace(
        "<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{style}" ', 1
    )


def _embedded(svg: bytes, name: str, title: str, description: str) -> str:
    """What matplotlib wrote, as a part of an HTML page."""
    drawn = ElementTree.fromstring(svg)
    names = _Names(name)
    view_box = drawn.get("viewBox", "")
    page = ElementTree.Element(
        "svg",
        {"viewBox": view_box, "role": "img", "aria-labelledby": f"{name}-title {name}-desc"},
    )
    ElementTree.SubElement(page, "title", {"id": f"{name}-title"}).text = title
    ElementTree.SubElement(page, "desc", {"id": f"{name}-desc"}).text = description
    _copy(drawn, page, names, _referenced(svg.decode()))
    return ElementTree.tostring(page, encoding="unicode")


class _Names:
    """Identifiers that are unique on the page, by those that matplotlib chose."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.chosen: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        return self.chosen.setdefault(name, f"{self.prefix}-{len(self.chosen)}")


def _referenced(svg: str) -> frozenset[str]:
    return frozenset(re.findall(r'(?:url\(|href=")#([^)"]+)', svg))


def _copy(
    source: ElementTree.Element,
    target: ElementTree.Element,
    names: _Names,
    referenced: frozenset[str],
) -> None:
    """Copy what is seen under ``source``: no metadata, no groups of one, no names of schemas."""
    for child in source:
        tag = child.tag.rpartition("}")[2]
        if tag in ("metadata", "style"):
            continue
        attributes = dict(_attributes(child, names, referenced))
        if tag in ("g", "defs") and not attributes and not (tag == "defs" and len(child)):
            _copy(child, target, names, referenced)
            continue
        copied = ElementTree.SubElement(target, tag, attributes)
        copied.text = child.text if tag == "text" else None
        _copy(child, copied, names, referenced)


def _attributes(
    element: ElementTree.Element, names: _Names, referenced: frozenset[str]
) -> Iterator[tuple[str, str]]:
    for key, text in element.items():
        match key.rpartition("}")[2]:
            case "id" if text not in referenced:
                continue
            case "id":
                yield "id", names(text)
            case "href":
                yield "href", f"#{names(text[1:])}"
            case "clip-path":
                yield "clip-path", f"url(#{names(text[5:-1])})"
            case "transform" if text.startswith("rotate(-0 "):
                continue
            case "style":
                yield "style", _page_style(text)
            case "d" | "x" | "y" | "points" as geometry:
                yield geometry, _rounded(text)
            case other:
                yield other, text


def _page_style(style: str) -> str:
    """Colours of the page, and its font."""
    style = re.sub(r"font-family:[^;]*;? ?", "", style)
    for name, colour in COLOURS.items():
        style = style.replace(colour, f"var(--{name})")
    return style


def _rounded(geometry: str) -> str:
    """Two digits after the point are a hundredth of a pixel."""
    flat = " ".join(geometry.split())
    return re.sub(
        r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), flat
    )
