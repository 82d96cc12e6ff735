"""A function and its arguments as a formula: the same for all syntaxes."""

from collections.abc import Callable, Sequence

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading.functions import BIG, FUNCTIONS
from chainrule.explain.claims.reading.products import Products
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Expression,
    Number,
    Power,
    Symbol,
    Transpose,
    walk,
)

__all__ = ["Fail", "called", "chosen", "free_indices"]

#: Makes the error for a key of the catalogue and its fields.
Fail = Callable[..., FormulaError]

_ARGUMENTS = {
    "where": (3, 3),
    "transpose": (1, 1),
    "dot": (2, 2),
    "pow": (2, 2),
    "square": (1, 1),
    "log2": (1, 1),
    "log10": (1, 1),
}


def called(
    name: str,
    arguments: Sequence[Expression],
    products: Products,
    fail: Fail,
    axis: int | None = None,
    primes: int = 0,
) -> Expression:
    """The formula that a call stands for.

    ``max(a, b)`` is ``maximum``; ``where`` is a :class:`Cases`; ``dot`` and ``transpose`` are the
    product and the transpose; a ``sum`` or ``mean`` of numbers with indices is a ``Σ``.

    Parameters
    ----------
    name
        What :func:`function_named` found.
    arguments, axis, primes
        What it is applied to, along which axis, and how often it is differentiated.
    products
        Builds products, and knows shapes.
    fail
        Makes the error for a key of the catalogue and its fields.
    """
    values = tuple(arguments)
    if name in ("max", "min") and len(values) > 1:
        name += "imum"
    _check_count(name, values, fail)
    if primes:
        return Apply(name, values, axis, primes)
    match name:
        case "where":
            return chosen(values[:1], values[1:])
        case "transpose":
            return Transpose(values[0])
        case "dot":
            return products.matrices(*values)
        case "pow":
            return Power(*values)
        case "square":
            return Power(values[0], Number(2))
        case "indicator":
            return values[0]
        case "log2" | "log10":
            base = Number(int(name.removeprefix("log")))
            return Divide(Apply("log", values), Apply("log", (base,)))
    if name in BIG and axis is None and free_indices(values[0]) and not products.shape(values[0]):
        return Big(BIG[name], values[0])
    return Apply(name, values, axis)


def chosen(conditions: Sequence[Expression], values: Sequence[Expression]) -> Expression:
    """Values under conditions; what stands last may itself be such a choice."""
    last = values[-1]
    if isinstance(last, Cases):
        return Cases((*conditions, *last.conditions), (*values[:-1], *last.values))
    return Cases(tuple(conditions), tuple(values))


def free_indices(tree: Expression) -> set[str]:
    """The letters that pick elements in a formula and that no ``Σ`` in it runs over.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.building import free_indices
    >>> from chainrule.explain.formulas.tree import Big, Symbol
    >>> x = Symbol("x", indices=(Symbol("i"), Symbol("j")))
    >>> free_indices(Big("sum", x, Symbol("i")))
    {'j'}
    """
    bound = {
        part.index.name for part in walk(tree) if isinstance(part, Big) and part.index is not None
    }
    used = {
        letter.name
        for part in walk(tree)
        if isinstance(part, Symbol)
        for index in part.indices
        for letter in walk(index)
        if isinstance(letter, Symbol)
    }
    return used - bound


def _check_count(name: str, values: tuple[Expression, ...], fail: Fail) -> None:
    if name == "indicator":
        least, most = 1, 1
        if len(values) == 1 and not isinstance(values[0], Compare):
            raise fail("claims.condition")
    elif name in _ARGUMENTS:
        least, most = _ARGUMENTS[name]
    else:
        least, most = FUNCTIONS[name].least, FUNCTIONS[name].most
    if not least <= len(values) <= most:
        wanted = str(least) if least == most else f"{least}–{most}"
        raise fail("claims.arguments", function=name, wanted=wanted, got=len(values))
