"""A document as text for a terminal."""

import shutil
from collections.abc import Sequence
from itertools import zip_longest

from chainrule.explain.document.blocks import Grid, Heading, Items, Picture, Prose
from chainrule.explain.document.boxes import display_text
from chainrule.explain.document.lines import (
    GLUE,
    columns,
    padded,
    wrapped_words,
)
from chainrule.explain.document.writer import Writer
from chainrule.explain.formulas import Expression, to_text
from chainrule.explain.formulas.names import clean

__all__ = ["TextWriter"]

#: Lines wider than this are hard to read; on narrower ones nothing fits.
WIDEST, NARROWEST = 100, 24
#: An inline formula of so many columns is not broken.
UNBROKEN = 24
RULES = {1: "═", 2: "─"}
#: Between the columns of a table.
GAP = "  "


class TextWriter(Writer):
    """Unicode text in lines of at most ``width`` columns, where anything can be broken."""

    def __init__(self, digits: int, lang: str, width: int | None = None) -> None:
        super().__init__(digits, lang)
        if width is None:
            width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
        self.width = max(width, NARROWEST)

    def words(self, text: str) -> str:
        """Words without what would steer the terminal."""
        return clean(text)

    def strong(self, text: str) -> str:
        """The words alone: plain text has no bold ones."""
        return clean(text)

    def code(self, text: str) -> str:
        """The code alone."""
        return clean(text)

    def inline_formula(self, expression: Expression) -> str:
        """A formula, which is not broken if it is short."""
        text = to_text(expression, self.digits, self.lang)
        return text.replace(" ", GLUE) if columns(text) <= UNBROKEN else text

    def heading(self, block: Heading) -> str:
        """A heading over a line."""
        text = wrapped_words(clean(block.text), self.width)
        rule = RULES.get(block.level, "")
        return f"{text}\n{rule * max(map(columns, text.split(chr(10))))}" if rule else text

    def prose(self, block: Prose) -> str:
        """A paragraph."""
        return wrapped_words(self.line(block.parts), self.width)

    def formula(self, expression: Expression) -> str:
        """A formula, set in."""
        return display_text(expression, self.digits, self.lang, self.width)

    def items(self, block: Items) -> str:
        """A list."""
        lines, last = [], f"{len(block.entries)}. "
        for number, entry in enumerate(block.entries, 1):
            mark = f"{number}. ".rjust(len(last)) if block.numbered else "• "
            line = self.line(entry.parts)
            lines.append(wrapped_words(line, self.width, " " * len(mark), mark))
        return "\n".join(lines)

    def grid(self, block: Grid) -> str:
        """A table; what is too wide is broken inside of its column."""
        table = [list(map(self.cell, row)) for row in (block.headers, *block.rows)]
        widths = [max(map(columns, column)) for column in zip(*table, strict=True)]
        widths = _narrowed(widths, self.width - len(GAP) * (len(widths) - 1))
        head, *rows = (_row(row, widths, block.numeric) for row in table)
        rule = GAP.join("─" * width for width in widths)
        caption = [wrapped_words(clean(block.caption), self.width)] if block.caption else []
        return "\n".join([*caption, head, rule, *rows])

    def picture(self, block: Picture) -> str:
        """What stands in the place of a drawing, and what would be seen on it."""
        caption = wrapped_words(f"[{clean(block.caption)}]", self.width) if block.caption else ""
        return "\n".join(filter(None, (block.text, caption)))


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Widths that fit, the widest columns made narrower."""
    narrow = list(widths)
    while sum(narrow) > room and max(narrow) > 1:
        narrow[narrow.index(max(narrow))] -= 1
    return narrow


def _row(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    """A row of a table, of as many lines as its longest entry needs."""
    entries = [
        wrapped_words(cell, width).split("\n") for cell, width in zip(cells, widths, strict=True)
    ]
    lines = []
    for parts in zip_longest(*entries, fillvalue=""):
        texts = zip(parts, widths, numeric, strict=True)
        line = GAP.join(padded(part, width, right=right) for part, width, right in texts)
        lines.append(line.rstrip())
    return "\n".join(lines)
