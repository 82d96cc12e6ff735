"""Verdicts in words: both languages, every format, and the syntax of the claim."""

import re
from typing import Any

import pytest

from chainrule.explain.claims import Verdict, check_claim
from chainrule.explain.claims.reading import read
from chainrule.explain.formulas import to_text

TOUR: dict[str, Any] = {
    "function": "mean((t - (w*x + b))**2)",
    "claim": "-2*mean((t - (w*x + b))*w)",
    "wrt": "w",
}


def test_the_tour() -> None:
    verdict = check_claim(**TOUR, lang="en")
    assert not verdict
    assert verdict.mended == "-2 * mean((t - (w * x + b)) * x)"
    assert verdict.mend is not None and read(verdict.mended) == verdict.mend
    (edit,) = verdict.edits
    assert (edit.kind, to_text(edit.before), to_text(edit.after)) == ("symbol", "w", "x")
    assert edit.sentence == "x belongs in the place of w."
    in_one_line = " ".join(str(verdict).split())
    found = re.search(r"the claim gives (\S+), the derivative is (\S+)\. ", in_one_line)
    at = verdict.counterexample
    assert found is not None and at is not None
    numbers = [float(one.replace("−", "-")) for one in found.groups()]
    assert numbers == pytest.approx([at.claimed, at.true], rel=1e-3)


def test_the_counterexample_is_one() -> None:
    at = check_claim(**TOUR).counterexample
    assert at is not None
    t, w, x, b = (at.values[key] for key in "twxb")
    error = t - (w * x + b)
    assert at.true == pytest.approx((-2 * error * x).mean())
    assert at.claimed == pytest.approx((-2 * error * w).mean())


def test_korean() -> None:
    text = str(check_claim(**TOUR, lang="ko"))
    assert text.startswith("틀렸습니다.")
    assert "w 자리에 들어갈 것은 x입니다." in text
    assert not re.search(r"[a-z]{5,}", text.replace("shapes", ""))


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    ("function", "claim", "wrt"),
    [("x**2", "2*x", "x"), ("log(x)", "1/x", "x"), ("relu(z)", "1", "z"), ("x**2", "x", "x"),
     ("x**2", "exp(exp(x))*7", "x")],
)  # fmt: skip
def test_every_status_in_every_format(function: str, claim: str, wrt: str, lang: str) -> None:
    verdict = check_claim(function, claim, wrt=wrt, lang=lang)
    for text in (
        str(verdict),
        verdict.to_markdown(),
        verdict.to_latex(),
        verdict.to_html(),
        verdict._repr_html_(),
        verdict._repr_latex_(),
    ):
        assert text.strip()
        assert ("틀" in text or "맞" in text) == (lang == "ko")


@pytest.mark.parametrize(
    ("claim", "mended"),
    [
        ("2*x*y", "2 * x * w"),
        ("2 x y", "2 · x · w"),
        (r"2 x y + \frac{0}{1}", None),
    ],
)
def test_a_mend_is_written_as_the_claim_was(claim: str, mended: str | None) -> None:
    verdict = check_claim("w*x**2 + y", claim, wrt="x")
    if mended is None:
        assert verdict.mended == r"2 \cdot x \cdot w + \frac{0}{1}"
    else:
        assert verdict.mended == mended


def test_an_equation_is_mended_as_a_whole() -> None:
    verdict = check_claim("L = w**2", "∂L/∂w = 2 w = w + w + w")
    assert verdict.mended == "∂L/∂w = 2 · w = w + w"
    assert check_claim("L = w**2", "∂L/∂w = 2 w = w + w").status == "right"


def test_two_edits_are_listed() -> None:
    verdict = check_claim("sin(x**2)", "x*cos(x)", wrt="x", lang="en")
    assert len(verdict.edits) == 2
    assert "Two edits make it right:" in str(verdict)
    assert check_claim("sin(x**2)", verdict.mended, wrt="x").status == "right"


def test_what_no_edit_mends_is_said() -> None:
    verdict = check_claim("x**2", "exp(exp(x))*7 + sin(x)*cos(x)", wrt="x", lang="en")
    assert (verdict.mend, verdict.mended, verdict.edits) == (None, "", ())
    assert "No single edit and no pair of edits was found" in str(verdict)


def test_proofs() -> None:
    def proof(function: str, claim: str) -> str | int:
        return check_claim(function, claim, wrt="x").proof

    assert proof("x**2", "2*x") == "symbolic"
    assert isinstance(proof("x*abs(x)", "2*abs(x)"), int)


def test_an_unknown_function_is_any_function() -> None:
    assert check_claim("f(g(x))", "f'(g(x)) g'(x)", wrt="x").status == "right"
    wrong: Verdict = check_claim("f(g(x))", "f'(g(x))", wrt="x", lang="en")
    assert wrong.mended == "f′(g(x)) · g′(x)"
    assert "Nothing is known of" in str(wrong)


def test_a_second_derivative() -> None:
    assert check_claim("x**3", "6*x", wrt="x").status == "wrong"
    assert check_claim("L = x^3", "∂²L/∂x² = 6 x").status == "right"
