"""Claims of the kinds that were once judged wrongly: sizes, free indices, domains, names."""

import time
from typing import Any

import pytest

from chainrule.errors import FormulaError
from chainrule.explain.claims import check_claim

SOFTMAX = "p_i = exp(z_i)/Σ_k exp(z_k)"
LINEAR = {"W": "m, n", "x": "n"}
ROWS = {"X": "n, m", "b": "m"}
LOSS = r"L = \frac{1}{n}\sum_i (y_i - \hat{y}_i)^2"
DATA = {"w": "d", "x": "n, d", "y": "n"}
LET = {r"\hat{y}_i": r"\sum_j x_{ij} w_j + b"}


# ---------------------------------------------------------------------- indices and sizes
@pytest.mark.parametrize(
    ("function", "claim", "wrt", "shapes", "status"),
    [
        ("Σ_i Σ_j a_i X_ij b_j", "a_i b_j", "X_ij", {**ROWS, "a": "n"}, "right"),
        ("Σ_i Σ_j a_i X_ij b_j", "a_j b_i", "X_ij", {**ROWS, "a": "n"}, "wrong"),
        ("J = Σ_i Σ_j X_ij b_j", "Σ_{i=1}^n X_ij", "b_j", ROWS, "right"),
        ("J = Σ_i Σ_j X_ij b_j", "Σ_{i=1}^m X_ij", "b_j", ROWS, "wrong"),
        ("y_i = Σ_j W_ij x_j", "1[i = k] x_l", "W_kl", LINEAR, "right"),
        ("y_i = Σ_j W_ij x_j", "1[i = l] x_k", "W_kl", LINEAR, "wrong"),
        (SOFTMAX, "p_i (1[i = j] − p_j)", "z_j", {"z": "c"}, "right"),
        (SOFTMAX, "p_i (δ_ij − p_j)", "z", {"z": "c"}, "right"),
        (SOFTMAX, "p_i (1[i = j] − p_i)", "z_j", {"z": "c"}, "wrong"),
        ("x_i − 1/n Σ_k x_k", "1[i = j] − 1/n", "x_j", {"x": "n"}, "right"),
        ("y_i = x_i", "1[i = j]", "x", {"x": "n"}, "right"),
        ("y_i = x_i", "1[i = j]", "x_j", None, "right"),
    ],
)
def test_indices(
    function: str, claim: str, wrt: str, shapes: dict[str, str] | None, status: str
) -> None:
    assert check_claim(function, claim, wrt=wrt, shapes=shapes).status == status


def test_an_index_over_an_axis_of_another_size_is_a_mistake_and_is_mended() -> None:
    claim = r"-\frac{2}{n}\sum_i (y_i-\hat y_i) x_{ji}"
    verdict = check_claim(LOSS, claim, wrt="w_j", shapes=DATA, let=LET, lang="en")
    assert verdict.status == "wrong"
    assert "The shapes of its parts do not fit together." in str(verdict)
    assert check_claim(LOSS, verdict.mended, wrt="w_j", shapes=DATA, let=LET).status == "right"


# ---------------------------------------------------------------------- conditions
@pytest.mark.parametrize(
    ("function", "claim", "wrt", "conditions"),
    [
        ("λ Σ_j |w_j|", "λ sign(w_j)", "w_j", ("wⱼ ≠ 0",)),
        ("−Σ_k t_k log p_k", "−t_k/p_k", "p_k", ("pₖ > 0",)),
        ("p*log(p/q)", "-p/q", "q", ("q ≠ 0", "p/q > 0")),
        ("sqrt(x*y)", "y/(2*sqrt(x*y))", "x", ("x · y > 0",)),
    ],
)
def test_conditions(function: str, claim: str, wrt: str, conditions: tuple[str, ...]) -> None:
    verdict = check_claim(function, claim, wrt=wrt)
    assert (verdict.status, verdict.conditions) == ("conditional", conditions)


def test_a_region_must_hold_whatever_signs_the_other_symbols_have() -> None:
    verdict = check_claim(
        "J = sum((T - Y)**2)", "-2*Z.T @ (T - Y)", wrt="V",
        shapes={"X": "N, D", "W": "D, H", "V": "H, P", "T": "N, P"},
        let={"Z": "X @ W", "A": "relu(Z)", "Y": "A @ V"},
    )  # fmt: skip
    assert (verdict.status, verdict.mended) == ("wrong", "-2 * (A.T @ (T - Y))")


