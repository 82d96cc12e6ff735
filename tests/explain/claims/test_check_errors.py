"""What cannot be checked is refused, with the part that is to blame and a way out."""

import time
from typing import Any

import pytest

from chainrule.errors import FormulaError, OptionError
from chainrule.explain.claims import check_claim

BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("x**2", "2*q", {"wrt": "x"}, "'q'"),
    ("(yhat - y)**2", "2*(yhta - y)", {"wrt": "yhat"}, "Did you mean"),
    ("x**2", "2*x", {"wrt": "w"}, "does not contain 'w'"),
    ("x**2", "2*x", {"about": "derivative"}, "with respect to which symbol"),
    ("L = w**2", "∂L/∂w = 2 w", {"wrt": "b"}, "but wrt says 'b'"),
    ("Σ_i x_i w_i", "∂L/∂w_j = x_j", {"shapes": {"x": "n", "w": "m"}}, "sizes m and n"),
    ("X @ w", "X", {"wrt": "w", "shapes": {"X": "n, d", "w": "n"}}, "do not fit together"),
    ("log(-x**2)", "2/x", {"wrt": "x"}, "no value at any point"),
    ("w*x", "x", {"about": "variance"}, "needs something random"),
    ("ŷ = Σ_j x_ij w_j", "∂ŷ_i/∂w_j = x_ij", {"let": {"z_k": "x_ij w_j"}}, "index"),
    ("X @ w", "n, q", {"about": "shape", "shapes": {"X": "n, d", "w": "d"}}, "'q'"),
]


@pytest.mark.parametrize(("function", "claim", "options", "said"), BAD)
def test_refused(function: str, claim: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(FormulaError) as caught:
        check_claim(function, claim, **options)
    assert said in str(caught.value)


def test_only_four_kinds_of_claims() -> None:
    with pytest.raises(OptionError, match="'derivative', 'value', 'variance', 'shape'"):
        check_claim("x**2", "2*x", wrt="x", about="slope")


def test_no_formula_at_all() -> None:
    with pytest.raises(FormulaError, match="int"):
        check_claim(3, "2*x", wrt="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os').system('true')",
        "(" * 5000 + "x" + ")" * 5000,
        "x + " * 2500 + "x",
        "[].__class__.__base__",
        "lambda: x",
        "9**9**9**9",
    ],
)
def test_hostile_input_ends_quickly(hostile: str) -> None:
    start = time.thread_time()
    try:
        verdict = check_claim("x**2", hostile, wrt="x")
        assert verdict.status == "wrong"
    except FormulaError:
        pass
    assert time.thread_time() - start < 5


def test_a_claim_that_needs_shapes_fits_no_shapes() -> None:
    verdict = check_claim("x**2", "2*x", wrt="x", shapes={"x": ""})
    assert verdict.status == "right"


@pytest.mark.parametrize(
    ("function", "claim", "status", "mended"),
    [("X @ w", "n", "right", ""), ("X @ w", "d", "wrong", "n"), ("X.T @ X", "d, d", "right", ""),
     ("X.T @ X", "n, n", "wrong", "d, d"), ("w @ w", "", "right", "")],
)  # fmt: skip
def test_shapes_of_formulas(function: str, claim: str, status: str, mended: str) -> None:
    verdict = check_claim(function, claim, about="shape", shapes={"X": "n, d", "w": "d"})
    assert (verdict.status, verdict.mended) == (status, mended)


VARIANCES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("randn(n_in, n_out) * sqrt(2/n_in)", "2/n_in", {}, "right", "rule"),
    ("randn(n_in, n_out) * 0.01", "0.0001", {}, "right", "rule"),
    ("uniform(-a, a)", "a**2/3", {}, "right", "rule"),
    ("rand(n)", "1/12", {}, "right", "rule"),
    ("w*x", "s*v", {"random": {"w": "s", "x": "v"}}, "right", "rule"),
    ("sum(w*x)", "n*s*v", {"random": {"w": "s", "x": "v"}, "shapes": {"w": "n", "x": "n"}},
     "right", "rule"),
    ("z + 3", "λ", {"random": {"z": "λ"}, "syntax": "text"}, "right", "rule"),
    ("z**2", "2*s**2", {"random": {"z": "s"}}, "right", "sampled"),
    ("randn(n)*2", "2", {}, "wrong", "rule"),
    ("uniform(-a, a)", "a**2/12", {}, "wrong", "rule"),
    ("w*x", "s + v", {"random": {"w": "s", "x": "v"}}, "wrong", "rule"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "claim", "options", "status", "proof"), VARIANCES)
def test_variances(
    function: str, claim: str, options: dict[str, Any], status: str, proof: str
) -> None:
    verdict = check_claim(function, claim, about="variance", **options)
    assert (verdict.status, verdict.proof) == (status, proof)
    if status == "wrong":
        assert check_claim(function, verdict.mended, about="variance", **options)
