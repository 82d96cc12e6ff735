"""Formulas in Python: parsed by :mod:`ast`, of which a closed set of nodes is read, none run.

``x @ w`` is a product of matrices, ``x * w`` is entry by entry, ``x[i, j]`` picks an element. The
names of modules before a function (``np.``, ``torch.``, ``nn.``) are dropped. Python counts from
zero and ``range`` ends before its end: ``x[0]`` is ``x_1``, and ``for i in range(n)`` is
``Σ_{i=1}^{n}``.
"""

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

from chainrule.errors import FormulaError, suggest
from chainrule.explain.claims.reading.building import Fail, called, chosen
from chainrule.explain.claims.reading.counting import counted_from_one, shifted
from chainrule.explain.claims.reading.functions import (
    BIG,
    FUNCTIONS,
    PREFIXES,
    REDUCTIONS,
    function_named,
)
from chainrule.explain.claims.reading.names import Names, named
from chainrule.explain.claims.reading.problems import LEVELS, unreadable
from chainrule.explain.claims.reading.products import Products, added
from chainrule.explain.formulas.names import GREEK
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Compare,
    Dots,
    Equation,
    Expression,
    Matrix,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["python_formula", "python_sides"]

_LAMBDA = re.compile(r"\blambda\b(?!\s*[\w\s,*=]*:)")
_EQUALS = re.compile(r"[(\[{]|[)\]}]|(?<![=<>!:*/+\-|&^%@])=(?!=)")
_RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DIGITS = 30
#: Nodes that a user may expect to work, and what they are called.
_REFUSED: dict[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.NamedExpr: ":=",
    ast.BoolOp: "and / or",
    ast.Dict: "{…: …}",
    ast.Set: "{…}",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.JoinedStr: 'f"…"',
    ast.Starred: "*",
    ast.Slice: ":",
}


def python_sides(source: str) -> list[tuple[int, str]]:
    """The sides of an equation and where they begin; ``==`` and keywords do not divide.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.python import python_sides
    >>> python_sides("L = sum(x, axis=0)")
    [(0, 'L '), (3, ' sum(x, axis=0)')]
    """
    level, start, found = 0, 0, []
    for match in _EQUALS.finditer(source):
        level += (match[0] in "([{") - (match[0] in ")]}")
        if match[0] == "=" and level == 0:
            found.append((start, source[start : match.start()]))
            start = match.end()
    return [*found, (start, source[start:])]


