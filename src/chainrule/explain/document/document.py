"""``Document``: an explanation that can be shown in any of the usual ways."""

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule import words
from chainrule.errors import OptionError
from chainrule.explain.document.blocks import Block
from chainrule.explain.document.html import HtmlWriter, page
from chainrule.explain.document.latex import LatexWriter, whole_file
from chainrule.explain.document.markdown import MarkdownWriter
from chainrule.explain.document.text import TextWriter
from chainrule.explain.formulas.numbers import DIGITS

__all__ = ["Document"]


@dataclass(frozen=True)
class Document:
    r"""Blocks in the order in which they are read.

    Parameters
    ----------
    blocks
        What is said.
    title
        The heading of the whole; may be left out.
    lang
        The language that the blocks are written in; by default :func:`chainrule.words.language`.
    digits
        How many digits of a measured number count, the same in every view.

    Raises
    ------
    OptionError
        If ``lang`` is no language of the catalogue.

    Examples
    --------
    >>> from chainrule.explain.document import Document, Formula, Heading, Prose
    >>> from chainrule.explain.formulas import Equation, Multiply, Number, Symbol
    >>> product = Multiply((Number(2), Number(-3)))
    >>> document = Document(
    ...     [
    ...         Heading("The output neuron"),
    ...         Prose("It passes ", Symbol("delta"), " back."),
    ...         Formula(Equation((Symbol("delta"), product, Number(-6)))),
    ...     ],
    ...     lang="en",
    ... )
    >>> print(document.to_text())
    The output neuron
    ─────────────────
    <BLANKLINE>
    It passes δ back.
    <BLANKLINE>
        δ = 2 · (−3) = −6
    >>> print(document.to_markdown())
    ## The output neuron
    <BLANKLINE>
    It passes $\delta$ back.
    <BLANKLINE>
    $$
    \delta = 2 \cdot (-3) = -6
    $$
    """

    blocks: tuple[Block, ...]
    title: str
    lang: str
    digits: int

    def __init__(
        self,
        blocks: Iterable[Block],
        title: str = "",
        *,
        lang: str | None = None,
        digits: int = DIGITS,
    ) -> None:
        object.__setattr__(self, "blocks", tuple(blocks))
        object.__setattr__(self, "title", title)
        lang = lang or words.language()
        if lang not in words.LANGUAGES:
            raise OptionError("explain.lang", known=" / ".join(words.LANGUAGES), lang=lang)
        object.__setattr__(self, "lang", lang)
        object.__setattr__(self, "digits", digits)

    def to_text(self, width: int | None = None) -> str:
        """Text for a terminal of ``width`` columns; by default the terminal's own, at most 100."""
        writer = TextWriter(self.digits, self.lang, width)
        return "\n\n".join(writer.blocks(self.title, self.blocks))

    def to_markdown(self) -> str:
        """Markdown with formulas between dollars."""
        writer = MarkdownWriter(self.digits, self.lang)
        return "\n\n".join(writer.blocks(self.title, self.blocks)) + "\n"

    def to_latex(self, *, complete: bool = False) -> str:
        """LaTeX to be put into a document, or a ``complete`` one for XeLaTeX or LuaLaTeX."""
        writer = LatexWriter(self.digits, self.lang)
        fragment = "\n\n".join(writer.blocks(self.title, self.blocks)) + "\n"
        return whole_file(fragment) if complete else fragment

    def to_html(self, *, complete: bool = False) -> str:
        """HTML to be put into a page, or a ``complete`` page that needs nothing else.

        Pages that fragments are put into take in :func:`chainrule.explain.document.style` once.
        """
        blocks = "\n".join(HtmlWriter(self.digits, self.lang).blocks(self.title, self.blocks))
        fragment = f'<div class="explanation" lang="{self.lang}">\n{blocks}\n</div>\n'
        return page(self.title, self.lang, fragment) if complete else fragment
