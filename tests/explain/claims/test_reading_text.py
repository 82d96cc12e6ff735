"""Formulas in Unicode and ASCII text, and the trees they say."""

from fractions import Fraction

import pytest

from chainrule.errors import OptionError
from chainrule.explain.claims.reading import read
from chainrule.explain.formulas import (
    Big,
    Cases,
    Compare,
    Divide,
    Dots,
    Equation,
    MatMul,
    Matrix,
    Multiply,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

from .trees import (
    A,
    B,
    J,
    W,
    X,
    a,
    at,
    b,
    c,
    call,
    d,
    e,
    f,
    i,
    j,
    k,
    labelled,
    layered,
    less,
    minus,
    n,
    one,
    p,
    plus,
    q,
    square,
    t,
    three,
    times,
    two,
    w,
    x,
    y,
    y_hat,
    z,
)


def every(cases):
    return pytest.mark.parametrize(("text", "tree"), cases, ids=[text for text, _ in cases])


# ---------------------------------------------------------------------- symbols and numbers
@every(
    [
        ("w", w),
        ("α", Symbol("alpha")),
        ("alpha", Symbol("alpha")),
        ("ϵ", Symbol("epsilon")),
        ("ŷ", y_hat),
        ("y_hat", y_hat),
        ("yhat", y_hat),
        ("x̄", Symbol("x", accent="bar")),
        ("x_tilde", Symbol("x", accent="tilde")),
        ("ŷ_i", at(y_hat, i)),
        ("y_hat_i", at(y_hat, i)),
        ("x_ij", at(x, i, j)),
        ("xᵢⱼ", at(x, i, j)),
        ("x_{i,j}", at(x, i, j)),
        ("x_{i, j}", at(x, i, j)),
        ("x_i,j", at(x, i, j)),
        ("x_i_j", at(x, i, j)),
        ("x[i, j]", at(x, i, j)),
        ("x_im", at(x, i, Symbol("m"))),
        ("x_{1i}", at(x, 1, i)),
        ("x_{i+1}", at(x, plus(i, one))),
        ("W_hh", labelled("W", "hh")),
        ("n_in", labelled("n", "in")),
        ("h_t", labelled("h", "t")),
        ("h_{t-1}", labelled("h", "t-1")),
        ("hₜ₋₁", labelled("h", "t-1")),
        ("W_1", labelled("W", "1")),
        ("W₁", labelled("W", "1")),
        ("W1", labelled("W", "1")),
        ("W2_jk", Symbol("W", label="2", indices=(j, k))),
        ("learning_rate", labelled("learning", "rate")),
        ("score_i", at(Symbol("score"), i)),
        ("w¹", layered("w", "1")),
        ("w¹₃₁", layered("w", "1", 3, 1)),
        ("w²₃₁", layered("w", "2", 3, 1)),
        ("w^1_31", layered("w", "1", 3, 1)),
        ("w^{(1)}_{31}", layered("w", "(1)", 3, 1)),
        ("x^{(i)}", at(x, i)),
        ("x^{(i)}_j", at(x, i, j)),
        ("가중치", Symbol("가중치")),
        ("lam", Symbol("lam")),
        ("3", three),
        ("0.5", Number(0.5)),
        ("2e-3", Number(0.002)),
        ("½", Divide(one, two)),
    ]
)
def test_symbols_and_numbers(text, tree):
    assert read(text, syntax="text") == tree


def test_whole_numbers_stay_whole():
    assert isinstance(read("3").value, int)
    assert not isinstance(read("0.5").value, Fraction)


# ---------------------------------------------------------------------- operators
@every(
    [
        ("a + b - c", plus(a, b, minus(c))),
        ("a − b", less(a, b)),
        ("(a + b) + c", plus(a, b, c)),
        ("a + (b + c)", plus(a, plus(b, c))),
        ("a - (b - c)", less(a, less(b, c))),
        ("a b", times(a, b)),
        ("a·b", times(a, b)),
        ("a × b", times(a, b)),
        ("a * b", times(a, b)),
        ("2a", times(two, a)),
        ("(a)(b)", times(a, b)),
        ("a(b + c)", times(a, plus(b, c))),
        ("a ⊙ b", Multiply((a, b), arrays=True)),
        ("a ∘ b", Multiply((a, b), arrays=True)),
        ("A @ B", MatMul(A, B)),
        ("1/2 x", times(Divide(one, two), x)),
        ("1/2x", times(Divide(one, two), x)),
        ("a/b/c", Divide(Divide(a, b), c)),
        ("a b/c d", times(Divide(times(a, b), c), d)),
        ("1/(2n)", Divide(one, times(two, n))),
        ("1/n Σ_i x_i", times(Divide(one, n), Big("sum", at(x, i), i))),
        ("-2/n (a) b", minus(times(Divide(two, n), a, b))),
        ("-a b", minus(times(a, b))),
        ("a * -b", times(a, minus(b))),
        ("a^b^c", Power(a, Power(b, c))),
        ("-x^2", minus(square(x))),
        ("x^-2", Power(x, minus(two))),
        ("x⁻¹", Power(x, minus(one))),
        ("x**2", square(x)),
        ("2 x² y", times(two, square(x), y)),
        ("x_i²", square(at(x, i))),
        ("x²ᵢ", square(at(x, i))),
        ("w₃₁²", square(labelled("w", "31"))),
        ("x^(a+b)", Power(x, plus(a, b))),
        ("e^x y", times(call("exp", x), y)),
        ("e^{-z}", call("exp", minus(z))),
        ("eᶻ", call("exp", z)),
        ("e^-x^2", call("exp", minus(square(x)))),
        ("e_i^2", square(at(e, i))),
        ("Aᵀ", Transpose(A)),
        ("A^T", Transpose(A)),
        ("A.T", Transpose(A)),
        ("X^TX", times(Transpose(X), X)),
        ("W_1ᵀ", Transpose(labelled("W", "1"))),
        ("W¹ᵀ", Transpose(layered("W", "1"))),
        ("A⁻ᵀ", Transpose(call("inverse", A))),
        ("√x", call("sqrt", x)),
        ("√(a+b)", call("sqrt", plus(a, b))),
        ("√x²", call("sqrt", square(x))),
        ("√2 x", times(call("sqrt", two), x)),
        ("∛x", Power(x, Divide(one, three))),
        ("|x|", call("abs", x)),
        ("|a||b|", times(call("abs", a), call("abs", b))),
        ("‖x‖²", square(call("norm", x))),
        ("||x||_2^2", square(call("norm", x))),
        ("‖x‖_1", call("sum", call("abs", x))),
        ("x.", x),
    ]
)
def test_operators(text, tree):
    assert read(text, syntax="text") == tree


def test_one_tree_for_what_is_read_from_the_left():
    assert read("-2/n (y − t) x") == read("−((2/n) (y − t) x)")


# ---------------------------------------------------------------------- functions
@every(
    [
        ("tanh(z)", call("tanh", z)),
        ("ReLU(z)", call("relu", z)),
        ("σ(z)", call("sigmoid", z)),
        ("σ", Symbol("sigma")),
        ("σ'(z)", call("sigmoid", z, primes=1)),
        ("relu′(z)", call("relu", z, primes=1)),
        ("f'(x)", call("f", x, primes=1)),
        ("f''(x)", call("f", x, primes=2)),
        ("f(x, y)", call("f", x, y)),
        ("φ(z)", call("phi", z)),
        ("sin x", call("sin", x)),
        ("sin 2x", call("sin", times(two, x))),
        ("log p q", times(call("log", p), q)),
        ("ln(x)", call("log", x)),
        ("log_2 x", Divide(call("log", x), call("log", two))),
        ("exp -x", call("exp", minus(x))),
        ("tanh² z", square(call("tanh", z))),
        ("tanh^2(z)", square(call("tanh", z))),
        ("tanh(z)²", square(call("tanh", z))),
        ("max(0, z)", call("maximum", Number(0), z)),
        ("max(z)", call("max", z)),
        ("sum(x, axis=1)", call("sum", x, axis=1)),
        ("sum(x, axis=-1)", call("sum", x, axis=-1)),
        ("sum(x_i)", Big("sum", at(x, i))),
        ("mean(x)", call("mean", x)),
        ("E[x²]", call("mean", square(x))),
        ("Var(w)", call("var", w)),
        ("diag(1 − x²) Wᵀ", times(call("diag", less(one, square(x))), Transpose(W))),
        ("softmax(z)_i", call("element", call("softmax", z), i)),
        ("softmax_i(z)", call("element", call("softmax", z), i)),
        ("cross_entropy(z, t)", call("cross_entropy", z, t)),
        ("leaky_relu(z)", call("leaky_relu", z)),
        ("transpose(A)", Transpose(A)),
        ("dot(a, b)", MatMul(a, b)),
        ("randn(a, b)", call("randn", a, b)),
        ("xlog(y)", times(x, call("log", y))),
    ]
)
def test_functions(text, tree):
    assert read(text, syntax="text") == tree


# ---------------------------------------------------------------------- sums
@every(
    [
        ("Σ_i x_i", Big("sum", at(x, i), i)),
        ("Σᵢ xᵢ", Big("sum", at(x, i), i)),
        ("∑_i x_i", Big("sum", at(x, i), i)),
        ("sum_i x_ij w_j", Big("sum", times(at(x, i, j), at(w, j)), i)),
        ("Σ (y_i − t)²", Big("sum", square(less(at(y, i), t)))),
        ("Σ_{i=1}^n x_i", Big("sum", at(x, i), i, one, n)),
        ("sum_{i=1}^{n} x_i", Big("sum", at(x, i), i, one, n)),
        ("Σᵢ₌₁ⁿ xᵢ", Big("sum", at(x, i), i, one, n)),
        ("Π_i x_i", Big("product", at(x, i), i)),
        ("max_i x_i", Big("max", at(x, i), i)),
        ("mean_i x_i", Big("mean", at(x, i), i)),
        ("Σ_ij a_ij", Big("sum", Big("sum", at(a, i, j), j), i)),
        ("Σ_{j≠i} x_j", Big("sum", times(Compare("!=", j, i), at(x, j)), j)),
        ("Σ_i x_i + b", plus(Big("sum", at(x, i), i), b)),
        ("Σ_i x_i y_i / n", Big("sum", Divide(times(at(x, i), at(y, i)), n), i)),
        ("Σ_c p_c", Big("sum", at(p, c), c)),
        ("a_i / Σ_j a_j", Divide(at(a, i), Big("sum", at(a, j), j))),
        ("Σ_i -x_i", Big("sum", minus(at(x, i)), i)),
        ("sum (y_i)^2", Big("sum", square(at(y, i)))),
        ("sum(y_i)^2", square(Big("sum", at(y, i)))),
    ]
)
def test_sums(text, tree):
    assert read(text, syntax="text") == tree


# ---------------------------------------------------------------------- derivatives
@every(
    [
        ("∂J/∂w_j", Partial(J, at(w, j))),
        ("dJ/dw", Partial(J, w, total=True)),
        ("d/dw (y − t)²", Partial(square(less(y, t)), w, total=True)),
        ("∂/∂w a b + c", plus(Partial(times(a, b), w), c)),
        ("∂(y_i − ŷ_i)/∂w_j", Partial(less(at(y, i), at(y_hat, i)), at(w, j))),
        ("∂J/∂y · ∂y/∂w", times(Partial(J, y), Partial(y, w))),
        ("∂loss/∂w", Partial(Symbol("loss"), w)),
        ("∂J(w)/∂w", Partial(J, w)),
        ("∂f(x, y)/∂x", Partial(call("f", x, y), x)),
        ("∇_w J", Partial(J, w)),
        ("∂²f/∂x²", Partial(Partial(f, x), x)),
        ("∂²f/∂x∂y", Partial(Partial(f, y), x)),
        ("d²y/dx²", Partial(Partial(y, x, total=True), x, total=True)),
        ("∂h_t/∂h_{t−1}", Partial(labelled("h", "t"), labelled("h", "t-1"))),
        ("∂J/∂w¹₃₁", Partial(J, layered("w", "1", 3, 1))),
        ("J = a = b", Equation((J, a, b))),
        ("J(w) = w²", Equation((J, square(w)))),
        ("loss = a", Equation((Symbol("loss"), a))),
        ("z = f(x, y)", Equation((z, call("f", x, y)))),
    ]
)
def test_derivatives_and_equations(text, tree):
    assert read(text, syntax="text") == tree


# ---------------------------------------------------------------------- conditions and choices
positive = Compare(">", z, Number(0))
relu = Cases((positive,), (z, Number(0)))


@every(
    [
        ("1[z > 0]", positive),
        ("1(z > 0)", positive),
        ("𝟙[z>0]", positive),
        ("I[z > 0]", positive),
        ("[z > 0]", positive),
        ("(z > 0) x", times(positive, x)),
        ("1[i = j]", Compare("==", i, j)),
        ("δ_ij", Compare("==", i, j)),
        ("1[a ≤ b]", Compare("<=", a, b)),
        ("1[a ≠ b]", Compare("!=", a, b)),
        ("{ z if z > 0; 0 otherwise", relu),
        ("{ z if z > 0; 0 otherwise }", relu),
        ("{z if z > 0, 0 otherwise}", relu),
        ("{z, z > 0; 0, z ≤ 0}", relu),
        ("{ z (z > 0); 0 (z ≤ 0)", relu),
        ("{z (z > 0일 때), 0 (그 밖의 경우)}", relu),
        ("z if z > 0 else 0", relu),
        ("where(z > 0, z, 0)", relu),
        (
            "{1 if z > 0; 0 if z = 0; -1 if z < 0}",
            Cases((positive, Compare("==", z, Number(0))), (one, Number(0), minus(one))),
        ),
        ("[[a, b], [c, d]]", Matrix(((a, b), (c, d)))),
        ("[a, b; c, d]", Matrix(((a, b), (c, d)))),
        ("[a, b]", Matrix(((a, b),))),
        ("[a, b]ᵀ", Matrix(((a,), (b,)))),
        ("[a + b] c", times(plus(a, b), c)),
    ]
)
def test_conditions_and_choices(text, tree):
    assert read(text, syntax="text") == tree


# ---------------------------------------------------------------------- with declared names
KNOWN = {"X": ("n", "d"), "W": ("m", "d"), "w": ("d",), "x": ("d",), "y": "n", "t": "n", "A": 2}
DECLARED = [
    ("W x", MatMul(W, x)),
    ("W · x", MatMul(W, x)),
    ("w x", MatMul(w, x)),
    ("wᵀ x", MatMul(Transpose(w), x)),
    ("w xᵀ", MatMul(w, Transpose(x))),
    ("xᵀ A x", MatMul(MatMul(Transpose(x), A), x)),
    ("2 X w", times(two, MatMul(X, w))),
    ("-2/n X w", minus(times(Divide(two, n), MatMul(X, w)))),
    ("2 b w x", times(two, b, MatMul(w, x))),
    ("w ⊙ x", Multiply((w, x), arrays=True)),
    ("w * x", Multiply((w, x), arrays=True)),
    ("2 w ⊙ x", times(two, Multiply((w, x), arrays=True))),
    ("y t", MatMul(y, t)),
    ("mean(y t)", call("mean", Multiply((y, t), arrays=True))),
    ("Σ y t", Big("sum", Multiply((y, t), arrays=True))),
    ("Σ_i x_i w_i", Big("sum", times(at(x, i), at(w, i)), i)),
    ("X X", Multiply((X, X), arrays=True)),
    ("A^{-1} x", MatMul(call("inverse", A), x)),
    ("A⁻¹", call("inverse", A)),
    ("A²", square(A)),
    ("W_12", at(W, 1, 2)),
    ("x_1", at(x, 1)),
    ("x_12", at(x, 12)),
    ("x_n", at(x, n)),
    ("W_ab", at(W, a, b)),
    ("X_i", at(X, i)),
    ("X_{:,j}", at(X, Dots(), j)),
    ("W[0, 1]", at(W, 1, 2)),
    ("n x", times(n, x)),
]


@pytest.mark.parametrize(("text", "tree"), DECLARED, ids=[text for text, _ in DECLARED])
def test_shapes_say_what_a_product_and_an_index_is(text, tree):
    assert read(text, syntax="text", known=KNOWN) == tree


def test_a_declared_name_is_read_as_it_was_declared():
    assert read("ab", known={"ab": 0}) == Symbol("ab")
    assert read("ab", known={"a": 0, "b": 0}) == times(a, b)
    assert read("2ab + a", known={"ab": 0, "a": 0, "b": 0}) == plus(times(two, Symbol("ab")), a)
    assert read("z²", known={"z^2": None}) == layered("z", "2")
    assert read("z² + z", known={"z²": None}) == plus(layered("z", "2"), z)
    assert read("z²", known={"z": 0}) == square(z)
    assert read("z³", known={"z^1": None, "z^2": None}) == layered("z", "3")
    assert read("x_i", known={"x_i": ("d",)}) == labelled("x", "i")
    assert read("d_k", known={"Q": ("n", "d_k")}) == labelled("d", "k")
    assert read("Σ x", known={"Σ": 2, "x": 1}) == MatMul(Symbol("Sigma"), x)
    assert read("e^x", known={"e": 0}) == Power(e, x)
    assert read("E[i]", known={"E": 1}) == at(Symbol("E"), i)
    assert read("f(x + y)", known={"f": 0}) == times(f, plus(x, y))
    assert read("σ(z)", known={"σ": 0}) == times(Symbol("sigma"), z)
    assert read("dJ/dw", known={"dJ": 0, "dw": 0}) == Divide(Symbol("dJ"), Symbol("dw"))
    assert read("A^T", known={"A": 0, "T": 0}) == Power(A, Symbol("T"))
    assert read("Aᵀ", known={"A": 0, "T": 0}) == Transpose(A)
    assert read("A^T", known={"A": 2, "T": 2}) == Transpose(A)


def test_letters_that_stand_alone_make_a_product_of_a_row():
    assert read("a + ab + b") == plus(a, times(a, b), b)


def test_a_layer_anywhere_makes_layers_everywhere():
    assert read("z² + z¹") == plus(layered("z", "2"), layered("z", "1"))


def test_a_syntax_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="'word'"):
        read("x", syntax="word")
