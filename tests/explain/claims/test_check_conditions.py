"""Kinks, edges of domains, and claims that are right on a part of the domain only."""

from typing import Any

import pytest

from chainrule.explain.claims import check_claim

CONDITIONS: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
    ("log(x)", "1/x", {"wrt": "x"}, ("x > 0",)),
    ("sqrt(x)", "1/(2*sqrt(x))", {"wrt": "x"}, ("x > 0",)),
    ("1/x", "-1/x**2", {"wrt": "x"}, ("x ≠ 0",)),
    ("abs(x)", "sign(x)", {"wrt": "x"}, ("x ≠ 0",)),
    ("abs(x)", "x/abs(x)", {"wrt": "x"}, ("x ≠ 0",)),
    ("relu(z)", "z > 0", {"wrt": "z"}, ("z ≠ 0",)),
    ("relu(z)", "z >= 0", {"wrt": "z"}, ("z ≠ 0",)),
    ("relu(w*x + b)", "x*(w*x + b > 0)", {"wrt": "w"}, ("w · x + b ≠ 0",)),
    ("max(x, y)", "x > y", {"wrt": "x"}, ("x ≠ y",)),
    ("log(1 - p)", "-1/(1 - p)", {"wrt": "p"}, ("p < 1",)),
    ("norm(w)", "w/norm(w)", {"wrt": "w", "shapes": {"w": "d"}}, ("‖w‖ ≠ 0",)),
    ("x**2", "2*x**2/x", {"wrt": "x"}, ("x ≠ 0",)),
    ("sqrt(v)**3", "3/2*sqrt(v)", {"wrt": "v"}, ("v ≥ 0",)),
    ("z/(2*s**2)", "-z/s**3", {"wrt": "s"}, ("s ≠ 0",)),
    ("-sum(t*log(p))", "-t/p", {"wrt": "p", "shapes": {"t": "k", "p": "k"}}, ("p > 0",)),
]  # fmt: skip
UNCONDITIONAL: list[tuple[str, str, dict[str, Any]]] = [
    ("x**n", "n*x**(n - 1)", {"wrt": "x"}),
    ("relu(z)*w", "relu(z)", {"wrt": "w"}),
    ("m*sqrt(v)", "sqrt(v)", {"wrt": "m"}),
    ("(x - m)/s", "1/s", {"wrt": "x"}),
    ("exp(-x**2/(2*s**2))", "-x/s**2*exp(-x**2/(2*s**2))", {"wrt": "x"}),
    ("max_i x_i", "1[x_j = max_i x_i]", {"wrt": "x_j"}),
    ("z > 0", "relu(z) > 0", {"about": "value"}),
    ("(x - mean(x))/std(x)", "(x - mean(x))/sqrt(var(x))", {"about": "value"}),
    ("relu(z)**2", "2*relu(z)", {"wrt": "z"}),
    ("sqrt(x**2 + 1)", "x/sqrt(x**2 + 1)", {"wrt": "x"}),
    ("1/(1 + exp(-z))", "exp(-z)/(1 + exp(-z))**2", {"wrt": "z"}),
    ("log(1 + x**2)", "2*x/(1 + x**2)", {"wrt": "x"}),
    ("x*abs(x)", "2*abs(x)", {"wrt": "x"}),
    ("m/(v**2 + epsilon)", "1/(v**2 + epsilon)", {"wrt": "m"}),
    ("elu(z)", "1 if z > 0 else exp(z)", {"wrt": "z"}),
    ("mean(x)", "1/n*ones(n)", {"wrt": "x", "shapes": {"x": "n"}}),
]


@pytest.mark.parametrize(("function", "claim", "options", "conditions"), CONDITIONS)
def test_right_but_for_some_points(
    function: str, claim: str, options: dict[str, Any], conditions: tuple[str, ...]
) -> None:
    verdict = check_claim(function, claim, **options)
    assert (verdict.status, verdict.conditions) == ("conditional", conditions)
    assert verdict.mend is None


@pytest.mark.parametrize(("function", "claim", "options"), UNCONDITIONAL)
def test_right_everywhere(function: str, claim: str, options: dict[str, Any]) -> None:
    assert check_claim(function, claim, **options).status == "right"


@pytest.mark.parametrize(
    ("function", "claim", "condition"),
    [("relu(z)", "1", "z > 0"), ("abs(x)", "-1", "x < 0"), ("leaky_relu(z)", "1", "z > 0")],
)
def test_right_on_a_part_of_the_domain(function: str, claim: str, condition: str) -> None:
    verdict = check_claim(function, claim, wrt=function[-2])
    assert (verdict.status, verdict.conditions) == ("conditional", (condition,))
    assert verdict.mend is not None  # what would be right everywhere


@pytest.mark.parametrize(
    ("function", "claim"),
    [("relu(z)", "0"), ("relu(z)", "z < 0"), ("relu(w*x)", "x"), ("sign(x)*x", "sign(x)*x")],
)
def test_a_claim_about_all_cases_is_wrong_if_one_of_them_is(function: str, claim: str) -> None:
    wrt = "w" if "w" in function else function[-1] if function[-1] == "x" else "z"
    assert check_claim(function, claim, wrt=wrt).status == "wrong"
