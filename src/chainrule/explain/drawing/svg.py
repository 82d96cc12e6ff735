"""SVG by hand: elements, text whose width is known beforehand, and how a drawing is put together.

Nothing is measured in a browser, so widths are estimated from the widest of the usual fonts: where
a label fits here, it fits with any of them.
"""

import hashlib
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from functools import cache
from importlib import resources

from chainrule.explain.formulas.names import clean

__all__ = [
    "HEADING",
    "LARGE",
    "SIZE",
    "SMALL",
    "Canvas",
    "clipped",
    "curve",
    "text_width",
]

#: Sizes of text, in pixels.
SIZE, SMALL, LARGE = 12.0, 11.0, 15.0
#: Room for the title.
HEADING = 18.0

#: Widths of characters in DejaVu Sans, in hundredths of its size.
WIDTHS = {
    character: width
    for width, characters in {
        23: "′",
        29: "'IJijl",
        33: " ,./:;·|\\",
        40: "!()[]-⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉ᵀrtf",
        53: '"*_`?csz∂‖⁻',
        64: "0123456789abdeghknopquvxyFELPZSTYR{}$αβγδεηθλμσφΣ",
        72: "ABCKVX",
        79: "DGHNOQU&",
        84: "+=<>^#~w−×→−",
        100: "…mMW@%",
    }.items()
    for character in characters
}
#: Of any other character, and of one of the wide scripts of East Asia.
OTHER, WIDE = 68, 102


def text_width(text: str, size: float = SIZE) -> float:
    """How wide a text is at most, in pixels.

    Examples
    --------
    >>> from chainrule.explain.drawing.svg import text_width
    >>> text_width("w¹ = 0.5"), text_width("가중치")
    (52.2, 36.72)
    """
    return round(sum(map(_width, text)) * size / 100, 2)


def _width(character: str) -> int:
    if character in WIDTHS:
        return WIDTHS[character]
    if unicodedata.combining(character):
        return 0
    return WIDE if unicodedata.east_asian_width(character) in "WF" else OTHER


def clipped(text: str, width: float, size: float = SIZE) -> str:
    """The text, cut with an ellipsis where it is wider.

    Examples
    --------
    >>> from chainrule.explain.drawing.svg import clipped
    >>> clipped("hidden.0.weight", 60)
    'hidden.…'
    """
    text = clean(text)
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


class Canvas:
    """Elements in the order in which they are painted.

    Parameters
    ----------
    width, height
        In pixels.
    title, description
        What a screen reader says.
    """

    def __init__(
        self, width: float, height: float, title: str, description: str, lang: str
    ) -> None:
        self.width, self.height = width, height
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "chainrule",
                "width": number(width),
                "height": number(height),
                "viewBox": f"0 0 {number(width)} {number(height)}",
                "role": "img",
                "lang": lang,
            },
        )
        self._said = (
            ElementTree.SubElement(self.root, "title"),
            ElementTree.SubElement(self.root, "desc"),
        )
        self._said[0].text, self._said[1].text = clean(title), clean(description)
        ElementTree.SubElement(self.root, "style").text = style()
        self.parent = self.root
        self.add("rect", "back", width="100%", height="100%", rx=6)

    def add(self, tag: str, kind: str = "", /, **attributes: float | str) -> ElementTree.Element:
        """A shape of a class; ``stroke_width`` stands for ``stroke-width``."""
        written = {"class": kind} if kind else {}
        for name, value in attributes.items():
            text = value if isinstance(value, str) else number(value)
            written[name.replace("_", "-")] = text
        return ElementTree.SubElement(self.parent, tag, written)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        kind: str = "",
        *,
        anchor: str = "middle",
        size: float = SIZE,
        **more: str,
    ) -> None:
        """A line of text; ``y`` is the height of its middle."""
        if not text:
            return
        attributes: dict[str, float | str] = {"x": x, "y": y + 0.36 * size, **more}
        if anchor != "start":
            attributes["text_anchor"] = anchor
        if size != SIZE:
            attributes["font_size"] = size
        self.add("text", kind, **attributes).text = clean(text)

    def plated(self, x: float, y: float, text: str, kind: str = "") -> None:
        """Small text on a plate that hides the lines behind it."""
        self.box(x, y, text_width(text, SMALL) + 4, 13, "plate", 3)
        self.text(x, y, text, kind, size=SMALL)

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, corner: float = 6
    ) -> None:
        """A rectangle with round corners about a point."""
        self.add(
            "rect", kind, x=x - width / 2, y=y - height / 2, width=width, height=height, rx=corner
        )

    def arrow(self, x: float, y: float, *, down: bool = False) -> None:
        """The head of an arrow with its tip here, that points right or down."""
        corners = [(x, y), (x - 8, y - 4), (x - 8, y + 4)]
        if down:
            corners = [(x, y), (x - 4, y - 8), (x + 4, y - 8)]
        self.add("polygon", "head", points=" ".join(f"{number(a)},{number(b)}" for a, b in corners))

    def hint(self, *lines: str) -> "_Hint":
        """A group whose parts show these lines under the pointer."""
        return _Hint(self, [clean(line) for line in lines if line])

    def markup(self) -> str:
        """The drawing as text."""
        names = ("title", "desc")
        body = ElementTree.tostring(self.root, encoding="unicode")
        unique = hashlib.sha256(body.encode()).hexdigest()[:8]
        for element, name in zip(self._said, names, strict=True):
            element.set("id", f"{name}-{unique}")
        self.root.set("aria-labelledby", " ".join(f"{name}-{unique}" for name in names))
        return ElementTree.tostring(self.root, encoding="unicode")


class _Hint:
    """A group with a ``title``, while it is open."""

    def __init__(self, canvas: Canvas, lines: list[str]) -> None:
        self.canvas, self.outer = canvas, canvas.parent
        self.group = ElementTree.SubElement(self.outer, "g")
        if lines:
            ElementTree.SubElement(self.group, "title").text = "\n".join(lines)

    def __enter__(self) -> None:
        self.canvas.parent = self.group

    def __exit__(self, *_: object) -> None:
        self.canvas.parent = self.outer


def curve(points: Sequence[tuple[float, float]], *, down: bool = False) -> str:
    """A path through the points that leaves and reaches each of them level, or upright."""
    parts, (x, y) = [f"M{_pair(*points[0])}"], points[0]
    for to_x, to_y in points[1:]:
        if down:
            bends = (x, (y + to_y) / 2), (to_x, (y + to_y) / 2)
        else:
            bends = ((x + to_x) / 2, y), ((x + to_x) / 2, to_y)
        straight = abs(to_x - x if down else to_y - y) < 0.01
        bent = " ".join(_pair(*bend) for bend in bends)
        parts.append(f"L{_pair(to_x, to_y)}" if straight else f"C{bent} {_pair(to_x, to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def _pair(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"


def number(value: float) -> str:
    """A length with at most two digits behind the point."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


@cache
def style() -> str:
    """Colours by class, for light and dark surroundings."""
    return resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
