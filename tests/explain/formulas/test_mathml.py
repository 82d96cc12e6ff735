from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.explain.formulas import (
    Add,
    Apply,
    Big,
    Compare,
    Divide,
    Equation,
    Expression,
    Multiply,
    Number,
    Partial,
    Power,
    Symbol,
    to_mathml,
)

x, y, n, i = map(Symbol, "xyni")

#: What browsers know without an extension: https://www.w3.org/TR/mathml-core
CORE = {
    "math", "mfrac", "mi", "mn", "mo", "mover", "mrow", "mspace", "msqrt", "msub", "msubsup",
    "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
}  # fmt: skip
PARTS = {"mfrac": 2, "mover": 2, "msub": 2, "msubsup": 3, "msup": 2, "munder": 2, "munderover": 3}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_elements_have_the_parts_that_they_need(
    data: st.DataObject, anything: st.SearchStrategy[Expression]
) -> None:
    root = ElementTree.fromstring(to_mathml(data.draw(anything), display=True))
    for element in root.iter():
        assert element.tag in CORE
        assert len(element) == PARTS.get(element.tag, len(element))
        if element.tag in ("mi", "mn", "mo", "mtext"):
            assert len(element) == 0


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>', "&lt;", "]]>"])
def test_names_are_text(name: str) -> None:
    symbol = Symbol(name, layer=name, label=name)
    markup = to_mathml(Equation((symbol, Apply(name, (x,)))))
    root = ElementTree.fromstring(markup)
    assert {element.tag for element in root.iter()} <= CORE
    assert [text for text in root.itertext() if text == name] == [name] * 4


def test_an_equation_of_several_lines_is_a_table() -> None:
    chain = Multiply(tuple(Partial(x, y) for _ in range(9)))
    root = ElementTree.fromstring(to_mathml(Equation((x, chain, Number(-6))), display=True))
    (table,) = root
    assert table.tag == "mtable"
    assert ["".join(row.itertext()) for row in table][-1] == "=−6"


def test_a_power_of_an_indexed_symbol_stands_over_its_index() -> None:
    markup = to_mathml(Power(Symbol("h", indices=(i,)), Number(2)))
    assert "<msubsup><mi>h</mi><mi>i</mi><mn>2</mn></msubsup>" in markup


def test_brackets_grow_with_what_is_in_them() -> None:
    assert 'stretchy="true"' in to_mathml(Power(Divide(x, y), n))
    assert 'stretchy="true"' not in to_mathml(Power(Add((x, y)), n))


def test_a_sum_has_limits() -> None:
    root = ElementTree.fromstring(to_mathml(Big("sum", x, i, Number(1), n)))
    limits = root.find("munderover")
    assert limits is not None
    assert ["".join(part.itertext()) for part in limits] == ["∑", "i=1", "n"]


def test_conditions_are_escaped() -> None:
    (relation,) = ElementTree.fromstring(to_mathml(Compare("<", x, y))).iter("mo")
    assert relation.text == "<"
