"""What the colours and lines of a drawing mean."""

from collections.abc import Sequence

from chainrule.explain.drawing.facts import Facts
from chainrule.explain.drawing.svg import SMALL, Canvas, text_width

__all__ = ["Legend"]

#: What is said of each entry.
WORDS = {
    "forward": "explain.draw_legend_forward",
    "backward": "explain.draw_legend_backward",
    "more": "explain.draw_legend_more",
    "less": "explain.draw_legend_less",
    "rising": "explain.draw_legend_rising",
    "falling": "explain.draw_legend_falling",
    "size": "explain.draw_legend_size",
    "hint": "explain.draw_legend_hint",
    "shared": "explain.draw_legend_shared",
}
SAMPLE, SPACE, LINE = 26.0, 18.0, 18.0
#: The entries that are words in their own colour; before the others stands a line.
COLOURED = frozenset({"forward", "backward"})


class Legend:
    """Samples with words, in rows that are no wider than the drawing.

    Parameters
    ----------
    facts
        The language, and whether there are numbers at all.
    entries
        ``"forward"``, ``"backward"``: colours of text; ``"more"``, ``"less"``, ``"rising"``,
        ``"falling"``: lines; anything else: plain words.
    width
        How wide the drawing is.
    """

    def __init__(self, facts: Facts, entries: Sequence[str], width: float) -> None:
        self.entries = [(kind, facts.say(WORDS[kind])) for kind in entries]
        self.places: list[tuple[float, float]] = []
        x = y = self.width = 0.0
        for kind, words in self.entries:
            room = text_width(words, SMALL) + (0 if _is_text(kind) else SAMPLE)
            if x and x + room > width:
                x, y = 0.0, y + LINE
            self.places.append((x, y))
            self.width = max(self.width, x + room)
            x += room + SPACE
        self.height = y + LINE if self.entries else 0.0

    def paint(self, canvas: Canvas, left: float, top: float) -> None:
        """Put it at its place."""
        for (kind, words), (x, y) in zip(self.entries, self.places, strict=True):
            x, y = left + x, top + y + LINE / 2
            if not _is_text(kind):
                canvas.add("path", LINES[kind], d=f"M{x} {y}h20", stroke_width=2.5)
                x += SAMPLE
            colour = kind if kind in COLOURED else "quiet"
            canvas.text(x, y, words, colour, anchor="start", size=SMALL)


#: The classes of lines.
LINES = {"more": "more", "less": "less", "rising": "slope", "falling": "slope falling"}


def _is_text(kind: str) -> bool:
    return kind not in LINES
