r"""Formulas as LaTeX, as KaTeX, MathJax and LaTeX with amsmath read it.

No ``|`` and no ``*`` is written (but ``\lvert``, ``\cdot``), so that a formula can stand in
a table of Markdown.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType

from chainrule import words
from chainrule.explain.formulas.names import (
    FUNCTIONS,
    GREEK,
    LATEX_FUNCTIONS,
    latex_words,
    name_latex,
)
from chainrule.explain.formulas.numbers import DIGITS, number_latex, written
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

__all__ = ["LatexPrinter", "to_latex"]

RELATIONS = MappingProxyType(
    {"<": " < ", "<=": r" \le ", ">": " > ", ">=": r" \ge ", "==": " = ", "!=": r" \ne "}
)
BIG = MappingProxyType({"sum": r"\sum", "product": r"\prod", "max": r"\max"})
#: What is taller than a line: parentheses around it must grow.
TALL = (r"\frac", r"\sum", r"\prod", r"\mathop", r"\begin", r"\left")

#: A command at the end, which would go on with the letters that follow.
COMMAND = re.compile(r"\\[a-zA-Z]+$")


def to_latex(
    expression: Expression,
    digits: int | None = DIGITS,
    lang: str | None = None,
    *,
    display: bool = False,
) -> str:
    r"""A formula as LaTeX, without the dollars around it.

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
    >>> from chainrule.explain.formulas import Divide, Number, Partial, Symbol, to_latex
    >>> w = Symbol("w", layer="1", indices=(Number(3), Number(1)))
    >>> print(to_latex(Partial(Symbol("J"), w)))
    \frac{\partial J}{\partial w^{1}_{31}}
    >>> print(to_latex(Divide(Symbol("alpha"), Number(2.5e-9))))
    \frac{\alpha}{2.5 \cdot 10^{-9}}
    """
    printer = LatexPrinter(expression, digits, lang)
    return printer.displayed() if display else printer.print()


class LatexPrinter(Printer):
    """LaTeX; see :func:`to_latex`."""

    sign, minus = "-", " - "
    times, times_arrays = r" \cdot ", r" \odot "
    comma = ","

    def displayed(self) -> str:
        """The formula where it stands apart from the text."""
        lines = self.lines()
        if len(lines) == 1:
            return lines[0].right
        rows = " \\\\\n".join(f"{line.left}&{_indented(line)}" for line in lines)
        return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"

    def wrapped(self, text: str) -> str:
        """In parentheses as tall as the text."""
        return rf"\left({text}\right)" if _is_tall(text) else f"({text})"

    def indicator(self, condition: str) -> str:
        """1 where the condition holds, else 0."""
        return rf"\mathbf{{1}}[{condition}]"

    def relation(self, name: str) -> str:
        """The sign of a comparison."""
        return RELATIONS[name]

    def magnitude(self, node: Number) -> tuple[str, Level, bool]:
        """A number without its sign, how tightly that binds, and whether there is a minus."""
        parts = written(node.value, self.digits)
        text = number_latex(node.value, self.digits).removeprefix("-")
        level = Level.POWER if parts.denominator else Level.ATOM
        return text, level if parts.power is None else Level.TIGHT, parts.negative

    def label(self, text: str) -> str:
        r"""``_{\mathrm{in}}``, ``_{t-1}``."""
        return re.sub("[^-+]+", lambda name: name_latex(name[0]), text.replace("−", "-"))

    def side_by_side(self, texts: Sequence[str]) -> str:
        r"""Indices without a comma: ``\alpha i`` and not ``\alphai``."""
        joined = ""
        for text in texts:
            runs_on = COMMAND.search(joined) and text[0].isalpha()
            joined += f" {text}" if runs_on else text
        return joined

    def symbol(self, node: Symbol) -> Piece:
        r"""``w^{1}_{31}``; with a layer it is no base for a power."""
        above = f"^{{{_layer(node.layer)}}}" if node.layer else ""
        below = self.below(node)
        text = name_latex(node.name, node.accent) + above + (f"_{{{below}}}" if below else "")
        return Piece(text, Level.POWER if node.layer else Level.ATOM)

    def matmul(self, node: MatMul) -> Piece:
        r"""``A \, B``."""
        left, right = self.first(node.left, Level.JOINED), self.first(node.right, Level.POWER)
        sign = r" \times " if right.text[0].isdecimal() else r" \, "
        return Piece(left.text + sign + right.text, Level.JOINED)

    def divide(self, node: Divide) -> Piece:
        r"""``\frac{a}{b}``."""
        above, below = self.inner(node.numerator), self.inner(node.denominator)
        return Piece(rf"\frac{{{above}}}{{{below}}}", Level.POWER)

    def power(self, node: Power) -> Piece:
        """``x^{2}``."""
        base = self.next(node.base, Level.ATOM).text
        return Piece(f"{base}^{{{self.inner(node.exponent)}}}", Level.POWER)

    def transpose(self, node: Transpose) -> Piece:
        r"""``A^{\top}``."""
        return Piece(self.next(node.operand, Level.ATOM).text + r"^{\top}", Level.POWER)

    def special(self, function: str, argument: Expression) -> Piece | None:
        r"""``\mathrm{e}^{z}``, ``\sqrt{x}``, ``\lvert x \rvert``, ``A^{-1}``, ``\mathbf{1}[…]``."""
        match function:
            case "exp":
                return Piece(rf"\mathrm{{e}}^{{{self.inner(argument)}}}", Level.POWER)
            case "sqrt":
                return Piece(rf"\sqrt{{{self.inner(argument)}}}")
            case "abs":
                return Piece(_fenced(r"\lvert", self.inner(argument), r"\rvert"))
            case "norm":
                return Piece(_fenced(r"\lVert", self.inner(argument), r"\rVert"))
            case "inverse":
                return Piece(self.next(argument, Level.ATOM).text + "^{-1}", Level.POWER)
            case "indicator":
                return Piece(self.indicator(self.text(argument)))
        return None

    def element(self, base: Expression, picked: Symbol) -> Piece:
        r"""``\operatorname{softmax}(z)_{i}``."""
        return Piece(f"{self.next(base, Level.ATOM).text}_{{{self.below(picked)}}}")

    def function(self, node: Apply, arguments: Sequence[str]) -> Piece:
        r"""``\tanh(z)``, ``\sigma'(z)``, ``\operatorname{ReLU}(z)``."""
        axis = [] if node.axis is None else [rf"\text{{axis}} = {node.axis}"]
        name = _function(node.function) + "'" * node.primes
        return Piece(name + self.wrapped(", ".join([*arguments, *axis])))

    def big_sign(self, node: Big) -> str:
        r"""``\sum_{i=1}^{n}``."""
        below = "=".join(self.text(part) for part in (node.index, node.lower) if part)
        above = f"^{{{self.text(node.upper)}}}" if node.upper else ""
        sign = BIG.get(node.kind) or rf"\mathop{{\mathrm{{{node.kind}}}}}"
        return f"{sign}{f'_{{{below}}}' if below else ''}{above} "

    def between(self, node: Multiply, factor: Expression) -> str:
        """The sign before a factor: none before a sum, which begins with a sign of its own."""
        return r" \, " if isinstance(factor, Big) else super().between(node, factor)

    def partial(self, node: Partial) -> Piece:
        r"""``\frac{\partial J}{\partial w}``."""
        d = r"\mathrm{d} " if node.total else r"\partial "
        of, by = self.next(node.of, Level.POWER).text, self.next(node.by, Level.POWER).text
        return Piece(rf"\frac{{{d}{of}}}{{{d}{by}}}", Level.POWER)

    def cases(self, node: Cases) -> Piece:
        r"""``\begin{cases} … \end{cases}``."""
        rows = [f"{value} & {condition}" for value, condition in self.branches(node)]
        otherwise = words.text("explain.otherwise", self.lang)
        rows.append(rf"{self.inner(node.values[-1])} & \text{{{otherwise}}}")
        return Piece(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}")

    def matrix(self, node: Matrix) -> Piece:
        r"""``\begin{bmatrix} … \end{bmatrix}``."""
        rows = [" & ".join(self._entry(entry, row) for entry in row) for row in node.rows]
        return Piece(r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}")

    def _entry(self, entry: Expression, row: Sequence[Expression]) -> str:
        if not isinstance(entry, Dots):
            return self.inner(entry)
        return r"\vdots" if all(isinstance(each, Dots) for each in row) else r"\cdots"

    def dots(self) -> Piece:
        """What is not written out."""
        return Piece(r"\dots")


def _indented(line: Line) -> str:
    return rf"\quad {line.right}" if line.deeper else line.right


def _is_tall(text: str) -> bool:
    return any(mark in text for mark in TALL)


def _fenced(left: str, text: str, right: str) -> str:
    grows = _is_tall(text)
    return rf"\left{left} {text} \right{right}" if grows else f"{left} {text} {right}"


def _function(name: str) -> str:
    printed = FUNCTIONS.get(name, name)
    if printed in LATEX_FUNCTIONS:
        return rf"\{printed}"
    if re.fullmatch(r"\w\w+", printed, re.ASCII) and printed not in GREEK:
        return rf"\operatorname{{{latex_words(printed)}}}"
    return name_latex(printed)


def _layer(layer: str) -> str:
    """What stands above a symbol: the number of a layer, primes, ``(t)``."""
    marks = layer.rstrip("\N{PRIME}").replace("−", "-")
    simple = re.fullmatch("[0-9A-Za-z()+=,.-]*", marks)
    primes = r"\prime" * (len(layer) - len(layer.rstrip("\N{PRIME}")))
    return (marks if simple else rf"\text{{{latex_words(marks)}}}") + primes
