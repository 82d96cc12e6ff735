"""Whether a claim is right: at random points, in which form, and under which conditions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from chainrule.errors import FormulaError
from chainrule.explain.claims.agreement import RELATIVE, Agreement, agreement
from chainrule.explain.claims.derivatives import depends_on
from chainrule.explain.claims.kinks import conditions_at, region_of
from chainrule.explain.claims.letters import as_written
from chainrule.explain.claims.meaning import Meaning, UnknownSymbolError
from chainrule.explain.claims.points import POSITIVE, Trial, chosen, drawn, trial_at, trial_of
from chainrule.explain.claims.problem import COUNTS, Problem
from chainrule.explain.claims.values import POINTS as POINT_AXIS
from chainrule.explain.claims.values import Value
from chainrule.explain.claims.variance import Variance
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Cases,
    Compare,
    Dots,
    Expression,
    Number,
    Partial,
    Symbol,
    walk,
)

__all__ = ["WAYS", "Finding", "Truth", "constrained", "decide", "same_as_truth"]

#: How many ways to choose sizes are tried, and how many points with each.
WAYS, POINTS = 3, 24
#: What sampling is exact to.
SAMPLED = 0.03
#: Symbols that are probabilities or targets by custom, and what makes a problem one of classes.
TARGETS = frozenset({"t", "y", "p", "q", "pi", "T", "Y", "P", "Q"})
CLASSES = frozenset({"softmax", "log_softmax", "cross_entropy", "log"})

Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Truth:
    """What the claim is compared with.

    Parameters
    ----------
    problem
        The problem; its ``target`` is what the truth is of.
    rng
        For sampling.
    """

    problem: Problem
    rng: np.random.Generator

    def __call__(self, meaning: Meaning) -> Value:
        """The true value in a situation."""
        if self.problem.about != "variance":
            return meaning.value(self.problem.target)
        return self.variance(meaning).value

    def variance(self, meaning: Meaning) -> "Spread":
        """The variance of the function, and how it was found."""
        key = self.problem.function.key
        definition = self.problem.definitions[key]
        way = next(
            way for way in range(WAYS)
            if self.problem.situation(way, {}).extents == meaning.situation.extents
            and self.problem.situation(way, {}).counts == meaning.situation.counts
        )  # fmt: skip
        inputs = meaning.situation.inputs
        spread = Variance(self.problem, way, inputs, definition.body, self.rng)
        if spread.exact:
            return Spread(spread, spread.of(spread.meaning.value(definition.body)))
        found = []
        for point in range(meaning.situation.points):
            here = chosen(inputs, slice(point, point + 1))
            alone = Variance(self.problem, way, here, definition.body, self.rng)
            found.append(alone.of(alone.meaning.value(definition.body)))
        arrays = np.concatenate([value.array for value in found], axis=POINT_AXIS)
        return Spread(spread, replace(found[0], array=arrays))


@dataclass(frozen=True)
class Spread:
    """A variance with the means to find that of other formulas."""

    variance: Variance
    value: Value


@dataclass
class Finding:
    """What is known about a claim.

    Attributes
    ----------
    status
        ``"right"``, ``"conditional"`` or ``"wrong"``.
    trials
        At what points that was found.
    conditions
        Formulas that must hold.
    forms
        In what sense it is right: ``"row"``, ``"column"``, ``"constant"``.
    where
        Whether it is right on a part of the domain only.
    misfit
        Whether the claim's shapes do not fit together.
    shapes
        Whether the claim has another shape than the truth.
    sampled
        Whether the truth is known by sampling only.
    zero
        Whether the left side is 0 because its parts have nothing to do with each other.
    """

    status: str
    trials: list[Trial]
    conditions: list[Compare] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    where: bool = False
    misfit: bool = False
    shapes: bool = False
    sampled: bool = False
    zero: bool = False
    relative: float = RELATIVE

    @property
    def points(self) -> int:
        """At how many points."""
        return sum(int(trial.valid.sum()) for trial in self.trials)


def decide(problem: Problem, rng: np.random.Generator) -> Finding:
    """Compare a claim with the truth.

    Raises
    ------
    FormulaError
        If the function itself has no value, or a symbol stands for nothing.
    """
    truth_of = Truth(problem, rng)
    trials = _trials(problem, truth_of, rng)
    relative = RELATIVE
    sampled = False
    if problem.about == "variance":
        sampled = not truth_of.variance(trials[0].meaning).variance.exact
        relative = SAMPLED if sampled else RELATIVE
    finding = Finding("wrong", trials, sampled=sampled, relative=relative)
    finding.zero = _is_independent(problem, trials[0])
    found = [_compared(problem, trial, relative) for trial in trials]
    if problem.sizes.overrun or any(one is None for one in found):
        finding.misfit = True
        return finding
    agreed = [one for one in found if one is not None]
    if any(one.form == "shape" for one in agreed):
        finding.shapes = True
        return finding
    finding.forms = sorted({one.form for one in agreed} - {"same"})
    if "constant" in finding.forms and not _is_number(problem):
        finding.shapes = True
        finding.forms = []
        return finding
    same = [one.same | ~trial.valid for one, trial in zip(agreed, trials, strict=True)]
    if all(flags.all() for flags in same):
        if problem.about != "variance":
            finding.conditions = conditions_at(problem, truth_of, rng)
        conditional = finding.conditions or finding.forms
        finding.status = "conditional" if conditional else "right"
        return finding
    finding.forms = []
    if not sampled and (condition := _condition(problem, truth_of, rng)) is not None:
        finding.status, finding.where = "conditional", True
        finding.conditions = [condition]
    return finding


def _trials(
    problem: Problem, truth_of: Callable[[Meaning], Value], rng: np.random.Generator
) -> list[Trial]:
    count = 4 if problem.about == "variance" else POINTS
    try:
        trials = [trial_of(problem, way, count, rng, truth_of) for way in range(WAYS)]
    except UnknownSymbolError as found:
        raise FormulaError("claims.stands_for_nothing", part=to_text(found.symbol)) from None
    except (ValueError, KeyError) as error:
        if isinstance(error, FormulaError):
            raise
        part = to_text(as_written(_misfit(problem)))
        raise FormulaError(
            "claims.function_misfit", part=part, shapes=_shapes_said(problem)
        ) from None
    if not any(trial.valid.any() for trial in trials):
        raise FormulaError("claims.nowhere")
    return trials


def _misfit(problem: Problem) -> Expression:
    """The smallest part of the function that has no value."""
    rng = np.random.default_rng(0)
    meaning = Meaning(problem.situation(0, drawn(problem, 0, 1, rng)))
    bodies = [definition.body for definition in problem.definitions.values()]
    nodes = [node for body in bodies for node in walk(body) if not isinstance(node, Dots)]
    for node in sorted(nodes, key=lambda one: sum(1 for _ in walk(one))):
        try:
            meaning.value(node)
        except UnknownSymbolError:
            continue
        except (ValueError, KeyError):
            return node
    return problem.definitions[problem.function.key].body


def _shapes_said(problem: Problem) -> str:
    rows = [
        f"{key}: ({', '.join(map(str, shape))})"
        for key, shape in problem.shapes(0).items()
        if shape
    ]
    return "; ".join(rows) or "–"


def _compared(problem: Problem, trial: Trial, relative: float) -> Agreement | None:
    """How claim and truth compare; ``None`` if the shapes of the claim do not fit together."""
    try:
        with np.errstate(all="ignore"):
            claim = trial.meaning.value(problem.claim)
    except UnknownSymbolError as found:
        raise FormulaError("claims.stands_for_nothing", part=to_text(found.symbol)) from None
    except (ValueError, KeyError):
        return None
    lead = trial.situation.layout.lead
    if claim.open and claim.rank == trial.truth.rank:
        claim = claim.grown(trial.truth.array.shape[lead:])
    return agreement(trial.situation.layout, claim, trial.truth, problem.wanted, relative)


def _is_number(problem: Problem) -> bool:
    """Whether the claim is a plain number, which may stand for every element."""
    return not any(isinstance(node, Symbol | Big | Apply) for node in walk(problem.claim))


def _is_independent(problem: Problem, trial: Trial) -> bool:
    target = problem.target
    if not isinstance(target, Partial) or not isinstance(target.by, Symbol):
        return False
    return not depends_on(trial.situation, target.of, target.by.key)


# ---------------------------------------------------------------------- parts of the domain
def _condition(
    problem: Problem, truth_of: Callable[[Meaning], Value], rng: np.random.Generator
) -> Compare | None:
    """A condition under which a claim is right that is not right everywhere."""
    try:
        trial = trial_of(problem, 0, 240, rng, truth_of)
        found = _compared(problem, trial, RELATIVE)
        if found is not None and not _has_cases(problem.claim):
            region = region_of(trial, found.same)
            if region is not None and _holds_within(problem, region, truth_of, rng):
                return region
        for condition, finding in constrained(problem, rng):
            if same_as_truth(problem, finding):
                return condition
    except (ValueError, KeyError):
        return None
    return None


def _holds_within(
    problem: Problem,
    region: Compare,
    truth_of: Callable[[Meaning], Value],
    rng: np.random.Generator,
) -> bool:
    """Whether a claim is right wherever one symbol has a sign, whatever signs all others have."""
    assert isinstance(region.left, Symbol)
    key, sign = region.left.key, 1.0 if region.relation == ">" else -1.0

    def constrain(inputs: Inputs) -> Inputs:
        free = {
            name: array if name in POSITIVE or name in COUNTS
            else array * rng.choice([-1.0, 1.0], array.shape)
            for name, array in inputs.items()
        }  # fmt: skip
        return {**free, key: sign * np.abs(inputs[key])}

    trial = trial_of(problem, 0, 60, rng, truth_of, constrain)
    found = _compared(problem, trial, RELATIVE)
    return found is not None and bool((found.same | ~trial.valid).all())


def constrained(problem: Problem, rng: np.random.Generator) -> Iterator[tuple[Compare, Finding]]:
    """Points at which a condition holds that is customary in such problems."""
    truth_of = Truth(problem, rng)
    for condition, constrain in _constraints(problem):
        trials = [trial_of(problem, way, 12, rng, truth_of, constrain) for way in range(WAYS)]
        yield condition, Finding("wrong", trials)


def _has_cases(claim: Expression) -> bool:
    """Whether a claim tells cases apart, so that it means to cover all of them."""
    kinked = ("relu", "leaky_relu", "elu", "sign", "abs", "maximum", "minimum", "max", "min")
    return any(
        isinstance(node, Compare | Cases) or (isinstance(node, Apply) and node.function in kinked)
        for node in walk(claim)
    )


def _constraints(problem: Problem) -> Iterator[tuple[Compare, Callable[[Inputs], Inputs]]]:
    """``Σ_k t_k = 1`` for targets of a classification."""
    bodies = [definition.body for definition in problem.definitions.values()]
    names = {node.function for body in bodies for node in walk(body) if isinstance(node, Apply)}
    if not names & CLASSES:
        return
    for key, axes in problem.inputs.items():
        if not axes or key.split("_")[0].split("^")[0] not in TARGETS:
            continue

        def constrain(inputs: Inputs, key: str = key) -> Inputs:
            array = np.abs(inputs[key])
            return {**inputs, key: array / array.sum(axis=-1, keepdims=True)}

        yield Compare("==", _total(problem, key), Number(1)), constrain


def _total(problem: Problem, key: str) -> Expression:
    """``Σ_k t_k`` in the notation of the problem."""
    bodies = [definition.body for definition in problem.definitions.values()]
    for body in [*bodies, problem.claim]:
        for node in walk(body):
            if isinstance(node, Symbol) and node.key == key:
                last = node.indices[-1] if node.indices else None
                if isinstance(last, Symbol):
                    plain = last.key.split("~")[0]
                    indices = (*node.indices[:-1], Symbol(plain))
                    shown = Symbol(node.name, node.accent, node.layer, node.label, indices)
                    return Big("sum", shown, Symbol(plain))
                return Apply("sum", (node,))
    return Apply("sum", (Symbol(key),))


def same_as_truth(
    problem: Problem, finding: Finding, truth_of: Callable[[Meaning], Value] | None = None
) -> bool:
    """Whether a formula is right at all the points at which the claim was tried.

    ``truth_of`` is given where the truth is another one than at those trials.
    """
    for way, tried in enumerate(finding.trials):
        trial = tried
        if truth_of is not None:
            try:
                trial = trial_at(problem, way, tried.situation.inputs, truth_of)
            except (ValueError, KeyError):
                return False
        found = _compared(problem, trial, finding.relative)
        if found is None or found.form != "same" or not trial.valid.any():
            return False
        if not (found.same | ~trial.valid).all():
            return False
        if truth_of is not None and not np.abs(trial.truth.array).any():
            return False
    return True
