"""Formulas as MathML Core, which browsers show without scripts.

Written from the tree and not from LaTeX: a converter would have to guess what is a function and
what a product, and everything that a name could contain is escaped in one place here.
"""

import html
import re
from collections.abc import Sequence
from types import MappingProxyType

from chainrule import words
from chainrule.explain.formulas.names import FUNCTIONS, clean, name_text
from chainrule.explain.formulas.numbers import DIGITS, written
from chainrule.explain.formulas.printer import Level, Line, Piece, Printer
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Cases,
    Divide,
    Dots,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["MathmlPrinter", "to_mathml"]

RELATIONS = MappingProxyType({"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"})
BIG = MappingProxyType({"sum": "∑", "product": "∏"})
ACCENTS = MappingProxyType({"hat": "^", "bar": "¯", "tilde": "~"})

#: What is taller than a line: brackets around it grow.
TALL = ("<mfrac", "<mtable", "<munder", "<mover>")


def _sign(text: str, form: str = "infix", **options: str) -> str:
    """An operator; its spaces follow from what stands left and right of it."""
    extra = "".join(f' {name}="{value}"' for name, value in options.items())
    return f'<mo form="{form}"{extra}>{html.escape(text)}</mo>'


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def to_mathml(
    expression: Expression,
    digits: int | None = DIGITS,
    lang: str | None = None,
    *,
    display: bool = False,
) -> str:
    """A formula as a ``<math>`` element.

    Parameters
    ----------
    expression
        The formula.
    digits
        How many digits of a measured number count; ``None`` for all.
    lang
        The language of the words in it; by default :func:`chainrule.words.language`.
    display
        Whether it stands apart from the text: then each side of a long equation has a line.

    Examples
    --------
    >>> from chainrule.explain.formulas import Divide, Number, Symbol, to_mathml
    >>> to_mathml(Divide(Symbol("alpha"), Number(2)))
    '<math><mfrac><mi>α</mi><mn>2</mn></mfrac></math>'
    """
    printer = MathmlPrinter(expression, digits, lang)
    if display:
        return f'<math display="block">{printer.displayed()}</math>'
    return f"<math>{printer.print()}</math>"


