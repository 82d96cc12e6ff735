"""Vectors and matrices: transposes, orders, layouts, and the index notation of the same things."""

from typing import Any

import pytest

from chainrule.explain.claims import check_claim

LEAST = {"wrt": "w", "shapes": {"X": "n, d", "w": "d", "y": "n"}}
LAYER = {"shapes": {"W": "m, d", "x": "d", "t": "m"}}
NETWORK = {
    "shapes": {"x": "d", "W_1": "d, h", "W_2": "h, m", "t": "m"},
    "let": {"z": "x W_1", "a": "relu(z)", "y": "a W_2"},
}

RIGHT: list[tuple[str, str, dict[str, Any]]] = [
    ("‖y − X w‖²", "−2 Xᵀ (y − X w)", LEAST),
    ("mean((y - X@w)**2)", "-2/n * X.T @ (y - X@w)", LEAST),
    ("W x", "W", {**LAYER, "wrt": "x"}),
    ("L = ‖W x − t‖²", "∂L/∂W = 2 (W x − t) xᵀ", LAYER),
    ("L = ‖W x − t‖²", "∂L/∂x = 2 Wᵀ (W x − t)", LAYER),
    ("tanh(W x)", "diag(1 − tanh(W x)²) W", {**LAYER, "wrt": "x"}),
    ("xᵀ A x", "(A + Aᵀ) x", {"wrt": "x", "shapes": {"x": "n", "A": "n, n"}}),
    ("trace(A B)", "Bᵀ", {"wrt": "A", "shapes": {"A": "n, m", "B": "m, n"}}),
    ("aᵀ X b", "a bᵀ", {"wrt": "X", "shapes": {"a": "n", "X": "n, m", "b": "m"}}),
    ("L = ‖y − t‖²", "∂L/∂W_2 = 2 a (y − t)ᵀ", NETWORK),
    ("L = ‖y − t‖²", "∂L/∂a = 2 W_2 (y − t)", NETWORK),
    ("sum(x)", "ones(n)", {"wrt": "x", "shapes": {"x": "n"}}),
    ("λ ‖w‖² / 2", "λ w", {"wrt": "w", "shapes": {"w": "d", "λ": ""}}),
    ("y_i = Σ_j W_ij x_j", "∂y_i/∂x_k = W_ik", {}),
    ("y_i = Σ_j W_ij x_j", "∂y_i/∂W_kl = δ_ik x_l", {}),
    ("L = Σ_i (Σ_j W_ij x_j − t_i)²", "∂L/∂W_kl = 2 (Σ_j W_kj x_j − t_k) x_l", {}),
]  # fmt: skip

WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("‖y − X w‖²", "−2 X (y − X w)", LEAST, "−2 · Xᵀ (y − X w)"),
    ("‖y − X w‖²", "−2 Xᵀ (y − w)", LEAST, "−2 · Xᵀ (y − X w)"),
    ("‖y − X w‖²", "2 Xᵀ (y − X w)", LEAST, "−2 · Xᵀ (y − X w)"),
    ("‖y − X w‖²", "−Xᵀ (y − X w)", LEAST, "−2 · Xᵀ (y − X w)"),
    ("W x", "Wᵀ", {**LAYER, "wrt": "x"}, "W"),
    ("W x", "Wᵀ", {"wrt": "x", "shapes": {"W": "n, n", "x": "n"}}, "W"),
    ("L = ‖W x − t‖²", "∂L/∂x = 2 W (W x − t)", LAYER, "∂L/∂x = 2 · Wᵀ (W x − t)"),
    ("tanh(W x)", "W diag(1 − tanh(W x)²)", {"wrt": "x", "shapes": {"W": "n, n", "x": "n"}},
     "diag(1 − tanh(W x)²) W"),
    ("xᵀ A x", "A x", {"wrt": "x", "shapes": {"x": "n", "A": "n, n"}}, "(A + Aᵀ) x"),
    ("trace(A B)", "B", {"wrt": "A", "shapes": {"A": "n, m", "B": "m, n"}}, "Bᵀ"),
    ("trace(A B)", "B", {"wrt": "A", "shapes": {"A": "n, n", "B": "n, n"}}, "Bᵀ"),
    ("aᵀ X b", "b aᵀ", {"wrt": "X", "shapes": {"a": "n", "X": "n, n", "b": "n"}}, "a bᵀ"),
    ("y_i = Σ_j W_ij x_j", "∂y_i/∂x_k = W_ki", {"shapes": {"W": "n, n", "x": "n"}},
     "∂yᵢ/∂xₖ = Wᵢₖ"),
    ("L = Σ_i (Σ_j W_ij x_j − t_i)²", "∂L/∂W_kl = 2 (Σ_j W_kj x_j − t_k) x_k",
     {"shapes": {"W": "n, n", "x": "n", "t": "n"}},
     "∂L/∂Wₖₗ = 2 · (Σⱼ Wₖⱼ · xⱼ − tₖ) · xₗ"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "claim", "options"), RIGHT)
