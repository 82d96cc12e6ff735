"""Numbers for symbols: a formula with numbers put in, and what that comes to."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Dots,
    Expression,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    walk,
)
from chainrule.explain.saying.algebra import RELATIONS, replaced

__all__ = ["LISTED", "Numbers", "Unwritten", "listed", "signed"]

#: So many terms of a sum are written out; of more, the first few and the last one.
LISTED, FIRST = 6, 3
#: In a sum of so many terms those are left out that are ``0 · log p``: one-hot targets.
SEARCHED = 10_000


class Unwritten(Exception):
    """A formula has a part that no number belongs to."""


class Numbers:
    """What the symbols of a derivation stand for.

    Parameters
    ----------
    arrays
        For each symbol without indices its numbers; axes of length 1 are not indexed.
    gradients
        For each symbol the derivative of the cost by it.
    sizes
        How many values each running index takes.
    """

    def __init__(
        self,
        arrays: Mapping[Symbol, np.ndarray],
        gradients: Mapping[Symbol, np.ndarray] | None = None,
        sizes: Mapping[Symbol, int] | None = None,
    ) -> None:
        self.arrays = {symbol: np.squeeze(array) for symbol, array in arrays.items()}
        self.gradients = {symbol: np.squeeze(array) for symbol, array in (gradients or {}).items()}
        self.sizes = dict(sizes or {})

    def with_more(
        self, arrays: Mapping[Symbol, np.ndarray], sizes: Mapping[Symbol, int]
    ) -> "Numbers":
        """The same with some symbols of a step's own."""
        return Numbers({**self.arrays, **arrays}, self.gradients, {**self.sizes, **sizes})

    # ------------------------------------------------------------------ one symbol
    def of(self, expression: Expression) -> float | int | None:
        """The number of a symbol or of a derivative of the cost, if it has one."""
        if isinstance(expression, Partial) and isinstance(expression.by, Symbol):
            return _element(self.gradients, expression.by)
        return _element(self.arrays, expression) if isinstance(expression, Symbol) else None

    # ------------------------------------------------------------------ a whole formula
    def put_in(self, expression: Expression) -> Expression:
        """The formula with numbers for its symbols; sums are written out where they are short."""
        found = self.of(expression)
        if found is not None:
            return Number(found)
        if isinstance(expression, Big):
            return self._written_out(expression)
        if not expression.children:
            return expression
        parts = [self.put_in(part) for part in expression.children]
        if not isinstance(expression, Add):  # in a sum the minus is an operation: t − (−0.5)
            parts = list(map(signed, parts))
        return expression.with_children(parts)

    def _written_out(self, big: Big) -> Expression:
        letters, body = _nested(big)
        if big.kind != "sum" or any(letter not in self.sizes for letter in letters):
            return big.with_children([self.put_in(part) for part in big.children])
        ranges = [range(self.sizes[letter]) for letter in letters]

        def term(places: Sequence[int]) -> Expression:
            new: dict[Expression, Expression] = dict(zip(letters, map(Number, places), strict=True))
            return self.put_in(replaced(body, new))

        count = math.prod(map(len, ranges))
        if count <= SEARCHED and _has_logarithm(body):
            terms = [term(_place(k, ranges)) for k in range(count)]
            kept = [part for part in terms if not _is_nothing(part)] or terms[:1]
            return listed(len(kept), lambda k: kept[k])
        return listed(count, lambda k: term(_place(k, ranges)))

    def evaluate(self, expression: Expression) -> float:
        """What the formula comes to, nothing left out.

        Raises
        ------
        Unwritten
            If a symbol has no number, or terms were left out.
        """
        found = self.of(expression)
        if found is not None:
            return found
        match expression:
            case Symbol(name="pi", indices=()):
                return math.pi
            case Number(value=value):
                return float(value)
            case Negative(operand=operand):
                return -self.evaluate(operand)
            case Add(terms=terms):
                return math.fsum(self.evaluate(term) for term in terms)
            case Multiply(factors=factors):
                return self._product(factors)
            case Divide(numerator=above, denominator=below):
                return float(np.divide(self.evaluate(above), self.evaluate(below)))
            case Power(base=base, exponent=exponent):
                return float(np.power(self.evaluate(base), self.evaluate(exponent)))
            case Compare(relation=relation, left=left, right=right):
                return float(RELATIONS[relation](self.evaluate(left), self.evaluate(right)))
            case Cases(conditions=conditions, values=values):
                for condition, branch in zip(conditions, values, strict=False):
                    if self.evaluate(condition):
                        return self.evaluate(branch)
                return self.evaluate(values[-1])
            case Big(kind="sum"):
                return self._sum(expression)
            case Apply(function=name, arguments=arguments, primes=0) if name in FUNCTIONS:
                return float(FUNCTIONS[name](*map(self.evaluate, arguments)))
        raise Unwritten(expression)

    def _product(self, factors: tuple[Expression, ...]) -> float:
        """Zero if a factor is: 0 · log 0 is 0 in every formula of this field."""
        found = 1.0
        for factor in factors:
            number = self.evaluate(factor)
            if number == 0:
                return 0.0
            found *= number
        return found

    def _sum(self, big: Big) -> float:
        letters, body = _nested(big)
        if any(letter not in self.sizes for letter in letters):
            raise Unwritten(big)
        ranges = [range(self.sizes[letter]) for letter in letters]
        return math.fsum(
            self.evaluate(replaced(body, dict(zip(letters, map(Number, place), strict=True))))
            for place in itertools.product(*ranges)
        )


