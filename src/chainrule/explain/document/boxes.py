"""Formulas with matrices as text of several lines: a matrix has as many as it has rows.

Printing goes on as for one line. In the place of a matrix stands a letter that no text has, as many
times as the matrix is wide; when lines have been broken, such a letter is exchanged for the rows.
"""

import re
from collections.abc import Sequence

from chainrule.explain.document.lines import columns, padded, wrapped_formula
from chainrule.explain.formulas.printer import Piece
from chainrule.explain.formulas.text import TextPrinter
from chainrule.explain.formulas.tree import Equation, Expression, Matrix

__all__ = ["display_text"]

#: The first letter that stands for a matrix, of an area that Unicode leaves free, and the last.
FIRST, LAST = 0xE000, 0xF8FF
STANDS_FOR = re.compile(f"([{chr(FIRST)}-{chr(LAST)}])\\1*")
#: The left and the right end of the first row, of those between, and of the last.
BRACKETS = (("⎡", "⎤"), ("⎢", "⎥"), ("⎣", "⎦"))
GAP = "  "


def display_text(expression: Expression, digits: int, lang: str, width: int) -> str:
    """A formula in lines of at most ``width`` columns where it can be broken, matrices as tables.

    Examples
    --------
    >>> from chainrule.explain.document.boxes import display_text
    >>> from chainrule.explain.formulas import Equation, Matrix, Number, Symbol
    >>> rows = tuple((Number(row), Number(-10 * row)) for row in (1, 2, 3))
    >>> print(display_text(Equation((Symbol("A"), Matrix(rows))), 5, "en", 80))
        ⎡1  −10⎤
    A = ⎢2  −20⎥
        ⎣3  −30⎦
    """
    printer = _BoxPrinter(expression, digits, lang, width)
    sides = expression.sides if isinstance(expression, Equation) else (expression,)
    broken = wrapped_formula([printer.inner(side) for side in sides], width)
    return "\n".join(printer.unfolded(line) for line in broken.split("\n"))


class _BoxPrinter(TextPrinter):
    """Text in which matrices are still folded."""

    def __init__(self, expression: Expression, digits: int, lang: str, width: int) -> None:
        self._width = width
        self._boxes: list[tuple[list[str], str]] = []  # its rows, and how it is on one line
        super().__init__(expression, digits, lang)

    def matrix(self, node: Matrix) -> Piece:
        """A letter in its place, unless it has one row or is wider than the page."""
        flat = super().matrix(node)
        one_line = Piece(self._flat(flat.text), flat.level)
        entries = [[self._flat(self.inner(entry)) for entry in row] for row in node.rows]
        rows = _bracketed(entries)
        room = columns(rows[0]) <= self._width * 2 // 3 and FIRST + len(self._boxes) < LAST
        if len(rows) == 1 or not room:
            return one_line
        letter = chr(FIRST + len(self._boxes))
        self._boxes.append((rows, one_line.text))
        return Piece(letter * columns(rows[0]))

    def _flat(self, text: str) -> str:
        """A text with the matrices inside of it on one line."""
        return STANDS_FOR.sub(lambda match: self._boxes[ord(match[1]) - FIRST][1], text)

    def unfolded(self, line: str) -> str:
        """A line as several, its text level with the middle of its matrices."""
        # Text and matrices in turn; text is a box of one row.
        parts = enumerate(STANDS_FOR.split(line))
        boxes = [self._boxes[ord(part) - FIRST][0] if n % 2 else [part] for n, part in parts]
        middle = max(map(len, boxes)) // 2
        lines = []
        for level in range(max(map(len, boxes))):
            rows = (_row(box, level - middle + len(box) // 2) for box in boxes)
            lines.append("".join(rows).rstrip())
        return "\n".join(lines)


def _row(box: Sequence[str], number: int) -> str:
    """A row of a box, or what is left and right of it above and below."""
    return box[number] if 0 <= number < len(box) else " " * columns(box[0])


def _bracketed(entries: Sequence[Sequence[str]]) -> list[str]:
    """Rows between brackets, the columns' entries below each other."""
    widths = [max(map(columns, column)) for column in zip(*entries, strict=True)]
    last = len(entries) - 1
    rows = []
    for number, row in enumerate(entries):
        left, right = BRACKETS[0 if number == 0 else 2 if number == last else 1]
        cells = zip(row, widths, strict=True)
        rows.append(left + GAP.join(padded(text, w, right=True) for text, w in cells) + right)
    return rows
