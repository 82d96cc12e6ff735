"""The parts that an explanation is put together from: what is said, apart from how it looks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypeAlias

from chainrule import words
from chainrule.explain.formulas import Expression, Number
from chainrule.explain.formulas.names import clean

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Formula",
    "Grid",
    "Heading",
    "Inline",
    "Items",
    "Picture",
    "Prose",
    "Strong",
]


@dataclass(frozen=True)
class Code:
    """Something to be typed, inside a sentence: a path, a call, a claim."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that are seen first."""

    text: str


#: A part of a sentence.
Inline: TypeAlias = str | Expression | Code | Strong


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the document's title, below it come 2 and 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Prose:
    """A paragraph: words, and formulas in between.

    Examples
    --------
    >>> from chainrule.explain.document import Prose
    >>> from chainrule.explain.formulas import Symbol
    >>> Prose("The factor is ", Symbol("x"), ".").parts
    ('The factor is ', Symbol(name='x', accent='', layer='', label='', indices=()), '.')
    """

    parts: tuple[Inline, ...]

    def __init__(self, *parts: Inline) -> None:
        object.__setattr__(self, "parts", parts)

    @classmethod
    def say(cls, key: str, lang: str | None = None, /, **values: object) -> "Prose":
        """A message of the catalogue; formulas, code and prose among its values stay what they are.

        A float without a format of its own is a number like those in formulas, so that it is
        rounded as they are.

        Parameters
        ----------
        key
            ``room.name``, as in :func:`chainrule.words.text`.
        lang
            ``"en"`` or ``"ko"``; by default :func:`chainrule.words.language`.
        **values
            What the fields stand for: text, numbers, expressions, :class:`Code`, :class:`Strong`,
            or the parts of another :class:`Prose`.

        Examples
        --------
        >>> from chainrule.explain.document import Prose
        >>> from chainrule.explain.formulas import Symbol
        >>> Prose.say("explain.case", "en", value=Symbol("z"), condition="it rains").parts
        (Symbol(name='z', accent='', layer='', label='', indices=()), ' if it rains')
        """
        kept: list[tuple[Inline, ...]] = []
        message = words.text(
            key, lang, **{name: _prepared(value, kept) for name, value in values.items()}
        )
        parts: list[Inline] = []
        for position, piece in enumerate(MARK.split(message)):
            if position % 2:
                parts += kept[int(piece)]
            elif piece:
                parts.append(piece)
        return cls(*parts)


@dataclass(frozen=True)
class Formula:
    """A formula on lines of its own."""

    expression: Expression


@dataclass(frozen=True)
class Items:
    """A list of paragraphs, numbered or not."""

    entries: Sequence[Prose]
    numbered: bool = False


#: An entry of a table.
Cell: TypeAlias = Inline | Prose


@dataclass(frozen=True)
class Grid:
    """A table: heads and rows; columns of numbers stand right."""

    headers: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    @property
    def numeric(self) -> list[bool]:
        """For each column whether all that stands in it is numbers."""
        return [
            bool(self.rows) and all(isinstance(row[place], Number) for row in self.rows)
            for place in range(len(self.headers))
        ]


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes
    ----------
    svg
        Markup that is put into pages as it is: whoever makes it escapes the names in it.
    caption
        What is to be seen.
    text
        What stands in its place where no drawing can be shown.
    """

    svg: str
    caption: str = ""
    text: str = ""


Block: TypeAlias = Heading | Prose | Formula | Items | Grid | Picture

#: Where a value stood in a message. No text that was cleaned has this character.
MARK = re.compile("\x00([0-9]+)\x00")


@dataclass(frozen=True)
class _Kept:
    """A value on its way through :meth:`str.format`."""

    mark: str
    value: object

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else self.mark


def _prepared(value: object, kept: list[tuple[Inline, ...]]) -> object:
    """What goes into a message for a value: text as text, everything else as a mark."""
    if isinstance(value, str):
        return clean(value)
    parts = _parts(value)
    if parts is None:
        return value
    kept.append(parts)
    return _Kept(f"\x00{len(kept) - 1}\x00", value)


def _parts(value: object) -> tuple[Inline, ...] | None:
    """What a value is in a sentence, if it is more than text."""
    if isinstance(value, Prose):
        return value.parts
    if isinstance(value, Expression | Code | Strong):
        return (value,)
    # NumPy's floats too. Whole numbers are written as the message wants them.
    if isinstance(value, Real) and not isinstance(value, Integral):
        return (Number(value),)  # type: ignore[arg-type]
    return None
