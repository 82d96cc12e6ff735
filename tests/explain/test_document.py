import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import words
from chainrule.errors import OptionError, StorageError
from chainrule.explain.document import (
    Code,
    Document,
    Documented,
    Formula,
    Grid,
    Heading,
    Items,
    Picture,
    Prose,
    Strong,
    style,
)
from chainrule.explain.document.lines import columns
from chainrule.explain.formulas import (
    Add,
    Equation,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Number,
    Partial,
    Symbol,
)

Katex = Callable[[Sequence[str]], list[str]]

x, w, J = map(Symbol, "xwJ")
HOSTILE = [
    "<script>alert(1)</script>",
    r"\input{/etc/passwd}",
    "$x$ and $$y$$",
    "100 % of #1 & ~2^3",
    "`rm -rf`",
    "a|b",
    "*bold* _thin_ [link](http://example.org) ![image](x)",
    "- no list",
    "1. no list",
    "# no heading",
    "two\nlines\x1b[31m",
    "\u202eturned",
    "{x}",
]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9"/></svg>'


def everything(text: str, lang: str = "en") -> Document:
    """A text in every place that can hold one."""
    symbol = Symbol(text, label=text)
    return Document(
        [
            Heading(text),
            Prose(text, symbol, Strong(text), Code(text)),
            Formula(Equation((symbol, x, Number(1.5)))),
            Items([Prose(text), Prose(Code(text))]),
            Items([Prose(text)], numbered=True),
            Grid([text, symbol], [[text, Number(0.5)], [Code(text), symbol]], caption=text),
            Picture(SVG, text, "(drawing)"),
        ],
        text,
        lang=lang,
    )