def parsed(source: str) -> ast.expr:
    """The syntax tree of one side.

    Raises
    ------
    SyntaxError, ValueError, MemoryError, RecursionError
        If Python does not read it.
    """
    # λ is as good a name as lambda, which is a keyword; the spaces keep all columns.
    named_lambda = _LAMBDA.sub("λ     ", source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(f"({named_lambda}\n)", mode="eval").body


def python_formula(source: str, names: Names) -> Expression:
    """The formula that a Python expression, or several with ``=`` between them, says."""
    sides = []
    for start, text in python_sides(source):
        if not text.strip():
            raise unreadable("claims.empty_part", source, max(start - 1, 0))
        sides.append(_Reader(source, text, start, names).side())
    return sides[0] if len(sides) == 1 else Equation(tuple(sides))


class _Reader:
    """Reads one side."""

    def __init__(self, source: str, text: str, start: int, names: Names) -> None:
        self.source, self.text, self.start, self.names = source, text, start, names
        self.products = Products(names)
        self.level = 0

    def side(self) -> Expression:
        """The whole side."""
        try:
            tree = parsed(self.text)
        except SyntaxError as error:
            raise self._syntax(error) from None
        except (ValueError, MemoryError, RecursionError):
            raise unreadable(
                "claims.python_syntax", self.source, self.start, len(self.source)
            ) from None
        return counted_from_one(self._read(tree))

    def _syntax(self, error: SyntaxError) -> FormulaError:
        """The error about what Python cannot read; a bracket without its partner comes first."""
        open_at: list[int] = []
        for place, sign in enumerate(self.text, self.start):
            if sign in _CLOSING:
                open_at.append(place)
            elif sign in ")]}" and not open_at:
                return unreadable("claims.unopened", self.source, place, bracket=sign)
            elif sign in ")]}":
                open_at.pop()
        if open_at:
            sign = _CLOSING[self.source[open_at[-1]]]
            return unreadable("claims.unclosed", self.source, open_at[-1], bracket=sign)
        lines = self.text.split("\n")
        row = min((error.lineno or 1) - 1, len(lines) - 1)
        column = (error.offset or 1) - 1 - (row == 0)
        place = self.start + sum(len(line) + 1 for line in lines[:row]) + max(column, 0)
        place = min(place, self.start + max(len(self.text.rstrip()) - 1, 0))
        return unreadable("claims.python_syntax", self.source, place, place + 12)

    def _place(self, node: ast.expr) -> tuple[int, int]:
        """Where a node stands in the source."""
        return self._offset(node.lineno, node.col_offset), self._offset(
            node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        )

    def _offset(self, line: int, column: int) -> int:
        lines = self.text.split("\n")
        row = min(line - 1, len(lines) - 1)
        column -= row == 0  # the bracket that was put before it
        own = lines[row].replace("λ", "λ").encode()
        letters = len(own[: max(column, 0)].decode(errors="ignore"))
        return self.start + sum(len(each) + 1 for each in lines[:row]) + letters

    def _error(self, key: str, node: ast.expr, /, **values: object) -> FormulaError:
        return unreadable(key, self.source, *self._place(node), **values)

    def _failing(self, node: ast.expr) -> Fail:
        return lambda key, **values: self._error(key, node, **values)

    def _read(self, node: ast.expr) -> Expression:
        self.level += 1
        if self.level > LEVELS:
            raise self._error("claims.deep", node, levels=LEVELS)
        found = self._found(node)
        self.level -= 1
        return found

    def _found(self, node: ast.expr) -> Expression:
        match node:
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise self._error("claims.python_part", node)
            case ast.Constant(value=int() | float() as value):
                return self._number(node, value)
            case ast.Name(id=name):
                return self._symbol(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Negative(self._read(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._read(operand)
            case ast.BinOp():
                return self._operation(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return chosen((self._condition(test),), (self._read(body), self._read(orelse)))
            case ast.Subscript():
                return self._picked(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._matrix(node, elements)
        if what := _REFUSED.get(type(node)):
            raise self._error("claims.python_node", node, what=what)
        raise self._error("claims.python_part", node)

    def _number(self, node: ast.Constant, value: int | float) -> Expression:
        if len(str(value)) > _DIGITS or value == float("inf"):
            raise self._error("claims.number", node)
        return Number(value)

    def _symbol(self, name: str) -> Symbol:
        return self.names.identifier(name)

    # ------------------------------------------------------------------ operators

    def _operation(self, node: ast.BinOp) -> Expression:
        if isinstance(node.op, ast.Div) and (partial := self._derivative(node)):
            return partial
        if isinstance(node.op, ast.BitXor):
            raise self._error("claims.python_caret", node)
        terms = self._chain(node)
        if terms is not None:
            return added(terms)
        left, right = self._read(node.left), self._read(node.right)
        match node.op:
            case ast.Mult():
                return self.products.by_entry(left, right)
            case ast.MatMult():
                return self.products.matrices(left, right)
            case ast.Div():
                return self.products.over(left, right)
            case ast.Pow():
                is_e = left == Symbol("e") and not self.names.has("e")
                return Apply("exp", (right,)) if is_e else Power(left, right)
        raise self._error("claims.python_part", node)

    def _chain(self, node: ast.BinOp) -> list[Expression] | None:
        """The terms of a sum, however many; ``None`` if it is none."""
        terms: list[Expression] = []
        head: ast.expr = node
        while isinstance(head, ast.BinOp) and isinstance(head.op, ast.Add | ast.Sub):
            term = self._read(head.right)
            terms.append(Negative(term) if isinstance(head.op, ast.Sub) else term)
            head = head.left
        return [self._read(head), *reversed(terms)] if terms else None

    def _derivative(self, node: ast.BinOp) -> Expression | None:
        """``dJ/dw``, where neither dJ nor dw is declared."""
        match node:
            case ast.BinOp(left=ast.Name(id=of), right=ast.Name(id=by)):
                if of[:1] != "d" or by[:1] != "d" or len(of) < 2 or len(by) < 2:
                    return None
                if self.names.has(of) or self.names.has(by):
                    return None
                head = by[1:].partition("_")[0]
                short = len(named(head).name) == 1 or named(head).name in GREEK
                if head and (short or self.names.has(head)) and of[1:].strip("_"):
                    return Partial(self._symbol(of[1:]), self._symbol(by[1:]), True)
        return None

    def _comparison(self, node: ast.Compare) -> Expression:
        if len(node.ops) > 1:
            raise self._error("claims.chained", node)
        relation = _RELATIONS.get(type(node.ops[0]))
        if relation is None:
            raise self._error("claims.python_part", node)
        return Compare(relation, self._read(node.left), self._read(node.comparators[0]))

    def _condition(self, node: ast.expr) -> Expression:
        found = self._read(node)
        if not isinstance(found, Compare):
            raise self._error("claims.condition", node)
        return found

    # ------------------------------------------------------------------ indices

    def _picked(self, node: ast.Subscript) -> Expression:
        if isinstance(node.value, ast.Constant) and node.value.value == 1:  # 1[z > 0]
            return self._condition(node.slice)
        if expected := self._expected(node):
            return expected
        base = self._read(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        indices = tuple(self._index(part) for part in parts)
        if isinstance(base, Symbol):
            return replace(base, indices=(*base.indices, *indices))
        return Apply("element", (base, *indices))

    def _expected(self, node: ast.Subscript) -> Expression | None:
        """``E[(t - y)**2]``, where E is not declared and what is inside is no index."""
        match node:
            case ast.Subscript(value=ast.Name(id="E"), slice=inside) if not self.names.has("E"):
                if not isinstance(inside, ast.Constant | ast.Slice | ast.Tuple):
                    found = self._read(inside)
                    if not isinstance(found, Symbol) or found.key not in set("ijkl"):
                        return called("mean", [found], self.products, self._failing(node))
        return None

    def _index(self, node: ast.expr) -> Expression:
        match node:
            case ast.Slice(lower=None, upper=None, step=None):
                return Dots()
            case ast.UnaryOp() | ast.Slice():
                raise self._error("claims.python_index", node)
        found = self._read(node)
        if not isinstance(found, Number | Symbol | Add) or isinstance(_number_of(found), float):
            raise self._error("claims.python_index", node)
        return found

    # ------------------------------------------------------------------ attributes and calls

    def _attribute(self, node: ast.Attribute) -> Expression:
        if node.attr in ("T", "mT"):
            return Transpose(self._read(node.value))
        match node.value:
            case ast.Name(id=module) if module in PREFIXES and node.attr in ("pi", "e"):
                return Symbol("pi") if node.attr == "pi" else Apply("exp", (Number(1),))
        raise self._error("claims.python_attribute", node)

    def _call(self, node: ast.Call) -> Expression:
        if special := self._special(node):
            return special
        word, values = self._callee(node)
        axis = self._axis(node)
        arguments = [*values, *node.args]
        name = function_named(word)
        if name in REDUCTIONS and len(arguments) == 2 and name not in ("max", "min"):
            axis, arguments = self._whole(arguments[1]), arguments[:1]
        if len(arguments) == 1 and isinstance(arguments[0], ast.GeneratorExp | ast.ListComp):
            return self._big(node, name, arguments[0])
        if any(isinstance(each, ast.Starred) for each in arguments):
            raise self._error("claims.python_node", node, what="*")
        if name is None or self.names.has(word):
            return self._unknown(node, word, arguments)
        trees = [self._read(each) for each in arguments]
        return called(name, trees, self.products, self._failing(node), axis)

    def _special(self, node: ast.Call) -> Expression | None:
        """What the printer writes: ``derivative(J, w)``, ``grad(relu)(z)``, ``array([…])``."""
        match node:
            case ast.Call(func=ast.Name(id="derivative"), args=[of, by], keywords=[]):
                return Partial(self._read(of), self._read(by))
            case ast.Call(func=ast.Name(id="array"), args=[entries], keywords=[]):
                return self._read(entries)
            case ast.Call(func=ast.Call(func=ast.Name(id="grad"), args=[_], keywords=[])):
                primes, inner = 0, node.func
                while isinstance(inner, ast.Call) and len(inner.args) == 1:
                    primes, inner = primes + 1, inner.args[0]
                found = self._call(
                    ast.copy_location(ast.Call(inner, node.args, node.keywords), node)
                )
                return replace(found, primes=primes) if isinstance(found, Apply) else None
        return None

    def _callee(self, node: ast.Call) -> tuple[str, list[ast.expr]]:
        """The name of what is called, and what stands before the point of a method."""
        match node.func:
            case ast.Name(id=word):
                return ("sigmoid" if word == "σ" and not self.names.has("σ") else word), []
            case ast.Attribute(value=value, attr=attribute):
                if _is_module(value) and not attribute.startswith("_"):
                    return attribute, []
                if attribute in (*REDUCTIONS, "dot", "transpose"):
                    return attribute, [value]
                raise self._error("claims.python_attribute", node.func)
        raise self._error("claims.python_call", node)

    def _axis(self, node: ast.Call) -> int | None:
        axis = None
        for keyword in node.keywords:
            if keyword.arg not in ("axis", "dim"):
                raise self._error("claims.python_keyword", node, keyword=keyword.arg or "**")
            axis = self._whole(keyword.value)
        return axis

    def _whole(self, node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int(value)) if not isinstance(value, bool) and value < 99:
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if value < 99:
                return -value
        raise self._error("claims.axis", node)

    def _unknown(self, node: ast.Call, word: str, arguments: list[ast.expr]) -> Expression:
        """A function that nobody defined, if it is a letter; else a ``*`` may be missing."""
        if self.names.has(word):
            raise self._error("claims.python_product", node, name=word)
        symbol = self._symbol(word)
        if (len(symbol.name) > 1 and symbol.name not in GREEK) or not arguments:
            near = suggest(word[:40], FUNCTIONS)
            raise self._error("claims.function", node.func, suggestion=near)
        return Apply(symbol.key, tuple(self._read(each) for each in arguments))

    def _big(
        self, node: ast.Call, name: str | None, comprehension: ast.GeneratorExp | ast.ListComp
    ) -> Expression:
        """``sum(x[i] for i in range(n))``."""
        kind = BIG.get(name or "")
        if kind is None:
            raise self._error("claims.python_comprehension", node)
        ranges = [self._range(node, each) for each in comprehension.generators]
        body = self._read(comprehension.elt)
        for generator in reversed(comprehension.generators):
            for test in generator.ifs:
                body = self._times(self._condition(test), body)
        for index, lower, upper in reversed(ranges):
            body = Big(kind, body, index, lower, upper)
        return body

    def _times(self, condition: Expression, body: Expression) -> Expression:
        factors = body.factors if isinstance(body, Multiply) and not body.arrays else (body,)
        return Multiply((condition, *factors))

    def _range(
        self, node: ast.Call, generator: ast.comprehension
    ) -> tuple[Symbol, Expression | None, Expression | None]:
        """The index of a loop and its first and last value."""
        match generator:
            case ast.comprehension(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]),
            ) if 1 <= len(bounds) <= 2 and "_" not in name:
                if isinstance(bounds[-1], ast.Name) and bounds[-1].id == f"size_{name}":
                    return self._symbol(name), None, None  # as it is printed: the whole axis
                first, last = [Number(0), *(self._read(each) for each in bounds)][-2:]
                return self._symbol(name), first, shifted(last, -1)
        raise self._error("claims.python_comprehension", node)

    def _matrix(self, node: ast.expr, elements: Sequence[ast.expr]) -> Expression:
        if len(elements) == 1 and isinstance(elements[0], ast.Compare):
            return self._read(elements[0])  # [z > 0] counts 1 or 0
        if not elements:
            raise self._error("claims.empty_part", node)
        if not all(isinstance(each, ast.List | ast.Tuple) for each in elements):
            return Matrix(tuple((self._read(each),) for each in elements))
        rows = [each.elts for each in elements if isinstance(each, ast.List | ast.Tuple)]
        if len({len(row) for row in rows}) != 1 or not rows[0]:
            raise self._error("claims.matrix", node)
        return Matrix(tuple(tuple(self._read(entry) for entry in row) for row in rows))


def _is_module(node: ast.expr) -> bool:
    """Whether this is ``np``, ``np.linalg``, ``torch.nn.functional``."""
    while isinstance(node, ast.Attribute) and node.attr in PREFIXES:
        node = node.value
    return isinstance(node, ast.Name) and node.id in PREFIXES


def _number_of(tree: Expression) -> object:
    return tree.value if isinstance(tree, Number) else None
