"""Every activation and every loss: the true derivative is accepted, and its usual slips are not."""

from typing import Any

import numpy as np
import pytest

from chainrule import nn
from chainrule.explain.claims import check_claim

ACTIVATIONS: list[tuple[str, str, str, list[str]]] = [
    ("identity(z)", "1", "right", ["z", "0", "-1"]),
    ("sigmoid(z)", "sigmoid(z)*(1 - sigmoid(z))", "right",
     ["sigmoid(z)*(1 + sigmoid(z))", "sigmoid(z)*(1 - z)", "sigmoid(z)", "1 - sigmoid(z)",
      "sigmoid(z)*(sigmoid(z) - 1)", "sigmoid(z)*(1 - sigmoid(z)**2)",
      "2*sigmoid(z)*(1 - sigmoid(z))"]),
    ("tanh(z)", "1 - tanh(z)**2", "right",
     ["1 - tanh(z)", "1 + tanh(z)**2", "1 - z**2", "tanh(z)**2 - 1", "1 - sigmoid(z)**2",
      "tanh(z)"]),
    ("relu(z)", "z > 0", "conditional", ["z < 0", "relu(z)", "-1", "relu(z) < 0"]),
    ("leaky_relu(z)", "1 if z > 0 else 0.01", "conditional",
     ["0.01 if z > 0 else 1", "leaky_relu(z)", "1 if z > 0 else 0", "1 if z > 0 else -0.01"]),
    ("elu(z)", "1 if z > 0 else exp(z)", "right",
     ["1 if z > 0 else exp(z) - 1", "1 if z > 0 else exp(-z)", "exp(z)*z", "elu(z)"]),
    ("softplus(z)", "sigmoid(z)", "right",
     ["softplus(z)", "tanh(z)", "sigmoid(-z)", "-sigmoid(z)"]),
    ("silu(z)", "sigmoid(z)*(1 + z*(1 - sigmoid(z)))", "right",
     ["sigmoid(z)*(1 - z*(1 - sigmoid(z)))", "sigmoid(z)*(1 + (1 - sigmoid(z)))", "sigmoid(z)",
      "z*(1 + z*(1 - sigmoid(z)))"]),
]  # fmt: skip
SLIPS = [(f, right, slip) for f, right, _, slips in ACTIVATIONS for slip in slips]


@pytest.mark.parametrize(("function", "claim", "status", "slips"), ACTIVATIONS)
def test_the_derivative_of_an_activation(
    function: str, claim: str, status: str, slips: list[str]
) -> None:
    verdict = check_claim(function, claim, wrt="z")
    assert verdict.status == status
    assert verdict.conditions == (("z ≠ 0",) if status == "conditional" else ())


@pytest.mark.parametrize(("function", "right", "slip"), SLIPS)
def test_a_slip_in_the_derivative_of_an_activation(function: str, right: str, slip: str) -> None:
    verdict = check_claim(function, slip, wrt="z")
    assert verdict.status == "wrong"
    assert verdict.counterexample is not None
    assert verdict.counterexample.claimed != pytest.approx(verdict.counterexample.true)
    assert verdict.mended
    assert check_claim(function, verdict.mended, wrt="z")


@pytest.mark.parametrize(
    ("primes", "activation"), [(1, name) for name in sorted(nn.activations.ACTIVATIONS)]
)
def test_the_prime_of_every_activation_is_its_derivative(primes: int, activation: str) -> None:
    assert check_claim(f"{activation}(z)", f"{activation}'(z)", wrt="z", syntax="text")


def test_the_jacobian_of_softmax() -> None:
    whole: dict[str, Any] = {"shapes": {"z": "k"}, "let": {"p": "softmax(z)"}, "wrt": "z"}
    assert check_claim("softmax(z)", "diag(p) − p pᵀ", **whole).status == "right"
    wrong = check_claim("softmax(z)", "p − p pᵀ", **whole)
    assert (wrong.status, wrong.mended) == ("wrong", "diag(p) − p pᵀ")
    single: dict[str, Any] = {"let": {"p_i": "exp(z_i) / Σ_k exp(z_k)"}, "wrt": "z_j"}
    assert check_claim("p_i", "p_i (δ_ij − p_j)", **single).status == "right"
    wrong = check_claim("p_i", "p_i (1 − p_j)", **single)
    assert wrong.status == "wrong"


