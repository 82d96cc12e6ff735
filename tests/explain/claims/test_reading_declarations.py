"""Shapes, definitions, random symbols and what is derived by."""

import pytest

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading import (
    mentioned,
    read,
    read_definitions,
    read_mapping,
    read_random,
    read_shape,
    read_shapes,
    read_symbol,
    shape_of,
)
from chainrule.explain.formulas import MatMul, Number, Symbol

from .trees import A, W, at, i, j, labelled, layered, plus, times, w, x, y_hat, z


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("n, d", ("n", "d")),
        ("(n, d)", ("n", "d")),
        ("(n,)", ("n",)),
        ("[n, d]", ("n", "d")),
        ("n×d", ("n", "d")),
        ("n × d", ("n", "d")),
        ("n x d", ("n", "d")),
        ("n by d", ("n", "d")),
        ("2, 3", (2, 3)),
        (r"n \times d", ("n", "d")),
        (r"$n \times d$", ("n", "d")),
        ("Rⁿ", ("n",)),
        ("R^n", ("n",)),
        ("ℝⁿˣᵐ", ("n", "m")),
        ("R^{n×m}", ("n", "m")),
        (r"\mathbb{R}^{n \times 3}", ("n", 3)),
        ("R", ()),
        ("", ()),
        ("()", ()),
        ("scalar", ()),
        ("n", ("n",)),
        ("d_in, d_out", ("d_in", "d_out")),
        ("d_k", ("d_k",)),
        ("T", ("T",)),
        ("3", (3,)),
        (3, (3,)),
        (("n", 2), ("n", 2)),
        (["n"], ("n",)),
        ((), ()),
    ],
)
def test_shapes(text, shape):
    assert read_shape(text) == shape


@pytest.mark.parametrize("text", ["n, 0", "n, -1", "n + 1", "n d", "1.5", "n,,d", "가", (0,), -3])
def test_no_shapes(text):
    with pytest.raises(FormulaError, match="is no shape"):
        read_shape(text)


def test_names_of_shapes_are_written_in_any_way():
    shapes = {"ŷ": "n", r"\hat{z}": "n", "W_hh": "h, h", "z^2": "n", "W₁": "n", "h_{t-1}": "h"}
    assert list(read_shapes(shapes)) == ["y_hat", "z_hat", "W_hh", "z^2", "W_1", "h_t-1"]
    assert read_shapes(None) == {}


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("w", w),
        ("w_j", at(w, j)),
        ("W_ij", at(W, i, j)),
        ("W_1", labelled("W", "1")),
        ("W[0, 1]", at(W, 1, 2)),
        ("w^1_{31}", layered("w", "1", 3, 1)),
        ("w¹₃₁", layered("w", "1", 3, 1)),
        ("ŷ", y_hat),
        (r"\hat{y}_i", at(y_hat, i)),
        (r"\mathbf{W}_{hh}", labelled("W", "hh")),
        ("h_{t-1}", labelled("h", "t-1")),
        ("loss", Symbol("loss")),
        ("pos", Symbol("pos")),
        ("W1", labelled("W", "1")),
        ("learning_rate", labelled("learning", "rate")),
        ("λ", Symbol("lambda")),
        ("lambda", Symbol("lambda")),
    ],
)
def test_what_is_derived_by(text, symbol):
    assert read_symbol(text) == symbol


def test_an_index_of_a_declared_array():
    assert read_symbol("W_12", known={"W": 2}) == at(W, 1, 2)
    assert read_symbol("x_3", known={"x": ("n",)}) == at(x, 3)


def test_definitions_know_those_before_them():
    let = {"z": "w x", "ŷ_i": "z_i + loss"}
    (first, _), (second, body) = read_definitions(let, known={"w": 0, "x": 1, "loss": 0})
    assert (first, second) == (z, at(y_hat, i))
    assert body == plus(at(z, i), Symbol("loss"))
    equations = read_definitions(["z = w*x", "y_hat = tanh(z)"])
    assert [symbol.key for symbol, _ in equations] == ["z", "y_hat"]
    assert read_definitions("z := w x")[0] == (z, times(w, x))
    assert read_definitions(None) == []


@pytest.mark.parametrize("let", [["z"], ["z ="], ["= x"], "z", {"z": "a = b"}])
def test_what_defines_nothing_is_refused(let):
    with pytest.raises(FormulaError, match="defines nothing"):
        read_definitions(let)


def test_variances():
    assert read_random({"z": "lambda", "ŷ": 2}) == {"z": Symbol("lambda"), "y_hat": Number(2)}
    assert read_random(None) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("f: R^n -> R^m", ("f", ("n",), ("m",))),
        ("f: Rⁿ → Rᵐ", ("f", ("n",), ("m",))),
        ("jacobian(f: R^n -> R^m)", ("f", ("n",), ("m",))),
        (r"f: \mathbb{R}^n \to \mathbb{R}^m", ("f", ("n",), ("m",))),
        (r"\jacobian(f: \mathbb{R}^{n} \rightarrow \mathbb{R})", ("f", ("n",), ())),
        ("f: R^3 -> R", ("f", (3,), ())),
        ("x + 1", None),
        ("jacobian(f)", None),
    ],
)
def test_mappings(text, found):
    assert read_mapping(text) == found


def test_symbols_that_a_formula_mentions():
    assert mentioned(read("Σ_i x_ij w_j + b")) == {"x": 2, "i": 0, "j": 0, "w": 1, "b": 0}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("2", ()),
        ("A x", ("n",)),
        ("xᵀ", (1, "d")),
        ("x xᵀ", ("d", "d")),
        ("xᵀ x", ()),
        ("A", ("n", "d")),
        ("Aᵀ", ("d", "n")),
        ("A_i", ("d",)),
        ("A_ij", ()),
        ("diag(x)", ("d", "d")),
        ("sum(A, axis=0)", ("d",)),
        ("mean(A)", ()),
        ("softmax(x)", ("d",)),
        ("tanh(x + 1)", ("d",)),
        ("ones(n, 3)", ("n", 3)),
        ("eye(d)", ("d", "d")),
        ("outer(x, x)", ("d", "d")),
        ("1[x > 0]", ("d",)),
        ("∂b/∂x", ("d",)),
        ("Σ_i A_ij", ()),
        ("softmax(x)_i", ()),
        ("[a, b; a, b]", (2, 2)),
    ],
)
def test_shapes_of_formulas(text, shape):
    known = {"A": ("n", "d"), "x": ("d",), "b": 0}
    assert shape_of(read(text, known=known), known) == shape


def test_nothing_is_known_of_shapes_that_nobody_declared():
    assert shape_of(read("a b")) is None
    assert read("A x", known={"A": 2, "x": 1}) == MatMul(A, x)
