"""The corpus itself is right: every claim is what it is said to be, without chainrule."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from .oracle import (
    POINTS,
    Claim,
    as_tensor,
    claimed_at,
    corpus,
    differs,
    evaluate,
    point,
    truth_at,
    values_at,
)
from .oracle_mends import mended_at

KNOWN = [claim for claim in corpus() if claim.truth != "unreadable"]
MISFITS = [claim for claim in KNOWN if claim.misfit]
SAMPLING = 0.05  # how far a variance of 40,000 draws may be off


def of(*truths: str) -> list[Claim]:
    return [claim for claim in KNOWN if claim.truth in truths and not claim.misfit]


def every(claims: list[Claim]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("claim", claims, ids=[claim.id for claim in claims])


def points_of(claim: Claim) -> range:
    return range(1 if claim.kind in ("variance", "shape") else POINTS)


def holds(claim: Claim, formula: str, number: int) -> bool:
    """Whether the formula says the truth at one point."""
    assert claim.fact is not None
    inputs = point(claim.fact, number)
    truth = truth_at(claim.fact, inputs, claim.kind)
    tolerance = SAMPLING if claim.kind == "variance" else 1e-7
    return not differs(claimed_at(claim, formula, inputs), truth, tolerance)


# ---------------------------------------------------------------------- each claim
@every(of("right", "conditional"))
def test_a_right_claim_holds_at_every_point(claim):
    """A conditional one where its condition holds: its fact's points lie there."""
    assert [number for number in points_of(claim) if not holds(claim, claim.numpy, number)] == []


@every(of("wrong"))
def test_a_wrong_claim_fails_at_a_point(claim):
    """One is enough: of a function in pieces, one piece may be right."""
    assert not all(holds(claim, claim.numpy, number) for number in points_of(claim))


@every(MISFITS)
def test_shapes_of_a_misfit_do_not_fit(claim):
    """What is said of a claim's own shapes is not said of a claim that has a value."""
    assert claim.truth == "wrong" and not claim.claim_numpy


@every([claim for claim in KNOWN if claim.mends])
def test_every_mend_holds(claim):
    assert claim.truth == "wrong" or "wrong" in claim.accept
    for mend in claim.mends:
        assert [number for number in points_of(claim) if not holds(claim, mend, number)] == []


@every([claim for claim in KNOWN if claim.function_mends])
def test_the_claim_holds_of_every_mended_function(claim):
    inputs = point(claim.fact, 0)
    claimed = claimed_at(claim, claim.numpy, inputs)
    for mend in claim.function_mends:
        variance = variance_of(claim, mend)
        assert not differs(claimed, variance, SAMPLING)


def variance_of(claim: Claim, formula: str) -> Tensor:
    fact = claim.fact
    inputs = point(fact, 0)
    return truth_at(type(fact)(fact.inputs, formula, domain=fact.domain), inputs, "variance")


@every([claim for claim in of("conditional") if claim.fails_at])
def test_a_conditional_claim_fails_beyond_its_condition(claim):
    """There is a point at which the difference quotients from both sides are not what it says."""
    fact = claim.fact
    inputs = point(fact, 0)
    for name, value in claim.fails_at.items():
        inputs[name] = torch.full_like(inputs[name], value)
    claimed = claimed_at(claim, claim.numpy, inputs)
    if claim.kind == "value":
        truth = truth_at(fact, inputs, "value")
        assert not torch.isfinite(truth).all() or differs(claimed, truth)
        return
    torch.manual_seed(0)
    direction = torch.randn_like(inputs[fact.wrt])
    claimed_slope = (claimed * direction).sum(
        tuple(range(-direction.ndim, 0)) if direction.ndim else ()
    )
    slopes = [difference_quotient(fact, inputs, direction, step) for step in (1e-7, -1e-7)]
    assert not all(
        torch.isfinite(slope).all() and not differs(slope, claimed_slope, 1e-3, 1e-3)
        for slope in slopes
    )


def difference_quotient(fact, inputs, direction, step):
    there = {**inputs, fact.wrt: inputs[fact.wrt] + step * direction}
    here, moved = (as_tensor(evaluate(fact.value, values_at(fact, at))) for at in (inputs, there))
    return (moved - here) / step


