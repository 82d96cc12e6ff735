"""One edit of a formula, and products as one writes them."""

from dataclasses import dataclass

from chainrule.explain.formulas.tree import Divide, Expression, Multiply, Negative, Number

__all__ = ["Edit", "followed", "times"]


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of one part.

    Attributes
    ----------
    kind
        What kind of slip it undoes; messages about it are found by this name.
    old, new
        The part as it was, and as it shall be.
    cost
        How unnatural it is.
    said
        What the message about it is about: the symbol, the factor, …
    """

    kind: str
    old: Expression
    new: Expression
    cost: float
    said: Expression | None = None


def times(first: Expression, node: Expression, arrays: bool = False) -> Expression:
    """``first · node``, within the product that the node may be."""
    if isinstance(node, Negative):
        return Negative(times(first, node.operand, arrays))
    if isinstance(node, Multiply) and node.arrays == arrays:
        return Multiply((first, *node.factors), node.arrays)
    return Multiply((first, node), arrays)


def followed(node: Expression, last: Expression, arrays: bool) -> Expression:
    """``node · last``, within the product that the node may be."""
    if isinstance(node, Negative):
        return Negative(followed(node.operand, last, arrays))
    if isinstance(node, Multiply) and node.arrays == arrays:
        return Multiply((*node.factors, last), arrays)
    if isinstance(node, Divide) and isinstance(node.numerator, Number):
        above = last if node.numerator == Number(1) else followed(node.numerator, last, arrays)
        return Divide(above, node.denominator)
    if isinstance(last, Divide) and last.numerator == Number(1):
        return Divide(node, last.denominator)
    return Multiply((node, last), arrays)
