"""The chain rule on formulas: what a derivative is made of, to be found missing in a claim.

Nothing here has to be complete, or even right for indices: whatever is put into a claim is proven.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from chainrule.explain.claims.meaning import Definition
from chainrule.explain.claims.search.slopes import written_slope
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
    walk,
)

__all__ = ["factors_of", "inner_slopes", "slope_by", "terms_of"]

ZERO, ONE = Number(0), Number(1)
MOST_NODES = 40


def inner_slopes(
    formula: Expression, key: str, definitions: Mapping[str, Definition]
) -> Iterator[Expression]:
    """The derivatives by a symbol of all parts of a formula, the inner ones first.

    Examples
    --------
    >>> from chainrule.explain.claims.search.chain import inner_slopes
    >>> from chainrule.explain.formulas import Apply, Number, Power, Symbol, to_text
    >>> square = Power(Symbol("x"), Number(2))
    >>> [to_text(slope) for slope in inner_slopes(Apply("sin", (square,)), "x", {})]
    ['2 · x', '2 · cos(x²) · x']
    """
    for part in reversed(list(walk(formula))):
        slope = slope_by(part, key, definitions)
        if slope is not None and not isinstance(slope, Number) and _size(slope) <= MOST_NODES:
            yield slope


def slope_by(
    node: Expression, key: str, definitions: Mapping[str, Definition]
) -> Expression | None:
    """The derivative of a formula by a symbol, as if all were numbers; ``None`` if not known."""

    def slope(part: Expression) -> Expression | None:
        return slope_by(part, key, definitions)

    match node:
        case Number():
            return ZERO
        case Symbol():
            if node.key == key:
                return ONE
            if node.key not in definitions:
                return ZERO
            body = definitions[node.key].body
            found = slope(body)
            return None if found is None else _put(found, body, node)
        case Negative(operand):
            return _negated(slope(operand))
        case Add(terms):
            return _sum([slope(term) for term in terms])
        case Multiply(factors):
            products = []
            for place, factor in enumerate(factors):
                own = slope(factor)
                rest = (*factors[:place], *factors[place + 1 :])
                products.append(own if own is None else _product(*rest, own))
            return _sum(products)
        case Divide(above, below):
            first, second = slope(above), slope(below)
            if first is None or second is None:
                return None
            squared = Power(below, Number(2))
            return _sum([_quotient(first, below),
                         _negated(_quotient(_product(above, second), squared))])  # fmt: skip
        case Power(base, exponent):
            return _slope_of_power(node, slope(base), slope(exponent))
        case Apply(arguments=(argument,)):
            outer, inner = _outer(node), slope(argument)
            return None if outer is None or inner is None else _product(outer, inner)
    return None


def terms_of(slope: Expression) -> list[Expression]:
    """The terms of a sum, without their signs, with those of the sums among its factors."""
    found = []
    for node in walk(slope):
        if isinstance(node, Add):
            found += [one.operand if isinstance(one, Negative) else one for one in node.terms]
    return found


def factors_of(slope: Expression) -> list[Expression]:
    """The factors of a product, and the product without its number."""
    bare = slope.operand if isinstance(slope, Negative) else slope
    if not isinstance(bare, Multiply):
        return []
    rest = [one for one in bare.factors if not isinstance(one, Number)]
    return [_product(*rest), *rest] if len(rest) > 1 else rest


# ---------------------------------------------------------------------- rules
def _outer(node: Apply) -> Expression | None:
    """The derivative of a function by its argument."""
    (z,) = node.arguments
    match node.function:
        case "sqrt":
            return Divide(ONE, Multiply((Number(2), node)))
        case "cos":
            return Negative(replace(node, function="sin"))
        case "sinh" | "cosh":
            return replace(node, function="cosh" if node.function == "sinh" else "sinh")
        case "norm":
            return Divide(z, node)
        case "sum" | "mean" | "max" | "min" | "softmax" | "log_softmax" | "var" | "std":
            return None
    return written_slope(node) or replace(node, primes=node.primes + 1)


def _slope_of_power(
    node: Power, base: Expression | None, exponent: Expression | None
) -> Expression | None:
    if base is None or exponent is None:
        return None
    match node:
        case Power(Apply(function="norm", arguments=(Symbol() as vector,)), Number(2)):
            return ZERO if base == ZERO else _product(Number(2), vector)
    if isinstance(node.exponent, Number):
        less = Number(node.exponent.value - 1)
        lowered = node.base if less == ONE else Power(node.base, less)
    else:
        lowered = Power(node.base, Add((node.exponent, Negative(ONE))))
    through_base = _product(node.exponent, lowered, base)
    through_exponent = _product(Apply("log", (node.base,)), node, exponent)
    return _sum([through_base, through_exponent])


# ---------------------------------------------------------------------- tidy products and sums
def _negated(node: Expression | None) -> Expression | None:
    return None if node is None else _product(Number(-1), node)


def _sum(terms: list[Expression | None]) -> Expression | None:
    known = [term for term in terms if term is not None and term != ZERO]
    if None in terms:
        return None
    if len(known) > 1:
        return Add(tuple(known))
    return known[0] if known else ZERO


def _quotient(above: Expression, below: Expression) -> Expression:
    if above == ZERO:
        return ZERO
    if isinstance(below, Number) and isinstance(below.value, int) and below.value:
        return _product(Number(Fraction(1, below.value)), above)
    return Divide(above, below)


def _product(*factors: Expression) -> Expression:
    """The product with its number in front."""
    number: int | float | Fraction = 1
    others: list[Expression] = []
    waiting = list(factors)
    while waiting:
        factor = waiting.pop(0)
        if isinstance(factor, Multiply):
            waiting = [*factor.factors, *waiting]
        elif isinstance(factor, Negative):
            number, waiting = -number, [factor.operand, *waiting]
        elif isinstance(factor, Number):
            number *= factor.value
        else:
            others.append(factor)
    if number == 0:
        return ZERO
    size = -number if number < 0 else number
    if size != 1 or not others:
        others.insert(0, _written(size))
    whole = others[0] if len(others) == 1 else Multiply(tuple(others))
    return Negative(whole) if number < 0 else whole


def _written(number: int | float | Fraction) -> Expression:
    if isinstance(number, Fraction) and number.denominator != 1:
        return Divide(Number(number.numerator), Number(number.denominator))
    return Number(int(number) if isinstance(number, Fraction) else number)


def _put(formula: Expression, body: Expression, symbol: Symbol) -> Expression:
    """The formula with a symbol in the place of what it stands for."""
    if formula == body:
        return symbol
    children = formula.children
    return (
        formula.with_children([_put(child, body, symbol) for child in children])
        if children
        else formula
    )


def _size(formula: Expression) -> int:
    return sum(1 for _ in walk(formula))
