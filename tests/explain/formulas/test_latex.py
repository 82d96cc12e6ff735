from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chainrule.explain.formulas import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Equation,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
    to_latex,
)
from chainrule.explain.formulas.names import FUNCTIONS, GREEK

x, y, z, n = map(Symbol, "xyzn")
i = Symbol("i")
zero, one, two = Number(0), Number(1), Number(2)
second_layer = Symbol("z", layer="2")

Katex = Callable[[Sequence[str]], list[str]]


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        (Symbol("w", layer="1", indices=(Number(3), Number(1))), "w^{1}_{31}"),
        (Symbol("w", layer="1", indices=(Number(3), Number(12))), "w^{1}_{3,12}"),
        (Symbol("h", label="t-1"), "h_{t-1}"),
        (Symbol("W", label="hh", indices=(i,)), r"W_{\mathrm{hh},i}"),
        (Symbol("mu", label="B"), r"\mu_{B}"),
        (Symbol("y", accent="hat", indices=(i,)), r"\hat{y}_{i}"),
        (Symbol("x", indices=(Symbol("alpha"), Symbol("beta"))), r"x_{\alpha\beta}"),
        (Symbol("x", indices=(Symbol("alpha"), i)), r"x_{\alpha i}"),
        (Symbol("a", layer="1′′"), r"a^{1\prime\prime}"),
        (Symbol("α"), r"\alpha"),
        (Multiply((two, Number(-3))), r"2 \cdot (-3)"),
        (Multiply((Divide(one, n), Big("sum", x, i, one, n))), r"\frac{1}{n} \, \sum_{i=1}^{n} x"),
        (Power(Divide(x, y), two), r"\left(\frac{x}{y}\right)^{2}"),
        (Power(second_layer, two), "(z^{2})^{2}"),
        (Transpose(second_layer), r"(z^{2})^{\top}"),
        (MatMul(x, Transpose(y)), r"x \, y^{\top}"),
        (Apply("exp", (Negative(z),)), r"\mathrm{e}^{-z}"),
        (Apply("exp", (z,), primes=1), r"\exp'(z)"),
        (Apply("tanh", (z,)), r"\tanh(z)"),
        (Apply("relu", (z,), primes=1), r"\operatorname{ReLU}'(z)"),
        (Apply("phi", (z,)), r"\phi(z)"),
        (Apply("f", (x, y)), "f(x, y)"),
        (Apply("가격", (x,)), r"\text{가격}(x)"),
        (Apply("norm", (x,)), r"\lVert x \rVert"),
        (Apply("abs", (Divide(x, y),)), r"\left\lvert \frac{x}{y} \right\rvert"),
        (Partial(Symbol("J"), x, total=True), r"\frac{\mathrm{d} J}{\mathrm{d} x}"),
        (
            Cases((Compare("<=", z, zero),), (zero, z)),
            r"\begin{cases} 0 & z \le 0 \\ z & \text{otherwise} \end{cases}",
        ),
        (Matrix(((one, two),)), r"\begin{bmatrix} 1 & 2 \end{bmatrix}"),
    ],
)
def test_how_formulas_are_written(formula: Expression, latex: str) -> None:
    assert to_latex(formula, lang="en") == latex


def test_each_side_of_a_long_equation_has_a_line() -> None:
    chain = Multiply(tuple(Partial(x, y) for _ in range(7)))
    latex = to_latex(Equation((x, chain, Multiply((two, Number(-3))), Number(-6))), display=True)
    assert latex.startswith("\\begin{aligned}\nx&= \\frac")
    assert latex.endswith("\\\\\n&= 2 \\cdot (-3) \\\\\n&= -6\n\\end{aligned}")


def test_a_long_sum_goes_on_in_the_next_line() -> None:
    terms = tuple(Negative(Multiply((x, y))) for _ in range(20))
    lines = to_latex(Add(terms), display=True).split("\\\\\n")
    assert len(lines) == 3
    assert all(line.startswith(r"&\quad - x \cdot y") for line in lines[1:])
    assert sum(line.count("x") for line in lines) == 20


def test_a_short_equation_stays_on_one_line() -> None:
    assert to_latex(Equation((x, y, two)), display=True) == "x = y = 2"


def test_katex_reads_every_name(katex: Katex) -> None:
    symbols = [
        Symbol(name, accent=accent, layer="1", label="in")
        for name in [*GREEK, *GREEK.values(), "x", "score"]
        for accent in ("", "hat", "bar", "tilde")
    ]
    functions = [
        Apply(name, (x,), primes=primes)
        for name in [*FUNCTIONS, "softmax", "f"]
        for primes in (0, 1)
    ]
    assert katex([to_latex(formula) for formula in [*symbols, *functions]]) == []


def test_katex_reads_whatever_a_name_contains(katex: Katex) -> None:
    hostile = [chr(code) for code in [*range(0x500), *range(0x2000, 0x2400), 0xAC00, 0x1F600]]
    formulas = [Symbol(f"{c}x", label=f"{c}{c}", layer=c, accent="hat") for c in hostile]
    formulas += [Symbol("x", label=c) for c in hostile]
    functions = [Apply(f"{c}{c}", (x,)) for c in hostile]
    assert katex([to_latex(formula) for formula in [*formulas, *functions]]) == []


def test_katex_reads_random_formulas(katex: Katex, anything: st.SearchStrategy[Expression]) -> None:
    found: list[str] = []

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(anything, st.sampled_from(["en", "ko"]))
    def collect(formula: Expression, lang: str) -> None:
        found.append(to_latex(formula, lang=lang))
        found.append(to_latex(formula, lang=lang, display=True))

    collect()
    assert len(found) >= 100
    assert katex(found) == []
    assert not any("|" in latex or "`" in latex for latex in found)