FACTS = {claim.fact.value + claim.fact.wrt: claim.fact for claim in KNOWN if claim.fact.wrt}


@pytest.mark.parametrize("name", FACTS)
def test_autograd_agrees_with_difference_quotients(name):
    """The truth itself, by central differences along a random direction."""
    fact = FACTS[name]
    inputs = point(fact, 1)
    direction = torch.randn_like(inputs[fact.wrt])
    there, back = (difference_quotient(fact, inputs, direction, step) for step in (1e-6, -1e-6))
    whole = type(fact)(fact.inputs, fact.value, fact.wrt, fact.steps, fact.domain)
    derivative = truth_at(whole, inputs, "derivative")
    slope = (derivative * direction).sum(tuple(range(-direction.ndim, 0)) if direction.ndim else ())
    assert not differs((there + back) / 2, slope, 1e-6)


# ---------------------------------------------------------------------- the whole
def test_every_name_is_used_once():
    assert [
        name for name, count in Counter(claim.id for claim in corpus()).items() if count > 1
    ] == []


def test_every_entry_is_complete():
    for claim in corpus():
        wrong, known = claim.truth == "wrong", claim.fact is not None
        assert known != (claim.truth == "unreadable"), claim.id
        assert (claim.edits > 0) == (wrong or ("wrong" in claim.accept and bool(claim.mends))), (
            claim.id
        )
        assert bool(claim.mends) == (claim.edits > 0), claim.id
        assert not known or bool(claim.condition) == ("conditional" in claim.accept), claim.id
        assert claim.syntax in ("python", "text", "latex"), claim.id


def test_the_corpus_is_as_broad_as_it_should_be():
    counts = Counter((claim.truth, min(claim.edits, 2)) for claim in corpus())
    assert len(corpus()) >= 220
    assert sum(counts[truth, 0] for truth in ("right", "conditional")) >= 85
    assert counts["wrong", 1] >= 80 and counts["wrong", 2] >= 35
    assert sum(claim.truth == "conditional" for claim in corpus()) >= 15
    assert counts["unreadable", 0] >= 20
    syntaxes = Counter(claim.syntax for claim in corpus())
    assert min(syntaxes.values()) >= math.floor(0.25 * len(corpus()))


# ---------------------------------------------------------------------- the reader of mends
@pytest.mark.parametrize(
    ("id", "mend", "right"),
    [
        ("notes-mse-w", "-2 / n * sum((y[i] - y_hat[i]) * x[i, j] for i in range(1, n + 1))", True),
        ("notes-mse-w", "-2 / n * sum((y[i] - y_hat[i]) * w[j] for i in range(size_i))", False),
        ("notes-mse-w", "2 / n * sum(derivative(y_hat[i], w[j]) * (y_hat[i] - y[i]) for i in "
         "range(size_i))", True),
        ("softmax-matrix-text", "diag(p) - p @ p.T", True),
        ("softmax-matrix-text", "diag(p) - p.T @ p", False),
        ("softmax-index", "p[i] * ((i == j) - p[j])", True),
        ("softmax-index", "p[i] * ((i == j) - p[i])", False),
        ("softmax-kronecker", "p[i] * (delta[i, j] - p[j])", True),
        ("chain-rule", "grad(f)(g(x)) * grad(g)(x)", True),
        ("chain-w1-factors", "derivative(J, y) * derivative(y, a[1]) * derivative(a_1, w1)", True),
        ("notes-rnn-step", "diag(1 - h**2) @ W_hh.T", True),
        ("lasso", "lambda_ * sign(w[j])", True),
        ("linear-map-index", "A[j, i]", None),
    ],
)  # fmt: skip
def test_a_mend_has_the_value_that_it_says(id, mend, right):
    (claim,) = (claim for claim in corpus() if claim.id == id)
    inputs = point(claim.fact, 0)
    truth = truth_at(claim.fact, inputs, claim.kind)
    if right is None:
        with pytest.raises(IndexError):
            mended_at(claim, mend, inputs, truth)
    else:
        assert differs(mended_at(claim, mend, inputs, truth), truth) != right
