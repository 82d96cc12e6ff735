"""Formulas: what they are, how they are printed."""

from chainrule.explain.formulas import tree
from chainrule.explain.formulas.latex import to_latex
from chainrule.explain.formulas.mathml import to_mathml
from chainrule.explain.formulas.python import to_python
from chainrule.explain.formulas.text import to_text
from chainrule.explain.formulas.tree import *  # noqa: F403

__all__ = [*tree.__all__, "to_latex", "to_mathml", "to_python", "to_text"]