def _has_logarithm(body: Expression) -> bool:
    return any(isinstance(part, Apply) and part.function == "log" for part in walk(body))


def _is_nothing(term: Expression) -> bool:
    """Whether a term is ``0 · log p``."""
    if not isinstance(term, Multiply) or not _has_logarithm(term):
        return False
    return any(isinstance(part, Number) and part.value == 0 for part in term.factors)


def signed(expression: Expression) -> Expression:
    """``−(−0.5)`` is written as the number that it is."""
    if isinstance(expression, Negative) and isinstance(expression.operand, Number):
        return Number(-expression.operand.value)
    return expression


def listed(count: int, term: Callable[[int], Expression]) -> Expression:
    """A sum of ``count`` terms, written out where it is short."""
    if count <= LISTED:
        terms = [term(k) for k in range(count)]
    else:
        terms = [*(term(k) for k in range(FIRST)), Dots(), term(count - 1)]
    if not terms:
        return Number(0)
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def _place(k: int, ranges: Sequence[range]) -> tuple[int, ...]:
    """The k-th place in the product of ranges, the last one running fastest."""
    return tuple(map(int, np.unravel_index(k, [len(r) for r in ranges])))


def _nested(big: Big) -> tuple[list[Symbol], Expression]:
    """The letters of sums that stand directly in one another, and what is summed."""
    letters: list[Symbol] = []
    body: Expression = big
    while isinstance(body, Big) and body.kind == "sum" and body.index is not None:
        letters.append(body.index)
        body = body.body
    return letters, body


def _element(arrays: Mapping[Symbol, np.ndarray], symbol: Symbol) -> float | int | None:
    array = arrays.get(replace(symbol, indices=()))
    places = [_at(arrays, index) for index in symbol.indices]
    if array is None or None in places or len(places) != array.ndim:
        return None
    found = array[tuple(place for place in places if place is not None)].item()
    return int(found) if isinstance(found, bool) else found


def _at(arrays: Mapping[Symbol, np.ndarray], index: Expression) -> int | None:
    """An index as a number: it is one, or an element of an array of places."""
    found = _element(arrays, index) if isinstance(index, Symbol) else None
    if isinstance(index, Number):
        return int(index.value)
    return None if found is None else int(found)


def _erf(x: float) -> float:
    return math.erf(x)


def _normal(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _sigmoid(x: float) -> float:
    return float(np.exp(-np.logaddexp(0, -x)))


def _quiet(function: Callable[..., Any]) -> Callable[..., float]:
    def quiet(*arguments: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(*arguments))

    return quiet


#: The functions that formulas of steps are written with.
_PLAIN: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "arctan2": np.arctan2,
    "ceil": np.ceil,
    "cos": np.cos,
    "erf": _erf,
    "exp": np.exp,
    "floor": np.floor,
    "identity": lambda x: x,
    "log": np.log,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "Phi": _normal,
    "relu": lambda x: x if x > 0 else 0.0,
    "remainder": np.remainder,
    "round": np.rint,
    "sigmoid": _sigmoid,
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "trunc": np.trunc,
}
FUNCTIONS = {name: _quiet(function) for name, function in _PLAIN.items()}
