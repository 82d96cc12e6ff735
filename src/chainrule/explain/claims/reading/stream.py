"""Tokens that are read one after the other."""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading.problems import unreadable
from chainrule.explain.claims.reading.tokens import Token

__all__ = ["Stream"]


class Stream:
    """The tokens of a formula or of a part of one; the last says that it ends."""

    def __init__(self, source: str, tokens: Sequence[Token]) -> None:
        self.source = source
        self.tokens = list(tokens)
        self.at = 0
        if not self.tokens or self.tokens[-1].kind != "end":
            end = self.tokens[-1].end if self.tokens else len(source)
            self.tokens.append(Token("end", "", end, end))

    @property
    def here(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def ahead(self, count: int = 1) -> Token:
        """A later token."""
        return self.token(self.at + count)

    def token(self, place: int) -> Token:
        """The token at a place; the end if there is none."""
        return self.tokens[min(place, len(self.tokens) - 1)]

    def taken(self) -> Token:
        """The next token, which is passed."""
        token = self.here
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def sees(self, *signs: str) -> bool:
        """Whether the next token is one of these signs."""
        return self.here.kind == "operator" and self.here.text in signs

    def accepts(self, *signs: str) -> bool:
        """Whether the next token is one of these signs; then it is passed."""
        seen = self.sees(*signs)
        if seen:
            self.taken()
        return seen

    def split(self, *texts: str) -> None:
        """Put a row of words in place of the next token."""
        token, start, pieces = self.here, self.here.start, []
        for text in texts:
            stop = min(start + len(text), token.end)
            pieces.append(replace(token, text=text, start=start, end=stop, spaced=False))
            start = stop
        pieces[0] = replace(pieces[0], spaced=token.spaced)
        self.tokens[self.at : self.at + 1] = pieces

    def matching(self, at: int) -> int:
        """Where the bracket at ``at`` closes; the end if it does not."""
        level = 0
        for place in range(at, len(self.tokens)):
            token = self.tokens[place]
            if token.kind == "operator":
                level += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
                if level == 0:
                    return place
        return len(self.tokens) - 1

    def error(self, key: str, token: Token | None = None, /, **values: object) -> FormulaError:
        """The error about a token, by default the next one."""
        token = token or self.here
        return unreadable(key, self.source, token.start, token.end, **values)
