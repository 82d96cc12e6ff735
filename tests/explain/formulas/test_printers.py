"""Parentheses stand where they must: every notation is read back by a few lines and evaluated."""

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.explain.formulas import (
    Add,
    Apply,
    Divide,
    Expression,
    MatMul,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
    to_latex,
    to_mathml,
    to_python,
    to_text,
)

VALUES = {"x": Fraction(3, 7), "y": Fraction(-5, 2), "alpha": Fraction(4), "z2": Fraction(-2, 3)}
SMALL = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
FROM_SMALL = str.maketrans(SMALL, "0123456789-")

Undefined = ZeroDivisionError


def value(formula: Expression) -> Fraction:
    """What a formula is worth."""
    match formula:
        case Number():
            return Fraction(formula.value)
        case Symbol():
            return VALUES[formula.name + formula.layer]
        case Negative():
            return -value(formula.operand)
        case Add():
            return sum(map(value, formula.terms), Fraction(0))
        case Multiply():
            return reduce(operator.mul, map(value, formula.factors))
        case MatMul():
            return value(formula.left) * value(formula.right)
        case Divide():
            return value(formula.numerator) / value(formula.denominator)
        case Power():
            return value(formula.base) ** int(value(formula.exponent))
        case Apply():
            return 2 * value(formula.arguments[0])
    raise AssertionError(formula)


OPERATORS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.MatMult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda base, exponent: base ** int(exponent),
}


def python_value(source: str) -> Fraction:
    def walk(node: ast.AST) -> Fraction:
        match node:
            case ast.Expression():
                return walk(node.body)
            case ast.Constant():
                return Fraction(node.value)
            case ast.Name():
                return VALUES[node.id]
            case ast.UnaryOp(op=ast.USub()):
                return -walk(node.operand)
            case ast.BinOp():
                return OPERATORS[type(node.op)](walk(node.left), walk(node.right))
            case ast.Call(func=ast.Name(id="double")):
                return 2 * walk(node.args[0])
        raise AssertionError(ast.dump(node))

    return walk(ast.parse(source, mode="eval"))


def text_as_python(text: str) -> str:
    """``−2 · (z²)²`` as ``-2 * (z2)**(2)``; what stands side by side is a product."""
    text = text.replace("z²", "z2").replace("α", "alpha")
    text = re.sub(f"[{SMALL}]+", lambda found: f"**({found[0].translate(FROM_SMALL)})", text)
    text = re.sub(" ([·⊙×]) ", "*", text)
    text = re.sub(" ([+−/]) ", r"\1", text)
    return text.replace(" ", "*").replace("−", "-")


def latex_as_python(latex: str) -> str:
    latex = latex.replace("z^{2}", "z2").replace(r"\alpha", "alpha")
    latex = latex.replace(r"\left(", "(").replace(r"\right)", ")")
    latex = latex.replace(r"\operatorname{double}", "double")
    latex = re.sub(r" \\(cdot|odot|times|,) ", "*", latex)
    # Braces are parentheses once it is known what they belong to.
    latex = re.sub(r"\^\{", "**{", latex)
    while r"\frac" in latex:
        start = latex.rindex(r"\frac")
        middle, end = closing(latex, start + 5), 0
        end = closing(latex, middle + 1)
        above, below = latex[start + 6 : middle], latex[middle + 2 : end]
        latex = f"{latex[:start]}(({above})/({below})){latex[end + 1 :]}"
    return latex.replace("{", "(").replace("}", ")")


def closing(text: str, start: int) -> int:
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise AssertionError(text)


SIGNS = {"−": "-", "·": "*", "⊙": "*", "×": "*", "\N{FUNCTION APPLICATION}": ""}


def mathml_as_python(markup: str) -> str:
    def walk(node: ElementTree.Element) -> str:
        parts = [walk(child) for child in node]
        text = node.text or ""
        match node.tag:
            case "mfrac":
                return f"(({parts[0]})/({parts[1]}))"
            case "msup" if parts == ["z", "2"]:
                return "z2"
            case "msup":
                return f"{parts[0]}**({parts[1]})"
            case "mspace":
                return "*"
            case "mi":
                return {"α": "alpha"}.get(text, text)
        return SIGNS.get(text, text) + "".join(parts)

    return walk(ElementTree.fromstring(markup))


VIEWS: dict[str, Callable[[Expression], str]] = {
    "python": to_python,
    "text": lambda formula: text_as_python(to_text(formula)),
    "latex": lambda formula: latex_as_python(to_latex(formula)),
    "mathml": lambda formula: mathml_as_python(to_mathml(formula)),
}


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_printed_has_the_value_of_the_formula(
    view: str, data: st.DataObject, calculations: st.SearchStrategy[Expression]
) -> None:
    formula = data.draw(calculations)
    source = VIEWS[view](formula)
    try:
        expected = value(formula)
    except Undefined:
        with pytest.raises(Undefined):
            python_value(source)
    else:
        assert python_value(source) == expected


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_formula_is_printed_in_every_notation(
    data: st.DataObject, anything: st.SearchStrategy[Expression]
) -> None:
    formula = data.draw(anything)
    for lang in ("en", "ko"):
        assert to_text(formula, lang=lang)
        assert to_latex(formula, lang=lang, display=True)
        ElementTree.fromstring(to_mathml(formula, lang=lang, display=True))
    assert to_python(formula)


def test_a_formula_deeper_than_the_stack_is_printed() -> None:
    formula: Expression = Symbol("x")
    for _ in range(600):
        formula = Negative(Add((formula, Number(1))))
    for printed in (to_text, to_latex, to_python, to_mathml):
        assert printed(formula).count("1") >= 600
