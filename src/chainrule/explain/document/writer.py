"""What all forms of a document share: the walk over blocks and parts of sentences."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chainrule.explain.document.blocks import (
    Block,
    Cell,
    Code,
    Formula,
    Grid,
    Heading,
    Inline,
    Items,
    Picture,
    Prose,
    Strong,
)
from chainrule.explain.formulas import Expression

__all__ = ["Writer"]


class Writer(ABC):
    """A form of documents.

    Parameters
    ----------
    digits
        How many digits of a measured number count.
    lang
        The language of words in formulas.
    """

    def __init__(self, digits: int, lang: str) -> None:
        self.digits = digits
        self.lang = lang

    def blocks(self, title: str, blocks: Sequence[Block]) -> list[str]:
        """The heading of the whole, if there is one, and every block."""
        heading = [Heading(title, 1)] if title else []
        return [self.block(block) for block in (*heading, *blocks)]

    def block(self, block: Block) -> str:
        """One block."""
        match block:
            case Heading():
                return self.heading(block)
            case Prose():
                return self.prose(block)
            case Formula():
                return self.formula(block.expression)
            case Items():
                return self.items(block)
            case Grid():
                return self.grid(block)
            case Picture():
                return self.picture(block)

    def line(self, parts: Sequence[Inline]) -> str:
        """Words and formulas side by side."""
        return "".join(map(self._inline, parts))

    def cell(self, cell: Cell) -> str:
        """An entry of a table."""
        return self.line(cell.parts if isinstance(cell, Prose) else (cell,))

    def _inline(self, part: Inline) -> str:
        match part:
            case Code():
                return self.code(part.text)
            case Strong():
                return self.strong(part.text)
            case str():
                return self.words(part)
        return self.inline_formula(part)

    @abstractmethod
    def words(self, text: str) -> str:
        """Words, with nothing in them that has a meaning in this form."""

    @abstractmethod
    def strong(self, text: str) -> str:
        """Words that are seen first."""

    @abstractmethod
    def code(self, text: str) -> str:
        """Something to be typed."""

    @abstractmethod
    def inline_formula(self, expression: Expression) -> str:
        """A formula in a sentence."""

    @abstractmethod
    def heading(self, block: Heading) -> str:
        """A heading."""

    @abstractmethod
    def prose(self, block: Prose) -> str:
        """A paragraph."""

    @abstractmethod
    def formula(self, expression: Expression) -> str:
        """A formula on lines of its own."""

    @abstractmethod
    def items(self, block: Items) -> str:
        """A list."""

    @abstractmethod
    def grid(self, block: Grid) -> str:
        """A table."""

    @abstractmethod
    def picture(self, block: Picture) -> str:
        """A drawing."""
