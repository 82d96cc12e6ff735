"""``chainrule check``: what it prints, and how it ends."""

from collections.abc import Callable

import pytest

Run = Callable[..., tuple[int, str, str]]

LINE = "mean((t - (w*x + b))**2)"


def test_a_right_claim_ends_with_0(run: Run) -> None:
    code, out, err = run("check", LINE, "--wrt", "w", "--claim", "-2*mean((t - (w*x + b))*x)")
    assert (code, err) == (0, "")
    assert out.startswith("Right.")


def test_a_wrong_claim_ends_with_1_and_a_mend(run: Run) -> None:
    code, out, err = run("check", LINE, "--wrt", "w", "--claim", "-2*mean((t - (w*x + b))*w)")
    assert (code, err) == (1, "")
    assert out.startswith("Wrong.")
    assert "x belongs in the place of w." in out


def test_a_condition_is_no_mistake(run: Run) -> None:
    code, out, _ = run("check", "log(x)", "--wrt", "x", "--claim", "1/x")
    assert code == 0 and "x > 0" in out


def test_what_cannot_be_read_ends_with_2(run: Run) -> None:
    code, out, err = run("check", LINE, "--wrt", "w", "--claim", "-2*mean((t - ")
    assert (code, out) == (2, "") and err.startswith("Error:")


def test_all_options(run: Run) -> None:
    code, out, _ = run(
        "check", "1/n Σ_i (y_i - ŷ_i)^2", "--claim", r"-\frac{2}{n}\sum_i (y_i-\hat y_i) w_j",
        "--wrt", "w_j", "--shape", "x=n,d", "--shape", "w=d", "--shape", "y=n",
        "--let", "ŷ_i = sum_j x_ij w_j", "--lang", "ko",
    )  # fmt: skip
    assert code == 1 and out.startswith("틀렸습니다.")
    code, out, _ = run(
        "check", "z/λ", "--claim", "1", "--random", "z=λ", "--about", "variance", "--syntax", "text"
    )
    assert code == 1 and "z/√λ" in out


@pytest.mark.parametrize("option", ["--shape", "--random"])
def test_a_name_without_a_value(run: Run, option: str) -> None:
    code, _, err = run("check", "x**2", "--claim", "2*x", "--wrt", "x", option, "n,d")
    assert code == 2 and option in err and "NAME=VALUE" in err
