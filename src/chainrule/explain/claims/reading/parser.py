r"""The grammar of formulas in text and in LaTeX, from the loosest to the tightest.

==============  ==================================================================================
equation        ``a = b = c``
choice          ``z if z > 0 else 0``
comparison      ``z > 0``; inside of brackets it counts 1 or 0, and ``i = j`` is one, too
sum             ``a + b − c``
product         ``a b``, ``a · b``, ``a × b``, ``a * b``, ``a ⊙ b``, ``A @ B``, ``a / b``
factor          ``x^2``, ``Aᵀ``, ``x_i``, ``√x``, ``σ'(z)``, ``log p``
==============  ==================================================================================

Products, with and without a sign, and quotients have one rank and are read **from the left**:
``1/2 x`` and ``1/2x`` are ``(1/2) x``, ``1/n Σ_i x_i`` is ``(1/n) Σ_i x_i``, ``-2/n (a) b`` is
``−((2/n) a b)``, ``a/b c`` is ``(a/b) c``. So do Python and calculators; what belongs under a line
needs brackets: ``1/(2n)``.

A ``Σ``, and a ``d/dw`` without brackets, reach to the next ``+`` or ``−``. A function without
brackets takes one factor, with its coefficient if that is joined to it: ``log p q`` is
``(log p) q`` and ``sin 2x`` is ``sin(2x)``. ``√x²`` is the root of the square, and ``x^-y^2`` is
``x^(−(y²))``.
"""

