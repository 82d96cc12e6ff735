"""Formulas as Unicode text, on one line: ``∂J/∂w¹₃₁ = −2 · (t − y) · a¹``."""

from collections.abc import Sequence
from types import MappingProxyType

from chainrule import words
from chainrule.explain.formulas.names import (
    FUNCTIONS,
    clean,
    name_text,
    subscript,
    superscript,
)
from chainrule.explain.formulas.numbers import DIGITS, number_text, written
from chainrule.explain.formulas.printer import Level, Piece, Printer
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Cases,
    Divide,
    Expression,
    MatMul,
    Matrix,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["TextPrinter", "to_text"]

RELATIONS = MappingProxyType(
    {"<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ", "!=": " ≠ "}
)
BIG = MappingProxyType({"sum": "Σ", "product": "Π"})


def to_text(expression: Expression, digits: int | None = DIGITS, lang: str | None = None) -> str:
    """A formula as Unicode text on one line.

    A product of numbers is ``a · b``, of arrays element by element ``a ⊙ b``, of matrices ``A B``.
    A small raised number is a layer's or a power; what has both is ``(z²)²``. What Unicode has no
    small letter for stands after ``^`` and ``_``.

    Parameters
    ----------
    expression
        The formula.
    digits
        How many digits of a measured number count; ``None`` for all.
    lang
        The language of the words in it ("otherwise"); by default :func:`chainrule.words.language`.

    Examples
    --------
    >>> from chainrule.explain.formulas import Add, Equation, Multiply, Negative, Number, Partial
    >>> from chainrule.explain.formulas import Symbol, to_text
    >>> t, y = Symbol("t"), Symbol("y", accent="hat")
    >>> error = Multiply((Number(-2), Add((t, Negative(y)))))
    >>> to_text(Equation((Partial(Symbol("J"), y), error, Number(-0.5000004))))
    '∂J/∂ŷ = −2 · (t − ŷ) = −0.5'
    """
    return TextPrinter(expression, digits, lang).print()


