"""The mistakes that real learners made in their notes: each is refuted, and the mend is named."""

from typing import Any

import pytest

from chainrule.explain.claims import Verdict, check_claim

LINE = {"let": {"ŷ_i": "Σ_j x_ij w_j + b"}, "shapes": {"x": "n, d", "w": "d", "y": "n", "b": ""}}
LAYERS = {"let": {"a_1": "σ(x W_1)", "a_2": "σ(a_1 W_2)"}}
STEP = {"shapes": {"h_{t-1}": "d", "W_hh": "d, d"}}
NETWORK = {"let": {"z": "w1 x", "a": "tanh(z)", "y": "w2 a", "v": "w2 - α (y - t) a"}}

MISTAKES: list[tuple[str, str, dict[str, Any], str]] = [
    ("1/n Σ_i (y_i − ŷ_i)²", "−2/n Σ_i (y_i − ŷ_i) w_j", {"wrt": "w_j", **LINE},
     "−2/n · Σᵢ (yᵢ − ŷᵢ) · xᵢⱼ"),
    ("1/n Σ_i (y_i − ŷ_i)²", "∂(y_i − ŷ_i)/∂w_j = −w_j", LINE, "∂(yᵢ − ŷᵢ)/∂wⱼ = −xᵢⱼ"),
    ("J = 1/N Σ_i (t_i − y_i)²", "∂J/∂y_i = −1/N Σ_i 2(t_i − y_i)", {},
     "∂J/∂yᵢ = −1/N · 2 · (tᵢ − yᵢ)"),
    ("L = (t − a_2 W_3)²", "∂L/∂W_1 = ∂L/∂W_3 · ∂W_3/∂W_2 · ∂W_2/∂W_1", LAYERS,
     "∂L/∂W₁ = ∂L/∂a₂ · ∂a₂/∂a₁ · ∂a₁/∂W₁"),
    ("h_t = tanh(h_{t-1} W_hh)", "∂h_t/∂h_{t-1} = (1 − h_t²) · W_hh", STEP,
     "∂hₜ/∂hₜ₋₁ = diag(1 − hₜ²) Wₕₕᵀ"),
    ("J = (y − t)²", "∂J/∂a = 2 (y − t) v", NETWORK, "∂J/∂a = 2 · (y − t) · w₂"),
    ("leaky_relu(z)", "leaky_relu(z)", {"wrt": "z"}, "LeakyReLU′(z)"),
    ("z = f(x, y)", "∂y/∂x = ∂f/∂y", {}, "∂z/∂y = ∂f/∂y"),
    ("1/n Σ_i (y_i − ŷ_i)²", "(y_i − ŷ_i)²/n", {"about": "value"}, "Σᵢ (yᵢ − ŷᵢ)² / n"),
    ("‖y − X w‖²", "‖y − X w‖", {"shapes": {"X": "n, d", "w": "d", "y": "n"}, "about": "value"},
     "‖y − X w‖²"),
    ("exp(s_1i) / Σ_k exp(s_1k)", "softmax(s_1i)", {"about": "value", "shapes": {"s": "m, n"}},
     "exp(s₁ᵢ) / (Σⱼ exp(s₁ⱼ))"),
    ("relu'(z) == 0", "relu(z) < 0", {"about": "value"}, "z < 0"),
    ("a = σ(w_2 σ(w_1 x))", "∂a/∂x = σ(w_2 σ(w_1 x)) w_2 σ'(w_1 x) w_1", {},
     "∂a/∂x = σ′(w₂ · σ(w₁ · x)) · w₂ · σ′(w₁ · x) · w₁"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "claim", "options", "mended"), MISTAKES, ids=[claim for _, claim, _, _ in MISTAKES]
)
def test_a_mistake_of_the_notes_is_refuted_and_mended(
    function: str, claim: str, options: dict[str, Any], mended: str
) -> None:
    verdict = check_claim(function, claim, **options)
    assert verdict.status == "wrong" and not verdict
    assert verdict.mended == mended
    assert check_claim(function, mended, **options)


def test_where_nothing_depends_on_each_other_that_is_said() -> None:
    verdict = check_claim("z = f(x, y)", "∂y/∂x = ∂f/∂y", lang="en")
    assert "y does not depend on x: this derivative is 0." in str(verdict)


def variance(function: str, claim: str, **options: Any) -> Verdict:
    return check_claim(function, claim, about="variance", **options)


def test_xavier_needs_the_root_of_two_over_the_sum() -> None:
    xavier = variance("randn(d_in, d_out) / sqrt(d_in + d_out)", "2/(d_in + d_out)")
    assert xavier.status == "wrong"
    assert xavier.mended == "1 / (dᵢₙ + dₒᵤₜ)"
    assert xavier.mended_function == "randn(dᵢₙ, dₒᵤₜ) / √((dᵢₙ + dₒᵤₜ) / 2)"
    assert variance("randn(d_in, d_out) * sqrt(2 / (d_in + d_out))", "2/(d_in + d_out)")
    assert variance(xavier.mended_function, "2/(d_in + d_out)")


def test_whitening_divides_by_the_root_of_the_eigenvalue() -> None:
    whitened = variance("z / λ", "1", random={"z": "λ"})
    assert whitened.status == "wrong"
    assert whitened.mended == "1/λ"
    assert whitened.mended_function == "z/√λ"
    assert variance("z / √λ", "1", random={"z": "λ"}).status == "right"


@pytest.mark.parametrize("mapping", ["f: Rⁿ → Rⁿ", "jacobian(f: R^n -> R^n)"])
def test_a_jacobian_of_m_rows_needs_m_outputs(mapping: str) -> None:
    verdict = check_claim(mapping, "m × n")
    assert (verdict.status, verdict.about) == ("wrong", "shape")
    assert verdict.mended == "n, n"
    assert "R^n -> R^m" in verdict.mended_function
    assert check_claim(verdict.mended_function, "m × n").status == "right"