class MathmlPrinter(Printer):
    """MathML; see :func:`to_mathml`."""

    sign = _sign("−", "prefix")
    plus, minus, equals = _sign("+"), _sign("−"), _sign("=")
    times, times_arrays = _sign("·"), _sign("⊙")
    comma = _sign(",", "infix", lspace="0", rspace="0")
    separator = _sign(",", "infix")

    def displayed(self) -> str:
        """The formula where it stands apart from the text."""
        lines = self.lines()
        if len(lines) == 1:
            return lines[0].right
        rows = "".join(map(_aligned, lines))
        return f'<mtable displaystyle="true">{rows}</mtable>'

    def wrapped(self, text: str) -> str:
        """In parentheses as tall as the text."""
        return _between("(", text, ")")

    def indicator(self, condition: str) -> str:
        """1 where the condition holds, else 0."""
        return _row("<mn>𝟏</mn>", _between("[", condition, "]"))

    def relation(self, name: str) -> str:
        """The sign of a comparison."""
        return _sign(RELATIONS[name])

    def magnitude(self, node: Number) -> tuple[str, Level, bool]:
        """A number without its sign, how tightly that binds, and whether there is a minus."""
        parts = written(node.value, self.digits)
        text = {"inf": "<mi>∞</mi>", "nan": "<mi>NaN</mi>"}.get(parts.digits)
        text = text or f"<mn>{parts.digits}</mn>"
        if parts.denominator:
            over = f"<mfrac>{text}<mn>{parts.denominator}</mn></mfrac>"
            return over, Level.POWER, parts.negative
        if parts.power is None:
            return text, Level.ATOM, parts.negative
        raised = f"<mn>{abs(parts.power)}</mn>"
        raised = _row(self.sign, raised) if parts.power < 0 else raised
        ten = f"<msup><mn>10</mn>{raised}</msup>"
        return ten if parts.digits == "1" else text + self.times + ten, Level.TIGHT, parts.negative

    def label(self, text: str) -> str:
        """What stands below a symbol and picks nothing."""
        parts = re.split("([-+−])", text)
        tight = {"lspace": "0", "rspace": "0"}
        return "".join(
            _sign(part.replace("-", "−"), **tight) if place % 2 else _name(name_text(part))
            for place, part in enumerate(parts)
            if part
        )

    def symbol(self, node: Symbol) -> Piece:
        """``w¹₃₁``; with a layer it is no base for a power."""
        layer = f"<mn>{html.escape(clean(node.layer))}</mn>" if node.layer else ""
        return Piece(self._symbol(node, layer), Level.POWER if node.layer else Level.ATOM)

    def _symbol(self, node: Symbol, above: str) -> str:
        """A symbol with what stands above it, right over what stands below it."""
        text = _name(name_text(node.name))
        if node.accent:
            text = f'<mover accent="true">{text}{_sign(ACCENTS[node.accent], "postfix")}</mover>'
        return _scripts("sub", "sup", text, self.below(node), above)

    def matmul(self, node: MatMul) -> Piece:
        """``A B``."""
        left, right = self.first(node.left, Level.JOINED), self.first(node.right, Level.POWER)
        sign = _sign("×") if isinstance(node.right, Number) else '<mspace width="0.2em"></mspace>'
        return Piece(left.text + sign + right.text, Level.JOINED)

    def divide(self, node: Divide) -> Piece:
        """A fraction with a line."""
        return _fraction(self.inner(node.numerator), self.inner(node.denominator))

    def power(self, node: Power) -> Piece:
        """``x²``."""
        return self._raised(node.base, self.inner(node.exponent))

    def transpose(self, node: Transpose) -> Piece:
        """``Aᵀ``."""
        return self._raised(node.operand, '<mi mathvariant="normal">T</mi>')

    def _raised(self, base: Expression, exponent: str) -> Piece:
        if isinstance(base, Symbol) and not base.layer:
            return Piece(self._symbol(base, exponent), Level.POWER)
        return _raised(self.next(base, Level.ATOM).text, exponent)

    def special(self, function: str, argument: Expression) -> Piece | None:
        """``eᶻ``, ``√x``, ``|x|``, ``‖x‖``, ``A⁻¹``, ``1[z > 0]``."""
        match function:
            case "exp":
                return _raised('<mi mathvariant="normal">e</mi>', self.inner(argument))
            case "sqrt":
                return Piece(f"<msqrt>{self.inner(argument)}</msqrt>")
            case "abs":
                return Piece(_between("|", self.inner(argument), "|"))
            case "norm":
                return Piece(_between("‖", self.inner(argument), "‖"))
            case "inverse":
                return self._raised(argument, self.sign + "<mn>1</mn>")
            case "indicator":
                return Piece(self.indicator(self.text(argument)))
        return None

    def element(self, base: Expression, picked: Symbol) -> Piece:
        """``softmax(z)`` with an index below."""
        text = self.next(base, Level.ATOM).text
        return Piece(_scripts("sub", "sup", _single(text), self.below(picked), ""))

    def function(self, node: Apply, arguments: Sequence[str]) -> Piece:
        """``tanh(z)``, ``σ′(z)``, ``sum(x, axis = 1)``."""
        name = _name(FUNCTIONS.get(node.function) or name_text(node.function))
        if node.primes:
            name = f"<msup>{name}<mo>{'′' * node.primes}</mo></msup>"
        axis = [] if node.axis is None else [f"<mi>axis</mi>{self.equals}<mn>{node.axis}</mn>"]
        inside = self.separator.join([*arguments, *axis])
        return Piece(_row(name, "<mo>\N{FUNCTION APPLICATION}</mo>", self.wrapped(inside)))

    def big_sign(self, node: Big) -> str:
        """``Σ`` with its limits below and above, or beside it within a line of text."""
        below = self.equals.join(self.text(part) for part in (node.index, node.lower) if part)
        above = self.text(node.upper) if node.upper else ""
        sign = BIG.get(node.kind)
        if sign:
            text = _sign(sign, "prefix", movablelimits="true")
        else:
            text = _sign(node.kind, "prefix", movablelimits="true", rspace="0.2em")
        return _scripts("under", "over", text, below, above)

    def between(self, node: Multiply, factor: Expression) -> str:
        """The sign before a factor: none before a sum, which begins with a sign of its own."""
        if isinstance(factor, Big):
            return '<mspace width="0.2em"></mspace>'
        return super().between(node, factor)

    def partial(self, node: Partial) -> Piece:
        """``∂J/∂w``."""
        d = '<mi mathvariant="normal">d</mi>' if node.total else "<mo>∂</mo>"
        of, by = self.next(node.of, Level.POWER).text, self.next(node.by, Level.POWER).text
        return _fraction(d + of, d + by)

    def cases(self, node: Cases) -> Piece:
        """A brace before the values and their conditions."""
        otherwise = f"<mtext>{html.escape(words.text('explain.otherwise', self.lang))}</mtext>"
        pairs = [*self.branches(node), (self.inner(node.values[-1]), otherwise)]
        rows = [_cells([value, condition], "left") for value, condition in pairs]
        return Piece(_row(_sign("{", "prefix"), f"<mtable>{''.join(rows)}</mtable>"))

    def matrix(self, node: Matrix) -> Piece:
        """Entries between square brackets."""
        rows = [_cells([self._entry(entry, row) for entry in row]) for row in node.rows]
        return Piece(_between("[", f"<mtable>{''.join(rows)}</mtable>", "]"))

    def _entry(self, entry: Expression, row: Sequence[Expression]) -> str:
        if not isinstance(entry, Dots):
            return self.inner(entry)
        return f"<mo>{'⋮' if all(isinstance(each, Dots) for each in row) else '⋯'}</mo>"

    def dots(self) -> Piece:
        """What is not written out."""
        return Piece("<mo>…</mo>")


