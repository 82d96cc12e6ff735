"""A mended claim in the syntax in which the claim was written."""

from chainrule.explain.claims.reading import counted_from_zero
from chainrule.explain.formulas import to_latex, to_python, to_text
from chainrule.explain.formulas.tree import Expression

__all__ = ["in_syntax"]


def in_syntax(formula: Expression, syntax: str) -> str:
    """A formula as Python, text or LaTeX, so that it can be read again.

    Examples
    --------
    >>> from chainrule.explain.claims.writing import in_syntax
    >>> from chainrule.explain.formulas import Multiply, Number, Symbol
    >>> in_syntax(Multiply((Number(2), Symbol("x"))), "python")
    '2 * x'
    """
    if syntax == "python":
        return to_python(counted_from_zero(formula))
    return to_latex(formula, digits=None) if syntax == "latex" else to_text(formula, digits=None)
