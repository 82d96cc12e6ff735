"""Reading a formula in any of the three syntaxes."""

import ast
import re

from chainrule.errors import OptionError
from chainrule.explain.claims.reading.latex import latex_tokens
from chainrule.explain.claims.reading.letters import composed
from chainrule.explain.claims.reading.names import Known, Names
from chainrule.explain.claims.reading.parser import Parser
from chainrule.explain.claims.reading.problems import check_size, unreadable
from chainrule.explain.claims.reading.products import Products
from chainrule.explain.claims.reading.python import parsed, python_formula, python_sides
from chainrule.explain.claims.reading.scout import scout
from chainrule.explain.claims.reading.text import text_tokens
from chainrule.explain.formulas.tree import Expression, Symbol, walk

__all__ = ["SYNTAXES", "detect", "mentioned", "read", "shape_of", "tree_depth"]

SYNTAXES = ("python", "text", "latex")
#: The deepest tree that is made; chains such as ``a/b/c`` are deep without brackets.
DEPTH = 100

_LATEX = re.compile(r"\\[A-Za-z|\[(,]|\$")
_OPERATIONS = (ast.Mult, ast.MatMult, ast.Pow)
_PYTHON = (ast.Subscript, ast.Attribute, ast.GeneratorExp, ast.ListComp, ast.List, ast.keyword)
_PYTHON_ONLY = (*_PYTHON, ast.Lambda, ast.IfExp, ast.BoolOp, ast.Dict, ast.Set, ast.Await)


def read(text: str, *, syntax: str | None = None, known: Known | None = None) -> Expression:
    r"""The formula that a text says, as a tree.

    Parameters
    ----------
    text
        The formula; with ``=``, an equation.
    syntax
        ``"python"``, ``"text"`` (Unicode or ASCII) or ``"latex"``; by default :func:`detect`.
    known
        The symbols that are declared elsewhere, and the shape of each (sizes as numbers or
        letters) or its number of axes, or ``None`` where neither is known. Names are written in
        any way (``"y_hat"``, ``"ŷ"``); with an index or label below, that very name is declared.
        Sizes are declared with them. With a mapping, however empty, symbols that are not in it
        are numbers; without, nothing is known of their axes, and ``W x`` is no product of
        matrices.

    Returns
    -------
    Expression
        One tree for the same formula in all syntaxes; see
        :mod:`chainrule.explain.claims.reading`.

    Raises
    ------
    FormulaError
        If a part cannot be read; the message quotes it, says where it stands, and what to do.
    OptionError
        If there is no such syntax.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read
    >>> from chainrule.explain.formulas import to_text
    >>> to_text(read(r"-\frac{2}{n}\sum_i (y_i-\hat y_i) w_j"))
    '−2/n · Σᵢ (yᵢ − ŷᵢ) · wⱼ'
    >>> type(read("W x", known={"W": ("m", "d"), "x": ("d",)})).__name__
    'MatMul'
    """
    if syntax is not None and syntax not in SYNTAXES:
        choices = ", ".join(map(repr, SYNTAXES))
        raise OptionError("claims.syntax", syntax=syntax, choices=choices)
    source = _without_point(composed(text))
    check_size(source)
    names = Names.of(known)
    try:
        found = _read(source, syntax or detect(source), names)
    except RecursionError:  # whoever calls has used up the stack already
        raise unreadable("claims.deep", source, 0, len(source), levels=DEPTH) from None
    if tree_depth(found) > DEPTH:
        raise unreadable("claims.deep", source, 0, len(source), levels=DEPTH)
    return found


def _read(source: str, syntax: str, names: Names) -> Expression:
    if syntax == "python":
        return python_formula(source, names)
    latex = syntax == "latex"
    tokens = latex_tokens(source) if latex else text_tokens(source)
    scout(tokens, names)
    return Parser(source, tokens, names, Products(names), latex).formula()


def detect(text: str) -> str:
    r"""The syntax that a formula is written in: ``"latex"``, ``"python"`` or ``"text"``.

    A backslash or a dollar makes it LaTeX. What Python reads and writes with signs of its own
    (``*``, ``**``, ``@``, ``x[i]``, ``axis=``) is Python; everything else is text. ``^`` is a
    power, so a formula with it is text.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import detect
    >>> detect(r"\frac{1}{2}"), detect("-2*mean((t - y)*x)"), detect("−2/n Σ (t − y) x")
    ('latex', 'python', 'text')
    """
    if _LATEX.search(text):
        return "latex"
    if len(text) > 20_000:
        return "text"
    try:
        trees = [parsed(side) for _, side in python_sides(text)]
        marked = any(_is_marked(node) for tree in trees for node in ast.walk(tree))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return "text"
    caret = any(isinstance(node, ast.BitXor | ast.BitOr) for t in trees for node in ast.walk(t))
    return "python" if marked and not caret else "text"


def _is_marked(node: ast.AST) -> bool:
    """Whether text would not be written so."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, _OPERATIONS)
    return isinstance(node, _PYTHON_ONLY)


def shape_of(tree: Expression, known: Known | None = None) -> tuple[str | int | None, ...] | None:
    """The sizes of the axes of a formula, with ``None`` for a size, or for all, not to be known.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read, shape_of
    >>> known = {"X": ("n", "d"), "w": ("d",)}
    >>> shape_of(read("X w + b", known=known), known)
    ('n',)
    """
    return Products(Names.of(known)).shape(tree)


def mentioned(tree: Expression) -> dict[str, int]:
    """The symbols of a formula (:attr:`Symbol.key`) and how many indices each has at most.

    What one formula mentions, another one may be read with: see ``known`` of :func:`read`.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import mentioned, read
    >>> mentioned(read("Σ_i x_ij w_j + b"))
    {'x': 2, 'i': 0, 'j': 0, 'w': 1, 'b': 0}
    """
    found: dict[str, int] = {}
    for part in walk(tree):
        if isinstance(part, Symbol):
            found[part.key] = max(found.get(part.key, 0), len(part.indices))
    return found


def tree_depth(tree: Expression) -> int:
    """How many parts are inside of each other, at most."""
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for part in level for child in part.children]
    return deepest


def _without_point(text: str) -> str:
    """A formula without the point or comma of the sentence it stands at the end of."""
    bare = text.rstrip()
    return bare[:-1] if bare.endswith((".", ",", ";", "。")) and not bare.endswith("..") else text