from collections.abc import Callable

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading.derivatives import Derivatives
from chainrule.explain.claims.reading.grammar import KEYWORDS
from chainrule.explain.claims.reading.names import named
from chainrule.explain.claims.reading.problems import LEVELS
from chainrule.explain.claims.reading.products import added
from chainrule.explain.claims.reading.tables import Tables
from chainrule.explain.claims.reading.tokens import Token, raw
from chainrule.explain.formulas.tree import (
    Apply,
    Cases,
    Compare,
    Divide,
    Equation,
    Expression,
    Matrix,
    Negative,
    Number,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["Parser"]

_RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
_PRODUCTS = ("*", "·", "×", "⊙", "@", "/")
_BEGINNINGS = frozenset(("word", "big", "accent", "fraction", "root", "cases", "matrix", "one"))
_DIGITS = 30


class Parser(Derivatives, Tables):
    """Reads the tokens of one formula; see the module."""

    def formula(self) -> Expression:
        """The whole: one side, or an equation."""
        sides = [self._defined() or self._side()]
        while self.accepts("="):
            sides.append(self._side())
        if self.here.kind != "end":
            raise self.leftover()
        return sides[0] if len(sides) == 1 else Equation(tuple(sides))

    def _defined(self) -> Expression | None:
        """The name of ``J(w) = …``, which is no product."""
        if not self.names_its_arguments(0):
            return None
        stop = self.matching(1)
        if self.token(stop + 1).text != "=":
            return None
        name = named(self.taken().text)
        self.at = stop + 1
        return name

    def _side(self) -> Expression:
        value = self.comparison()
        if not (self.here.kind == "word" and self.here.text == "if"):
            return value
        self.taken()
        condition = self.comparison()
        if not (self.here.kind == "word" and self.here.text == "else"):
            raise self.error("claims.otherwise")
        self.taken()
        with self.deeper():
            other = self._side()
        if isinstance(other, Cases):
            return Cases((condition, *other.conditions), (value, *other.values))
        return Cases((condition,), (value, other))

    def comparison(self) -> Expression:
        """A sum, or two with a relation between them."""
        left = self.sum()
        signs = (*_RELATIONS, "=") if self.level else _RELATIONS
        if not self.sees(*signs):
            return left
        relation = self.taken().text
        right = self.sum()
        if self.sees(*signs):
            raise self.error("claims.chained")
        return Compare("==" if relation == "=" else relation, left, right)

    def sum(self) -> Expression:
        """``a + b − c``."""
        terms = [self._signed(self.product)]
        while self.sees("+", "-"):
            negative = self.taken().text == "-"
            term = self._signed(self.product)
            terms.append(Negative(term) if negative else term)
        return added(terms)

    def _signed(self, rule: Callable[[], Expression]) -> Expression:
        """What follows one sign or none."""
        if not self.sees("+", "-"):
            return rule()
        negative = self.taken().text == "-"
        value = rule()
        return Negative(value) if negative else value

    def product(self) -> Expression:
        """``a b / c``, from the left."""
        left = self.factor()
        while True:
            if self.sees(*_PRODUCTS):
                sign = self.taken().text
                left = self._joined(sign, left, self._signed(self.factor))
            elif self.starts():
                left = self._joined("", left, self.factor())
            else:
                return left

    def _joined(self, sign: str, left: Expression, right: Expression) -> Expression:
        match sign:
            case "/":
                return self.products.over(left, right)
            case "*":
                return self.products.by_entry(left, right)
            case "⊙":
                return self.products.by_entry(left, right, arrays=True)
            case "@":
                return self.products.matrices(left, right)
        return self.products.beside(left, right, self.pooled)

    def starts(self) -> bool:
        """Whether a factor begins here."""
        token = self.here
        if token.kind == "number":
            indicates = token.text == "1" and self.ahead().text == "["
            return indicates or self._after_bracket()
        if token.kind == "word":
            return token.text not in KEYWORDS or self.names.has(token.text)
        if token.kind != "operator":
            return token.kind in _BEGINNINGS
        if token.text in ("|", "‖"):
            return not self.fences or self.fences[-1] not in ("|", "‖")
        if token.text in ("(", "["):
            return not self._is_otherwise(1)
        return token.text in ("{", "∂", "∇", "√", "∛", "…")

    def _after_bracket(self) -> bool:
        before = self.tokens[self.at - 1] if self.at else self.here
        return before.kind in ("above", "below", "fraction", "root") or before.text in (")", "]")

    def factor(self) -> Expression:
        """An atom with what is set above, below and behind it."""
        with self.deeper():
            start, base = self.at, self._atom()
            begun = self.at
            while True:
                token = self.here
                if self.at - begun > LEVELS:
                    raise self.error("claims.deep", self.tokens[start], levels=LEVELS)
                if token.kind == "above":
                    base = self._raised(base, self.taken())
                elif token.kind == "below":
                    base = self._lowered(base, self.taken())
                elif self.sees("^"):
                    base = self._power(base)
                elif self.sees("[") and not token.spaced and not isinstance(base, Number):
                    base = self._picked(base)
                elif self.sees("'"):
                    raise self.error("claims.prime")
                elif self.sees("!"):
                    raise self.error("claims.character")
                else:
                    return base

    def _raised(self, base: Expression, token: Token) -> Expression:
        """A power, a transpose, an inverse."""
        text = raw(token.parts[0])
        if text == "T" and (token.parts[0][0].upright or self._turns(base)):
            return _transposed(base)
        if text == "-1" and len(self.products.shape(base) or ()) > 1:
            return Apply("inverse", (base,))
        if text == "-T":
            return Transpose(Apply("inverse", (base,)))
        return self._to_the(base, self.all_of(token.parts[0]))

    def _power(self, base: Expression) -> Expression:
        """``^`` without braces."""
        self.taken()
        word = self.here.text if self.here.kind == "word" else ""
        whole = len(word) > 1 and self.names.has(word)
        if word[:1] == "T" and not whole and self._turns(base):
            if len(word) > 1:  # XᵀX is often written X^TX
                self.split("T", word[1:])
            self.taken()
            return _transposed(base)
        exponent = self._signed(self.factor)
        inverse = exponent == Negative(Number(1))
        if inverse and len(self.products.shape(base) or ()) > 1:
            return Apply("inverse", (base,))
        return self._to_the(base, exponent)

    def _turns(self, base: Expression) -> bool:
        """Whether ``^T`` of this is its transpose: a number T may be declared."""
        number = self.names.has("T") and not self.names.shape(Symbol("T"))
        return not number or bool(self.products.shape(base))

    def _to_the(self, base: Expression, exponent: Expression) -> Expression:
        if base == Symbol("e") and not self.names.has("e"):
            return Apply("exp", (exponent,))
        return Power(base, exponent)

    def _lowered(self, base: Expression, token: Token) -> Expression:
        """``‖x‖₂``, ``softmax(z)_i``."""
        text = raw(token.parts[0])
        if isinstance(base, Apply) and base.function == "norm" and text in ("2", "F"):
            return base
        if isinstance(base, Apply) and base.function == "norm" and text == "1":
            return Apply("sum", (Apply("abs", base.arguments),))
        if isinstance(base, Number | Power | Transpose):
            raise self.error("claims.subscript", token)
        indices = self.names.picked(text)
        if indices is None:
            raise self.error("claims.subscript", token)
        return _element(base, indices)

    def _picked(self, base: Expression) -> Expression:
        """``x[i, j]``, with numbers that count from zero as in Python."""
        opening = self.taken()
        stop = self.matching(self.at - 1)
        text = raw(tuple(self.tokens[self.at : stop]))
        indices = self.names.picked(text, first=0)
        if indices is None:
            raise self.error("claims.subscript", opening)
        self.at = stop
        self.closes("]", opening)
        return _element(base, indices)

    def _atom(self) -> Expression:
        token = self.here
        match token.kind:
            case "number":
                return self._number()
            case "word" | "big":
                return self.word()
            case "accent":
                return self.accented()
            case "fraction":
                return self.fraction()
            case "root":
                return self._root()
            case "cases":
                return self.case_table()
            case "matrix":
                return self.matrix_table()
            case "one":
                return self.indicator()
            case "operator":
                return self._sign()
        raise self.missing()

    def _sign(self) -> Expression:
        token = self.here
        match token.text:
            case "(":
                return self._bracket()
            case "[":
                return self.square_bracket()
            case "{":
                return self.cases_in_text()
            case "|" | "‖":
                return self._bars()
            case "∂":
                return self.derivative()
            case "∇":
                return self.gradient()
            case "√" | "∛":
                self.taken()
                return _root_of(self.factor(), 2 if token.text == "√" else 3)
            case "…":
                raise self.error("claims.dots")
        raise self.missing()

    def _number(self) -> Expression:
        token = self.taken()
        if len(token.text) > _DIGITS:
            raise self.error("claims.number", token)
        if token.text == "1" and self._holds_condition():
            return self.condition()
        value = int(token.text) if token.text.isdigit() else float(token.text)
        if isinstance(value, float) and value == float("inf"):
            raise self.error("claims.number", token)
        return Number(value)

    def _bracket(self) -> Expression:
        opening = self.taken()
        if self.sees(")"):
            raise self.error("claims.empty_part", opening)
        with self.within("("):
            inner = self.comparison()
            if isinstance(inner, Compare):
                self.skip_conditions()
        if self.sees(","):
            raise self.error("claims.comma")
        self.closes(")", opening)
        return inner

    def _bars(self) -> Expression:
        """``|x|`` and ``‖x‖``."""
        opening = self.taken()
        with self.within(opening.text):
            inner = self.sum()
        if opening.text == "|" and self.sees("‖"):  # |a||b|
            self.split("|", "|")
        self.closes(opening.text, opening)
        return Apply("abs" if opening.text == "|" else "norm", (inner,))

    def _root(self) -> Expression:
        token = self.taken()
        body = self.all_of(token.parts[0])
        if len(token.parts) == 1:
            return _root_of(body, 2)
        return Power(body, Divide(Number(1), self.all_of(token.parts[1])))

    def leftover(self) -> FormulaError:
        """The error about what cannot stand here."""
        token = self.here
        if self.sees(")", "]", "}"):
            return self.error("claims.unopened", bracket=token.text)
        if self.sees("="):
            return self.error("claims.equals")
        if token.kind == "number":
            return self.error("claims.no_operator")
        return self.error("claims.unexpected")

    def missing(self) -> FormulaError:
        """The error where a number, a symbol or a bracket should be."""
        before = self.tokens[self.at - 1] if self.at else None
        if self.here.kind == "operator" and self.here.text in (*_PRODUCTS, "+", "-", "^"):
            return self.error("claims.operators" if before else "claims.operand")
        if before is not None and self.here.kind == "end":
            return self.error("claims.operand", before)
        return self.leftover()


def _transposed(base: Expression) -> Expression:
    """The transpose; a row that is written out becomes a column."""
    if isinstance(base, Matrix) and len(base.rows) == 1:
        return Matrix(tuple((entry,) for entry in base.rows[0]))
    return Transpose(base)


def _root_of(body: Expression, degree: int) -> Expression:
    if degree == 2:
        return Apply("sqrt", (body,))
    return Power(body, Divide(Number(1), Number(degree)))


def _element(base: Expression, indices: tuple[Expression, ...]) -> Expression:
    if isinstance(base, Symbol):
        return Symbol(base.name, base.accent, base.layer, base.label, (*base.indices, *indices))
    return Apply("element", (base, *indices))
