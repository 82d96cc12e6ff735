"""A document as HTML: a fragment with formulas in MathML, and a page that needs nothing else."""

import html
from collections.abc import Sequence
from functools import cache
from importlib import resources
from string import Template

from chainrule.explain.document.blocks import Cell, Grid, Heading, Items, Picture, Prose
from chainrule.explain.document.writer import Writer
from chainrule.explain.formulas import Expression, to_mathml
from chainrule.explain.formulas.names import clean

__all__ = ["HtmlWriter", "page", "style"]


@cache
def style() -> str:
    """The style sheet of fragments; all of its rules are bound to their class, ``explanation``.

    Examples
    --------
    >>> from chainrule.explain.document import style
    >>> ".explanation .formula" in style()
    True
    """
    return _resource("style.css")


def page(title: str, lang: str, fragment: str) -> str:
    """A page around a fragment: no scripts, no network, light and dark."""
    return Template(_resource("page.html")).substitute(
        lang=html.escape(lang),
        title=html.escape(clean(title or "chainrule")),
        style=style(),
        fragment=fragment,
    )


class HtmlWriter(Writer):
    """HTML inside of one element of the class ``explanation``."""

    def words(self, text: str) -> str:
        """Words without markup."""
        return html.escape(clean(text))

    def strong(self, text: str) -> str:
        """Words that are seen first."""
        return f"<strong>{self.words(text)}</strong>"

    def code(self, text: str) -> str:
        """Something to be typed."""
        return f"<code>{self.words(text)}</code>"

    def inline_formula(self, expression: Expression) -> str:
        """A formula in a sentence."""
        return to_mathml(expression, self.digits, self.lang)

    def heading(self, block: Heading) -> str:
        """A heading."""
        return f"<h{block.level}>{self.words(block.text)}</h{block.level}>"

    def prose(self, block: Prose) -> str:
        """A paragraph."""
        return f"<p>{self.line(block.parts)}</p>"

    def formula(self, expression: Expression) -> str:
        """A formula in a box that scrolls where it is too narrow."""
        math = to_mathml(expression, self.digits, self.lang, display=True)
        return f'<div class="formula" tabindex="0">{math}</div>'

    def items(self, block: Items) -> str:
        """A list."""
        tag = "ol" if block.numbered else "ul"
        entries = "\n".join(f"<li>{self.line(entry.parts)}</li>" for entry in block.entries)
        return f"<{tag}>\n{entries}\n</{tag}>"

    def grid(self, block: Grid) -> str:
        """A table in a box that scrolls where it is too narrow."""
        caption = f"<caption>{self.words(block.caption)}</caption>" if block.caption else ""
        kinds = ["number" if numeric else "text" for numeric in block.numeric]
        rows = "\n".join(self._row(row, kinds, "td") for row in block.rows)
        return (
            f'<div class="table" tabindex="0"><table>{caption}\n'
            f"<thead>{self._row(block.headers, kinds, 'th')}</thead>\n"
            f"<tbody>\n{rows}\n</tbody></table></div>"
        )

    def _row(self, cells: Sequence[Cell], kinds: Sequence[str], tag: str) -> str:
        entries = (
            f'<{tag} class="{kind}">{self.cell(cell)}</{tag}>'
            for cell, kind in zip(cells, kinds, strict=True)
        )
        return f"<tr>{''.join(entries)}</tr>"

    def picture(self, block: Picture) -> str:
        """A drawing as it is."""
        caption = f"<figcaption>{self.words(block.caption)}</figcaption>" if block.caption else ""
        return f"<figure>{block.svg}{caption}</figure>"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
