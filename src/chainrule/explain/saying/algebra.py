"""Building formulas tidily: ``1 · x`` is ``x``, ``y · y`` is ``y²``, ``2 − 1`` is ``1``.

Only what is exact is computed: whole numbers and fractions. Measured numbers stay where they are.
"""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from chainrule.explain.formulas.tree import (
    Add,
    Big,
    Cases,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
)

__all__ = [
    "ONE",
    "ZERO",
    "cases",
    "compared",
    "divided",
    "negated",
    "number",
    "powered",
    "product",
    "replaced",
    "summed",
    "total",
]

ZERO, ONE = Number(0), Number(1)
#: A constant that is one over a whole number up to here is written so.
LARGEST = 10**6
#: Down to one over this; what is smaller is a decimal fraction if it is a short one (0.01).
SHORT = 9
RELATIONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def number(value: float | np.generic) -> Number:
    """A constant that stands in a function: whole numbers and halves, thirds, … exactly.

    Examples
    --------
    >>> from chainrule.explain.saying.algebra import number
    >>> number(2.0).value, number(1 / 3).value, number(0.044715).value
    (2, Fraction(1, 3), 0.044715)
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return Number(int(value))
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return Number(int(value))
    if isinstance(value, float) and 1 / LARGEST < abs(value) < 1:
        below = round(1 / value)
        is_decimal = below > SHORT and (1000 * value).is_integer()
        if 1 / below == value and not is_decimal:
            return Number(Fraction(1, below))
    return Number(value)


def _exact(expression: Expression) -> int | Fraction | None:
    if isinstance(expression, Number) and isinstance(expression.value, (int, Fraction)):
        return expression.value
    return None


def _whole(value: int | Fraction) -> Number:
    return Number(int(value) if value == int(value) else value)


def total(*terms: Expression) -> Expression:
    """A sum; zeros are left out, exact numbers added up."""
    flat: list[Expression] = []
    exact: int | Fraction = 0
    for term in terms:
        for part in term.terms if isinstance(term, Add) else (term,):
            known = _exact(part)
            if known is None:
                flat.append(part)
            else:
                exact += known
    if exact and flat and exact > 0:
        flat.insert(0, _whole(exact))
    elif exact:
        flat.append(Negative(_whole(-exact)) if flat else _whole(exact))
    if not flat:
        return ZERO
    return flat[0] if len(flat) == 1 else Add(tuple(flat))


def negated(operand: Expression) -> Expression:
    """``−x``; ``−(−x)`` is ``x``."""
    if isinstance(operand, Negative):
        return operand.operand
    if isinstance(operand, Number):
        return Number(-operand.value)
    return Negative(operand)


def product(*factors: Expression) -> Expression:
    """A product: exact numbers in front, equal factors as powers, fractions as one fraction."""
    exact: int | Fraction = 1
    above: list[tuple[Expression, int]] = []
    below: list[Expression] = []
    for factor in _flat(factors):
        known = _exact(factor)
        if known is not None:
            exact *= known
        elif isinstance(factor, Divide) and _exact(factor.denominator) is None:
            inner = product(factor.numerator)
            sign, inner = _sign(inner)
            number_, inner = _number_of(inner)
            exact *= sign * number_
            if inner != ONE:
                _multiply_in(above, inner)
            below.append(factor.denominator)
        else:
            _multiply_in(above, factor)
    if exact == 0:
        return ZERO
    powers = [powered(base, Number(times)) for base, times in above]
    if below:
        whole = powers[0] if len(powers) == 1 else Multiply(tuple(powers)) if powers else ONE
        powers = [Divide(whole, product(*below))]
    return _with_number(exact, powers)


def _multiply_in(powers: list[tuple[Expression, int]], factor: Expression) -> None:
    base, times = _as_power(factor)
    for place, (other, count) in enumerate(powers):
        if other == base:
            powers[place] = (base, count + times)
            return
    powers.append((base, times))


def _with_number(exact: int | Fraction, factors: list[Expression]) -> Expression:
    """A product with a number before it, and a minus before that."""
    size = -exact if exact < 0 else exact
    only = factors[0] if len(factors) == 1 else None
    if isinstance(size, int) and isinstance(only, Divide) and only.numerator == ONE:
        factors = [Divide(_whole(size), only.denominator)]  # 2/x, not 2 · 1/x
    elif size != 1 or not factors:
        factors = [_whole(size), *factors]
    whole = factors[0] if len(factors) == 1 else Multiply(tuple(factors))
    if exact > 0:
        return whole
    return Number(-whole.value) if isinstance(whole, Number) else Negative(whole)


def _sign(expression: Expression) -> tuple[int, Expression]:
    return (-1, expression.operand) if isinstance(expression, Negative) else (1, expression)


def _number_of(expression: Expression) -> tuple[int | Fraction, Expression]:
    """The exact number in front of a product, and the rest."""
    if (known := _exact(expression)) is not None:
        return known, ONE
    if isinstance(expression, Multiply) and (known := _exact(expression.factors[0])) is not None:
        rest = expression.factors[1:]
        return known, rest[0] if len(rest) == 1 else Multiply(rest)
    return 1, expression


def _flat(factors: tuple[Expression, ...]) -> Iterator[Expression]:
    stack = list(reversed(factors))
    while stack:
        factor = stack.pop()
        if isinstance(factor, Negative):
            yield Number(-1)
            stack.append(factor.operand)
        elif isinstance(factor, Multiply):
            stack.extend(reversed(factor.factors))
        else:
            yield factor


def _as_power(factor: Expression) -> tuple[Expression, int]:
    if isinstance(factor, Power) and isinstance(exponent := _exact(factor.exponent), int):
        return factor.base, exponent
    return factor, 1


def divided(above: Expression, below: Expression) -> Expression:
    """A fraction; fractions in it are written as one, ``x/y/z`` as ``x/(y z)``."""
    if below == ONE or above == ZERO:
        return above
    known, exact = _exact(above), _exact(below)
    if known is not None and exact:
        return _whole(Fraction(known) / exact)
    if exact and any(isinstance(part, Big) for part in _flat((above,))):
        return product(_whole(1 / Fraction(exact)), above)  # 1/N Σ, not Σ / N
    sign, rest = _sign(above)
    if isinstance(rest, Divide) and _exact(rest.denominator) is None:
        whole = Divide(rest.numerator, product(rest.denominator, below))
    else:
        whole = Divide(rest, below)
    return whole if sign == 1 else Negative(whole)


def powered(base: Expression, exponent: Expression) -> Expression:
    """A power; ``x¹`` is ``x``, ``x⁰`` is 1."""
    if exponent == ONE:
        return base
    if exponent == ZERO:
        return ONE
    if isinstance(base, Power) and (inner := _exact(base.exponent)) is not None:
        outer = _exact(exponent)
        if isinstance(outer, int) and isinstance(inner, int):
            return powered(base.base, Number(inner * outer))
    return Power(base, exponent)


def compared(relation: str, left: Expression, right: Expression) -> Expression:
    """A condition; one between exact numbers is 1 or 0."""
    a, b = _exact(left), _exact(right)
    if a is None or b is None:
        if isinstance(left, Number):  # z > 0, not 0 < z
            return Compare(TURNED[relation], right, left)
        return Compare(relation, left, right)
    return ONE if RELATIONS[relation](a, b) else ZERO


def cases(condition: Expression, then: Expression, other: Expression) -> Expression:
    """A choice; inside its branches the same condition is not asked again."""
    if condition in (ONE, ZERO):
        return then if condition == ONE else other
    then, other = _assumed(then, condition, 0), _assumed(other, condition, 1)
    if then == other:
        return then
    if (then, other) == (ONE, ZERO):
        return condition
    if isinstance(other, Cases):
        return Cases((condition, *other.conditions), (then, *other.values))
    return Cases((condition,), (then, other))


def _assumed(part: Expression, condition: Expression, branch: int) -> Expression:
    """A formula where it is known whether the condition holds."""
    if part == condition:
        return ZERO if branch else ONE
    if isinstance(part, Cases) and part.conditions == (condition,):
        return _assumed(part.values[branch], condition, branch)
    if not part.children:
        return part
    parts = [_assumed(child, condition, branch) for child in part.children]
    return product(*parts) if isinstance(part, Multiply) else part.with_children(parts)


def summed(body: Expression, letters: tuple[Symbol, ...]) -> Expression:
    """``Σ`` over the letters, outermost first; numbers stand before it."""
    if not letters or body == ZERO:
        return body
    front, rest = _numbers_in_front(body, letters)
    for letter in reversed(letters):
        rest = Big("sum", rest, letter)
    return product(*front, rest) if front else rest


def _numbers_in_front(
    body: Expression, letters: tuple[Symbol, ...]
) -> tuple[list[Expression], Expression]:
    """The factors that do not depend on what is summed over, and the others."""
    sign: list[Expression] = []
    if isinstance(body, Negative):
        sign, body = [Number(-1)], body.operand
    if not isinstance(body, Multiply):
        return sign, body
    front = [factor for factor in body.factors if isinstance(factor, Number)]
    rest = [factor for factor in body.factors if not isinstance(factor, Number)]
    return sign + front, product(*rest)


def replaced(expression: Expression, new: Mapping[Expression, Expression]) -> Expression:
    """The formula with parts exchanged, also in the indices of symbols."""
    if expression in new:
        return new[expression]
    if not expression.children:
        return expression
    parts = [replaced(child, new) for child in expression.children]
    if isinstance(expression, Symbol):  # an index is a place: 2 · 1 + 3 is 5
        return expression.with_children([_place(part) for part in parts])
    if isinstance(expression, Compare):  # of two places, as in 1[i = j]
        return compared(expression.relation, *parts)
    if isinstance(expression, Add) and any(part in (ZERO, ONE) for part in parts):
        return total(*parts)
    return expression.with_children(parts)


def _place(index: Expression) -> Expression:
    """An index that is known, as one number."""
    if not isinstance(index, (Add, Multiply)):
        return index
    parts = [_exact(_place(part)) for part in index.children]
    numbers = [part for part in parts if part is not None]
    if len(numbers) < len(parts):
        return index
    return _whole(sum(numbers) if isinstance(index, Add) else math.prod(numbers))
