"""The tokens of a formula in Unicode or ASCII text."""

import re
import unicodedata
from collections.abc import Mapping

from chainrule.explain.claims.reading.functions import FUNCTIONS
from chainrule.explain.claims.reading.letters import LOWERED, OPERATORS, RAISED, letter
from chainrule.explain.claims.reading.problems import LEVELS, unreadable
from chainrule.explain.claims.reading.tokens import Token

__all__ = ["Lexer", "text_tokens"]

_NUMBER = re.compile(r"(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+(?![A-Za-z_]))?", re.ASCII)
#: A name such as cross_entropy, if that is a function's.
_LONG_WORD = re.compile(r"[a-z]+(_[a-z]+)+")
_WORD = re.compile(r"[A-Za-z]+[0-9]*")
#: What may stand after ``_`` without braces: ``x_ij``, ``W_1``, ``x_i,j``, ``y_ŷ``.
_BELOW = re.compile(r"[ijkl](?:,[ijkl])+(?![A-Za-z0-9_({\[])|[A-Za-z0-9]+")
#: A label above without braces: a layer's number in parentheses, or digits before ``_``.
_LAYER = re.compile(r"\([A-Za-z0-9]{1,3}\)(?=_)|[0-9]+(?=_)")
_TURNED = re.compile(r"\.T(?![A-Za-z0-9])")
_DIGITS = re.compile(r"[0-9]*")
_LONG = ("**", "<=", ">=", "!=", "==", ":=", "||", "...", "->")
_SPELLED = {"**": "^", ":=": "=", "||": "‖", "...": "…"}
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅙": (1, 6),
    "⅛": (1, 8), "⅒": (1, 10),
}  # fmt: skip
_INDICATORS = frozenset("𝟙𝟏")
_OPENING = {"{": "}", "(": ")", "[": "]"}


def text_tokens(source: str) -> tuple[Token, ...]:
    """The tokens of a formula, the last of which is its end.

    Raises
    ------
    FormulaError
        At a character that no formula has.
    """
    lexer = Lexer(source, 0, len(source))
    return (*lexer.all(), Token("end", "", len(source), len(source)))