# ---------------------------------------------------------------------- names and numbers
@pytest.mark.parametrize(
    ("function", "claim", "random", "status"),
    [
        ("u - v", "lam + mu", {"u": "lam", "v": "mu"}, "right"),
        ("u - v", "lam - mu", {"u": "lam", "v": "mu"}, "wrong"),
        ("u - v", "foo + bar", {"u": "foo", "v": "bar"}, "right"),
        ("w*x", "sigma_w**2*v", {"w": "sigma_w**2", "x": "v"}, "right"),
        ("z/√λ", "1", {"z": "λ"}, "right"),
        ("z/λ", "1", {"z": "λ"}, "wrong"),
    ],
)
@pytest.mark.parametrize("shape", [None, "n"])
def test_variances(
    function: str, claim: str, random: dict[str, str], status: str, shape: str | None
) -> None:
    shapes = None if shape is None else dict.fromkeys(random, shape)
    assert check_claim(function, claim, random=random, shapes=shapes).status == status


def test_a_layer_of_one_definition_is_one_in_the_next() -> None:
    options: dict[str, Any] = {
        "let": {"z¹": "x w¹", "a¹": "tanh(z¹)", "y": "a¹ w²"}, "wrt": "w¹",
    }  # fmt: skip
    verdict = check_claim("J = (t − y)²", "∂J/∂w¹ = ∂J/∂w² · ∂w²/∂w¹", **options)
    assert verdict.status == "wrong"
    assert verdict.counterexample is not None
    assert verdict.counterexample.claimed == 0


@pytest.mark.parametrize("claim", ["2*x + 0*9**9**9**9", "2*x*1**(9**9**9)", "x**(9.0**999)"])
def test_a_number_that_is_too_large_is_refused_at_once(claim: str) -> None:
    start = time.thread_time()
    with pytest.raises(FormulaError, match="larger than any number"):
        check_claim("x**2", claim, wrt="x", lang="en")
    assert time.thread_time() - start < 1


@pytest.mark.parametrize(
    ("function", "wrt", "shapes", "quoted"),
    [
        ("sum(X @ w)", "w", {"X": "n, d", "w": "n"}, "X w"),
        ("sum((x + y)**2)", "x", {"x": "n", "y": "d"}, "x + y"),
        ("Σ_i x_ij", "x_i", {"x": "n"}, "xᵢⱼ"),
    ],
)
def test_what_does_not_fit_in_the_function_is_quoted(
    function: str, wrt: str, shapes: dict[str, str], quoted: str
) -> None:
    with pytest.raises(FormulaError) as caught:
        check_claim(function, "1", wrt=wrt, shapes=shapes)
    assert quoted in str(caught.value)


def test_no_internal_names_are_shown() -> None:
    verdict = check_claim("x + y", "∂z/∂x = 1", wrt="x", let={"z": "y**2"}, lang="en")
    assert "_f" not in str(verdict)
    assert "_f" not in str(check_claim("y**2", "2*y", wrt="x", shapes={"x": ""}, lang="en"))


# ---------------------------------------------------------------------- signs left out
@pytest.mark.parametrize(
    ("function", "claim", "wrt", "let", "status"),
    [
        ("J = (y − t)²", "∂J/∂y ∂y/∂a", "a", {"y": "a w"}, "right"),
        ("J = (y − t)²", "∂J/∂y ∂y/∂w", "a", {"y": "a w"}, "wrong"),
        ("x² y³", "∂J/∂x∂y", "x", None, "unreadable"),
        ("x relu(z)", "x 1[z > 0]", "z", None, "conditional"),
        ("x relu(z)", "z 1[z > 0]", "z", None, "wrong"),
    ],
)
def test_products_without_a_sign(
    function: str, claim: str, wrt: str, let: dict[str, str] | None, status: str
) -> None:
    if status == "unreadable":
        with pytest.raises(FormulaError, match="∂"):
            check_claim(function, claim, wrt=wrt, let=let)
    else:
        assert check_claim(function, claim, wrt=wrt, let=let).status == status


@pytest.mark.parametrize("names", [("n", "m"), ("m", "n")])
def test_a_counterexample_is_found_where_one_size_hides_the_mistake(names: tuple[str, str]) -> None:
    one, other = names
    verdict = check_claim(f"randn({one}, {other})*2/{one}", f"2/{one}")
    assert verdict.counterexample is not None
    assert verdict.counterexample.values[one] != 2


def test_the_mended_function_is_said_in_whole_sentences() -> None:
    text = str(check_claim("randn(n)*2", "2", about="variance", lang="en"))
    assert "the function is mended: the square root is missing: √2." in " ".join(text.split())
