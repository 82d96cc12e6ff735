"""The variance of a random formula: exactly where it is a sum of products of independent draws.

Entries of different draws, and of one draw, are independent, with mean 0 after centring. A formula
in which every entry occurs to the first power at most is

    f = c₀ + Σ_a c_a r_a + Σ_{a,b} c_ab r_a s_b + …

with coefficients that follow from its values at a few points, and its variance is the sum of
``c²`` times the variances of the factors, over all terms but the first. Other formulas are
sampled, which is exact to about a percent only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from chainrule.explain.claims.applied import sizes_of
from chainrule.explain.claims.meaning import Meaning
from chainrule.explain.claims.problem import Problem
from chainrule.explain.claims.values import POINTS, Misfit, Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Divide,
    Expression,
    Negative,
    Number,
    Power,
    Symbol,
)

__all__ = ["Draw", "Variance", "with_draws"]

SAMPLES = 200_000
MOST = 4096


@dataclass(frozen=True)
class Draw:
    """A random symbol: independent entries with this mean and variance.

    Attributes
    ----------
    shape
        The sizes, as formulas; ``None`` where the symbol has a declared shape.
    mean, variance
        Of every entry, as formulas.
    kind
        ``"normal"`` or ``"uniform"``, for sampling.
    call
        What was written.
    """

    shape: tuple[Expression, ...] | None
    mean: Expression
    variance: Expression
    kind: str = "normal"
    call: Apply | None = None


def with_draws(formula: Expression, draws: dict[str, Draw]) -> Expression:
    """The formula with a symbol in the place of every ``randn(…)``, which goes into ``draws``."""
    from_call = _draw_of(formula) if isinstance(formula, Apply) else None
    if from_call is not None:
        key = f"draw{len(draws)}"
        draws[key] = from_call
        return Symbol(key)
    return formula.with_children([with_draws(child, draws) for child in formula.children])


def _draw_of(call: Apply) -> Draw | None:
    if call.function == "randn":
        return Draw(call.arguments, Number(0), Number(1), "normal", call)
    if call.function == "rand":
        half, twelfth = Divide(Number(1), Number(2)), Divide(Number(1), Number(12))
        return Draw(call.arguments, half, twelfth, "uniform", call)
    if call.function == "uniform" and len(call.arguments) >= 2:
        low, high, *shape = call.arguments
        mean = Divide(Add((low, high)), Number(2))
        variance = Divide(Power(Add((high, Negative(low))), Number(2)), Number(12))
        return Draw(tuple(shape), mean, variance, "uniform", call)
    return None


class Variance:
    """The variance of formulas with the same draws at the same points.

    Parameters
    ----------
    problem
        Whose ``draws`` are random.
    way
        Which sizes.
    inputs
        The values of everything that is not random.
    formula
        What the variance is asked of; from it follows whether sampling is needed.
    rng, samples
        For sampling.

    Attributes
    ----------
    meaning
        Where the random formula is to be evaluated, before :meth:`of`.
    exact
        Whether :meth:`of` is exact.
    """

    def __init__(
        self,
        problem: Problem,
        way: int,
        inputs: Mapping[str, np.ndarray],
        formula: Expression,
        rng: np.random.Generator,
        samples: int = SAMPLES,
    ) -> None:
        self.problem, self.way, self.inputs = problem, way, dict(inputs)
        self.points = problem.situation(way, inputs).points
        base = Meaning(problem.situation(way, inputs))
        self.draws = {key: _Entries.of(base, draw, inputs.get(key), self.points)
                      for key, draw in problem.draws.items()}  # fmt: skip
        self.grid = tuple(draw.count + 1 for draw in self.draws.values())
        self.exact = int(np.prod(self.grid)) <= MOST
        self.meaning = self._on_grid() if self.exact else self._sampled(samples, rng)
        if self.exact and not self._is_affine(formula, rng):
            self.exact = False
            self.meaning = self._sampled(samples, rng)

    def of(self, value: Value, as_number: bool = False) -> Value:
        """The variance, from the value of a formula in :attr:`meaning`.

        If all entries of an array have the same one it is a number. With ``as_number`` it always
        is, and NaN where they differ: formulas that lie side by side are told apart so.
        """
        return _as_number(self._of(value), as_number)

    def _of(self, value: Value) -> Value:
        array = value.array
        if array.shape[POINTS] == 1:
            return replace(value, array=np.zeros(array.shape))
        front, rest = array.shape[:POINTS], array.shape[POINTS + 1 :]
        if not self.exact:
            possible = all(np.isfinite(draw.variance[:1]).all() for draw in self.draws.values())
            spread = array.var(axis=POINTS, keepdims=True)
            return replace(value, array=spread if possible else np.full(spread.shape, np.nan))
        array = array.reshape(*front, self.points, *self.grid, *rest)
        terms = self._terms(array) ** 2
        for position, draw in enumerate(self.draws.values()):
            axis = POINTS + 1 + position
            weights = np.concatenate([np.ones((self.points, 1)), draw.variance], axis=1)
            shape = [1] * terms.ndim
            shape[POINTS], shape[axis] = weights.shape
            terms = terms * weights.reshape(shape)
        axes = tuple(range(POINTS + 1, POINTS + 1 + len(self.grid)))
        constant = (slice(None),) * (POINTS + 1) + (0,) * len(self.grid)
        return replace(value, array=terms.sum(axis=axes) - terms[constant])

    def _terms(self, array: np.ndarray) -> np.ndarray:
        """The coefficients of all products of entries: differences along every draw."""
        for position in range(len(self.grid)):
            axis = POINTS + 1 + position
            first = np.take(array, [0], axis=axis)
            array = np.concatenate([first, np.delete(array, 0, axis=axis) - first], axis=axis)
        return array

    def _on_grid(self) -> Meaning:
        """Every draw at its mean, and with one entry larger by 1, in all combinations."""
        choices = list(product(*(range(count) for count in self.grid)))
        inputs = {key: np.repeat(array, len(choices), axis=0) for key, array in self.inputs.items()}
        for position, (key, draw) in enumerate(self.draws.items()):
            steps = np.concatenate([np.zeros((1, draw.count)), np.eye(draw.count)])
            rows = steps[[choice[position] for choice in choices]]
            whole = draw.mean[:, None, :] + rows[None, :, :]
            inputs[key] = whole.reshape(-1, *draw.shape)
        return Meaning(self.problem.situation(self.way, inputs))

    def _sampled(self, count: int, rng: np.random.Generator) -> Meaning:
        inputs = {key: np.repeat(array[:1], count, axis=0) for key, array in self.inputs.items()}
        for key, draw in self.draws.items():
            inputs[key] = draw.sampled(count, rng).reshape(-1, *draw.shape)
        return Meaning(self.problem.situation(self.way, inputs))

    def _is_affine(self, formula: Expression, rng: np.random.Generator) -> bool:
        """Whether every entry occurs to the first power at most."""
        value = self.meaning.value(formula)
        if value.array.shape[POINTS] == 1:
            return True
        shape = value.array.shape
        terms = self._terms(
            value.array.reshape(*shape[:POINTS], self.points, *self.grid, *shape[POINTS + 1 :])
        )[:, :, 0]
        for _ in range(3):
            sample = self._sampled(1, rng)
            expected = terms
            for key, draw in self.draws.items():
                centred = sample.whole(key).reshape(-1) - draw.mean[0]
                weights = np.concatenate([[1.0], centred])
                expected = np.tensordot(weights, expected, axes=(0, POINTS))
            found = sample.value(formula).array[:, :, 0]
            if not np.allclose(found, expected, rtol=1e-8, atol=1e-10):
                return False
        return True


def _as_number(value: Value, always: bool) -> Value:
    axes = tuple(range(-value.rank, 0))
    if not axes:
        return value
    array = value.array
    first = array[(..., *(slice(0, 1) for _ in axes))]
    same = np.isclose(array, first, rtol=1e-9, atol=0, equal_nan=True).all(axis=axes)
    if not always and not same.all():
        return value
    number = first.reshape(first.shape[: first.ndim - value.rank])
    return Value(np.where(same, number, np.nan))


@dataclass(frozen=True)
class _Entries:
    """A draw with numbers: its shape, and mean and variance of every entry at every point."""

    shape: tuple[int, ...]
    mean: np.ndarray
    variance: np.ndarray
    kind: str

    @property
    def count(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    @classmethod
    def of(cls, meaning: Meaning, draw: Draw, array: np.ndarray | None, points: int) -> _Entries:
        if draw.shape is not None:
            shape = sizes_of([meaning.value(size) for size in draw.shape])
        else:
            shape = () if array is None else array.shape[1:]
        numbers: list[np.ndarray] = []
        for formula in (draw.mean, draw.variance):
            value = meaning.value(formula)
            front = value.array.shape[: value.array.ndim - value.rank]
            if np.prod(front) not in (1, points):
                raise Misfit
            own = value.array.reshape(-1, *value.array.shape[len(front) :])
            whole = np.broadcast_to(own.reshape(len(own), *(1,) * (len(shape) - value.rank),
                                                *own.shape[1:]), (points, *shape))  # fmt: skip
            numbers.append(whole.reshape(points, -1))
        mean, variance = numbers
        variance = np.where(variance >= 0, variance, np.nan)  # no variance is negative
        return cls(tuple(shape), mean, variance, draw.kind)

    def sampled(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows of independent entries at the first point."""
        if self.kind == "uniform":
            unit = rng.uniform(-np.sqrt(3), np.sqrt(3), (count, self.count))
        else:
            unit = rng.standard_normal((count, self.count))
        spread = np.sqrt(np.nan_to_num(self.variance[:1], nan=1.0))
        return np.asarray(self.mean[:1] + unit * spread)
