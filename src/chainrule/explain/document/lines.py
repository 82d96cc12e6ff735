"""Text in columns: how wide it is, and where a line of words or of a formula is broken."""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

__all__ = ["GLUE", "columns", "padded", "wrapped_formula", "wrapped_words"]

#: Before these a formula is broken, the loosest first; at any space if nothing else is left.
OPERATORS = ((" = ",), (" + ", " − "), (" · ", " ⊙ ", " / "), (" ",))
#: A space at which no line ends.
GLUE = "\N{NO-BREAK SPACE}"
INDENT = "    "


def columns(text: str) -> int:
    """How many columns a text takes: a Korean letter takes two, an accent none.

    Examples
    --------
    >>> from chainrule.explain.document.lines import columns
    >>> columns("ŷ"), columns("기울기")
    (1, 6)
    """
    return len(text) if text.isascii() else sum(map(_column, text))


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text filled up with spaces, at the left if it stands ``right``."""
    space = " " * (width - columns(text))
    return space + text if right else text + space


def wrapped_words(text: str, width: int, indent: str = "", first: str | None = None) -> str:
    """A paragraph in lines of at most ``width`` columns; a word that is longer is broken.

    Parameters
    ----------
    text
        Words between spaces.
    width
        The columns that there are.
    indent
        What every line begins with.
    first
        What the first line begins with instead: the mark of a list, of the same width.

    Examples
    --------
    >>> from chainrule.explain.document.lines import wrapped_words
    >>> print(wrapped_words("the chain runs backwards", 16, "  ", "• "))
    • the chain runs
      backwards
    """
    room = max(width - columns(indent), 1)
    lines, line = [], ""
    for part in (part for word in text.split(" ") if word for part in _parts(word, room)):
        if line and columns(line) + 1 + columns(part) > room:
            lines.append(line)
            line = ""
        line += f" {part}" if line else part
    lines.append(line)
    starts = [indent if first is None else first] + [indent] * (len(lines) - 1)
    whole = (f"{start}{line}".rstrip() for start, line in zip(starts, lines, strict=True))
    return "\n".join(whole).replace(GLUE, " ")


def wrapped_formula(sides: Sequence[str], width: int) -> str:
    """A formula or an equation in lines of at most ``width`` columns, where it can be broken.

    On one line if it fits. Else every side of an equation has a line, its equals sign below the
    first one's, and what is too long is broken before the operators that bind loosest.

    Examples
    --------
    >>> from chainrule.explain.document.lines import wrapped_formula
    >>> print(wrapped_formula(["∂J/∂w", "∂J/∂y · ∂y/∂w", "2 · (−3)", "−6"], 30))
        ∂J/∂w = ∂J/∂y · ∂y/∂w
              = 2 · (−3)
              = −6
    """
    head, *others = sides
    whole = INDENT + " = ".join(sides)
    if columns(whole) <= width:
        return whole
    if not others:
        return "\n".join(_broken(head, width, INDENT))
    if columns(INDENT + head) <= width // 3:
        lines, gap = [], " " * columns(head)
        starts = [head] + [gap] * (len(others) - 1)
    else:  # the left side has a line of its own
        lines, starts = _broken(head, width, INDENT), [""] * len(others)
    for start, side in zip(starts, others, strict=True):
        lines += _broken(side, width, f"{INDENT}{start} = ")
    return "\n".join(lines)


def _broken(text: str, width: int, start: str) -> list[str]:
    """A formula in lines: the first begins with ``start``, the others with as many spaces."""
    indent = " " * columns(start)
    lines, line = [], start
    for part in _pieces(text, width - columns(start)):
        if line.strip() != start.strip() and columns(line) + columns(part.rstrip()) > width:
            lines.append(line.rstrip())
            line, part = indent, part.lstrip()
        line += part
    return [*lines, line.rstrip()]


def _pieces(text: str, width: int) -> list[str]:
    """A formula cut before operators, and again where a piece is too wide."""
    levels = _levels(text)
    waiting, pieces = [(0, len(text), 0)], []
    while waiting:
        start, end, step = waiting.pop()
        level, rank = divmod(step, len(OPERATORS))
        if columns(text[start:end].strip()) <= width or level > max(levels):
            pieces.append(text[start:end])
            continue
        operators = OPERATORS[rank]
        inside = (place for place in range(start + 1, end) if levels[place] == level)
        cuts = [place for place in inside if text.startswith(operators, place)]
        parts = [(a, b, step + 1) for a, b in pairwise([start, *cuts, end])]
        waiting += reversed(parts)
    return pieces


def _levels(text: str) -> list[int]:
    """How many brackets are open at each place of a text."""
    steps = ((c in "([{") - (c in ")]}") for c in text)
    return list(accumulate(steps)) or [0]


def _parts(word: str, width: int) -> Iterator[str]:
    """A word in parts that fit on a line."""
    part = ""
    for character in word:
        if part and columns(part) + _column(character) > width:
            yield part
            part = ""
        part += character
    yield part


def _column(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
