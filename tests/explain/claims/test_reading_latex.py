"""Formulas in LaTeX, and the trees they say."""

import pytest

from chainrule.explain.claims.reading import read
from chainrule.explain.formulas import (
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
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
    J,
    L,
    W,
    a,
    at,
    b,
    c,
    call,
    d,
    f,
    i,
    j,
    labelled,
    layered,
    less,
    minus,
    n,
    one,
    p,
    plus,
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
)  # fmt: skip

relu = Cases((Compare(">", z, Number(0)),), (z, Number(0)))
theta, sigma = Symbol("theta"), Symbol("sigma")


def every(cases):
    return pytest.mark.parametrize(("text", "tree"), cases, ids=[text for text, _ in cases])


@every(
    [
        (r"\alpha", Symbol("alpha")),
        (r"\varepsilon", Symbol("epsilon")),
        (r"\hat{y}_i", at(y_hat, i)),
        (r"\hat y_i", at(y_hat, i)),
        (r"\hat{y_i}", at(y_hat, i)),
        (r"\widehat{y}", y_hat),
        (r"\hat{\mathbf{y}}", y_hat),
        (r"\mathbf{\hat y}", y_hat),
        (r"\bar{x}", Symbol("x", accent="bar")),
        (r"\overline{x}", Symbol("x", accent="bar")),
        (r"\tilde x", Symbol("x", accent="tilde")),
        (r"\mathbf{w}", w),
        (r"\boldsymbol{\theta}", theta),
        (r"\vec{x}", x),
        (r"\mathcal{L}", L),
        (r"x_{ij}", at(x, i, j)),
        (r"x_{i,j}", at(x, i, j)),
        (r"x_{i j}", at(x, i, j)),
        (r"{x}_{i}", at(x, i)),
        (r"x_ij", times(at(x, i), j)),
        (r"W_{hh}", labelled("W", "hh")),
        (r"n_{\text{in}}", labelled("n", "in")),
        (r"n_\mathrm{in}", labelled("n", "in")),
        (r"h_{t-1}", labelled("h", "t-1")),
        (r"w^{(1)}_{31}", layered("w", "(1)", 3, 1)),
        (r"w_{31}^{(1)}", Symbol("w", layer="(1)", label="31")),
        (r"w^{1}_{31}", layered("w", "1", 3, 1)),
        (r"\text{loss}", Symbol("loss")),
        (r"\mathrm{score}_i", at(Symbol("score"), i)),
        (r"\text{learning\_rate}", labelled("learning", "rate")),
        (r"ŷ_i", at(y_hat, i)),
    ]
)
def test_symbols(text, tree):
    assert read(text, syntax="latex") == tree


@every(
    [
        (r"\frac{a}{b}", Divide(a, b)),
        (r"\dfrac{a}{b}", Divide(a, b)),
        (r"\frac12", Divide(one, two)),
        (r"\frac1n", Divide(one, n)),
        (r"\frac{1}{2}x", times(Divide(one, two), x)),
        (r"-\frac{a}{b}", minus(Divide(a, b))),
        (r"a b", times(a, b)),
        (r"ab", times(a, b)),
        (r"2\,a\;b\quad c", times(two, a, b, c)),
        (r"a \cdot b", times(a, b)),
        (r"a \times b", times(a, b)),
        (r"a \odot b", Multiply((a, b), arrays=True)),
        (r"a \circ b", Multiply((a, b), arrays=True)),
        (r"\left( a + b \right) c", times(plus(a, b), c)),
        (r"\left[ a + b \right] c", times(plus(a, b), c)),
        (r"\bigl( a + b \bigr) c", times(plus(a, b), c)),
        (r"x^2", square(x)),
        (r"x^23", times(square(x), three)),
        (r"x^{2}_{i}", square(at(x, i))),
        (r"{x^2}^2", square(square(x))),
        (r"x^{\frac12}", Power(x, Divide(one, two))),
        (r"e^{-z}", call("exp", minus(z))),
        (r"\mathrm{e}^{-z}", call("exp", minus(z))),
        (r"W^\top x", times(Transpose(W), x)),
        (r"W^T", Transpose(W)),
        (r"W^{\top}", Transpose(W)),
        (r"W^{\mathsf T}", Transpose(W)),
        (r"W^{\mathsf{T}}", Transpose(W)),
        (r"W^\intercal", Transpose(W)),
        (r"W_{hh}^\top", Transpose(labelled("W", "hh"))),
        (r"A^{-1}", Power(A, minus(one))),
        (r"\sqrt{x}", call("sqrt", x)),
        (r"\sqrt x", call("sqrt", x)),
        (r"\sqrt[3]{x}", Power(x, Divide(one, three))),
        (r"|x|", call("abs", x)),
        (r"\left| x \right|", call("abs", x)),
        (r"\lvert x \rvert", call("abs", x)),
        (r"\lVert x \rVert^2", square(call("norm", x))),
        (r"\|x\|_2^2", square(call("norm", x))),
        (r"\left\| x \right\|_2^2", square(call("norm", x))),
        (r"$x^2$", square(x)),
        (r"$$x^2$$", square(x)),
        (r"\[ x^2 \]", square(x)),
        (r"\( x^2 \)", square(x)),
        (r"\begin{equation} x^2 \end{equation}", square(x)),
        (r"\displaystyle x^2", square(x)),
        (r"z \geq 0", Compare(">=", z, Number(0))),
        (r"z \le 0", Compare("<=", z, Number(0))),
        (r"z \neq 0", Compare("!=", z, Number(0))),
        (r"x.", x),
    ]
)
def test_operators(text, tree):
    assert read(text, syntax="latex") == tree