def test_right(function: str, claim: str, options: dict[str, Any]) -> None:
    assert check_claim(function, claim, **options).status == "right"


@pytest.mark.parametrize(("function", "claim", "options", "mended"), WRONG)
def test_wrong(function: str, claim: str, options: dict[str, Any], mended: str) -> None:
    verdict = check_claim(function, claim, **options)
    assert (verdict.status, verdict.mended) == ("wrong", mended)


def test_a_gradient_may_be_a_row() -> None:
    verdict = check_claim("‖y − X w‖²", "−2 (y − X w)ᵀ X", **LEAST)
    assert verdict.status == "conditional"
    assert "row" in verdict.conditions[0]


def test_the_other_layout_of_a_jacobian_is_named() -> None:
    verdict = check_claim("W x", "Wᵀ", wrt="x", **LAYER, lang="en")
    assert "Books that use the other layout write it as claimed." in str(verdict)
    gradient = check_claim("trace(A B)", "B", wrt="A", shapes={"A": "n, n", "B": "n, n"}, lang="en")
    assert "layout" not in str(gradient)


def test_a_number_in_the_place_of_a_vector() -> None:
    assert check_claim("sum(x)", "1", wrt="x", shapes={"x": "n"}).status == "conditional"
    assert check_claim("sum(x)", "2", wrt="x", shapes={"x": "n"}).status == "wrong"
    assert check_claim("Σ_i x_i", "1", wrt="x_j").status == "right"


def test_a_wrong_shape_is_said() -> None:
    verdict = check_claim("mean((y - X@w)**2)", "-2/n * (y - X@w)", **LEAST, lang="en")
    assert verdict.status == "wrong" and "wrong shape" in str(verdict)
    free = check_claim("1/n Σ_i (y_i − t_i)²", "(y_i − t_i)²/n", about="value", lang="en")
    assert "still depends on the index i" in str(free)


def test_a_hidden_layer_needs_the_derivative_of_its_activation() -> None:
    right = check_claim("L = ‖y − t‖²", "∂L/∂W_1 = 2 x ((W_2 (y − t)) ⊙ relu'(z))ᵀ", **NETWORK)
    assert (right.status, right.conditions) == ("conditional", ("z ≠ 0",))
    forgotten = check_claim("L = ‖y − t‖²", "∂L/∂W_1 = 2 x (W_2 (y − t))ᵀ", **NETWORK)
    assert forgotten.status == "wrong"
    assert [edit.kind for edit in forgotten.edits] == ["missing factor"]


def test_the_same_letter_may_run_over_different_sizes() -> None:
    options: dict[str, Any] = {
        "shapes": {"x": "n, d", "w": "d", "y": "n"}, "let": {"ŷ_i": "Σ_j x_ij w_j"}, "wrt": "w_k"
    }  # fmt: skip
    assert check_claim("Σ_i (y_i − ŷ_i)²", "−2 Σ_j (y_j − ŷ_j) x_jk", **options).status == "right"
