"""What cannot be read is quoted, with its position and a mend, in both languages."""

import pytest

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading import read, read_symbol

UNREADABLE = [
    # text
    ("", "text", "empty", ""),
    ("   ", "text", "empty", ""),
    ("ab x", "text", "ambiguous", "'ab' at position 1"),
    ("2 ab", "text", "ambiguous", "a·b"),
    ("sigmod(z)", "text", "function", "Did you mean 'sigmoid'"),
    ("det(A)", "text", "function", "'det'"),
    ("(a + b", "text", "unclosed", "'(' at position 1"),
    ("a + b)", "text", "unopened", "')' at position 6"),
    ("a + * b", "text", "operators", "'*' at position 5"),
    ("2 * / x", "text", "operators", "'/' at position 5"),
    ("* x", "text", "operand", "'*' at position 1"),
    ("x +", "text", "operand", "'+' at position 3"),
    ("x^", "text", "operand", "'^' at position 2"),
    ("a = ", "text", "operand", "'=' at position 3"),
    ("= a", "text", "equals", "'=' at position 1"),
    ("a b 2", "text", "no_operator", "'2' at position 5"),
    ("()", "text", "empty_part", "'('"),
    ("(a, b)", "text", "comma", "',' at position 3"),
    ("a # b", "text", "character", "'#' at position 3"),
    ("x → y", "text", "character", "'→' at position 3"),
    ("5!", "text", "character", "'!'"),
    ("x_", "text", "subscript", "'_' at position 2"),
    ("x_{}", "text", "subscript", "'_{}'"),
    ("x_{i", "text", "unclosed", "'{'"),
    ("2_i", "text", "subscript", ""),
    ("0 < x < 1", "text", "chained", "'<' at position 7"),
    ("{z if z > 0; x if x > 0}", "text", "otherwise", ""),
    ("{z}", "text", "cases", ""),
    ("z if z > 0", "text", "otherwise", ""),
    ("{z if z; 0 otherwise}", "text", "condition", ""),
    ("y'", "text", "prime", "\"'\" at position 2"),
    ("sin", "text", "no_argument", "sin"),
    ("Σ_i", "text", "no_argument", ""),
    ("tanh(x, y)", "text", "arguments", "gives 2"),
    ("max() + 1", "text", "arguments", "gives 0"),
    ("sin^{-1}(x)", "text", "function_power", "sin"),
    ("Σ_{i∈S} x_i", "text", "character", "'∈'"),
    ("Σ_{i>2} x_i", "text", "big", "i>2"),
    ("min_i x_i", "text", "big", "min"),
    ("∂J", "text", "derivative", "'∂' at position 1"),
    ("∂²J/∂w", "text", "derivative", ""),
    ("∇J", "text", "gradient", "'∇'"),
    ("x_1 + … + x_n", "text", "dots", "'…'"),
    ("9" * 40, "text", "number", ""),
    ("1e999", "text", "number", "1e999"),
    ("[a, b; c]", "text", "matrix", ""),
    ("sum(x, axis=i)", "text", "axis", ""),
    ("f()", "text", "no_argument", "'f'"),
    ("x if", "text", "operand", ""),
    ("a + if", "text", "unexpected", "'if'"),
    ("two times x, of course!", "text", "ambiguous", "'two' at position 1"),
    # LaTeX
    (r"\foo{x}", "latex", "command", r"'\\foo' at position 1"),
    (r"\sigmoid x", "latex", "command", r"\\sigma"),
    (r"\int x", "latex", "command", "int"),
    (r"\begin{tabular} x \end{tabular}", "latex", "command", "tabular"),
    (r"\begin{cases} z & z>0", "latex", "unclosed", r"\end{cases}"),
    (r"\frac{1}", "latex", "argument", "frac"),
    (r"\frac{1}{x", "latex", "unclosed", "'{'"),
    (r"x}", "latex", "unopened", "'}'"),
    (r"\hat", "latex", "argument", "hat"),
    (r"\hat{x + y}", "latex", "accent", ""),
    (r"\sqrt{}", "latex", "empty_part", ""),
    (r"\left( x", "latex", "unclosed", "'('"),
    (r"x_{}", "latex", "subscript", ""),
    (r"\ldots", "latex", "dots", "ldots"),
    (r"\mathbb{1}_{z}", "latex", "condition", ""),
    # Python
    ("x +", "python", "python_syntax", ""),
    ("2 x", "python", "python_syntax", "2 x"),
    ("sigmoid(z)*(1 - z", "python", "unclosed", "'(' at position 12"),
    ("x)*2", "python", "unopened", "')' at position 2"),
    ("2*x^2", "python", "python_caret", "'2*x^2'"),
    ("lambda x: x", "python", "python_node", "lambda"),
    ("(x := 5)*2", "python", "python_node", ":="),
    ("x > 0 and y > 0", "python", "python_node", "and"),
    ("f(*x)", "python", "python_node", "*"),
    ("0 < x < 1", "python", "chained", "'0 < x < 1'"),
    ("x.foo", "python", "python_attribute", "'x.foo'"),
    ("x.__class__", "python", "python_attribute", "__class__"),
    ("np.__loader__(x)", "python", "python_attribute", "__loader__"),
    ("__import__('os').system('true')", "python", "python_attribute", "__import__"),
    ("eval('1')", "python", "function", "eval"),
    ("open('x')", "python", "function", "open"),
    ("foo(x)", "python", "function", "'foo'"),
    ("sigmod(x)", "python", "function", "sigmoid"),
    ("f(x)(y)", "python", "python_call", ""),
    ("'x'*2", "python", "python_part", "'x'"),
    ("x % 2", "python", "python_part", ""),
    ("True*x", "python", "python_part", "True"),
    ("1j*x", "python", "python_part", "1j"),
    ("x[-1]", "python", "python_index", "'-1' at position 3"),
    ("x[1:2]", "python", "python_index", ""),
    ("x[0.5]", "python", "python_index", "0.5"),
    ("[x for x in y]", "python", "python_part", ""),
    ("sum(x for x in y)", "python", "python_comprehension", ""),
    ("exp(x[i] for i in range(n))", "python", "python_comprehension", ""),
    ("sum(x, keepdims=True)", "python", "python_keyword", "keepdims"),
    ("sum(x, axis=i)", "python", "axis", ""),
    ("where(z > 0, 1)", "python", "arguments", "where"),
    ("z if z else 0", "python", "condition", "'z'"),
    ("[[a, b], [c]]", "python", "matrix", ""),
    ("a = ", "python", "empty_part", ""),
    ("9"*40 + "*x", "python", "number", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "syntax", "key", "says"), UNREADABLE, ids=[f"{s}-{t[:30]}" for t, s, *_ in UNREADABLE]
)
def test_what_cannot_be_read_is_quoted(text, syntax, key, says, monkeypatch):
    with pytest.raises(FormulaError) as caught:
        read(text, syntax=syntax)
    error = caught.value
    assert error.key == f"claims.{key}"
    assert says in str(error)
    if part := error.values.get("part"):
        assert part.rstrip("…") in text
        position = error.values["position"]
        assert text[position - 1 :].lstrip().startswith(part.rstrip("…"))
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    assert any("가" <= letter <= "힣" for letter in str(error))


def test_positions_are_found_behind_wide_characters_and_lines():
    with pytest.raises(FormulaError, match=r"'foo' \(at position 11"):
        read("λ*ŷ*가중치 + foo(x)", syntax="python")
    with pytest.raises(FormulaError, match=r"'foo' \(at position 5"):
        read("a +\nfoo(x)", syntax="python")
    with pytest.raises(FormulaError, match=r"'foo' \(at position 5"):
        read("J = foo(x)", syntax="python")


def test_a_declared_symbol_is_no_function_in_python():
    with pytest.raises(FormulaError, match=r"Write w\*\(…\)"):
        read("w(x + b)*2", known={"w": 0, "x": 0, "b": 0})


def test_a_wrt_is_one_symbol():
    for text in ("w + b", "2", "f(x)", "w x"):
        with pytest.raises(FormulaError, match="is not one symbol"):
            read_symbol(text)
