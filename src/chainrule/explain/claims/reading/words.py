"""What a word is: a symbol, a function with its arguments, a ``Σ``, a product of letters."""

import re
from dataclasses import replace

from chainrule.errors import suggest
from chainrule.explain.claims.reading.calls import Calls
from chainrule.explain.claims.reading.functions import (
    FUNCTIONS,
)
from chainrule.explain.claims.reading.grammar import KEYWORDS
from chainrule.explain.claims.reading.names import LONGEST, named
from chainrule.explain.claims.reading.tokens import Token, raw
from chainrule.explain.formulas.names import GREEK
from chainrule.explain.formulas.tree import (
    Compare,
    Expression,
    Symbol,
)

__all__ = ["Words"]


class Words(Calls):
    """The rules that begin with a word."""

    def word(self) -> Expression:
        """A symbol with its scripts, a call, or a ``Σ``."""
        token = self.here
        if token.text in KEYWORDS and not self.names.has(token.text):
            raise self.leftover()
        if big := self.big_kind(token):
            return self.big(big)
        if name := self.function_here(token):
            return self.call(name)
        if self.is_unknown_function(token):
            return self.unknown_call()
        if not self._is_symbol(token):
            self._split_word(token)
            return self.word()
        self.taken()
        return self._scripted(self._named(token))

    def accented(self) -> Expression:
        r"""``\\hat{y}_i``."""
        token = self.taken()
        inner = self.part(token.parts[0])
        body = inner.here
        if body.kind == "word" and len(body.text) > 1 and self.latex and not inner._is_symbol(body):
            inner.tokens[0] = replace(body, upright=True)
        found = inner.factor()
        if inner.here.kind != "end" or not isinstance(found, Symbol) or found.accent:
            raise self.error("claims.accent", token)
        return self._scripted(replace(found, accent=token.text))

    # ------------------------------------------------------------------ symbols

    def _named(self, token: Token) -> Symbol:
        if "_" in token.text and not token.text.endswith(("_hat", "_bar", "_tilde")):
            return self.names.identifier(token.text)
        return named(token.text)

    def _scripted(self, symbol: Symbol) -> Expression:
        """A symbol with what stands above and below of it, as far as that belongs to its name."""
        powers: list[Token] = []
        while True:
            token = self.here
            if token.kind == "below":
                self.taken()
                symbol = self.names.below(symbol, raw(token.parts[0]), token.upright)
            elif token.kind == "above":
                follows = self.ahead()
                digits = follows.kind == "below" and raw(follows.parts[0]).isdigit()
                labelled = self.names.raised(symbol, raw(token.parts[0]), digits)
                if labelled is None and (powers or follows.kind != "below"):
                    break
                self.taken()
                if labelled is None:
                    powers.append(token)
                symbol = labelled or symbol
            elif self.sees("^") and (labelled := self._label_without_braces(symbol)):
                symbol = labelled
            elif self.sees("[") and not token.spaced and not symbol.indices:
                picked = self._brackets_of(symbol)
                if picked is None:
                    break
                symbol = picked
            else:
                break
        self.tokens[self.at : self.at] = powers  # x^2_i is the square of x_i
        return _delta(symbol, self.names.declares(symbol))

    def _label_without_braces(self, symbol: Symbol) -> Symbol | None:
        """``z^2`` and ``w^(1)`` where that is a name."""
        following = self.ahead()
        if following.kind == "number" and self.ahead(2).text != "[":
            labelled, stop = self.names.raised(symbol, following.text, False), self.at + 2
        elif following.kind == "operator" and following.text == "(":
            stop = self.matching(self.at + 1) + 1
            text = raw(tuple(self.tokens[self.at + 1 : stop]))
            labelled = self.names.raised(symbol, text, False) if len(text) <= 5 else None
            if labelled is not None and not self.names.declares(labelled):
                labelled = None
        else:
            return None
        if labelled is not None:
            self.at = stop
        return labelled

    def _brackets_of(self, symbol: Symbol) -> Symbol | None:
        """``x[i, j]``, with numbers that count from zero as in Python."""
        stop = self.matching(self.at)
        text = raw(tuple(self.tokens[self.at + 1 : stop]))
        indices = self.names.picked(text, first=0)
        if indices is None:
            return None
        self.at = stop
        self.taken()
        return replace(symbol, indices=indices)

    def _is_symbol(self, token: Token) -> bool:
        """Whether a word is one name, and no row of them."""
        text = token.text
        if token.upright or len(text) == 1 or self.names.is_name(text) or text in GREEK:
            return True
        if "_" in text or not text.isascii():
            return True
        if len(named(text).name) == 1 or named(text).name in GREEK:
            return not self.latex or not text.isalpha()
        if self.names.row(text):
            return False
        below = self.ahead() if self.ahead().kind == "below" else None
        label = raw(below.parts[0]) if below else ""
        if label in ("hat", "bar", "tilde") or len(label) == 0:
            return False
        return len(text) > 2 or (len(label) > 1 and not set(label) <= set("ijklm"))

    def _split_word(self, token: Token) -> None:
        """Put the names that a row of letters is made of in its place."""
        text = token.text
        found = self.names.row(text)
        if found and len(found) > 1:
            self.split(*found)
            return
        if self.ahead().text == "(" and (cut := self._function_at_end(text)):
            self.split(text[:cut], text[cut:])
            return
        letters = re.findall(r"[A-Za-z]\d*", text[: LONGEST + 1])
        is_call = self.is_call()
        if self.latex and not (is_call and _like_a_function(text)) and self._is_row(letters):
            self.split(*letters)
            return
        if is_call:
            raise self.unknown(token)
        product = "·".join(letters)
        raise self.error("claims.ambiguous", token, product=product, name=text[:LONGEST])

    def _is_row(self, letters: list[str]) -> bool:
        """Whether letters side by side are a product in LaTeX, and no word in the wrong font."""
        known = any(self.names.is_name(letter) for letter in letters)
        short = len(letters) <= LONGEST
        return short and (len(letters) == 2 or known or not self.names.complete)

    def _function_at_end(self, text: str) -> int:
        """Where the function begins that a row of letters ends in: 1 for ``tlog``; else 0."""
        for cut in range(1, len(text[:LONGEST])):
            before = text[:cut]
            is_row = len(before) == 1 or self.names.row(before)
            if text[cut:] in FUNCTIONS and is_row:
                return cut
        return 0


def _like_a_function(text: str) -> bool:
    """Whether a row of letters is nearer to a function than to a product."""
    return 2 < len(text) <= LONGEST and bool(suggest(text, FUNCTIONS))


def _delta(symbol: Symbol, is_declared: bool) -> Expression:
    """Kronecker's ``δ_ij`` is 1 where i = j."""
    if symbol.key == "delta" and len(symbol.indices) == 2 and not is_declared:
        return Compare("==", *symbol.indices)
    return symbol
