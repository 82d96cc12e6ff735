"""How one weight learns: the derivation of its derivative, with the numbers of one row."""

from dataclasses import replace

from chainrule import words
from chainrule.explain.document import Document, Heading
from chainrule.report.blocks import Derived, Prose, Section
from chainrule.report.facts import Facts

__all__ = ["derivation"]

#: The section has a heading of level 2; what it holds begins below.
BELOW = 3


def derivation(facts: Facts) -> Section | None:
    """The section, or ``None`` where nobody derived anything."""
    if facts.derivation is None:
        return None
    shown = Derived(
        title=facts.derivation.title,
        html=_below(facts.derivation).to_html(),
    )
    introduction = Prose(words.text("report.derivation_introduction", facts.lang))
    title = words.text("report.derivation", facts.lang)
    return Section("derivation", title, [introduction, shown])


def _below(document: Document) -> Document:
    """The document without its title, its headings below that of a section."""
    blocks = [
        replace(block, level=max(block.level, BELOW)) if isinstance(block, Heading) else block
        for block in document.blocks
    ]
    return Document(blocks, lang=document.lang, digits=document.digits)
