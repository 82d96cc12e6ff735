"""Formulas in Python, and the trees they say."""

import pytest

from chainrule.explain.claims.reading import counted_from_zero, read
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
    to_python,
)

from .trees import (
    A,
    J,
    W,
    X,
    a,
    at,
    b,
    c,
    call,
    d,
    i,
    j,
    labelled,
    less,
    minus,
    n,
    one,
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

zero = Number(0)
relu = Cases((Compare(">", z, zero),), (z, zero))


def every(cases):
    return pytest.mark.parametrize(("text", "tree"), cases, ids=[text for text, _ in cases])


@every(
    [
        ("a + b - c", plus(a, b, minus(c))),
        ("-2*a*b", minus(times(two, a, b))),
        ("-2/n*a", minus(times(Divide(two, n), a))),
        ("a*-b", times(a, minus(b))),
        ("a/b/c", Divide(Divide(a, b), c)),
        ("x**2", square(x)),
        ("-x**2", minus(square(x))),
        ("x**-1", Power(x, minus(one))),
        ("x**0.5", Power(x, Number(0.5))),
        ("X @ w", MatMul(X, w)),
        ("2*X.T @ w", times(two, MatMul(Transpose(X), w))),
        ("W.T", Transpose(W)),
        ("e**-z", call("exp", minus(z))),
        ("lambda*x", times(Symbol("lambda"), x)),
        ("lambda_*x", times(Symbol("lambda"), x)),
        ("y_hat_i", at(y_hat, i)),
        ("ŷ*σ", times(y_hat, Symbol("sigma"))),
        ("W_hh", labelled("W", "hh")),
        ("w1", labelled("w", "1")),
        ("loss", Symbol("loss")),
        ("(a\n + b)*c", times(plus(a, b), c)),
        ("a\n+ b", plus(a, b)),
    ]
)
def test_names_and_operators(text, tree):
    assert read(text, syntax="python") == tree


@every(
    [
        ("np.exp(x)", call("exp", x)),
        ("torch.nn.functional.relu(z)", call("relu", z)),
        ("np.linalg.norm(x)", call("norm", x)),
        ("np.linalg.inv(A)", call("inverse", A)),
        ("np.random.randn(a, b)", call("randn", a, b)),
        ("nn.sigmoid(z)", call("sigmoid", z)),
        ("jnp.tanh(z)", call("tanh", z)),
        ("cr.mean(x)", call("mean", x)),
        ("σ(z)", call("sigmoid", z)),
        ("abs(x)", call("abs", x)),
        ("pow(x, 2)", square(x)),
        ("np.square(x)", square(x)),
        ("log2(x)", Divide(call("log", x), call("log", two))),
        ("max(0, z)", call("maximum", zero, z)),
        ("np.maximum(0, z)", call("maximum", zero, z)),
        ("sum(x, axis=1)", call("sum", x, axis=1)),
        ("np.sum(x, 1)", call("sum", x, axis=1)),
        ("softmax(x, dim=-1)", call("softmax", x, axis=-1)),
        ("x.sum()", call("sum", x)),
        ("x.mean(axis=0)", call("mean", x, axis=0)),
        ("a.dot(b)", MatMul(a, b)),
        ("np.dot(a, b)", MatMul(a, b)),
        ("np.transpose(A)", Transpose(A)),
        ("A.transpose()", Transpose(A)),
        ("np.outer(a, b)", call("outer", a, b)),
        ("f(x, y)", call("f", x, y)),
        ("E[(t - y)**2]", call("mean", square(less(t, y)))),
        ("grad(relu)(z)", call("relu", z, primes=1)),
        ("derivative(J, w)", Partial(J, w)),
        ("np.pi", Symbol("pi")),
    ]
)
def test_functions(text, tree):
    assert read(text, syntax="python") == tree


@every(
    [
        ("x[0]", at(x, 1)),
        ("x[i]", at(x, i)),
        ("x[i, j]", at(x, i, j)),
        ("x[i][j]", at(x, i, j)),
        ("x[i + 1]", at(x, plus(i, one))),
        ("x[n - 1]", at(x, n)),
        ("x[:, 0]", at(x, Dots(), 1)),
        ("softmax(z)[i]", call("element", call("softmax", z), i)),
        ("sum(x[i] for i in range(n))", Big("sum", at(x, i), i, one, n)),
        ("sum([x[i] for i in range(n)])", Big("sum", at(x, i), i, one, n)),
        ("sum(x[i] for i in range(1, n))", Big("sum", at(x, i), i, two, n)),
        ("sum(x[i] for i in range(3))", Big("sum", at(x, i), i, one, three)),
        ("sum(x[i] for i in range(size_i))", Big("sum", at(x, i), i)),
        (
            "sum(i*x[i] for i in range(n))",
            Big("sum", times(plus(i, minus(one)), at(x, i)), i, one, n),
        ),
        (
            "sum(a[i, j] for i in range(n) for j in range(3))",
            Big("sum", Big("sum", at(a, i, j), j, one, three), i, one, n),
        ),
        (
            "sum(x[j] for j in range(n) if j != i)",
            Big("sum", times(Compare("!=", j, i), at(x, j)), j, one, n),
        ),
        ("np.mean(x_i)", Big("mean", at(x, i))),
        ("mean(x[i] for i in range(n))", Big("mean", at(x, i), i, one, n)),
    ]
)
def test_indices_count_from_zero_in_python_and_from_one_in_trees(text, tree):
    assert read(text, syntax="python") == tree


@every(
    [
        ("z if z > 0 else 0", relu),
        ("np.where(z > 0, z, 0)", relu),
        (
            "1 if z > 0 else 0 if z == 0 else -1",
            Cases((Compare(">", z, zero), Compare("==", z, zero)), (one, zero, minus(one))),
        ),
        ("(z > 0)*x", times(Compare(">", z, zero), x)),
        ("1[z > 0]", Compare(">", z, zero)),
        ("[z > 0]", Compare(">", z, zero)),
        ("[[a, b], [c, d]]", Matrix(((a, b), (c, d)))),
        ("[a, b]", Matrix(((a,), (b,)))),
        ("array([[a, b]])", Matrix(((a, b),))),
        ("J = sum(x, axis=0)", Equation((J, call("sum", x, axis=0)))),
        ("J = a = b", Equation((J, a, b))),
        ("dJ/dw = 2*w", Equation((Partial(J, w, total=True), times(two, w)))),
        ("dJ/dw_j", Partial(J, at(w, j), total=True)),
    ]
)
def test_conditions_matrices_equations_derivatives(text, tree):
    assert read(text, syntax="python") == tree


def test_stars_are_entry_by_entry_whatever_the_shapes():
    known = {"a": ("n",), "b": ("n",), "X": ("n", "d"), "w": ("d",), "d_in": 0}
    assert read("a*b", known=known) == Multiply((a, b), arrays=True)
    assert read("-2*a*b", known=known) == minus(times(two, Multiply((a, b), arrays=True)))
    assert read("d_in*X @ w", known=known) == times(labelled("d", "in"), MatMul(X, w))
    assert read("x_i", known={"x_i": ("d",)}, syntax="python") == labelled("x", "i")
    assert read("dJ/dw", known={"dJ": 0}, syntax="python") == Divide(Symbol("dJ"), Symbol("dw"))


@pytest.mark.parametrize(
    "text",
    [
        "x[0] * w[i, j]",
        "sum(x[i] for i in range(n))",
        "sum(i * x[i] for i in range(n))",
        "sum(x[i + 1] for i in range(2, n))",
        "x[n - 1]",
        "x[3]",
    ],
)
def test_what_was_read_can_be_printed_again(text):
    printed = to_python(counted_from_zero(read(text, syntax="python")))
    assert printed == text