class TextPrinter(Printer):
    """Unicode text; see :func:`to_text`."""

    comma = ","

    def wrapped(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def indicator(self, condition: str) -> str:
        """1 where the condition holds, else 0."""
        return f"1[{condition}]"

    def relation(self, name: str) -> str:
        """The sign of a comparison."""
        return RELATIONS[name]

    def magnitude(self, node: Number) -> tuple[str, Level, bool]:
        """A number without its sign, how tightly that binds, and whether there is a minus."""
        parts = written(node.value, self.digits)
        text = number_text(node.value, self.digits).removeprefix("−")
        whole = not parts.denominator and parts.power is None
        return text, Level.ATOM if whole else Level.TIGHT, parts.negative

    def label(self, text: str) -> str:
        """What stands below a symbol and picks nothing."""
        return clean(text)

    def symbol(self, node: Symbol) -> Piece:
        """``w¹₃₁``; with a layer it is no base for a power."""
        name = name_text(node.name, node.accent)
        text = name + _raised(clean(node.layer)) + _lowered(self.below(node))
        return Piece(text, Level.POWER if node.layer else Level.ATOM)

    def matmul(self, node: MatMul) -> Piece:
        """``A B``."""
        left, right = self.first(node.left, Level.JOINED), self.first(node.right, Level.POWER)
        # 2 3 would be read as one number.
        sign = " × " if right.text[0].isdecimal() else " "
        return Piece(left.text + sign + right.text, Level.JOINED)

    def divide(self, node: Divide) -> Piece:
        """``a/b``, with spaces where the parts have some."""
        above = self.first(node.numerator, Level.SIGN)
        if above.open or above.level in (Level.BIG, Level.RATIO, Level.TIGHT):
            above = self.closed(above)
        below = self.next(node.denominator, Level.POWER)
        if " " in above.text or " " in below.text:
            return self.following(above, f" / {below.text}", Level.RATIO)
        return self.following(above, f"/{below.text}", Level.TIGHT)

    def power(self, node: Power) -> Piece:
        """``x²``, ``x^(a + b)``."""
        base = self.next(node.base, Level.ATOM).text
        small = superscript(self.text(node.exponent))
        return Piece(base + (small or f"^{self.next(node.exponent, Level.ATOM).text}"), Level.POWER)

    def transpose(self, node: Transpose) -> Piece:
        """``Aᵀ``."""
        return Piece(self.next(node.operand, Level.ATOM).text + "ᵀ", Level.POWER)

    def special(self, function: str, argument: Expression) -> Piece | None:
        """``√x``, ``|x|``, ``‖x‖``, ``A⁻¹``, ``1[z > 0]``."""
        match function:
            case "sqrt":
                return Piece(f"√{self.next(argument, Level.ATOM).text}", Level.POWER)
            case "abs":
                return Piece(f"|{self.inner(argument)}|")
            case "norm":
                return Piece(f"‖{self.inner(argument)}‖")
            case "inverse":
                return Piece(f"{self.next(argument, Level.ATOM).text}⁻¹", Level.POWER)
            case "indicator":
                return Piece(self.indicator(self.text(argument)))
        return None

    def element(self, base: Expression, picked: Symbol) -> Piece:
        """``softmax(z)ᵢ``."""
        return Piece(self.next(base, Level.ATOM).text + _lowered(self.below(picked)))

    def function(self, node: Apply, arguments: Sequence[str]) -> Piece:
        """``tanh(z)``, ``σ′(z)``, ``sum(x, axis=1)``."""
        name = FUNCTIONS.get(node.function) or name_text(node.function)
        axis = [] if node.axis is None else [f"axis={node.axis}"]
        return Piece(f"{name}{'′' * node.primes}({', '.join([*arguments, *axis])})")

    def big_sign(self, node: Big) -> str:
        """``Σᵢ₌₁ⁿ``, ``maxᵢ``."""
        below = "=".join(self.text(part) for part in (node.index, node.lower) if part)
        above = self.text(node.upper) if node.upper else ""
        return f"{BIG.get(node.kind, node.kind)}{_lowered(below)}{_raised(above)} "

    def partial(self, node: Partial) -> Piece:
        """``∂J/∂w``."""
        d = "d" if node.total else "∂"
        of, by = self.next(node.of, Level.POWER).text, self.next(node.by, Level.POWER).text
        return Piece(f"{d}{of}/{d}{by}", Level.TIGHT)

    def cases(self, node: Cases) -> Piece:
        """``{z if z > 0, 0 otherwise}``."""
        parts = [
            words.text("explain.case", self.lang, value=value, condition=condition)
            for value, condition in self.branches(node)
        ]
        last = self.inner(node.values[-1])
        parts.append(words.text("explain.other_case", self.lang, value=last))
        return Piece("{" + ", ".join(parts) + "}")

    def matrix(self, node: Matrix) -> Piece:
        """``[[1, 2], [3, 4]]``; one column as a row that is transposed."""
        if len(node.rows) > 1 and all(len(row) == 1 for row in node.rows):
            return Piece(self._row([row[0] for row in node.rows]) + "ᵀ", Level.POWER)
        rows = [self._row(row) for row in node.rows]
        return Piece(rows[0] if len(rows) == 1 else f"[{', '.join(rows)}]")

    def _row(self, entries: Sequence[Expression]) -> str:
        return "[" + ", ".join(map(self.inner, entries)) + "]"

    def dots(self) -> Piece:
        """What is not written out."""
        return Piece("…")


def _raised(text: str) -> str:
    return (superscript(text) or _marked("^", text)) if text else ""


def _lowered(text: str) -> str:
    return (subscript(text) or _marked("_", text)) if text else ""


def _marked(mark: str, text: str) -> str:
    """After ``^`` or ``_``, in braces where it is more than a word."""
    text = text.replace(" ", "")
    return mark + text if text.isalnum() else f"{mark}{{{text}}}"
