"""Random formulas: their derivative by another route is never refused, a slip never accepted."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.explain.claims import check_claim

sympy = pytest.importorskip("sympy")

NAMES = ("x", "y", "w")
SYMBOLS = {name: sympy.Symbol(name, real=True) for name in NAMES}
POINTS = np.random.default_rng(5).uniform(0.3, 1.4, (8, 3)) * np.array([1, -1, 1])

GIVEN = {"shapes": dict.fromkeys(NAMES, ""), "syntax": "python"}

leaves = st.sampled_from([*SYMBOLS.values(), sympy.Integer(2), sympy.Integer(3)])


def larger(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda ab: ab[0] + ab[1]),
        pairs.map(lambda ab: ab[0] - ab[1]),
        pairs.map(lambda ab: ab[0] * ab[1]),
        parts.map(sympy.sin),
        parts.map(sympy.tanh),
        parts.map(lambda a: a**2),
        parts.map(lambda a: sympy.exp(a / 2)),
        parts.map(lambda a: 1 / (a**2 + 1)),
    )


formulas = st.recursive(leaves, larger, max_leaves=5).filter(
    lambda f: f.has(SYMBOLS["x"]) and f.count_ops() < 14
)


def values(formula: sympy.Expr) -> np.ndarray:
    function = sympy.lambdify(list(SYMBOLS.values()), formula, "numpy")
    return np.array([complex(function(*point)).real for point in POINTS])


def same(one: sympy.Expr, other: sympy.Expr) -> bool:
    a, b = values(one), values(other)
    return bool(np.allclose(a, b, rtol=1e-9, atol=1e-11))


def swapped(text: str, which: int) -> str:
    """Another symbol in one place."""
    places = list(re.finditer(r"\b[xyw]\b", text))
    if not places:
        return text
    place = places[which % len(places)]
    other = NAMES[(NAMES.index(place[0]) + 1 + which % 2) % 3]
    return text[: place.start()] + other + text[place.end() :]


def doubled(text: str, which: int) -> str:
    return f"2*({text})"


def turned(text: str, which: int) -> str:
    return f"-({text})"


def resigned(text: str, which: int) -> str:
    """A plus for a minus, or the other way round."""
    places = list(re.finditer(r" ([+-]) ", text))
    if not places:
        return turned(text, which)
    place = places[which % len(places)]
    sign = " - " if place[1] == "+" else " + "
    return text[: place.start()] + sign + text[place.end() :]


def refunctioned(text: str, which: int) -> str:
    return text.replace("cos(", "sin(", 1) if "cos(" in text else f"({text})**2"


@settings(max_examples=40, deadline=None)
@given(formulas)
def test_a_true_derivative_is_never_refused(formula: sympy.Expr) -> None:
    derivative = sympy.diff(formula, SYMBOLS["x"])
    verdict = check_claim(str(formula), str(derivative), wrt="x", **GIVEN)
    assert verdict.status == "right", str(verdict)


@settings(max_examples=40, deadline=None)
@given(
    formulas,
    st.sampled_from([swapped, doubled, turned, resigned, refunctioned]),
    st.integers(0, 5),
)
def test_a_slip_is_never_accepted_and_is_mended(
    formula: sympy.Expr, slip: Callable[[str, int], str], which: int
) -> None:
    derivative = sympy.diff(formula, SYMBOLS["x"])
    claim = slip(str(derivative), which)
    if same(sympy.sympify(claim, SYMBOLS), derivative):
        return
    verdict = check_claim(str(formula), claim, wrt="x", **GIVEN)
    assert verdict.status == "wrong", str(verdict)
    assert verdict.mended, f"{formula}: {claim}"
    assert len(verdict.edits) == 1, str(verdict)
    assert same(sympy.sympify(verdict.mended, SYMBOLS), derivative)
