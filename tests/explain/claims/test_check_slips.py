"""Slips that students make with the chain rule, sums and cases: one edit mends each of them."""

from typing import Any

import pytest

from chainrule.explain.claims import check_claim
from chainrule.explain.claims.search.chain import factors_of, slope_by, terms_of
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import Apply, Divide, Multiply, Number, Power, Symbol

X = {"wrt": "x"}
VECTOR = {"wrt": "x", "shapes": {"x": "n"}}
RESIDUAL = {"wrt": "x", "shapes": {"A": "m, n", "x": "n", "c": "m"}}

ONE: list[tuple[str, str, dict[str, Any], str]] = [
    # an inner derivative is forgotten
    ("log(1 + x**2)", "1/(1 + x**2)", X, "2 * x / (1 + x**2)"),
    ("log(sin(x))", "1/sin(x)", X, "cos(x)/sin(x)"),
    ("cos(x**3)", "-sin(x**3)", X, "-sin(x**3) * 3 * x**2"),
    ("Σ_i a_i sin(x_i²)", "a_k cos(x_k²)", {"wrt": "x_k"}, "aₖ · cos(xₖ²) · 2 · xₖ"),
    ("y = f(g(x))", "∂y/∂x = f'(g(x))", {}, "∂y/∂x = f′(g(x)) · g′(x)"),
    ("‖A x − c‖²", "2 (A x − c)", RESIDUAL, "2 · Aᵀ (A x − c)"),
    # a term of the product rule or the quotient rule, or of a sum
    ("x*exp(x)", "exp(x)", X, "exp(x) + x * exp(x)"),
    ("sin(x)/x", "cos(x)/x", X, "cos(x)/x − sin(x)/x²"),
    ("y = f(x) g(x)", "∂y/∂x = f'(x) g(x)", {}, "∂y/∂x = f′(x) · g(x) + f(x) · g′(x)"),
    ("‖A x − c‖² + λ ‖x‖²", "2 Aᵀ (A x − c)", RESIDUAL, "2 · Aᵀ (A x − c) + 2 · λ · x"),
    # a divisor
    ("norm(x)", "x", VECTOR, "x/‖x‖"),
    ("log(sum(exp(x)))", "exp(x)", VECTOR, "exp(x)/sum(exp(x))"),
    # a function for another one
    ("log(sum(exp(x)))", "sigmoid(x)", VECTOR, "softmax(x)"),
    ("Σ_i c_i log(p_i)", "c_j log(p_j)", {"wrt": "p_j"}, "cⱼ · 1/pⱼ"),
    ("mean(exp(x))", "mean(exp(x))", VECTOR, "exp(x)/n"),
    # a number for what it stands for
    ("where(x > 0, x, 0.2*x)", "where(x > 0, 1, 0)", X, "where(x > 0, 1, 0.2)"),
    ("randn(n, m)*0.3", "0.3", {"about": "variance"}, "0.3**2"),
    # powers
    ("a**n", "a*n", {"about": "value"}, "a**n"),
    ("a*n", "a**n", {"about": "value"}, "n * a"),
    ("sum(x**3)", "sum(x)**3", {"about": "value", "shapes": {"x": "n"}}, "sum(x**3)"),
    ("sum(x)**3", "sum(x**3)", {"about": "value", "shapes": {"x": "n"}}, "sum(x)**3"),
    # one candidate is a singular matrix
    ("inverse(AᵀA) b", "inverse(A Aᵀ) b", {"about": "value", "shapes": {"A": "m, n", "b": "n"}},
     "(Aᵀ A)⁻¹ b"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "claim", "options", "mended"), ONE)
def test_one_edit_mends_it(function: str, claim: str, options: dict[str, Any], mended: str) -> None:
    verdict = check_claim(function, claim, **options)
    assert (verdict.status, verdict.mended, len(verdict.edits)) == ("wrong", mended, 1)
    assert verdict.edits[0].said("en").parts


@pytest.mark.parametrize(
    ("function", "claim", "options"),
    [
        ("sin(3*x + 1)", "-sin(3*x + 1)", X),
        ("sum(x)**2", "2*x", VECTOR),
        ("x**2 * exp(sin(x))", "7 + cosh(x)", X),
    ],
)
def test_the_truth_is_not_pasted(function: str, claim: str, options: dict[str, Any]) -> None:
    """Neither whole, nor with a second edit that takes the claim away."""
    assert check_claim(function, claim, **options).mend is None


x, a = Symbol("x"), Symbol("a")


@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        (Power(x, Number(3)), "3 · x²"),
        (Power(a, x), "log(a) · aˣ"),
        (Multiply((a, Apply("tanh", (x,)))), "a · (1 − tanh(x)²)"),
        (Divide(a, x), "−a/x²"),
        (Divide(Power(x, Number(2)), Number(2)), "x"),
        (Apply("sqrt", (x,)), "1 / (2 · √x)"),
        (a, "0"),
    ],
)
def test_the_chain_rule_on_formulas(formula, slope) -> None:
    assert to_text(slope_by(formula, "x", {})) == slope


def test_parts_of_a_derivative() -> None:
    slope = slope_by(Multiply((Number(2), x, Apply("sin", (x,)))), "x", {})
    assert [to_text(term) for term in terms_of(slope)] == ["2 · sin(x)", "2 · x · cos(x)"]
    first = terms_of(slope)[0]
    assert [to_text(factor) for factor in factors_of(first)] == ["sin(x)"]
