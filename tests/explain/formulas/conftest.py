"""What the tests of printers share: random formulas."""

from fractions import Fraction

import pytest
from hypothesis import strategies as st

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
)

Formulas = st.SearchStrategy[Expression]

LETTERS = st.sampled_from([Symbol("x"), Symbol("y"), Symbol("alpha"), Symbol("z", layer="2")])
EXACT = st.builds(Number, st.integers(-20, 20) | st.fractions(-5, 5, max_denominator=9))


def _several(of: Formulas) -> st.SearchStrategy[tuple[Expression, ...]]:
    return st.lists(of, min_size=2, max_size=4).map(tuple)


def _calculated(inner: Formulas) -> Formulas:
    """Everything that has an exact value where x, y, … are fractions."""
    return st.one_of(
        st.builds(Negative, inner),
        st.builds(Add, _several(inner)),
        st.builds(Multiply, _several(inner), st.booleans()),
        st.builds(Divide, inner, inner),
        st.builds(MatMul, inner, inner),
        st.builds(Power, inner, st.integers(-2, 3).map(Number)),
        st.builds(lambda operand: Apply("double", (operand,)), inner),
    )


@pytest.fixture(scope="session")
def calculations() -> Formulas:
    """Formulas with a value: numbers, letters, the four operations, powers, a function."""
    return st.recursive(EXACT | LETTERS, _calculated, max_leaves=12)


def _names() -> st.SearchStrategy[str]:
    hostile = st.sampled_from(
        [r"\input{x}", "<script>alert(1)</script>", "$x$", "50%", "a|b", "`ls`", "가격", "a_b", "{"]
    )
    return st.sampled_from(["x", "score", "lambda", "Omega"]) | hostile | st.text(min_size=1)


def _symbols(indices: Formulas) -> Formulas:
    return st.builds(
        Symbol,
        _names(),
        st.sampled_from(["", "hat", "bar", "tilde"]),
        st.sampled_from(["", "1", "12", "(t)", "1′", "L"]) | st.text(max_size=3),
        st.sampled_from(["", "hh", "in", "Q"]) | st.text(max_size=3),
        st.lists(indices, max_size=3).map(tuple),
    )


def _numbers() -> Formulas:
    return st.builds(Number, st.integers() | st.floats() | st.fractions()).map(_tamed)


def _tamed(number: Number) -> Number:
    """Hypothesis makes fractions of 100 digits, which say nothing more than short ones."""
    if isinstance(number.value, Fraction):
        return Number(number.value.limit_denominator(10**6))
    return number


def _anything(inner: Formulas) -> Formulas:
    functions = st.sampled_from(
        ["exp", "sqrt", "abs", "norm", "inverse", "indicator", "relu", "sigmoid", "max", "f", "가"]
    )
    relations = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    index = st.none() | st.sampled_from([Symbol("i"), Symbol("k", label="max")])
    limit = st.none() | inner
    return st.one_of(
        _calculated(inner),
        _symbols(inner),
        st.builds(Transpose, inner),
        st.builds(
            Apply, functions, _several(inner), st.none() | st.integers(0, 2), st.integers(0, 2)
        ),
        st.builds(lambda name, argument: Apply(name, (argument,)), functions, inner),
        st.builds(
            Big, st.sampled_from(["sum", "product", "max", "mean"]), inner, index, limit, limit
        ),
        st.builds(Partial, inner, inner, st.booleans()),
        st.builds(Compare, relations, inner, inner),
        st.builds(lambda c, a, b: Cases((c,), (a, b)), inner, inner, inner),
        st.builds(lambda a, b, c, d: Matrix(((a, b), (c, d))), inner, inner, inner, inner),
        st.builds(lambda rows: Matrix(tuple((row,) for row in rows)), _several(inner)),
        st.builds(Equation, _several(inner)),
    )


@pytest.fixture(scope="session")
def anything() -> Formulas:
    """Formulas of every kind, sensible or not, with names that would be code elsewhere."""
    leaves = _numbers() | _symbols(EXACT) | st.just(Dots())
    return st.recursive(leaves, _anything, max_leaves=12)
