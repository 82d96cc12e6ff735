"""Points at which claims are tried: random ones in the domain, readable ones, ones in a region."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain.claims.meaning import Meaning, Situation
from chainrule.explain.claims.problem import COUNTS, Problem
from chainrule.explain.claims.values import POINTS, Value

__all__ = ["Trial", "chosen", "drawn", "function_exists", "readable", "trial_at", "trial_of"]

#: Symbols that are positive by custom: a small number that keeps a division from failing.
POSITIVE = frozenset({"epsilon"})

#: How points are drawn, in turn: whether with all signs, and how large. Formulas that agree near 1
#: only, because ``exp(-100/x²)`` is as good as 0 there, must not pass.
MOODS = ((True, 1.0), (True, 1.0), (False, 1.0), (True, 3.0), (False, 0.5), (True, 0.2))


@dataclass(frozen=True)
class Trial:
    """Points with the true value at each.

    Attributes
    ----------
    problem, situation, meaning
        What is tried, and where.
    truth
        The true value.
    valid
        For every point, whether the true value exists there.
    """

    problem: Problem
    situation: Situation
    meaning: Meaning
    truth: Value
    valid: np.ndarray

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self.valid)


def trial_of(
    problem: Problem,
    way: int,
    points: int,
    rng: np.random.Generator,
    truth_of: Callable[[Meaning], Value],
    constrain: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None,
) -> Trial:
    """A trial at random points at which the true value exists.

    Parameters
    ----------
    problem
        What is tried.
    way
        Which sizes.
    points
        How many points are wanted; there may be fewer if the domain is small.
    rng
        Where they come from.
    truth_of
        What the true value is.
    constrain
        Changes the points before they are used.
    """
    for more in (2, 8, 40):
        inputs = drawn(problem, way, points * more, rng)
        if constrain is not None:
            inputs = constrain(inputs)
        trial = trial_at(problem, way, inputs, truth_of)
        if trial.valid.sum() >= points or trial.valid.all():
            break
    best = np.flatnonzero(trial.valid)[:points]
    return trial_at(problem, way, chosen(inputs, best), truth_of) if len(best) else trial


def trial_at(
    problem: Problem,
    way: int,
    inputs: Mapping[str, np.ndarray],
    truth_of: Callable[[Meaning], Value],
) -> Trial:
    """A trial at given points."""
    situation = problem.situation(way, inputs)
    meaning = Meaning(situation)
    with np.errstate(all="ignore"):
        truth = truth_of(meaning)
    count = situation.points
    axes = tuple(axis for axis in range(truth.array.ndim) if axis != POINTS)
    valid = np.broadcast_to(np.isfinite(truth.array).all(axis=axes), (count,))
    # The formula of a derivative may go on where the function ends: that of log at -1 is -1.
    valid = valid & function_exists(meaning, problem.function.key)
    return Trial(problem, situation, meaning, truth, valid)


def function_exists(meaning: Meaning, key: str) -> np.ndarray:
    """For every point, whether the function itself has a value there."""
    count = meaning.situation.points
    if key not in meaning.situation.definitions:
        return np.ones(count, bool)
    with np.errstate(all="ignore"):
        array = meaning.whole(key)
    flags = np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    return np.broadcast_to(flags, (count,))


def drawn(
    problem: Problem, way: int, points: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Random values of all inputs."""
    shapes = problem.shapes(way)
    inputs = {key: _values(key, shape, points, rng) for key, shape in shapes.items()}
    for key in {getattr(draw.variance, "key", "") for draw in problem.draws.values()} & {*inputs}:
        inputs[key] = np.abs(inputs[key])  # no variance is negative
    return inputs


def _values(key: str, shape: tuple[int, ...], points: int, rng: np.random.Generator) -> np.ndarray:
    if key in COUNTS and not shape:
        return rng.integers(2, 6, points).astype(float)
    sizes = rng.uniform(0.3, 1.9, (points, *shape))
    signs = rng.choice([-1.0, 1.0], sizes.shape)
    moods = [MOODS[point % len(MOODS)] for point in range(points)]
    signed, scale = (
        np.reshape(each, (points, *(1,) * len(shape))) for each in zip(*moods, strict=True)
    )
    values = scale * np.where(signed, sizes * signs, sizes)
    return np.abs(values) if key in POSITIVE else values


def readable(
    problem: Problem, way: int, points: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Points that are easily written: one decimal place."""
    inputs = drawn(problem, way, points, rng)
    return {key: np.round(array, 1) for key, array in inputs.items()}


def chosen(inputs: Mapping[str, np.ndarray], which: Any) -> dict[str, np.ndarray]:
    """Some of the points."""
    return {key: array[which] for key, array in inputs.items()}