class Lexer:
    """Reads ``source[start:end]``; LaTeX reads more beside it."""

    def __init__(self, source: str, start: int, end: int, level: int = 0) -> None:
        self.source, self.at, self.end, self.level = source, start, end, level
        self.found: list[Token] = []
        if level > LEVELS:
            raise unreadable("claims.deep", source, start, levels=LEVELS)

    def inside(self, start: int, end: int) -> tuple[Token, ...]:
        """The tokens of a part."""
        return type(self)(self.source, start, end, self.level + 1).all()

    def all(self) -> tuple[Token, ...]:
        """Every token."""
        while self.at < self.end:
            start = self.at
            spaced = self.skipped_space()
            if self.at < self.end:
                before = len(self.found)
                self.read()
                if spaced and len(self.found) > before:
                    self.found[before] = self.found[before].spaced_out()
            assert self.at > start
        return tuple(self.found)

    def skipped_space(self) -> bool:
        """Whether there was white space, which is passed."""
        start = self.at
        while self.at < self.end and self.source[self.at].isspace():
            self.at += 1
        return self.at > start

    def add(self, kind: str, text: str, length: int, *parts: tuple[Token, ...]) -> None:
        """Append a token that takes ``length`` characters, which are passed."""
        self.found.append(Token(kind, text, self.at, self.at + length, parts=parts))
        self.at += length

    def read(self) -> None:
        """Read one token."""
        here = self.source[self.at]
        if number := _NUMBER.match(self.source, self.at, self.end):
            self.add("number", number[0], len(number[0]))
        elif (long := _LONG_WORD.match(self.source, self.at, self.end)) and long[0] in FUNCTIONS:
            self.add("word", long[0], len(long[0]))
        elif word := _WORD.match(self.source, self.at, self.end):
            self._word(word[0])
        elif here in RAISED:
            self._small(RAISED, "above")
        elif here in LOWERED:
            self._small(LOWERED, "below")
        elif here == "_":
            self._below()
        elif here == "^" and (layer := _LAYER.match(self.source, self.at + 1, self.end)):
            self._scripted("above", self.at + 1, layer.end(), layer.end())
        elif self.source[self.at : self.at + 2] in ("^{", "^["):
            self._bracketed("above", self.at + 1)
        elif here in _FRACTIONS:
            above, below = (Token("number", str(n), self.at, self.at + 1) for n in _FRACTIONS[here])
            self.add("fraction", here, 1, (above,), (below,))
        elif here in _INDICATORS:
            self.add("one", "1", 1)
        elif here in "∑∏":
            self.add("big", "sum" if here == "∑" else "prod", 1)
        elif here.isalpha():
            self.letters()
        else:
            self.operator()

    def _word(self, word: str) -> None:
        """A run of letters and the accent that may stand over the last of them."""
        accented = self.at + len(word)
        if accented < self.end and unicodedata.combining(self.source[accented]) and len(word) > 1:
            word = word[:-1]
        self.letters() if len(word) == 1 else self.add("word", word, len(word))

    def letters(self) -> None:
        """One letter with its accent, and digits after it; a run of Hangul or the like whole."""
        stop = self.at + 1
        while stop < self.end and unicodedata.combining(self.source[stop]):
            stop += 1
        sign = self.source[self.at : stop]
        name, accent = letter(sign) if len(sign) <= 2 else (sign, "")
        if len(sign) > 1 and not accent:
            raise unreadable("claims.character", self.source, self.at, stop)
        if "가" <= name <= "힣" or unicodedata.category(name[0]) == "Lo":
            stop = self.at + 1
            while stop < self.end and unicodedata.category(self.source[stop]) == "Lo":
                stop += 1
            self.add("word", self.source[self.at : stop], stop - self.at)
            return
        digits = _DIGITS.match(self.source, stop, self.end)
        number = digits[0] if digits else ""
        text = f"{name}_{accent}" if accent else name
        self.add("word", text + number if not accent else text, stop - self.at)
        if accent and number:
            inner = Token("number", number, self.at, self.at + len(number))
            self.add("below", number, len(number), (inner,))
        else:
            self.at += len(number)

    def _small(self, characters: Mapping[str, str], kind: str) -> None:
        """A run of small characters; a raised T at its end transposes what stands before."""
        stop = self.at
        while stop < self.end and (self.source[stop] in characters or self._is_small_prime(stop)):
            stop += 1
        ends = self.source[max(stop - 2, self.at) : stop]
        if len(ends) == 2 and ends[1] == "ᵀ" and ends[0] != "⁻":
            stop -= 1
        plain = "".join(characters.get(c, c) for c in self.source[self.at : stop])
        inner = Lexer(plain, 0, len(plain)).all()
        if plain == "T" and self.source[self.at] == "ᵀ":
            inner = (inner[0].set_upright(),)  # always a transpose, even of a number called T
        moved = tuple(token.at(self.at + token.start, self.at + token.end) for token in inner)
        self.add(kind, plain, stop - self.at, moved)

    def _is_small_prime(self, at: int) -> bool:
        """Whether a prime stands inside of a run of raised characters: ``xᵗᵃⁿʰ′⁽ᶻ⁾``."""
        around = self.source[at - 1 : at + 2]
        return around[1:2] == "′" and all(around[side : side + 1] in RAISED for side in (0, 2))

    def _below(self) -> None:
        """``_{…}``, ``_(…)`` and ``_ij``."""
        if self.source[self.at + 1 : self.at + 2] in ("{", "("):
            self._bracketed("below", self.at + 1)
            return
        run = _BELOW.match(self.source, self.at + 1, self.end)
        stop = run.end() if run else self.at + 2
        if stop > self.end or not (run or self.source[self.at + 1].isalpha()):
            raise unreadable("claims.subscript", self.source, self.at)
        self._scripted("below", self.at + 1, stop, stop)

    def _bracketed(self, kind: str, start: int) -> None:
        """A script in brackets; braces are no part of what it says, other brackets are."""
        opening = self.source[start]
        level, stop = 0, start
        while stop < self.end:
            level += self.source[stop] == opening
            level -= self.source[stop] == _OPENING[opening]
            if level == 0:
                break
            stop += 1
        else:
            raise unreadable("claims.unclosed", self.source, start, bracket=_OPENING[opening])
        inside = (start, stop + 1) if opening == "[" else (start + 1, stop)
        self._scripted(kind, *inside, stop + 1)

    def _scripted(self, kind: str, start: int, stop: int, after: int) -> None:
        inner = self.inside(start, stop)
        if not inner:
            raise unreadable("claims.subscript", self.source, self.at, after)
        self.add(kind, self.source[start:stop], after - self.at, inner)

    def operator(self) -> None:
        """Read a sign."""
        if _TURNED.match(self.source, self.at, self.end):
            self.add("above", "T", 2, (Token("word", "T", self.at + 1, self.at + 2),))
            return
        for sign in _LONG:
            if self.source.startswith(sign, self.at, self.end):
                self.add("operator", _SPELLED.get(sign, sign), len(sign))
                return
        here = self.source[self.at]
        if here == "ˆ" or here not in OPERATORS:
            raise unreadable("claims.character", self.source, self.at)
        self.add("operator", OPERATORS[here], 1)
