"""A document as Markdown, with formulas between dollars."""

import base64
import re
from collections.abc import Sequence

from chainrule.explain.document.blocks import Cell, Grid, Heading, Items, Picture, Prose
from chainrule.explain.document.writer import Writer
from chainrule.explain.formulas import Expression, to_latex
from chainrule.explain.formulas.names import clean

__all__ = ["MarkdownWriter"]

SPECIAL = re.compile(r"[\\`*_{}\[\]#|$~!]")
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
#: What would make a list of a paragraph, or a heading of the one before it.
MARK = re.compile(r"[-+=]|\d+[.)]")


class MarkdownWriter(Writer):
    """Markdown as GitHub, Jupyter and MkDocs read it."""

    def words(self, text: str) -> str:
        """Words with backslashes before what Markdown would read."""
        return SPECIAL.sub(r"\\\g<0>", clean(text)).translate(ENTITIES)

    def strong(self, text: str) -> str:
        """Words between stars."""
        return f"**{self.words(text)}**"

    def code(self, text: str) -> str:
        """Code between more backticks than stand in it."""
        text = clean(text)
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        space = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{fence}{space}{text}{space}{fence}"

    def inline_formula(self, expression: Expression) -> str:
        """A formula between dollars."""
        return f"${to_latex(expression, self.digits, self.lang)}$"

    def heading(self, block: Heading) -> str:
        """A heading."""
        return f"{'#' * block.level} {self.words(block.text)}"

    def prose(self, block: Prose) -> str:
        """A paragraph on one line."""
        line = self.line(block.parts).strip()
        if mark := MARK.match(line):
            last = mark.end() - 1
            return f"{line[:last]}\\{line[last:]}"
        return line

    def formula(self, expression: Expression) -> str:
        """A formula between two dollars."""
        return f"$$\n{to_latex(expression, self.digits, self.lang, display=True)}\n$$"

    def items(self, block: Items) -> str:
        """A list."""
        return "\n".join(
            f"{f'{number}.' if block.numbered else '-'} {self.prose(entry)}"
            for number, entry in enumerate(block.entries, 1)
        )

    def grid(self, block: Grid) -> str:
        """A table, below its caption."""
        rule = "|".join(" ---: " if numeric else " --- " for numeric in block.numeric)
        rows = [self._row(block.headers), f"|{rule}|", *map(self._row, block.rows)]
        caption = [self.prose(Prose(block.caption)), ""] if block.caption else []
        return "\n".join([*caption, *rows])

    def _row(self, cells: Sequence[Cell]) -> str:
        return f"| {' | '.join(map(self.cell, cells))} |"

    def cell(self, cell: Cell) -> str:
        """An entry of a table, which a bare pipe would end, even in code."""
        return re.sub(r"(?<!\\)\|", r"\\|", super().cell(cell))

    def picture(self, block: Picture) -> str:
        """A drawing inside of the text itself, so that one file is enough."""
        encoded = base64.b64encode(block.svg.encode()).decode()
        return f"![{self.words(block.caption)}](data:image/svg+xml;base64,{encoded})"
