import ast

import pytest
from hypothesis import given, settings
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
    to_python,
)

x, y, n, i = map(Symbol, "xyni")
zero, one, two = Number(0), Number(1), Number(2)


@pytest.mark.parametrize(
    ("formula", "source"),
    [
        (Symbol("W", label="hh", indices=(i, Number(3))), "W_hh[i, 3]"),
        (Symbol("z", layer="2"), "z2"),
        (Symbol("lambda"), "lambda_"),
        (Symbol("y", accent="hat"), "y_hat"),
        (Number(0.1 + 0.2), "0.30000000000000004"),
        (Number(1.5e-9), "1.5e-09"),
        (Multiply((x, Multiply((y, two)))), "x * (y * 2)"),
        (Add((x, Negative(Add((y, two))))), "x - (y + 2)"),
        (Divide(x, Multiply((y, two))), "x / (y * 2)"),
        (Power(Negative(x), two), "(-x)**2"),
        (Power(x, Number(-1)), "x**(-1)"),
        (MatMul(x, Transpose(Add((x, y)))), "x @ (x + y).T"),
        (Multiply((Compare(">", x, zero), y)), "(x > 0) * y"),
        (Cases((Compare(">", x, zero),), (x, zero)), "where(x > 0, x, 0)"),
        (Apply("sum", (x,), axis=1), "sum(x, axis=1)"),
        (Apply("relu", (x,), primes=2), "grad(grad(relu))(x)"),
        (Big("sum", Multiply((x, y)), i, one, n), "sum(x * y for i in range(1, n + 1))"),
        (Big("mean", x), "mean(x)"),
        (Matrix(((one, Dots()),)), "array([[1, ...]])"),
        (Equation((Symbol("J"), x)), "J = x"),
        (Equation((Partial(Symbol("J"), x), y)), "derivative(J, x) == y"),
    ],
)
def test_how_formulas_are_written(formula: Expression, source: str) -> None:
    assert to_python(formula) == source


def test_a_number_can_be_rounded_as_in_the_other_views() -> None:
    assert to_python(Number(0.1234567), digits=3) == "0.123"


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_python_can_read_it(data: st.DataObject, anything: st.SearchStrategy[Expression]) -> None:
    ast.parse(to_python(data.draw(anything)))
