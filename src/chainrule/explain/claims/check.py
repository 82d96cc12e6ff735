"""``check_claim``: whether a derivation is right, and if not, where the slip is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from chainrule.explain.claims.agreement import agreement
from chainrule.explain.claims.algebra import proven
from chainrule.explain.claims.counterexample import counterexample
from chainrule.explain.claims.decide import Finding, Truth, constrained, decide, same_as_truth
from chainrule.explain.claims.given import (
    NAMELESS,
    Formula,
    Given,
    Shapes,
    given_from,
    problem_of,
)
from chainrule.explain.claims.letters import as_written
from chainrule.explain.claims.meaning import Program
from chainrule.explain.claims.points import Trial, chosen, trial_at
from chainrule.explain.claims.problem import Problem
from chainrule.explain.claims.search.materials import Materials
from chainrule.explain.claims.search.mend import Mend, Search, mends
from chainrule.explain.claims.search.slips import as_edit, left_sides, undrawn
from chainrule.explain.claims.shapes import ShapeFinding, mapping_of, of_formula, of_mapping
from chainrule.explain.claims.values import Misfit, Value
from chainrule.explain.claims.variance import Variance
from chainrule.explain.claims.verdict import Condition, Edit, Verdict
from chainrule.explain.claims.writing import in_syntax
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import Equation, Expression, Partial, Symbol
from chainrule.graph.rng import checked_rng

__all__ = ["check_claim"]

#: The key of a message, and its fields.
Note: TypeAlias = tuple[str, tuple[tuple[str, object], ...]]
#: At how many points candidates are compared.
SEARCH_POINTS = 3


def check_claim(
    function: Formula | Callable[..., Any],
    claim: Formula,
    *,
    wrt: str | None = None,
    shapes: Shapes | None = None,
    let: Mapping[str, str] | Sequence[str] | None = None,
    random: Mapping[str, str | float] | None = None,
    about: str | None = None,
    syntax: str | None = None,
    lang: str | None = None,
    rng: int | np.random.Generator = 0,
) -> Verdict:
    r"""Whether a claim about a function is right, and if not, the smallest edit that makes it so.

    Parameters
    ----------
    function
        A formula, as Python (``"mean((t - (w*x + b))**2)"``), text (``"1/n Σ_i (y_i − ŷ_i)²"``) or
        LaTeX; with a name for it if it is an equation (``"L = …"``). Or a Python function of
        tensors whose parameters are the symbols; or ``"f: R^n -> R^m"``, for its Jacobian's shape.
    claim
        What is claimed of it. An equation may begin with what the claim is about: ``∂L/∂w_j = …``.
    wrt
        The symbol that the claimed derivative is by, perhaps with an index: ``"w"``, ``"w_j"``.
    shapes
        ``{"x": "n, d", "w": "d"}``: sizes are letters, which formulas may use as numbers, or whole
        numbers. A symbol that is not declared has an axis for each of its indices.
    let
        What other symbols stand for: ``{"ŷ_i": "Σ_j x_ij w_j + b"}``. Derivatives go through them.
    random
        The variances of random symbols, with mean 0 and independent entries: ``{"z": "λ"}``.
    about
        ``"derivative"``, ``"value"`` (of the function itself), ``"variance"`` or ``"shape"``; by
        default a derivative if ``wrt`` or a ``∂`` on the left says so, a variance if something is
        random, else the value.
    syntax
        ``"python"``, ``"text"`` or ``"latex"``; by default each formula says it itself.
    lang
        The language of the verdict, ``"en"`` or ``"ko"``.
    rng
        Where the points at which formulas are compared come from.

    Returns
    -------
    Verdict
        True in an ``if`` unless the claim is wrong; it prints itself.

    Raises
    ------
    FormulaError
        If a formula cannot be read, a symbol stands for nothing, sizes contradict each other, or
        there is nothing to check. Nothing that is given is ever run as code.
    OptionError
        If ``about`` or ``syntax`` is none of those above.

    Notes
    -----
    The truth comes from automatic differentiation. A claim is compared with it at random points
    and with several sizes, and where both are elementary formulas also by algebra. Derivatives are
    laid out as the library does it: that of a number has the shape of the variable, that of a
    vector ``y`` by a vector ``x`` has ``∂y_i/∂x_j`` at ``[i, j]``.

    Examples
    --------
    >>> from chainrule.explain.claims import check_claim
    >>> verdict = check_claim(
    ...     "mean((t - (w*x + b))**2)", "-2*mean((t - (w*x + b))*w)", wrt="w", lang="en"
    ... )
    >>> verdict.status, verdict.mended
    ('wrong', '-2 * mean((t - (w * x + b)) * x)')
    >>> bool(check_claim("log(x)", "1/x", wrt="x"))
    True
    """
    with np.errstate(all="ignore"):  # formulas are tried outside of their domains, too
        return _checked(
            function, claim, wrt, shapes, let, random, about, syntax, lang,
            checked_rng(rng),
        )  # fmt: skip


def _checked(
    function: Formula | Callable[..., Any],
    claim: Formula,
    wrt: str | None,
    shapes: Shapes | None,
    let: Mapping[str, str] | Sequence[str] | None,
    random: Mapping[str, str | float] | None,
    about: str | None,
    syntax: str | None,
    lang: str | None,
    generator: np.random.Generator,
) -> Verdict:
    if about in (None, "shape") and mapping_of(function) is not None:
        return _about_shape(of_mapping(str(function), claim), lang)
    given = given_from(
        function, claim, wrt=wrt, shapes=shapes, let=let, random=random, about=about, syntax=syntax
    )
    if given.about == "shape":
        return _about_shape(of_formula(given, claim, generator), lang)
    found: tuple[Problem, Finding] | None = None
    for side in range(len(given.sides)):
        problem = problem_of(given, side)
        finding = decide(problem, generator)
        found = _worse(found, (problem, finding))
        if finding.status == "wrong":
            return _refuted(given, side, problem, finding, generator, lang)
    assert found is not None
    return _accepted(given, *found, generator, lang)


def _worse(
    one: tuple[Problem, Finding] | None, other: tuple[Problem, Finding]
) -> tuple[Problem, Finding]:
    return one if one is not None and one[1].status == "conditional" else other


# ---------------------------------------------------------------------- verdicts
def _accepted(
    given: Given, problem: Problem, finding: Finding, rng: np.random.Generator, lang: str | None
) -> Verdict:
    conditions = [Condition(formula) for formula in finding.conditions]
    conditions += [Condition(key=form) for form in finding.forms]
    found: list[Mend] = []
    if finding.where:
        found = _searched(problem, finding.trials, rng, finding)
    verdict = Verdict(
        finding.status,
        problem.about,
        conditions=tuple(map(str, conditions)),
        proof=_proof(problem, finding),
        said_conditions=tuple(conditions),
        notes=tuple(_notes(problem, finding)),
        lang=lang,
    )
    if not found:
        return verdict
    notes = (*verdict.notes, ("claims.note_where", ()))
    return replace(_with_mend(verdict, given, 0, found), notes=notes)


def _refuted(
    given: Given,
    side: int,
    problem: Problem,
    finding: Finding,
    rng: np.random.Generator,
    lang: str | None,
) -> Verdict:
    at = None
    if not finding.misfit and not finding.shapes:
        at = counterexample(problem, Truth(problem, rng), rng)
    verdict = Verdict(
        "wrong",
        problem.about,
        counterexample=at,
        proof=finding.points,
        notes=tuple(_notes(problem, finding)),
        lang=lang,
    )
    if problem.about == "variance":
        proof = "sampled" if finding.sampled else "rule"
        verdict = _with_function(replace(verdict, proof=proof), given, problem, finding, rng)
    left = [] if given.left is None else _left_mends(given, problem, finding, rng)
    if finding.zero:
        return _with_left(verdict, given, left) if left else verdict
    found = _searched(problem, finding.trials, rng, finding)
    if left and (not found or len(found[0].edits) > 1):
        return _with_left(verdict, given, left)
    if not finding.sampled and (not found or len(found[0].edits) > 1):
        for condition, inside in constrained(problem, rng):
            others = _searched(problem, inside.trials, rng, inside)
            if others and (not found or len(others[0].edits) < len(found[0].edits)):
                found = others
                note = ("claims.note_mend_where", (("condition", condition),))
                verdict = replace(verdict, notes=(*verdict.notes, note))
    return _with_mend(verdict, given, side, found) if found else verdict


def _about_shape(found: ShapeFinding, lang: str | None) -> Verdict:
    if found.right:
        return Verdict("right", "shape", proof="rule", lang=lang)
    true = ", ".join(map(str, found.true))
    claimed = ", ".join(map(str, found.claimed))
    note = ("claims.note_sizes", (("true", true), ("claimed", claimed)))
    edit = Edit("shape", found.mended, found.mended)
    return Verdict(
        "wrong",
        "shape",
        mend=found.mended,
        mended=true,
        edits=(edit,),
        mended_function=found.function,
        proof="rule",
        notes=(note,),
        lang=lang,
    )


def _proof(problem: Problem, finding: Finding) -> str | int:
    if problem.about == "variance":
        return "sampled" if finding.sampled else "rule"
    return "symbolic" if not finding.where and proven(problem) else finding.points


def _notes(problem: Problem, finding: Finding) -> Iterator[Note]:
    if finding.misfit:
        yield "claims.note_misfit", ()
    if finding.shapes:
        yield from _shape_note(problem, finding)
    if finding.zero and isinstance(problem.target, Partial):
        target = problem.target
        yield "claims.note_independent", (("of", _as_named(problem, target.of)), ("by", target.by))
    if problem.vectors:
        yield "claims.note_vectors", (("symbols", ", ".join(problem.vectors)),)
    if problem.functions:
        yield "claims.note_unknown_functions", (("functions", ", ".join(problem.functions)),)
    if _is_transposed(problem, finding):
        yield "claims.note_layout", ()


def _as_named(problem: Problem, formula: Expression) -> Expression:
    """The formula of a function that has no name, in the place of the symbol for it."""
    if not isinstance(formula, Symbol) or formula.key != NAMELESS:
        return formula
    body = problem.definitions[NAMELESS].body
    return Symbol("f") if isinstance(body, Program) else as_written(body)


def _shape_note(problem: Problem, finding: Finding) -> Iterator[Note]:
    trial = finding.trials[0]
    claim = trial.meaning.value(problem.claim)
    layout = trial.situation.layout
    free = layout.depends(claim) - problem.wanted - layout.depends(trial.truth)
    if free:
        letters = sorted(one.split("~")[0] for one in free)
        yield "claims.note_free", (("index", ", ".join(letters)),)
        return
    own, true = (value.array.shape[layout.lead :] for value in (claim, trial.truth))
    yield "claims.note_shapes", (("claimed", _shape_text(own)), ("true", _shape_text(true)))


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _is_transposed(problem: Problem, finding: Finding) -> bool:
    """Whether the claim is right but for the layout of a Jacobian."""
    if finding.status != "wrong" or problem.about != "derivative" or finding.misfit:
        return False
    for trial in finding.trials:
        claim = trial.meaning.value(problem.claim)
        if claim.rank != 2 or trial.truth.rank != 2 or not _is_jacobian(problem, trial.meaning):
            return False
        turned = Value(np.swapaxes(claim.array, -1, -2), 2)
        found = agreement(trial.situation.layout, turned, trial.truth, problem.wanted)
        if found.form == "shape" or not (found.same | ~trial.valid).all():
            return False
    return True


def _is_jacobian(problem: Problem, meaning: Any) -> bool:
    target = problem.target
    return isinstance(target, Partial) and meaning.value(target.of).rank == 1


# ---------------------------------------------------------------------- mends
def _searched(
    problem: Problem, trials: Sequence[Trial], rng: np.random.Generator, finding: Finding
) -> list[Mend]:
    """The mends of the claim."""
    some = chosen(trials[0].situation.inputs, np.flatnonzero(trials[0].valid)[-SEARCH_POINTS:])
    with np.errstate(all="ignore"):
        trial = trial_at(problem, 0, some, Truth(problem, rng))
        search = Search(
            problem.claim,
            trial.meaning,
            trial.truth,
            Materials(problem, trial.meaning, _formulas(problem)),
            lambda formula: same_as_truth(problem.with_claim(formula), finding),
        )
        return mends(search)


def _formulas(problem: Problem) -> list[Expression]:
    bodies = [definition.body for definition in problem.definitions.values()]
    return [*bodies, problem.claim, problem.target]


def _with_mend(verdict: Verdict, given: Given, side: int, found: Sequence[Mend]) -> Verdict:
    def whole(formula: Expression) -> Expression:
        if given.left is None:
            return formula
        sides = list(given.sides)
        sides[side] = formula
        return Equation((given.left, *sides))

    best = whole(found[0].formula)
    others: list[Expression] = []
    shown = {to_text(best)}
    for mend in found[1:]:
        other = whole(mend.formula)
        if to_text(other) not in shown:
            shown.add(to_text(other))
            others.append(other)
    return replace(
        verdict,
        mend=best,
        mended=in_syntax(best, given.syntax),
        edits=tuple(as_edit(edit) for edit in found[0].edits),
        alternatives=tuple(others),
    )


def _left_mends(
    given: Given, problem: Problem, finding: Finding, rng: np.random.Generator
) -> list[Partial]:
    """Left sides for which the right side is right."""
    if not isinstance(given.left, Partial) or not isinstance(problem.target, Partial):
        return []
    trial = finding.trials[0]
    materials = Materials(problem, trial.meaning, _formulas(problem))
    found = []
    for left in left_sides(problem, materials):
        other = replace(problem, target=left)
        if same_as_truth(other, finding, Truth(other, rng)):
            found.append(left)
    return found[:3]


def _with_left(verdict: Verdict, given: Given, found: Sequence[Partial]) -> Verdict:
    assert given.left is not None
    wholes = [Equation((left, *given.sides)) for left in found]
    return replace(
        verdict,
        mend=wholes[0],
        mended=in_syntax(wholes[0], given.syntax),
        edits=(Edit("left side", given.left, found[0]),),
        alternatives=tuple(wholes[1:]),
    )


def _with_function(
    verdict: Verdict, given: Given, problem: Problem, finding: Finding, rng: np.random.Generator
) -> Verdict:
    """The random formula that has the claimed variance."""
    if finding.misfit or finding.sampled:
        return verdict
    truth_of = Truth(problem, rng)
    trial = finding.trials[0]
    spread = truth_of.variance(trial.meaning).variance
    body = problem.definitions[problem.function.key].body
    wanted = trial.meaning.value(problem.claim)

    def proves(formula: Expression) -> bool:
        trials = enumerate(finding.trials)
        return all(_has_variance(problem, formula, way, trial) for way, trial in trials)

    materials = Materials(problem, spread.meaning, [body, problem.claim])
    with np.errstate(all="ignore"):
        shape = spread.meaning.value(body).array.shape[trial.situation.layout.lead :]

        def finish(value: Value) -> Value:
            if value.array.shape[trial.situation.layout.lead :] != shape:
                raise Misfit
            return spread.of(value, as_number=wanted.rank == 0)

        search = Search(body, spread.meaning, wanted, materials, proves, finish)
        found = mends(search)
    if not found:
        return verdict
    draws = {key: draw.call for key, draw in problem.draws.items()}
    edits = tuple(
        replace(edit, before=undrawn(edit.before, draws), after=undrawn(edit.after, draws),
                about=None if edit.about is None else undrawn(edit.about, draws))
        for edit in map(as_edit, found[0].edits)
    )  # fmt: skip
    formula = undrawn(found[0].formula, draws)
    return replace(verdict, mended_function=in_syntax(formula, given.syntax), function_edits=edits)


def _has_variance(problem: Problem, formula: Expression, way: int, trial: Trial) -> bool:
    """Whether a formula has the claimed variance, and by the exact rules."""
    try:
        claimed = trial.meaning.value(problem.claim)
        # Candidates may be no sums of products of draws, of which alone the rules speak.
        rng = np.random.default_rng(0)
        spread = Variance(problem, way, trial.situation.inputs, formula, rng, samples=2)
        if not spread.exact:
            return False
        value = spread.of(spread.meaning.value(formula))
    except (ValueError, KeyError):
        return False
    found = agreement(trial.situation.layout, value, claimed, problem.wanted)
    return found.form == "same" and bool((found.same | ~trial.valid).all())
