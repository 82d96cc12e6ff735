"""Documents: explanations as text, Markdown, LaTeX and HTML."""

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
from chainrule.explain.document.document import Document
from chainrule.explain.document.documented import Documented
from chainrule.explain.document.html import style

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Document",
    "Documented",
    "Formula",
    "Grid",
    "Heading",
    "Inline",
    "Items",
    "Picture",
    "Prose",
    "Strong",
    "style",
]
