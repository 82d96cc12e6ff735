"""Where a function has no derivative, or a claim no value: kinks and edges of the domain.

Every place where that can happen is the zero of some part of a formula: of ``z`` in ``relu(z)``,
``√z``, ``log z`` and ``1/z``, of ``a − b`` in ``max(a, b)`` and ``a > b``. Points exactly on such a
zero are made by changing one number of a point; there, the derivatives a little to its left and to
its right are compared with each other and with the claim.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain.claims.agreement import close
from chainrule.explain.claims.letters import as_written
from chainrule.explain.claims.meaning import Meaning
from chainrule.explain.claims.points import POSITIVE, Trial, chosen, function_exists, trial_at
from chainrule.explain.claims.problem import COUNTS, Problem, symbols_of
from chainrule.explain.claims.values import POINTS, Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
    walk,
)

__all__ = ["Zero", "conditions_at", "edges", "region_of", "zeros_of"]

KINKED = frozenset(["relu", "leaky_relu", "elu", "abs", "sign", "sqrt", "log"])
#: How far to the sides of a zero one looks, and what counts as no jump.
STEP, NEAR = 2.0**-20, 1e-4
DYADIC = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
TRIES = 24
SPECIAL = (0.0, 1.0, -1.0, 2.0, 0.5)


@dataclass(frozen=True)
class Zero:
    """Points at which a part of a formula is 0, and which input was changed for that."""

    part: Expression
    inputs: dict[str, np.ndarray]
    key: str
    entry: tuple[int, ...]

    def beside(self, step: float) -> dict[str, np.ndarray]:
        """The points a little to one side."""
        moved = self.inputs[self.key].copy()
        place: Any = (slice(None), *self.entry)
        moved[place] += step
        return {**self.inputs, self.key: moved}


def edges(problem: Problem) -> list[Expression]:
    """The parts of the function and of the claim whose zeros matter, simplest first."""
    found: list[Expression] = []
    formulas = [definition.body for definition in problem.definitions.values()]
    for formula in [*formulas, problem.claim, problem.target]:
        for node in walk(formula):
            found += [part for part in _edges_of(node) if part not in found]
    found = [part for part in found if set(_reached(problem, part)) - problem.counts]
    return sorted(found, key=lambda part: len(list(walk(part))))


def _edges_of(node: Expression) -> Iterator[Expression]:
    match node:
        case Apply(function="norm" | "std"):
            yield node
        case Apply(function=name, arguments=(first, *_)) if name in KINKED:
            yield first
        case Apply(function="maximum" | "minimum", arguments=(first, second)):
            yield _difference(first, second)
        case Apply(function="mae", arguments=(first, second)):
            yield _difference(first, second)
        case Apply(function="huber", arguments=(first, second)):
            yield _difference(Apply("abs", (_difference(first, second),)), Number(1))
        case Divide(denominator=below):
            yield below
        case Power(base=base, exponent=exponent) if not _natural(exponent):
            yield base
        case Compare(relation="<" | "<=" | ">" | ">=", left=left, right=right):
            yield _difference(left, right)


def _natural(exponent: Expression) -> bool:
    if isinstance(exponent, Number):
        return exponent.value >= 0 and float(exponent.value).is_integer()
    return isinstance(exponent, Symbol) and exponent.key in COUNTS


def _difference(left: Expression, right: Expression) -> Expression:
    if right == Number(0):
        return left
    return right if left == Number(0) else Add((left, Negative(right)))


def _reached(problem: Problem, part: Expression) -> list[str]:
    """The inputs on which a part depends."""
    found, waiting, seen = [], [part], set[str]()
    while waiting:
        for key in symbols_of([waiting.pop()]):
            if key in seen:
                continue
            seen.add(key)
            if key in problem.definitions:
                waiting.append(problem.definitions[key].body)
            elif key in problem.inputs:
                found.append(key)
            elif key in problem.calls:
                waiting.append(problem.calls[key])
    return found


def zeros_of(problem: Problem, part: Expression, rng: np.random.Generator) -> Iterator[Zero]:
    """Ways to reach a zero of ``part`` exactly, each by changing another input."""
    shapes = problem.shapes(0)
    for key in _reached(problem, part):
        if key in POSITIVE or (key in COUNTS and not shapes[key]):
            continue
        inputs = {name: _dyadic(name, shape, rng) for name, shape in shapes.items()}
        entry = tuple(0 for _ in shapes[key])
        guesses = [(entry, values) for values in _guesses(problem, part, inputs, key, entry)]
        for place, values in [*guesses, ((), 0.0)]:
            moved = inputs[key].copy()
            whole: Any = (slice(None), *place)
            moved[whole] = values
            tried = {**inputs, key: moved}
            zero = _at_zero(_numbers(problem, part, tried))
            if zero.any():
                yield Zero(part, chosen(tried, np.flatnonzero(zero)), key, place)
                break


def _dyadic(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Numbers whose sums, products and ratios are exact, mostly."""
    values = rng.choice(DYADIC, (TRIES, *shape))
    values[TRIES // 2 :] = np.abs(values[TRIES // 2 :])
    return np.abs(values) if key in POSITIVE or (key in COUNTS and not shape) else values


def _guesses(
    problem: Problem,
    part: Expression,
    inputs: dict[str, np.ndarray],
    key: str,
    entry: tuple[int, ...],
) -> Iterator[Any]:
    """Values of one entry that may make the part 0: the root if it is a line, and plain numbers."""
    place: Any = (slice(None), *entry)
    here = inputs[key][place]
    further = inputs[key].copy()
    further[place] += 1.0
    first = _numbers(problem, part, inputs)
    second = _numbers(problem, part, {**inputs, key: further})
    first, second = np.broadcast_arrays(first, second)
    with np.errstate(all="ignore"):
        for element in np.ndindex(first.shape[1:]):
            one: Any = (slice(None), *element)
            root = here - first[one] / (second[one] - first[one])
            if np.isfinite(root).any():
                yield np.where(np.isfinite(root), root, here)
                break
    yield from SPECIAL


def _numbers(problem: Problem, part: Expression, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The value of a part: points, then whatever elements it has."""
    with np.errstate(all="ignore"):
        try:
            value = Meaning(problem.situation(0, inputs)).value(part)
        except (ValueError, KeyError):
            return np.ones((1, 1))
    array = value.array.reshape(value.array.shape[POINTS], -1)
    count = next(iter(inputs.values())).shape[0]
    return np.broadcast_to(array, (count, array.shape[1]))


def _at_zero(numbers: np.ndarray) -> np.ndarray:
    return np.asarray((numbers == 0).any(axis=1))


# ---------------------------------------------------------------------- conditions
def conditions_at(
    problem: Problem, truth_of: Callable[[Meaning], Value], rng: np.random.Generator
) -> list[Compare]:
    """The conditions under which a claim holds that is right at random points."""
    found: list[tuple[Expression, Compare]] = []
    for part in edges(problem):
        for zero in zeros_of(problem, part, rng):
            inputs = _allowed(problem, zero, [condition for _, condition in found])
            if inputs is None:
                continue
            relation = _verdict(problem, Zero(part, inputs, zero.key, zero.entry), truth_of)
            if relation:
                found.append((part, _said(part, relation)))
                break
    return [condition for _, condition in found]


def _allowed(
    problem: Problem, zero: Zero, conditions: list[Compare]
) -> dict[str, np.ndarray] | None:
    """The points that other conditions do not exclude already."""
    count = len(next(iter(zero.inputs.values())))
    keep = np.ones(count, bool)
    for condition in conditions:
        keep &= (_numbers(problem, condition, zero.inputs) != 0).all(axis=1)
    return chosen(zero.inputs, np.flatnonzero(keep)) if keep.any() else None


def _verdict(problem: Problem, zero: Zero, truth_of: Callable[[Meaning], Value]) -> str:
    """The relation to 0 that the part must have, or nothing if the claim holds at its zero."""
    try:
        left = trial_at(problem, 0, zero.beside(-STEP), truth_of)
        right = trial_at(problem, 0, zero.beside(STEP), truth_of)
        here = trial_at(problem, 0, zero.inputs, truth_of)
    except ValueError:
        return ""
    # Beside some points only: who writes log(p/q) may think of positive or of negative q.
    one_sided = bool((left.valid ^ right.valid).any() and not (left.valid & right.valid).any())
    if (one_sided or not here.valid.any()) and not _varies(problem, zero.part):
        return ""  # parameters for which there is no function at all are no edge of its domain
    if problem.about == "value":
        known = here.valid & function_exists(here.meaning, problem.function.key)
        return "" if _holds_at(problem, here, here.truth.array, ~known) else "!="
    if one_sided:
        signs = {
            *_signs(problem, zero, STEP, right.valid),
            *_signs(problem, zero, -STEP, left.valid),
        }
        if len(signs) != 1:
            return "!="  # on which side the domain lies depends on other symbols
        to_right = bool(right.valid.any())
        step = STEP**2 if to_right else -(STEP**2)  # a root changes fast near its edge
        inner = trial_at(problem, 0, zero.beside(step), truth_of)
        apart = ~(right.valid if to_right else left.valid)
        closed = "=" if _holds_at(problem, here, inner.truth.array, apart) else ""
        return (">" if signs == {1.0} else "<") + closed
    if not left.valid.any():
        return ""
    both = left.valid & right.valid
    values = (left.truth.array, right.truth.array)
    if not (both & close(*values, NEAR, NEAR)).any():
        return "!="
    with np.errstate(all="ignore"):
        mean = 0.5 * (values[0] + values[1])
    return "" if _holds_at(problem, here, mean, ~both) else "!="


def _signs(problem: Problem, zero: Zero, step: float, valid: np.ndarray) -> list[float]:
    """The signs that the part has a little beside those of its elements that are 0."""
    here = _numbers(problem, zero.part, zero.inputs)[valid]
    beside = _numbers(problem, zero.part, zero.beside(step))[valid]
    return [float(sign) for sign in np.unique(np.sign(beside[here == 0])) if sign]


def _varies(problem: Problem, part: Expression) -> bool:
    """Whether a part depends on the symbol that the derivative is by."""
    by = getattr(problem.target, "by", None)
    return isinstance(by, Symbol) and by.key in {*_reached(problem, part), *symbols_of([part])}


def _holds_at(
    problem: Problem, here: Trial, limit: np.ndarray, apart: np.ndarray | bool = False
) -> bool:
    """Whether the function exists at a zero and the claim is what the truth tends to there."""
    with np.errstate(all="ignore"):
        known = function_exists(here.meaning, problem.function.key)
        claimed = here.meaning.value(problem.claim)
        lifted = here.situation.layout.lifted(claimed, here.truth.rank)
        fits = close(lifted, limit, NEAR, NEAR) & known
    return bool((fits | apart).all())


def _said(part: Expression, relation: str) -> Compare:
    """``a − b ≠ 0`` as ``a ≠ b``, and ``1 − y > 0`` as ``y < 1``."""
    turned = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "!=": "!="}
    part = as_written(_core(part, relation))
    if isinstance(part, Negative):
        return Compare(turned[relation], part.operand, Number(0))
    if isinstance(part, Add) and len(part.terms) == 2:
        first, second = part.terms
        if isinstance(second, Negative):
            if isinstance(first, Number):
                return Compare(turned[relation], second.operand, first)
            return Compare(relation, first, second.operand)
    return Compare(relation, part, Number(0))


def _core(part: Expression, relation: str) -> Expression:
    """What is 0 where the part is: ``σ`` for ``2 σ²``."""
    while True:
        match part:
            case Multiply(factors=(Number(value=number), rest)) if number > 0:
                part = rest
            case Power(base=base, exponent=Number(value=number)) if number > 0 and relation == "!=":
                part = base
            case _:
                return part


# ---------------------------------------------------------------------- parts of the domain
def region_of(trial: Trial, same: np.ndarray) -> Compare | None:
    """A simple condition that holds where a claim is right and fails where it is wrong."""
    problem = trial.problem
    # Only the signs of symbols: who leaves out the derivative of an activation deep inside has
    # made a mistake, and who claims that of relu(z) is 1 thinks of z > 0.
    parts: list[Expression] = []
    inputs = symbols_of([definition.body for definition in problem.definitions.values()])
    parts += [symbol for key, symbol in inputs.items() if key in problem.inputs]
    same = same & trial.valid
    axes = tuple(axis for axis in range(trial.truth.array.ndim) if axis != POINTS)
    telling = np.broadcast_to(np.abs(trial.truth.array).max(axis=axes) > 1e-6, same.shape)
    for part in parts:
        numbers = _numbers(problem, part, dict(trial.situation.inputs))
        for relation, inside in (
            (">", (numbers > 0).all(axis=1)),
            ("<", (numbers < 0).all(axis=1)),
        ):
            region = inside & trial.valid
            outside = trial.valid & ~inside
            if region.sum() < 6 or outside.sum() < 3 or not same[region].all():
                continue
            if telling[region].mean() > 0.5 and not same[outside].all():
                return _said(part, relation)
    return None
