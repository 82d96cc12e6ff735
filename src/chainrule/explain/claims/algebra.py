"""Proof by algebra: claim and truth written out in symbols at small sizes, and subtracted.

The same :class:`~chainrule.explain.claims.meaning.Meaning` evaluates formulas over arrays whose
entries are symbols of sympy; derivatives are sympy's, so the truth is found on a second way. What
is proven is every element at sizes of two. Piecewise functions are left to random points, as is
everything that would take long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.explain.claims.meaning import Meaning
from chainrule.explain.claims.problem import Problem
from chainrule.explain.claims.values import Misfit
from chainrule.explain.formulas.tree import Number, Power, walk

__all__ = ["SymbolBackend", "proven"]

#: How large a difference may be that is simplified, and how many elements are.
OPERATIONS, ELEMENTS, EXPONENT = 250, 12, 6


def proven(problem: Problem) -> bool:
    """Whether sympy shows that claim and truth are the same; without sympy it does not."""
    if find_spec("sympy") is None or problem.about == "variance" or _is_large(problem):
        return False
    backend = SymbolBackend()
    shapes = {key: (2,) * len(axes) for key, axes in problem.inputs.items()}
    inputs = {key: backend.symbols(key, shape) for key, shape in shapes.items()}
    try:
        situation = problem.situation_of_twos(inputs)
        meaning = Meaning(situation, backend)
        claim, truth = meaning.value(problem.claim), meaning.value(problem.target)
        difference = (claim.array - truth.array).reshape(-1)
        flat = list({str(one): one for one in difference}.values())
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, IndexError):
        return False
    return len(flat) <= ELEMENTS and all(backend.is_zero(one) for one in flat)


def _is_large(problem: Problem) -> bool:
    formulas = [problem.claim, *(definition.body for definition in problem.definitions.values())]
    nodes = [node for formula in formulas for node in walk(formula)]
    powers = [node.exponent for node in nodes if isinstance(node, Power)]
    high = any(isinstance(one, Number) and abs(float(one.value)) > EXPONENT for one in powers)
    return len(nodes) > 120 or high or bool(problem.functions)


class SymbolBackend:
    """The functions of NumPy that meanings use, for arrays of symbols."""

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        sigmoid = sympy.Lambda(_z := sympy.Symbol("z"), 1 / (1 + sympy.exp(-_z)))
        self.named: Mapping[str, Callable[..., Any]] = {
            "sigmoid": sigmoid,
            "silu": lambda z: z * sigmoid(z),
            "softplus": lambda z: sympy.log(1 + sympy.exp(z)),
        }
        self._made: dict[str, Any] = {}
        for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh"):
            setattr(self, name, self._each(getattr(sympy, name)))

    def symbols(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """One point: a symbol for each entry."""
        array = np.empty((1, *shape), object)
        for place in np.ndindex(array.shape):
            array[place] = self.sympy.Symbol("_".join([key, *map(str, place[1:])]), positive=True)
        return array

    def exact(self, array: Any) -> np.ndarray:
        """Numbers as rationals."""
        flat = np.asarray(array)
        if flat.dtype == object:
            return flat
        made = np.empty(flat.shape, object)
        for place in np.ndindex(flat.shape):
            part = Fraction(float(flat[place])).limit_denominator(10**12)
            made[place] = self.sympy.Rational(part.numerator, part.denominator)
        return made

    asarray = exact

    def elementwise(self, name: str, arguments: Any, primes: int) -> Any:
        """A named function, or its derivative."""
        function = self.named.get(name) or getattr(self.sympy, name, None)
        if function is None or len(arguments) != 1 or name in ("abs", "sign", "maximum"):
            raise NotImplementedError(name)
        z = self.sympy.Symbol("z", positive=True)
        formula = self.sympy.diff(function(z), z, primes) if primes else function(z)
        return self._each(lambda x: formula.subs(z, x))(arguments[0])

    def derivative(self, formula: np.ndarray, by: np.ndarray) -> np.ndarray:
        """Every entry of a formula by every symbol: the axes of the one, then of the other."""
        made = np.empty((*formula.shape, *by.shape), object)
        for place in np.ndindex(made.shape):
            of = formula[place[: formula.ndim]]
            made[place] = self.sympy.diff(of, by[place[formula.ndim :]])
        return made

    def is_zero(self, difference: Any) -> bool:
        """Whether an expression is 0, as far as expanding its numerator tells."""
        difference = self.sympy.sympify(difference)
        if difference == 0:
            return True
        if difference.count_ops() > OPERATIONS:
            return False
        numerator = self.sympy.fraction(self.sympy.together(difference))[0]
        return bool(self.sympy.expand(numerator, power_exp=True) == 0) or bool(
            self.sympy.expand(self.sympy.powsimp(self.sympy.expand(numerator))) == 0
        )

    def substituted(self, array: np.ndarray, values: Mapping[Any, Any]) -> np.ndarray:
        """The array with other expressions in the place of symbols."""
        replaced = self._each(lambda x: self.sympy.sympify(x).subs(values))
        return np.asarray(replaced(array))

    @staticmethod
    def _each(function: Callable[..., Any]) -> Callable[..., Any]:
        vectorized = np.frompyfunc(function, 1, 1)
        return lambda array: np.asarray(vectorized(array), object)

    # What follows is NumPy's own, which works on entries of any kind.
    reshape = staticmethod(np.reshape)
    transpose = staticmethod(np.transpose)
    broadcast_to = staticmethod(np.broadcast_to)
    stack = staticmethod(np.stack)
    sum = staticmethod(np.sum)
    prod = staticmethod(np.prod)
    power = staticmethod(np.power)

    def where(self, condition: Any, first: Any, second: Any) -> Any:
        """Only where it is plain which: of indices."""
        flags = np.asarray(condition)
        if flags.dtype == object:
            if not all(one in (True, False) for one in flags.reshape(-1)):
                raise NotImplementedError("where")
            flags = flags.astype(bool)
        return self.exact(np.where(flags, self.exact(first), self.exact(second)))

    def __getattr__(self, name: str) -> Any:
        raise Misfit(name)
