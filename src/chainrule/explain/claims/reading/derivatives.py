"""Derivatives as they are written: ``∂J/∂w``, ``dJ/dw``, ``d/dw (…)``, ``∇_w J``, and fractions."""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.explain.claims.reading.names import named
from chainrule.explain.claims.reading.tokens import Token, raw
from chainrule.explain.claims.reading.words import Words
from chainrule.explain.formulas.names import GREEK
from chainrule.explain.formulas.tree import Expression, Number, Partial, Power

__all__ = ["Derivatives"]

_MOST = 4


class Derivatives(Words):
    """The rules that begin with ``∂``, ``d`` or ``∇``, and fractions, which may be derivatives."""

    def word(self) -> Expression:
        """``dJ/dw`` is a derivative if nothing of it is declared as something else."""
        place = self._end_of_numerator()
        if place is None:
            return super().word()
        denominator = self.tokens[place + 1]
        self.tokens[place + 1 : place + 2] = _with_sign(denominator)
        self.tokens[self.at : self.at + 1] = _with_sign(self.here)
        return self.derivative()

    def derivative(self) -> Expression:
        """``∂J/∂w``, ``∂²J/∂w²``, ``∂/∂w (…)``."""
        opening = self.here
        order = self._order()
        of = None if self.sees("/") else self._differentiated()
        if not self.accepts("/") or not self.sees("∂"):
            raise self.error("claims.derivative", opening)
        by = self._denominator(order, opening)
        return self._derived(of, by, opening.upright)

    def gradient(self) -> Expression:
        """``∇_w J``."""
        opening = self.taken()
        if self.here.kind != "below":
            raise self.error("claims.gradient", opening)
        inner = self.part(self.taken().parts[0])
        by = inner.factor()
        return Partial(self._differentiated(), by)

    def fraction(self) -> Expression:
        """A fraction, which may be a derivative."""
        token = self.taken()
        above, below = (self._as_derivative(part) for part in token.parts)
        if above is None or below is None or len(below) == 1:
            above, below = token.parts
            return self.products.over(self.all_of(above), self.all_of(below))
        top = self.part(above)
        order = top._order()
        of = top._differentiated() if top.here.kind != "end" else None
        if top.here.kind != "end":
            raise top.leftover()
        bottom = self.part(below)
        by = bottom._denominator(order, token)
        if bottom.here.kind != "end":
            raise bottom.leftover()
        return self._derived(of, by, above[0].upright)

    def _differentiated(self) -> Expression:
        """``J`` of ``∂J``; of ``∂J(w)`` as well, since nothing can be multiplied by w there."""
        if not self.names_its_arguments(self.at):
            return self.factor()
        name = named(self.taken().text)
        self.at = self.matching(self.at)
        self.taken()
        return name

    def _order(self) -> int:
        """Pass ``∂`` or ``∂²``; the order."""
        opening = self.taken()
        if self.here.kind == "above":
            text = raw(self.here.parts[0])
        elif self.sees("^"):
            self.taken()
            text = self.here.text
        else:
            return 1
        if not text.isdigit() or not 1 <= int(text[:3]) <= _MOST:
            raise self.error("claims.derivative", opening)
        self.taken()
        return int(text)

    def _denominator(self, order: int, opening: Token) -> list[Expression]:
        """``∂w``, ``∂w²``, ``∂x ∂y``: what the derivative is taken by, in reading order."""
        found: list[Expression] = []
        while len(found) < order and self.accepts("∂"):
            match self.factor():
                case Power(base=by, exponent=Number(value=int(count))) if 1 < count <= order:
                    found += [by] * count
                case by:
                    found.append(by)
        if len(found) != order:
            raise self.error("claims.derivative", opening)
        return found

    def _derived(self, of: Expression | None, by: list[Expression], total: bool) -> Expression:
        if of is None:
            of = self.factor() if self.sees("(") else self.product()
        for each in reversed(by):
            of = Partial(of, each, total)
        return of

    def _as_derivative(self, tokens: Sequence[Token]) -> tuple[Token, ...] | None:
        """A numerator or denominator with ``∂`` in place of a ``d``; ``None`` if it has neither."""
        if not tokens:
            return None
        first = tokens[0]
        if first.text == "∂":
            return tuple(tokens)
        if first.kind != "word" or first.text[:1] != "d" or self.names.has(first.text):
            return None
        if len(first.text) > 1 and not self._is_variable(first.text[1:]):
            return None
        return (*_with_sign(first), *tokens[1:])

    def _end_of_numerator(self) -> int | None:
        """Where the slash of ``dJ/dw`` stands, if this is the d of a derivative."""
        token = self.here
        if token.text[:1] != "d" or token.upright or self.names.has(token.text):
            return None
        place = self.at + 1
        if token.text == "d":
            place = self._past_operand(place)
        place = self._past_scripts(place)
        if place + 1 >= len(self.tokens) or self.tokens[place].text != "/":
            return None
        following = self.tokens[place + 1]
        is_d = following.kind == "word" and following.text[:1] == "d" and len(following.text) > 1
        if not is_d or self.names.has(following.text):
            return None
        return place if self._is_variable(following.text[1:]) else None

    def _past_operand(self, place: int) -> int:
        """Where what ``d`` or ``d²`` stands before is left: a word or a bracket."""
        start = self._past_scripts(place)
        if start == place and self.tokens[place].text == "(":
            return self.matching(place) + 1
        if start > place and self.tokens[start].kind == "word":
            return start + 1
        return place

    def _past_scripts(self, place: int) -> int:
        while place < len(self.tokens) - 1:
            token = self.tokens[place]
            if token.kind in ("above", "below"):
                place += 1
            elif token.text == "^" and self.tokens[place + 1].kind == "number":
                place += 2
            else:
                break
        return place

    def _is_variable(self, text: str) -> bool:
        """Whether a word after a d can be what is differentiated by."""
        return len(named(text).name) == 1 or named(text).name in GREEK or self.names.is_name(text)


def _with_sign(token: Token) -> tuple[Token, ...]:
    """``dJ`` as a sign and a name."""
    sign = Token("operator", "∂", token.start, token.start + 1, token.spaced, upright=True)
    if len(token.text) == 1:
        return (sign,)
    rest = replace(token, text=token.text[1:], start=token.start + 1, spaced=False, upright=True)
    return (sign, rest)
