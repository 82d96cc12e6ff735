"""The parts that a page is put together from: what is said, apart from how it looks.

Every part is made by Python in the reader's language; the template knows no words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Column",
    "Derived",
    "Grid",
    "Key",
    "Pairs",
    "Picture",
    "Prose",
    "Section",
    "Sentences",
    "Side",
    "Table",
    "Verdict",
]

Tone = Literal["good", "plain", "bad"]


@dataclass(frozen=True)
class Verdict:
    """The answer: a number in large type, what it measures, and what to make of it."""

    kind: ClassVar[str] = "verdict"
    number: str
    measure: str
    headline: str
    sentences: Sequence[str]
    tone: Tone


@dataclass(frozen=True)
class Prose:
    """A paragraph; ``small`` for what explains a figure or a table."""

    kind: ClassVar[str] = "prose"
    text: str
    small: bool = False


@dataclass(frozen=True)
class Sentences:
    """A list of sentences."""

    kind: ClassVar[str] = "sentences"
    items: Sequence[str]


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    label: str
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """One entry of a table.

    Attributes
    ----------
    text
        What stands in it.
    heat
        From 0 to 1: how strongly it is coloured.
    wrong
        Coloured as a mistake and not as a success.
    """

    text: str
    heat: float = 0.0
    wrong: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under heads; the first entry of a row is its head.

    Attributes
    ----------
    caption
        What the table shows.
    columns, rows
        Heads and entries.
    matrix
        Narrow columns of equal width, for numbers that are compared in two directions.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    matrix: bool = False


@dataclass(frozen=True)
class Key:
    """An entry of a legend: ``line`` names the style of what is drawn."""

    label: str
    line: str


@dataclass(frozen=True)
class Picture:
    """A figure: SVG with a title and a description for those who do not see it."""

    kind: ClassVar[str] = "picture"
    name: str
    title: str
    svg: str
    keys: Sequence[Key] = ()
    caption: str = ""


@dataclass(frozen=True)
class Grid:
    """Pictures side by side where there is room; ``small`` puts three in a row.

    ``keys`` is the legend of all of them, ``title`` what they are about.
    """

    kind: ClassVar[str] = "grid"
    pictures: Sequence[Picture]
    small: bool = False
    keys: Sequence[Key] = ()
    title: str = ""


@dataclass(frozen=True)
class Side:
    """Tables and pictures of different widths side by side where there is room."""

    kind: ClassVar[str] = "side"
    parts: Sequence[Table | Picture]


@dataclass(frozen=True)
class Pairs:
    """Names and what they stand for."""

    kind: ClassVar[str] = "pairs"
    title: str
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Something to be typed."""

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Derived:
    """A derivation, folded up under its title; ``html`` is markup that is put in as it is."""

    kind: ClassVar[str] = "derived"
    title: str
    html: str


Block = Verdict | Prose | Sentences | Table | Side | Picture | Grid | Pairs | Code | Derived


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; ``name`` is where links lead."""

    name: str
    title: str
    blocks: Sequence[Block]
