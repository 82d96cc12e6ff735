import keyword
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.explain.formulas.names import (
    GREEK,
    clean,
    identifier,
    latex_words,
    name_latex,
    name_text,
    subscript,
    superscript,
)


@pytest.mark.parametrize("name", GREEK)
def test_greek_letters_are_what_unicode_calls_them(name: str) -> None:
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    called = {"lambda": "lamda", "Lambda": "Lamda"}.get(name, name).upper()
    assert name_text(name) == unicodedata.lookup(f"GREEK {case} LETTER {called}")
    assert name_latex(name_text(name)) == name_latex(name)


@pytest.mark.parametrize("small", [superscript, subscript])
def test_small_letters_are_the_letters_that_they_stand_for(small: object) -> None:
    assert callable(small)
    for character in "0123456789+()aehijklmnoprstuvx":
        assert unicodedata.normalize("NFKC", small(character)) == character


@pytest.mark.parametrize(
    ("name", "accent", "text"),
    [("y", "hat", "ŷ"), ("x", "bar", "x̄"), ("w", "tilde", "w̃"), ("mu", "hat", "μ̂")],
)
def test_accents_stand_on_letters(name: str, accent: str, text: str) -> None:
    assert name_text(name, accent) == text


@given(st.text())
def test_a_clean_text_is_one_line_that_steers_nothing(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") for c in cleaned)
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "RLI") for c in cleaned)
    assert clean(cleaned) == cleaned


def test_korean_taken_apart_is_put_together() -> None:
    assert clean(unicodedata.normalize("NFD", "기울기")) == "기울기"


@given(st.text())
def test_python_can_read_every_identifier(text: str) -> None:
    name = identifier(text)
    assert name.isidentifier()
    assert not keyword.iskeyword(name)


@given(st.text(alphabet="\\{}$&#_%^~<>|`'\"ab"))
def test_latex_words_have_no_bare_sign(text: str) -> None:
    latex = latex_words(text)
    for sign in "$&#_%^~<>|`":
        assert sign not in latex.replace(f"\\{sign}", "")
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("{}") == bare.count("}")