class Page(HTMLParser):
    """Which elements a page has, and that each is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        assert not any(name in ("src", "href") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


# ---------------------------------------------------------------------- in every form


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup_in_html(text: str) -> None:
    page = Page(everything(text).to_html(complete=True))
    assert page.open == []
    assert page.tags.isdisjoint({"script", "a", "img", "link", "iframe", "input"})
    assert " ".join(text.split()).replace("\x1b", "�").replace("\u202e", "�") in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fragment_is_xml(text: str) -> None:
    ElementTree.fromstring(everything(text).to_html())


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_a_command_in_latex(text: str, katex: Katex) -> None:
    latex = everything(text).to_latex()
    commands = set(re.findall(r"\\([a-zA-Z]+)", latex))
    assert "input" not in commands
    bare = re.sub(r"\\[\\{}$&#_%]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search("[#%~]", bare)
    displayed = re.findall(r"\\\[\n(.*?)\n\\\]", latex, re.DOTALL)
    assert len(displayed) == 1
    assert katex([*displayed, *re.findall(r"(?<!\\)\$(.*?)(?<!\\)\$", latex)]) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup_in_markdown(text: str) -> None:
    markdown = everything(text).to_markdown()
    without_code = re.sub(r"(`+) ?.*? ?\1", "", markdown)
    prose = re.sub(r"\$\$.*?\$\$|(?<!\\)\$.*?(?<!\\)\$", "", without_code, flags=re.DOTALL)
    assert "<" not in prose
    assert "](http" not in prose.replace(r"\](", "")
    # Title, heading: no other lines begin like headings; lists are the two lists.
    lines = markdown.splitlines()
    assert sum(line.startswith("#") for line in lines) == 2
    assert sum(bool(re.match(r"- |\d+\. ", line)) for line in lines) == 3
    table = [line for line in lines if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [3] * 4


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_steers_the_terminal(text: str) -> None:
    shown = everything(text).to_text(60)
    assert not any(character in shown for character in "\x1b\r\u202e")


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_katex_reads_all_formulas_of_the_markdown(lang: str, katex: Katex) -> None:
    markdown = everything("가격", lang).to_markdown()
    found = re.findall(r"\$\$(.*?)\$\$", markdown, re.DOTALL)
    found += re.findall(r"(?<!\$)\$([^$]+)\$(?!\$)", markdown)
    assert len(found) >= 5
    assert katex(found) == []


def test_every_form_says_the_same() -> None:
    factors = Multiply((Number(0.123456789), Number(-2.5e-9)))
    document = Document([Formula(Equation((Partial(J, w), factors)))], digits=3, lang="en")
    assert document.to_text() == "    ∂J/∂w = 0.123 · (−2.5·10⁻⁹)"
    assert r"0.123 \cdot (-2.5 \cdot 10^{-9})" in document.to_markdown()
    assert r"0.123 \cdot (-2.5 \cdot 10^{-9})" in document.to_latex()
    assert "".join(ElementTree.fromstring(document.to_html()).itertext()).strip() == (
        "∂J∂w=0.123·(−2.5·10−9)"
    )


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(OptionError, match=r"expects lang to be one of en / ko, but got 'de'"):
        Document([], lang="de")


# ---------------------------------------------------------------------- sentences


def test_a_message_keeps_formulas_and_code() -> None:
    said = Prose.say("explain.case", "en", value=Code("z|0"), condition=Multiply((x, w)))
    assert said.parts == (Code("z|0"), " if ", Multiply((x, w)))


def test_prose_becomes_a_part_of_prose() -> None:
    said = Prose.say("explain.case", "en", value=Prose("the ", w), condition=Prose())
    assert said.parts == ("the ", w, " if ")


@pytest.mark.parametrize("value", [0.1 + 0.2, np.float64(0.3), np.float32(0.3)])
def test_a_float_in_a_message_is_rounded_like_in_formulas(value: Any) -> None:
    said = Prose.say("explain.case", "en", value=value, condition="x")
    assert Document([said]).to_text() == "0.3 if x"


def test_whole_numbers_and_formats_are_left_to_the_message() -> None:
    said = Prose.say("explain.case", "ko", value=3, condition="x")
    assert said.parts == ("3 (x일 때)",)


def test_a_value_cannot_pass_for_a_formula() -> None:
    said = Prose.say("explain.case", "en", value=x, condition="\x000\x00")
    assert said.parts == (x, " if �0�")


# ---------------------------------------------------------------------- text in columns


@pytest.mark.parametrize("width", [24, 40, 72])
@pytest.mark.parametrize(
    "text", ["가중치를 한 번에 하나씩 바꿉니다. " * 5, "a long word: " + "x" * 99]
)
def test_no_line_is_too_wide(text: str, width: int) -> None:
    document = Document(
        [
            Prose(text),
            Items([Prose(text)]),
            Items([Prose(text)] * 10, numbered=True),
            Grid(["name", "what it is", "number"], [[text, text, Number(0.5)]], caption=text),
            Formula(Equation((J, Add(tuple(Multiply((x, w)) for _ in range(30)))))),
            Heading(text),
        ]
    )
    lines = document.to_text(width).split("\n")
    assert max(map(columns, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_breaking_lines_loses_nothing(data: st.DataObject) -> None:
    numbers = st.floats(-9, 9).map(Number)
    factors = st.lists(numbers, min_size=2, max_size=4).map(lambda found: Multiply(tuple(found)))
    terms = data.draw(st.lists(factors, min_size=2, max_size=12))
    document = Document([Formula(Equation((J, Add(tuple(terms)), Number(1))))])
    whole = document.to_text(10_000)
    assert "\n" not in whole
    assert document.to_text(40).split() == whole.split()


def test_sides_of_a_long_equation_stand_below_each_other() -> None:
    chain = Multiply(tuple(Partial(J, w) for _ in range(4)))
    equation = Equation((Partial(J, w), chain, Multiply((Number(2), Number(-3))), Number(-6)))
    assert Document([Formula(equation)]).to_text(32).split("\n") == [
        "    ∂J/∂w = ∂J/∂w · ∂J/∂w",
        "            · ∂J/∂w · ∂J/∂w",
        "          = 2 · (−3)",
        "          = −6",
    ]


def test_sums_are_broken_before_products() -> None:
    terms = Add(tuple(Multiply((x, w)) for _ in range(5)))
    assert Document([Formula(terms)]).to_text(26).split("\n") == [
        "    x · w + x · w + x · w",
        "    + x · w + x · w",
    ]


def test_matrices_are_tables() -> None:
    wide = Matrix(((Number(1), Number(-0.5)), (Number(10), Symbol("가격"))))
    tall = Matrix(tuple((Number(row),) for row in range(3)))
    document = Document([Formula(Equation((J, MatMul(wide, tall), w)))])
    assert document.to_text(60).split("\n") == [
        "        ⎡ 1  −0.5⎤ ⎡0⎤",
        "    J = ⎣10  가격⎦ ⎢1⎥ = w",
        "                   ⎣2⎦",
    ]


def test_a_matrix_inside_of_another_is_on_one_line() -> None:
    inner = Matrix(((Number(1), Number(2)), (Number(3), Number(4))))
    document = Document([Formula(Matrix(((inner, x), (x, x))))])
    assert document.to_text(60).split("\n") == [
        "    ⎡[[1, 2], [3, 4]]  x⎤",
        "    ⎣               x  x⎦",
    ]


def test_a_matrix_wider_than_the_page_is_written_out() -> None:
    row = tuple(Number(10**6 + k) for k in range(12))
    text = Document([Formula(Matrix((row, row)))]).to_text(40)
    assert "⎡" not in text
    assert text.count("1000011") == 2
    assert max(map(columns, text.split("\n"))) <= 40


def test_numbers_stand_right_in_tables() -> None:
    grid = Grid(["name", "value"], [["a", Number(0.5)], ["b", Number(-12)]])
    assert Document([grid]).to_text(60).split("\n") == [
        "name  value",
        "────  ─────",
        "a       0.5",
        "b       −12",
    ]


# ---------------------------------------------------------------------- pages and files


class Saying(Documented):
    """A document about one symbol."""

    def __init__(self, symbol: Expression) -> None:
        self.symbol = symbol

    def document(self, lang: str | None = None) -> Document:
        said = Prose.say("explain.case", lang, value=self.symbol, condition="x")
        return Document([said], lang=lang)


def test_an_object_shows_itself_everywhere() -> None:
    saying = Saying(w)
    assert str(saying) == "w if x"
    assert saying.to_text(lang="ko") == "w (x일 때)"
    assert saying.to_markdown("ko") == "$w$ (x일 때)\n"
    assert saying._repr_latex_() == "$w$ if x\n"
    assert 'lang="ko"' in saying.to_html("ko")
    notebook = saying._repr_html_()
    assert notebook.startswith("<style>")
    assert "<math><mi>w</mi></math>" in notebook


@pytest.mark.parametrize(
    ("suffix", "beginning"),
    [(".html", "<!DOCTYPE html>"), (".md", "$w$"), (".tex", "% To be compiled"), (".txt", "w if")],
)
def test_the_name_of_a_file_decides_what_is_in_it(
    tmp_path: Path, suffix: str, beginning: str
) -> None:
    path = tmp_path / f"saying{suffix}"
    Saying(w).save(path)
    assert path.read_text(encoding="utf-8").startswith(beginning)
    assert path.read_bytes().endswith(b"\n")


def test_a_file_can_be_in_korean(tmp_path: Path) -> None:
    Saying(w).save(tmp_path / "saying.MD", "ko")
    assert (tmp_path / "saying.MD").read_text(encoding="utf-8") == "$w$ (x일 때)\n"


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"ends in one of \.html, \.md, \.tex, \.txt, but got"):
        Saying(w).save(tmp_path / "saying.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Saying(w).save(tmp_path / "missing" / "saying.md")


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    page = everything("x").to_html(complete=True)
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page
    assert re.findall(r"https?://[^\"' ]+", page) == ["http://www.w3.org/2000/svg"]


def test_the_style_sheet_changes_nothing_around_a_fragment() -> None:
    rules = re.sub(r"/\*.*?\*/", "", style(), flags=re.DOTALL)
    selectors = re.findall(r"(?:^|[{}])\s*([^{}@;]+?)\s*\{", rules)
    assert len(selectors) > 20
    assert all(selector.startswith(".explanation") for selector in selectors)


def test_latex_loads_korean_fonts_where_there_is_korean() -> None:
    assert "kotex" in everything("가격").to_latex(complete=True)
    assert "kotex" not in everything("price").to_latex(complete=True)


def test_signs_in_prose_are_formulas_in_latex() -> None:
    latex = Document([Prose("σ → 0, w², −1")]).to_latex()
    assert latex == (
        r"\ensuremath{\sigma} \ensuremath{\to} 0, w\textsuperscript{2}, \ensuremath{-}1" "\n"
    )