LOSSES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("mean((y - t)**2)", "2/n*(y - t)", {"wrt": "y"},
     ["2*(y - t)", "2/n*(t - y)", "2/n*sum(y - t)", "2/n*(y + t)", "1/n*(y - t)"]),
    ("mean(abs(y - t))", "sign(y - t)/n", {"wrt": "y"},
     ["sign(t - y)/n", "(y - t)/n", "sign(y)/n"]),
    ("mse(y, t)", "2/n*(y - t)", {"wrt": "y"}, ["2/n*(t - y)", "2*(y - t)"]),
    ("cross_entropy(z, t)", "sum(t)*softmax(z) - t", {"wrt": "z", "shapes": {"z": "k", "t": "k"}},
     ["t - sum(t)*softmax(z)", "sum(t)*z - t", "softmax(z)"]),
    ("binary_cross_entropy(z, t)", "sigmoid(z) - t",
     {"wrt": "z", "shapes": {"z": "", "t": ""}}, ["t - sigmoid(z)", "sigmoid(z) + t", "z - t"]),
    ("-(t*log(p) + (1 - t)*log(1 - p))", "(p - t)/(p*(1 - p))", {"wrt": "p"},
     ["(t - p)/(p*(1 - p))", "(p - t)/(p*(1 + p))", "p - t", "(p - t)*p*(1 - p)"]),
    ("huber(y, t)", "(y - t) if abs(y - t) <= 1 else sign(y - t)",
     {"wrt": "y", "shapes": {"y": "", "t": ""}},
     ["sign(y - t) if abs(y - t) <= 1 else (y - t)",
      "(t - y) if abs(y - t) <= 1 else sign(y - t)"]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "claim", "options", "slips"), LOSSES)
def test_the_derivative_of_a_loss(
    function: str, claim: str, options: dict[str, Any], slips: list[str]
) -> None:
    assert check_claim(function, claim, **options)
    for slip in slips:
        verdict = check_claim(function, slip, **options)
        assert verdict.status == "wrong", slip
        if verdict.mended:
            assert check_claim(function, verdict.mended, **options), verdict.mended


def test_softmax_and_cross_entropy_need_targets_that_sum_to_one() -> None:
    options: dict[str, Any] = {"wrt": "z_j", "let": {"p_i": "exp(z_i) / Σ_k exp(z_k)"}}
    right = check_claim("−Σ_i t_i log p_i", "p_j − t_j", **options)
    assert (right.status, right.conditions) == ("conditional", ("Σᵢ tᵢ = 1",))
    wrong = check_claim("−Σ_i t_i log p_i", "t_j − p_j", **options)
    assert (wrong.status, wrong.mended) == ("wrong", "pⱼ − tⱼ")
    assert check_claim("−Σ_i t_i log p_i", "t_j p_j", **options).status == "wrong"


def test_a_python_function_of_tensors_is_a_function_too() -> None:
    def cost(w: Any, x: Any, t: Any) -> Any:
        return nn.mse(x @ w, t)

    options: dict[str, Any] = {"wrt": "w", "shapes": {"x": "n, d", "w": "d", "t": "n"}}
    assert check_claim(cost, "2/n * x.T @ (x @ w - t)", **options).status == "right"
    wrong = check_claim(cost, "2/n * x.T @ (t - x @ w)", **options)
    assert wrong.status == "wrong" and check_claim(cost, wrong.mended, **options)


def test_the_same_seed_gives_the_same_verdict() -> None:
    def point(seed: int) -> dict[str, Any]:
        found = check_claim("x**2", "x", wrt="x", rng=seed).counterexample
        assert found is not None
        return {key: np.asarray(value).tolist() for key, value in found.values.items()}

    assert point(3) == point(3)
