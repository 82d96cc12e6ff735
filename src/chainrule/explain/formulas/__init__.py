"""Formulas: what they are, how they are printed."""

from chainrule.explain.formulas.tree import *  # noqa: F403
from chainrule.explain.formulas.tree import __all__ as __all__
