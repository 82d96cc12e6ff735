"""A point with numbers that are easily written, at which a claim fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain.claims.agreement import close
from chainrule.explain.claims.meaning import Meaning
from chainrule.explain.claims.points import chosen, readable, trial_at
from chainrule.explain.claims.problem import Problem, symbols_of
from chainrule.explain.claims.values import POINTS, Value
from chainrule.explain.formulas.tree import Symbol

__all__ = ["Counterexample", "counterexample"]

#: How many points are looked at, and with how many ways to choose sizes.
TRIES, WAYS = 60, 3


@dataclass(frozen=True)
class Counterexample:
    """A point at which a claim fails.

    Attributes
    ----------
    values
        The values of the symbols there, by their keys.
    claimed, true
        What the claim gives there and what is true; NaN if the claim gives no number.
    symbols
        How the symbols are written.
    element
        Which element the two numbers are, where there are several: letters and positions,
        counted from 1.
    """

    values: Mapping[str, Any]
    claimed: float
    true: float
    symbols: Mapping[str, Symbol]
    element: tuple[tuple[str, int], ...] = ()


def counterexample(
    problem: Problem, truth_of: Callable[[Meaning], Value], rng: np.random.Generator
) -> Counterexample | None:
    """The point among some readable ones at which the two numbers are easiest to tell apart.

    ``None`` where the claim has no value that could be compared.
    """
    # With the sizes of one way the two may be equal: 2/n and 4/n² are where n = 2.
    return next(filter(None, (_found(problem, way, truth_of, rng) for way in range(WAYS))), None)


def _found(
    problem: Problem, way: int, truth_of: Callable[[Meaning], Value], rng: np.random.Generator
) -> Counterexample | None:
    inputs = readable(problem, way, TRIES, rng)
    try:
        trial = trial_at(problem, way, inputs, truth_of)
        with np.errstate(all="ignore"):
            claim = trial.meaning.value(problem.claim)
    except (ValueError, KeyError):
        return None
    lead = trial.situation.layout.lead
    if claim.rank and claim.array.shape[lead:] != trial.truth.array.shape[lead:]:
        return None
    lifted = trial.situation.layout.lifted(claim, trial.truth.rank)
    try:
        claimed, true = np.broadcast_arrays(lifted, trial.truth.array)
    except ValueError:
        return None
    wrong = trial.valid & ~close(claimed, true, 1e-6)
    if claimed.shape[POINTS] != len(wrong) or not wrong.any():
        return None
    return _best(
        problem, way, inputs, claimed[0, 0], true[0, 0], np.flatnonzero(wrong), lead - POINTS
    )


def _best(
    problem: Problem,
    way: int,
    inputs: Mapping[str, np.ndarray],
    claimed: np.ndarray,
    true: np.ndarray,
    wrong: np.ndarray,
    lead: int,
) -> Counterexample:
    scores = []
    for point in wrong:
        a, b = claimed[point], true[point]
        finite = np.isfinite(a)
        gap = np.where(finite, np.abs(a - b), 0.0)
        size = np.maximum(np.abs(np.where(finite, a, 0)), np.abs(b))
        clear = (gap / (size + 0.1)).max(initial=0)
        scores.append(clear - 0.05 * np.log1p(size.max(initial=0)) + 0.5 * finite.all())
    point = int(wrong[int(np.argmax(scores))])
    a, b = claimed[point], true[point]
    gap = np.where(np.isfinite(a), np.abs(a - b), -1.0)
    place = np.unravel_index(int(np.argmax(gap)), gap.shape) if gap.ndim else ()
    bodies = [definition.body for definition in problem.definitions.values()]
    symbols = symbols_of([*bodies, problem.claim])
    used = {key for key in inputs if key in symbols and key not in problem.draws}
    letters = [letter.split("~")[0] for letter in problem.letters]
    element = []
    for axis, position in enumerate(place):
        if gap.shape[axis] > 1:
            name = letters[axis] if axis < len(letters) else ""
            element.append((name, int(position) + 1))
    values = {
        key: array[point] for key, array in chosen(inputs, slice(None)).items() if key in used
    }
    if not values:
        sizes, counts = problem.sizes.numbers(way), problem.sizes.root
        values = {key: sizes[counts(("size", key))] for key in symbols if key in problem.counts}
    shown = {key: Symbol(s.name, s.accent, s.layer, s.label) for key, s in symbols.items()}
    return Counterexample(values, float(a[place]), float(b[place]), shown, tuple(element))
