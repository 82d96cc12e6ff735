"""What all printers share: where parentheses are needed, and where they are not.

A printer goes from the leaves of a formula to its root and makes a :class:`Piece` of every part:
what is written, and how tightly its outermost operation binds. Parentheses follow from these alone,
so they are the same in every notation; a notation says how its signs are written.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from numbers import Integral
from typing import ClassVar

from chainrule import words
from chainrule.explain.formulas.names import name_text
from chainrule.explain.formulas.numbers import DIGITS
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Dots,
    Equation,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
    walk,
)

__all__ = ["Level", "Line", "Piece", "Printer"]

#: So much stands on one line: symbols and whole numbers count 1, others 2.
LINE = 16


class Level(IntEnum):
    """How tightly the outermost operation of a text binds, loosest first."""

    EQUATION = 0
    RELATION = 1
    SUM = 2
    SIGN = 3
    BIG = 4
    RATIO = 5
    PRODUCT = 6
    TIGHT = 7  # without spaces, as in 2/n and 1.2·10⁻⁷: the parts are seen to belong together
    JOINED = 8
    POWER = 9
    ATOM = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a formula in print.

    Attributes
    ----------
    text
        How it is written where nothing stands before it.
    level
        How tightly its outermost operation binds.
    guarded
        If it begins with a minus: how it is written where something stands before it.
    open
        Whether what follows would be taken for a part of it, as with the terms of a ``Σ``.
    """

    text: str
    level: Level = Level.ATOM
    guarded: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a formula that has several, aligned where ``left`` ends.

    ``deeper`` goes on with what the line above began.
    """

    left: str
    right: str
    deeper: bool = False


class Printer(ABC):
    """A notation, for one formula.

    Parameters
    ----------
    expression
        The formula.
    digits
        How many digits of a measured number count; ``None`` for all.
    lang
        The language of the words in it: "otherwise".
    """

    sign: ClassVar[str] = "−"
    plus: ClassVar[str] = " + "
    minus: ClassVar[str] = " − "
    times: ClassVar[str] = " · "
    times_arrays: ClassVar[str] = " ⊙ "
    equals: ClassVar[str] = " = "
    comma: ClassVar[str] = ", "
    #: How tightly a term and a factor must bind that are not the first ones.
    next_term: ClassVar[Level] = Level.SUM
    next_factor: ClassVar[Level] = Level.PRODUCT

    def __init__(
        self, expression: Expression, digits: int | None = DIGITS, lang: str | None = None
    ) -> None:
        self.digits = digits
        self.lang = lang or words.language()
        self.expression = expression
        self._pieces: dict[int, Piece] = {}
        # Parts before the whole, and no recursion: formulas may be thousands of levels deep.
        for part in reversed(list(walk(expression))):
            if id(part) not in self._pieces:
                self._pieces[id(part)] = self._piece(part)

    def print(self) -> str:
        """The whole formula on one line."""
        return self.text(self.expression)

    def lines(self) -> list[Line]:
        """The whole formula; where it is long, each side of an equation has lines of its own."""
        whole = self.expression
        if not isinstance(whole, Equation):
            return self._broken(whole)
        head, *others = whole.sides
        lines = []
        for side in others:
            first, *rest = self._broken(side)
            lines += [Line("", self.equals.lstrip() + first.right), *rest]
        if len(lines) == 1 or _length(whole) <= LINE:
            return [Line("", self.text(whole))]
        return [replace(lines[0], left=self.inner(head)), *lines[1:]]

    # ------------------------------------------------------------------ parts

    def text(self, part: Expression) -> str:
        """A part as it is, where it cannot be misread."""
        return self._pieces[id(part)].text

    def level(self, part: Expression) -> Level:
        """How tightly the outermost operation of a part binds."""
        return self._pieces[id(part)].level

    def first(self, part: Expression, least: Level) -> Piece:
        """A part that must bind at least as tightly, where nothing stands before it."""
        piece = self._pieces[id(part)]
        if piece.level == Level.RELATION < least:
            return Piece(self.indicator(piece.text))
        return piece if piece.level >= least else self.closed(piece)

    def next(self, part: Expression, least: Level) -> Piece:
        """The same where something stands before it: a minus is put into parentheses."""
        piece = self._pieces[id(part)]
        if not piece.guarded:
            return self.first(part, least)
        level = Level.ATOM if piece.level == Level.SIGN else piece.level
        if level < least:
            return self.closed(piece)
        return Piece(piece.guarded, level, open=piece.open and level < Level.ATOM)

    def inner(self, part: Expression) -> str:
        """A part between brackets of its own, where only a comparison needs more."""
        return self.first(part, Level.SUM).text

    def closed(self, piece: Piece) -> Piece:
        """A piece in parentheses."""
        return Piece(self.wrapped(piece.text))

    def signed(self, text: str, *, open: bool = False) -> Piece:
        """A minus before a text."""
        whole = self.sign + text
        return Piece(whole, Level.SIGN, self.wrapped(whole), open)

    def following(self, first: Piece, rest: str, level: Level, *, open: bool = False) -> Piece:
        """``rest`` after a piece, whose minus, if it has one, now leads the whole."""
        guarded = first.guarded and first.guarded + rest
        return Piece(first.text + rest, level, guarded, open)

    # ------------------------------------------------------------------ the same everywhere

    def number(self, node: Number) -> Piece:
        """A number."""
        text, level, negative = self.magnitude(node)
        return self.signed(text) if negative else Piece(text, level)

    def negative(self, node: Negative) -> Piece:
        """``−x``."""
        inner = self.next(node.operand, Level.BIG)
        return self.signed(inner.text, open=inner.open)

    def add(self, node: Add) -> Piece:
        """``a + b − c``."""
        first, rest, last = self._terms(node)
        whole = self.following(first, "".join(rest), Level.SUM, open=last.open)
        return replace(whole, guarded=whole.guarded and self.wrapped(whole.text))

    def _terms(self, node: Add) -> tuple[Piece, list[str], Piece]:
        """The first term, the others with their signs, and the last."""
        head, *others = node.terms
        first = last = self.first(head, Level.SUM)
        rest = []
        for term in others:
            sign = self.plus
            if isinstance(term, Negative):
                sign, term = self.minus, term.operand
            last = self.next(term, Level.BIG if sign == self.minus else self.next_term)
            rest.append(sign + last.text)
        return first, rest, last

    def multiply(self, node: Multiply) -> Piece:
        """``a · b · c``."""
        first, rest, last = self._factors(node)
        return self.following(first, "".join(rest), Level.PRODUCT, open=last.open)

    def _factors(self, node: Multiply) -> tuple[Piece, list[str], Piece]:
        """The first factor, the others with their signs, and the last."""
        head, *others = node.factors
        first = self.first(head, Level.SIGN)
        first = last = self.closed(first) if first.open and others else first
        rest = []
        for place, factor in enumerate(others, 1):
            is_last = place == len(others)
            is_big = is_last and self.level(factor) == Level.BIG
            last = self.next(factor, Level.BIG if is_big else self.next_factor)
            last = self.closed(last) if last.open and not is_last else last
            rest.append(self.between(node, factor) + last.text)
        return first, rest, last

    def between(self, node: Multiply, factor: Expression) -> str:
        """The sign before a factor."""
        return self.times_arrays if node.arrays else self.times

    def big(self, node: Big) -> Piece:
        """``Σᵢ body``: what follows up to the next plus belongs to it."""
        body = self.next(node.body, Level.BIG)
        return Piece(self.big_sign(node) + body.text, Level.BIG, open=True)

    def compare(self, node: Compare) -> Piece:
        """A condition; inside another formula, ``1[z > 0]``."""
        relation = self.relation(node.relation)
        return Piece(self.inner(node.left) + relation + self.inner(node.right), Level.RELATION)

    def equation(self, node: Equation) -> Piece:
        """``a = b = c``."""
        return Piece(self.equals.join(map(self.inner, node.sides)), Level.EQUATION)

    def apply(self, node: Apply) -> Piece:
        """A function of its arguments: with a sign of its own, if it has one, or by its name."""
        if node.primes == 0 and node.axis is None and len(node.arguments) == 1:
            special = self.special(node.function, node.arguments[0])
            if special is not None:
                return special
        if node.function == "element" and len(node.arguments) > 1:
            base, *indices = node.arguments
            return self.element(base, Symbol("", indices=tuple(indices)))
        # What ``where`` chooses by stays a condition.
        keeps = node.function == "where"
        arguments = [
            self.text(part) if keeps and place == 0 else self.inner(part)
            for place, part in enumerate(node.arguments)
        ]
        return self.function(node, arguments)

    def branches(self, node: Cases) -> list[tuple[str, str]]:
        """The values of a case distinction but the last, and their conditions."""
        pairs = zip(node.values, node.conditions, strict=False)
        return [(self.inner(value), self.text(condition)) for value, condition in pairs]

    def below(self, node: Symbol) -> str:
        """What stands under a symbol: its label, its indices."""
        # 3 and 1 may stand side by side; 3 and 12 may not.
        indices = [self.inner(index) for index in node.indices]
        short = all(map(_is_short, node.indices))
        joined = self.side_by_side(indices) if short else self.comma.join(indices)
        return self.comma.join(filter(None, (self.label(node.label), joined)))

    def side_by_side(self, texts: Sequence[str]) -> str:
        """Indices without a comma."""
        return "".join(texts)

    # ------------------------------------------------------------------ each in its own way

    @abstractmethod
    def wrapped(self, text: str) -> str:
        """In parentheses."""

    @abstractmethod
    def indicator(self, condition: str) -> str:
        """1 where the condition holds, else 0."""

    @abstractmethod
    def relation(self, name: str) -> str:
        """The sign of a comparison."""

    @abstractmethod
    def magnitude(self, node: Number) -> tuple[str, Level, bool]:
        """A number without its sign, how tightly that binds, and whether there is a minus."""

    @abstractmethod
    def label(self, text: str) -> str:
        """What stands below a symbol and picks nothing."""

    @abstractmethod
    def symbol(self, node: Symbol) -> Piece:
        """A variable."""

    @abstractmethod
    def matmul(self, node: MatMul) -> Piece:
        """A product of matrices."""

    @abstractmethod
    def divide(self, node: Divide) -> Piece:
        """A fraction."""

    @abstractmethod
    def power(self, node: Power) -> Piece:
        """A power."""

    @abstractmethod
    def transpose(self, node: Transpose) -> Piece:
        """A transposed matrix."""

    @abstractmethod
    def special(self, function: str, argument: Expression) -> Piece | None:
        """A function of one argument that is written without its name, such as a root."""

    @abstractmethod
    def element(self, base: Expression, picked: Symbol) -> Piece:
        """``softmax(z)_i``: an element of what has no name; ``picked`` has the indices."""

    @abstractmethod
    def function(self, node: Apply, arguments: Sequence[str]) -> Piece:
        """A function by its name."""

    @abstractmethod
    def big_sign(self, node: Big) -> str:
        """What stands before the body of a sum, a product, …."""

    @abstractmethod
    def partial(self, node: Partial) -> Piece:
        """A derivative."""

    @abstractmethod
    def cases(self, node: Cases) -> Piece:
        """Values under conditions."""

    @abstractmethod
    def matrix(self, node: Matrix) -> Piece:
        """A matrix written out."""

    @abstractmethod
    def dots(self) -> Piece:
        """What is not written out."""

    # ------------------------------------------------------------------ how it is done

    def _piece(self, node: Expression) -> Piece:
        match node:
            case Number():
                return self.number(node)
            case Symbol():
                return self.symbol(node)
            case Negative():
                return self.negative(node)
            case Add():
                return self.add(node)
            case Multiply():
                return self.multiply(node)
            case MatMul():
                return self.matmul(node)
            case Divide():
                return self.divide(node)
            case Power():
                return self.power(node)
            case Transpose():
                return self.transpose(node)
            case Apply():
                return self.apply(node)
            case Big():
                return self.big(node)
            case Partial():
                return self.partial(node)
            case Compare():
                return self.compare(node)
            case Cases():
                return self.cases(node)
            case Matrix():
                return self.matrix(node)
            case Equation():
                return self.equation(node)
            case Dots():
                return self.dots()
        raise TypeError(f"no printer knows {type(node).__name__}")

    def _broken(self, side: Expression) -> list[Line]:
        """One side of an equation; a long sum or product over several lines."""
        if _length(side) > LINE and isinstance(side, Add | Multiply):
            if isinstance(side, Add):
                parts, (first, rest, _) = side.terms, self._terms(side)
            else:
                parts, (first, rest, _) = side.factors, self._factors(side)
            return _filled(parts, [first.text, *rest])
        return [Line("", self.inner(side))]


def _filled(parts: Sequence[Expression], texts: Sequence[str]) -> list[Line]:
    """Terms or factors on as many lines as they need."""
    lines: list[Line] = []
    used = 0
    for part, text in zip(parts, texts, strict=True):
        needed = _length(part)
        if lines and used + needed <= LINE:
            lines[-1] = replace(lines[-1], right=lines[-1].right + text)
            used += needed
        else:
            lines.append(Line("", text.lstrip(), deeper=bool(lines)))
            used = needed
    return lines


def _length(expression: Expression) -> int:
    """How long a formula is: its symbols and numbers, without indices."""
    length, stack = 0, [expression]
    while stack:
        part = stack.pop()
        below = () if isinstance(part, Symbol) else part.children
        stack += below
        if not below:
            length += 2 if isinstance(part, Number) and part.value % 1 else 1
    return length


def _is_short(index: Expression) -> bool:
    """Whether an index is one digit or one letter."""
    match index:
        case Number(value=Integral() as value):
            return 0 <= value <= 9
        case Symbol(indices=()):
            return len(name_text(index.name)) == 1 and index.key == index.name
    return False
