from fractions import Fraction

import pytest

from chainrule.explain.formulas import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Dots,
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
    to_text,
)

x, y, z, w, n, t = map(Symbol, "xyzwnt")
i, j = Symbol("i"), Symbol("j")
one, two, three = Number(1), Number(2), Number(3)
total = Big("sum", Multiply((x, y)), i)


def element(name: str, *indices: int, layer: str = "1") -> Symbol:
    return Symbol(name, layer=layer, indices=tuple(map(Number, indices)))


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        # Names.
        (element("w", 3, 1), "w¹₃₁"),
        (element("w", 3, 12), "w¹₃,₁₂"),
        (element("w", 12, 3), "w¹₁₂,₃"),
        (element("w", 3, 1, layer="12"), "w¹²₃₁"),
        (Symbol("h", indices=(Add((t, Negative(one))),)), "hₜ₋₁"),
        (Symbol("W", label="hh"), "Wₕₕ"),
        (Symbol("h", label="t-1"), "hₜ₋₁"),
        (Symbol("W", label="hh", indices=(i, j)), "Wₕₕ,ᵢⱼ"),
        (Symbol("W", label="Q"), "W_Q"),
        (Symbol("x", indices=(Symbol("b"), Symbol("c"))), "x_bc"),
        (Symbol("x", indices=(i, Symbol("target"))), "x_{i,target}"),
        (Symbol("a", layer="(t)"), "a⁽ᵗ⁾"),
        (Symbol("a", layer="1′"), "a¹′"),
        (Symbol("y", accent="hat", indices=(i,)), "ŷᵢ"),
        (Symbol("theta", accent="bar"), "θ̄"),
        (Symbol("score", accent="tilde"), "score_tilde"),
        # Numbers in sums and products.
        (Multiply((two, Number(-3))), "2 · (−3)"),
        (Multiply((Number(-3), two)), "−3 · 2"),
        (Add((Multiply((two, x)), Multiply((Number(-3), y)))), "2 · x + (−3) · y"),
        (Add((x, Number(-3))), "x + (−3)"),
        (Add((x, Negative(three))), "x − 3"),
        (Add((x, Negative(Number(-3)))), "x − (−3)"),
        (Add((Negative(x), y)), "−x + y"),
        (Negative(Add((x, y))), "−(x + y)"),
        (Negative(Negative(x)), "−(−x)"),
        (Power(Number(-3), two), "(−3)²"),
        (Power(Number(Fraction(2, 3)), two), "(2/3)²"),
        (Power(Number(1e-7), two), "(10⁻⁷)²"),
        (Divide(one, Number(1e-7)), "1/(10⁻⁷)"),
        (Multiply((Number(Fraction(1, 2)), x)), "1/2 · x"),
        # Fractions and products.
        (Divide(two, n), "2/n"),
        (Divide(Add((x, y)), two), "(x + y) / 2"),
        (Divide(Multiply((x, y)), two), "x · y / 2"),
        (Divide(x, Multiply((y, z))), "x / (y · z)"),
        (Divide(Divide(x, y), z), "(x/y)/z"),
        (Multiply((x, Divide(Add((y, z)), n))), "x · ((y + z) / n)"),
        (Multiply((x, y), arrays=True), "x ⊙ y"),
        (MatMul(Symbol("X"), Symbol("W")), "X W"),
        (MatMul(x, MatMul(y, z)), "x (y z)"),
        (MatMul(MatMul(x, y), z), "x y z"),
        (Multiply((MatMul(x, y), z)), "x y · z"),
        (MatMul(two, three), "2 × 3"),
        (MatMul(x, Transpose(element("w", layer="2"))), "x (w²)ᵀ"),
        (Transpose(Transpose(x)), "(xᵀ)ᵀ"),
        # Powers and layers.
        (Power(x, two), "x²"),
        (Power(element("z", layer="2"), two), "(z²)²"),
        (Power(x, Number(0.5)), "x^0.5"),
        (Power(x, Add((y, one))), "xʸ⁺¹"),
        (Power(x, Divide(y, two)), "x^(y/2)"),
        (Power(Power(x, two), three), "(x²)³"),
        (Power(Apply("tanh", (x,)), two), "tanh(x)²"),
        # Sums over an index take in what follows up to the next plus.
        (total, "Σᵢ x · y"),
        (Add((total, z)), "Σᵢ x · y + z"),
        (Multiply((total, z)), "(Σᵢ x · y) · z"),
        (Multiply((z, total)), "z · Σᵢ x · y"),
        (Multiply((Multiply((z, total)), w)), "(z · Σᵢ x · y) · w"),
        (Multiply((Negative(total), w)), "(−Σᵢ x · y) · w"),
        (Divide(total, n), "(Σᵢ x · y) / n"),
        (Divide(Multiply((z, total)), n), "(z · Σᵢ x · y) / n"),
        (Power(total, two), "(Σᵢ x · y)²"),
        (Negative(total), "−Σᵢ x · y"),
        (Big("sum", Add((x, y)), i), "Σᵢ (x + y)"),
        (Big("sum", Negative(x), i), "Σᵢ (−x)"),
        (Big("sum", total, j, one, n), "Σⱼ₌₁ⁿ Σᵢ x · y"),
        (Big("max", x, i), "maxᵢ x"),
        (Big("sum", x), "Σ x"),
        (Big("sum", x, i, one, Symbol("C")), "Σᵢ₌₁^C x"),
        # Derivatives.
        (Partial(Symbol("J"), element("w", 3, 1)), "∂J/∂w¹₃₁"),
        (Multiply((Partial(x, y), Partial(y, z))), "∂x/∂y · ∂y/∂z"),
        (Partial(Add((x, y)), z, total=True), "d(x + y)/dz"),
        (Partial(Partial(x, y), z), "∂(∂x/∂y)/∂z"),
        (Power(Partial(x, y), two), "(∂x/∂y)²"),
        # Functions.
        (Apply("relu", (z,), primes=1), "ReLU′(z)"),
        (Apply("sigmoid", (Add((x, y)),)), "σ(x + y)"),
        (Apply("sum", (x,), axis=1), "sum(x, axis=1)"),
        (Apply("sqrt", (x,)), "√x"),
        (Apply("sqrt", (Power(x, two),)), "√(x²)"),
        (Power(Apply("sqrt", (x,)), two), "(√x)²"),
        (Apply("sqrt", (x,), primes=1), "sqrt′(x)"),
        (Apply("norm", (Add((x, y)),)), "‖x + y‖"),
        (Apply("abs", (x,)), "|x|"),
        (Apply("inverse", (MatMul(x, y),)), "(x y)⁻¹"),
        # Conditions.
        (Compare(">=", x, y), "x ≥ y"),
        (Multiply((Compare(">", x, Number(0)), y)), "1[x > 0] · y"),
        (Apply("indicator", (Compare(">", x, Number(0)),)), "1[x > 0]"),
        (Apply("where", (Compare("!=", x, y), x, Compare("<", x, y))), "where(x ≠ y, x, 1[x < y])"),
        (Equation((Symbol("d"), Compare(">", x, Number(0)))), "d = 1[x > 0]"),
        (Cases((Compare(">", z, Number(0)),), (z, Number(0))), "{z if z > 0, 0 otherwise}"),
        # Matrices.
        (Matrix(((one, two), (three, Dots()))), "[[1, 2], [3, …]]"),
        (Matrix(((one,), (two,))), "[1, 2]ᵀ"),
        (Matrix(((one, two),)), "[1, 2]"),
    ],
)
def test_how_formulas_are_written(formula: Expression, text: str) -> None:
    assert to_text(formula, lang="en") == text


def test_conditions_are_said_in_korean() -> None:
    cases = Cases((Compare(">", z, Number(0)),), (z, Number(0)))
    assert to_text(cases, lang="ko") == "{z (z > 0일 때), 0 (그 밖의 경우)}"


def test_the_same_factor_several_times() -> None:
    assert to_text(Multiply((total, total, total))) == "(Σᵢ x · y) · (Σᵢ x · y) · Σᵢ x · y"
    assert to_text(Multiply((x, x, x))) == "x · x · x"