@every(
    [
        (r"\sigma(z)", call("sigmoid", z)),
        (r"\sigma'(z)", Apply("sigmoid", (z,), primes=1)),
        (r"\sigma^{\prime}(z)", Apply("sigmoid", (z,), primes=1)),
        (r"\sigma^2", square(sigma)),
        (r"\tanh^2 z", square(call("tanh", z))),
        (r"\log p_i", call("log", at(p, i))),
        (r"\ln(x)", call("log", x)),
        (r"\exp(-z)", call("exp", minus(z))),
        (r"\exp\left(-z\right)", call("exp", minus(z))),
        (r"\max(0,z)", call("maximum", Number(0), z)),
        (r"\max_i x_i", Big("max", at(x, i), i)),
        (r"\operatorname{diag}(x)", call("diag", x)),
        (r"\text{softmax}(z)_i", call("element", call("softmax", z), i)),
        (r"\mathrm{ReLU}(z)", call("relu", z)),
        (r"\operatorname{tr}(A)", call("trace", A)),
        (r"\mathbb{E}[x]", call("mean", x)),
        (r"\operatorname{Var}(w)", call("var", w)),
        (r"\mathrm{log\_softmax}(z)", call("log_softmax", z)),
        (r"\sum_i x_i", Big("sum", at(x, i), i)),
        (r"\sum_{i=1}^{n} x_i", Big("sum", at(x, i), i, one, n)),
        (r"\sum\limits_{i=1}^n x_i", Big("sum", at(x, i), i, one, n)),
        (r"\sum_{i,j} a_{ij}", Big("sum", Big("sum", at(a, i, j), j), i)),
        (r"\sum_{j \neq i} x_j", Big("sum", times(Compare("!=", j, i), at(x, j)), j)),
        (r"\sum x_i", Big("sum", at(x, i))),
        (r"\prod_{i} x_i", Big("product", at(x, i), i)),
        (r"\operatorname*{mean}_i x_i", Big("mean", at(x, i), i)),
    ]
)
def test_functions_and_sums(text, tree):
    assert read(text, syntax="latex") == tree


@every(
    [
        (r"\frac{\partial J}{\partial w_j}", Partial(J, at(w, j))),
        (r"\frac{dJ}{dw}", Partial(J, w, total=True)),
        (r"\frac{\mathrm{d} J}{\mathrm{d} w}", Partial(J, w, total=True)),
        (r"\frac{d}{dw}(w-t)^2", Partial(square(less(w, t)), w, total=True)),
        (r"\frac{\partial}{\partial w} a + b", plus(Partial(a, w), b)),
        (r"\partial J / \partial w", Partial(J, w)),
        (r"\nabla_w J", Partial(J, w)),
        (r"\nabla_\theta J(\theta)", Partial(J, theta)),
        (r"\frac{\partial L(w, b)}{\partial w}", Partial(L, w)),
        (r"\frac{\partial^2 f}{\partial x^2}", Partial(Partial(f, x), x)),
        (r"\frac{\partial J}{\partial W_{hh}}", Partial(J, labelled("W", "hh"))),
        (r"\frac{d}{d}", Divide(d, d)),
        (r"J = (y-t)^2", Equation((J, square(less(y, t))))),
        (r"\begin{align} J &= a \\ &= b \end{align}", Equation((J, a, b))),
        (r"\mathrm{loss} = a", Equation((Symbol("loss"), a))),
    ]
)
def test_derivatives_and_equations(text, tree):
    assert read(text, syntax="latex") == tree


@every(
    [
        (r"\begin{cases} z & z>0 \\ 0 & \text{otherwise} \end{cases}", relu),
        (r"\begin{cases} z, & \text{if } z>0 \\ 0, & \text{else} \end{cases}", relu),
        (r"\begin{cases} z & \text{if $z>0$} \\ 0 & z \leq 0 \end{cases}", relu),
        (r"\left\{ \begin{array}{ll} z & z>0 \\ 0 & z \leq 0 \end{array} \right.", relu),
        (r"\mathbb{1}[z>0]", relu.conditions[0]),
        (r"\mathbb 1\{z>0\}", relu.conditions[0]),
        (r"\mathbb{1}_{\{z>0\}}", relu.conditions[0]),
        (r"\mathbf 1_{z>0}", relu.conditions[0]),
        (r"\mathbf{1}(z>0)", relu.conditions[0]),
        (r"\mathbf{1}^\top x", times(Transpose(call("ones")), x)),
        (r"\delta_{ij}", Compare("==", i, j)),
        (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", Matrix(((a, b), (c, d)))),
        (r"\begin{bmatrix} a \\ b \end{bmatrix}", Matrix(((a,), (b,)))),
    ]
)
def test_conditions_and_tables(text, tree):
    assert read(text, syntax="latex") == tree


def test_declared_names_and_shapes_count_as_in_text():
    known = {"W": ("m", "d"), "x": ("d",), "loss": 0, "T": ("n", "d")}
    assert read(r"W x", known=known, syntax="latex") == MatMul(W, x)
    assert read(r"\mathbf{W}\mathbf{x}", known=known) == MatMul(W, x)
    assert read(r"Wx", known=known, syntax="latex") == MatMul(W, x)
    assert read(r"loss + \alpha", known=known) == plus(Symbol("loss"), Symbol("alpha"))
    assert read(r"W^\top", known=known) == Transpose(W)
    assert read(r"A^{-1}", known={"A": 2}) == call("inverse", A)
    assert read(r"\hat{y}_1", known={r"\hat{y}": 1}) == at(y_hat, 1)
    assert read(r"\mathbf{W}_{hh}", known={r"\mathbf{W}_{hh}": 2}) == labelled("W", "hh")
