"""``check_claim`` answers every claim of the corpus as a teacher would.

What is true of each claim is calculated by PyTorch (:mod:`.oracle`), and so is every mend.
"""

import re
import unicodedata
from functools import cache

import pytest

from chainrule import explain
from chainrule.errors import FormulaError
from chainrule.explain.formulas import to_python

from .oracle import POINTS, Claim, Fact, claimed_at, corpus, differs, point, truth_at
from .oracle_mends import mended_at

UNREADABLE = [claim for claim in corpus() if claim.truth == "unreadable"]
WRONG = [claim for claim in corpus() if claim.truth == "wrong" or claim.mends]
CONDITIONAL = [claim for claim in corpus() if claim.condition]
SAMPLING = 0.05


def every(claims):
    return pytest.mark.parametrize("claim", claims, ids=[claim.id for claim in claims])


@cache
def answer(id: str):
    """The verdict, or the error where the claim cannot be read."""
    (claim,) = (claim for claim in corpus() if claim.id == id)
    about = None if claim.kind == "derivative" else claim.kind
    try:
        return explain.check_claim(
            claim.function,
            claim.claim,
            wrt=claim.wrt,
            shapes=dict(claim.shapes) or None,
            let=dict(claim.let) or None,
            random=dict(claim.random) or None,
            about=about,
            lang="en",
        )
    except FormulaError as error:
        return error


def status(claim: Claim) -> str:
    found = answer(claim.id)
    return "unreadable" if isinstance(found, FormulaError) else found.status


def plain(text: str) -> str:
    """Formulas without spaces, marks and signs of multiplication: ``Σₖ tₖ`` and ``Σ_k t_k``."""
    signs = {"!=": "≠", ">=": "≥", "<=": "≤", "==": "=", "->": "→", "-": "−"}
    for sign, other in signs.items():
        text = text.replace(sign, other)
    return re.sub(r"\s|\\,|[_^·*@]", "", unicodedata.normalize("NFKC", text)).lower()


# ---------------------------------------------------------------------- each claim
@every(corpus())
def test_the_answer_is_a_teachers(claim):
    assert status(claim) in claim.accept, str(answer(claim.id))


@every(UNREADABLE)
def test_the_part_that_cannot_be_read_is_quoted(claim):
    assert plain(claim.quotes) in plain(str(answer(claim.id)))


@every(CONDITIONAL)
def test_the_condition_is_the_one_that_matters(claim):
    if status(claim) == "conditional":
        conditions = plain(" ".join(map(str, answer(claim.id).conditions)))
        assert any(plain(condition) in conditions for condition in claim.condition), conditions


@every(WRONG)
def test_a_refuted_claim_comes_with_a_counterexample(claim):
    """Both numbers, if the claim has the shape of the truth; else its shape refutes it."""
    if status(claim) == "wrong" and not claim.misfit and has_the_right_shape(claim):
        assert answer(claim.id).counterexample is not None


def has_the_right_shape(claim: Claim) -> bool:
    inputs = point(claim.fact, 0)
    claimed = claimed_at(claim, claim.numpy, inputs)
    truth = truth_at(claim.fact, inputs, claim.kind)
    return claim.kind != "shape" and claimed.shape == truth.shape


@every(WRONG)
def test_an_offered_mend_is_true(claim):
    """None need be offered here; how often one is, the last tests count."""
    if status(claim) == "wrong" and is_mended(claim):
        assert mend_is_true(claim), str(answer(claim.id))


# ---------------------------------------------------------------------- mends
def is_mended(claim: Claim) -> bool:
    verdict = answer(claim.id)
    return status(claim) == "wrong" and (verdict.mend is not None or bool(verdict.mended_function))


def mend_is_true(claim: Claim) -> bool:
    verdict = answer(claim.id)
    if claim.written and any(
        plain(text) == plain(str(written))
        for text in claim.written
        for written in (verdict.mended, verdict.mended_function)
    ):
        return True
    if verdict.mend is None:
        return function_is_true(claim)
    return claim_is_true(claim)


def claim_is_true(claim: Claim) -> bool:
    mend = formula(answer(claim.id).mend)
    tolerance = SAMPLING if claim.kind == "variance" else 1e-7
    for number in range(1 if claim.kind in ("variance", "shape") else POINTS):
        inputs = point(claim.fact, number)
        truth = truth_at(claim.fact, inputs, claim.kind)
        if differs(mended_at(claim, mend, inputs, truth), truth, tolerance):
            return False
    return True


def function_is_true(claim: Claim) -> bool:
    """Whether the claim is true of the mended function."""
    mended = formula(answer(claim.id).mended_function)
    fact = Fact(claim.fact.inputs, mended, domain=claim.fact.domain)
    inputs = point(fact, 0)
    return not differs(
        claimed_at(claim, claim.numpy, inputs), truth_at(fact, inputs, claim.kind), SAMPLING
    )


def formula(expression) -> str:
    """As Python; of an equation, what it says the left side is."""
    if isinstance(expression, str):
        return expression
    sides = getattr(expression, "sides", (expression,))
    return to_python(sides[-1])


# ---------------------------------------------------------------------- the whole
@pytest.mark.parametrize(("edits", "share"), [(1, 0.95), (2, 0.80)])
def test_most_mistakes_are_mended(edits, share):
    mistakes = [claim for claim in corpus() if claim.truth == "wrong" and claim.edits == edits]
    missed = [claim.id for claim in mistakes if not well_mended(claim)]
    assert len(missed) <= (1 - share) * len(mistakes), missed


def well_mended(claim: Claim) -> bool:
    return is_mended(claim) and len(answer(claim.id).edits) <= claim.edits and mend_is_true(claim)
