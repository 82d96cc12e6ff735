"""Whatever is typed, the reader answers quickly: with a tree, or with an error of its own."""

import sys
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading import (
    detect,
    read,
    read_mapping,
    read_shape,
    read_symbol,
)
from chainrule.explain.claims.reading.problems import LENGTH, LEVELS
from chainrule.explain.claims.reading.reader import DEPTH, SYNTAXES, tree_depth
from chainrule.explain.formulas import Expression

from .oracle import corpus

KNOWN = {"X": ("n", "d"), "w": ("d",), "y": ("n",), "W": ("m", "d"), "z^2": None, "T": ()}
SYNTAX = st.sampled_from([None, *SYNTAXES])
NAMES = st.sampled_from([None, {}, KNOWN])
TYPED = r"""\sum \hat \left \right \begin{cases} \end{cases} \text{if} \mathbf{ \partial \| | ||
\frac \nabla ‖ { } ( ) [ ] ^ _ + - * / ** = == < > <= , ; : . ' ! & \\ $ Σ ∂ ² ³ ᵀ ᵢ ₁ ½ √ sum mean
max 가 softmax relu σ ŷ y_hat x w_j x_ij d dJ dw /dw 1 2 0.5 10 e E[ 1[ if else otherwise for in
range 𝟙 lambda axis= T e^ … → α λ ~ ` @ # % ? sum_{i=1}^n δ_ij w^1_31 .T ∑ where( f( f'("""
PIECES = [*TYPED.split(), "\0"]


def tried(text, syntax, known):
    """The tree, if there is one; any error but the reader's own goes through."""
    try:
        tree = read(text, syntax=syntax, known=known)
    except FormulaError as error:
        assert str(error)
        return None
    assert isinstance(tree, Expression)
    assert tree_depth(tree) <= DEPTH
    return tree


@given(st.text(max_size=40), SYNTAX, NAMES)
@settings(max_examples=250)
def test_any_characters(text, syntax, known):
    tried(text, syntax, known)


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sampled_from(["", " "]), SYNTAX, NAMES)
@settings(max_examples=400)
def test_any_pieces_of_formulas(pieces, space, syntax, known):
    tried(space.join(pieces), syntax, known)


@cache
def written():
    """Every formula of the corpus."""
    claims = [claim for claim in corpus() if claim.truth != "unreadable"]
    return sorted({text for claim in claims for text in (claim.function, claim.claim)})


@given(st.data(), SYNTAX, NAMES)
@settings(max_examples=250)
def test_formulas_with_typing_errors(data, syntax, known):
    text = data.draw(st.sampled_from(written()))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        dropped = data.draw(st.integers(0, 2))
        typed = data.draw(st.sampled_from(["", *PIECES]))
        text = text[:place] + typed + text[place + dropped :]
    tried(text, syntax, known)


@given(st.text(max_size=20))
@settings(max_examples=200)
def test_any_declaration(text):
    for reading in (read_shape, read_symbol, read_mapping):
        try:
            reading(text)
        except FormulaError as error:
            assert str(error)
    assert detect(text) in SYNTAXES


def test_a_formula_is_read_in_less_than_fifty_milliseconds():
    read("1")  # everything is imported
    spent = []
    for text in written():
        start = time.process_time()
        tried(text, None, {})
        spent.append(time.process_time() - start)
    assert max(spent) < 0.05


# ---------------------------------------------------------------------- ten thousand characters
HOSTILE = {
    "brackets": "(" * 9_999,
    "nested": "(" * 4_000 + "x" + ")" * 4_000,
    "minus": "-" * 9_999 + "x",
    "powers": "x^" * 4_900 + "x",
    "python powers": "x**" * 3_300 + "x",
    "quotients": "a/" * 4_900 + "a",
    "products": "a*" * 4_900 + "a",
    "side by side": "a " * 4_900,
    "sums": "a+" * 4_900 + "a",
    "fractions": r"\frac" * 1_600,
    "braces": r"\frac{" * 1_500,
    "hats": r"\hat" * 2_400 + "x",
    "fonts": r"\mathbf" * 1_400 + "x",
    "bars": "|" * 9_999,
    "roots": "√" * 9_999 + "x",
    "raised": "x" + "²" * 9_000,
    "indices": "x" + "_i" * 4_900,
    "transposes": "x" + ".T" * 4_900,
    "sigmas": "Σ_i " * 2_400,
    "digits": "9" * 9_999,
    "letters": "a" * 9_999,
    "words": "ab " * 3_300,
    "rows": "wx" * 4_900,
    "calls": "exp(" * 2_400,
    "functions": "exp " * 2_400,
    "unknown": "f(x," * 2_400,
    "not": "not " * 2_400 + "x",
    "lambdas": "lambda:" * 1_400 + "x",
    "choices": "x if x>0 else " * 700 + "x",
    "picks": "x" + "[0]" * 3_300,
    "lists": "[" * 60 + "]" * 60,
    "equations": "a=" * 4_900 + "a",
    "comparisons": "a<" * 4_900 + "a",
    "primes": "f" + "'" * 9_000 + "(x)",
    "derivatives": "∂J/∂" * 2_400,
    "slashes": "dJ/dw " * 1_600,
    "cases": r"\begin{cases}" * 380 + r"\end{cases}" * 380,
    "backslashes": "\\" * 9_999,
    "accents": "x" + "\u0302" * 9_000,
    "generators": "sum(x " + "for i in range(n) " * 500 + ")",
    "powers of powers": "9**9**9**9**9",
    "null": "\0",
    "half a pair": "\ud800",
    "turned": "\u202e x",
}


@pytest.mark.parametrize("syntax", [None, *SYNTAXES])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_ten_thousand_characters_are_answered_at_once(text, syntax):
    start = time.process_time()
    tried(text, syntax, {"w": 1, "x": 1, "a": ("n", "n")})
    assert time.process_time() - start < 2


def test_longer_formulas_are_not_read_at_all():
    with pytest.raises(FormulaError, match=f"at most {LENGTH}"):
        read("x" * (LENGTH + 1))


def test_so_many_levels_are_read_and_no_more():
    inside = "(" * (LEVELS - 2) + "x" + ")" * (LEVELS - 2)
    for syntax in SYNTAXES:
        assert read(inside, syntax=syntax) == read("x")
        with pytest.raises(FormulaError, match="levels deep"):
            read(f"((({inside})))", syntax=syntax)


def test_a_reader_with_little_stack_left_says_so():
    def deeper(levels):
        return deeper(levels - 1) if levels else read("(" * 50 + "x" + ")" * 50)

    with pytest.raises(FormulaError, match="levels deep"):
        deeper(sys.getrecursionlimit() - 300)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {path}')",
        "open('{path}', 'w')",
        'exec(\'open("{path}", "w")\')',
        "(lambda: open('{path}', 'w'))()",
        "[open('{path}', 'w') for x in y]",
        "().__class__.__bases__[0].__subclasses__()",
        "np.save('{path}', x)",
        "f'{{open(\"{path}\")}}'",
    ],
)
@pytest.mark.parametrize("syntax", [None, *SYNTAXES])
def test_nothing_is_ever_run(text, syntax, tmp_path):
    path = tmp_path / "made"
    with pytest.raises(FormulaError):
        read(text.format(path=path), syntax=syntax)
    assert not path.exists()