def _name(name: str) -> str:
    """A name; the browser sets one letter in italics and more of them upright."""
    return f"<mi>{html.escape(name)}</mi>"


def _between(left: str, text: str, right: str) -> str:
    grows = "true" if any(tag in text for tag in TALL) else "false"
    opening = _sign(left, "prefix", stretchy=grows)
    return _row(opening, text, _sign(right, "postfix", stretchy=grows))


def _fraction(above: str, below: str) -> Piece:
    return Piece(f"<mfrac>{_single(above)}{_single(below)}</mfrac>", Level.POWER)


def _raised(base: str, exponent: str) -> Piece:
    return Piece(f"<msup>{_single(base)}{_single(exponent)}</msup>", Level.POWER)


def _scripts(low: str, high: str, base: str, below: str, above: str) -> str:
    """A base with what stands below it, above it, both or neither."""
    parts = [_single(part) for part in (below, above) if part]
    if not parts:
        return base
    tag = "m" + (low if below else "") + (high if above else "")
    return f"<{tag}>{base}{''.join(parts)}</{tag}>"


def _single(text: str) -> str:
    """As one element: an ``<mrow>`` around it changes nothing if it is one already."""
    return text if _is_leaf(text) else _row(text)


def _is_leaf(text: str) -> bool:
    return text.startswith(("<mi>", "<mn>")) and text.count("<") == 2


def _aligned(line: Line) -> str:
    space = '<mspace width="2em"></mspace>' if line.deeper else ""
    left = f'<mtd style="text-align: right; padding-inline: 0">{line.left}</mtd>'
    right = f'<mtd style="text-align: left; padding-inline: 0">{space}{line.right}</mtd>'
    return f"<mtr>{left}{right}</mtr>"


def _cells(texts: Sequence[str], align: str = "center") -> str:
    style = "" if align == "center" else f' style="text-align: {align}"'
    return f"<mtr>{''.join(f'<mtd{style}>{text}</mtd>' for text in texts)}</mtr>"
