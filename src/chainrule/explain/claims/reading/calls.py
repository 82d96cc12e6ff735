"""Functions with their arguments, and big signs with what they reach over."""

import re

from chainrule.errors import FormulaError, suggest
from chainrule.explain.claims.reading.building import called
from chainrule.explain.claims.reading.functions import (
    BIG,
    FUNCTIONS,
    REDUCTIONS,
    function_named,
)
from chainrule.explain.claims.reading.grammar import CLOSING, Grammar
from chainrule.explain.claims.reading.names import named
from chainrule.explain.claims.reading.tokens import Token, raw
from chainrule.explain.formulas.names import GREEK
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
)

__all__ = ["Calls"]

#: Letters that are functions where brackets follow, if they are not declared as something else.
_FUNCTION_LETTERS = frozenset(("f", "g", "h", "F", "G", "H", "phi", "psi", "Phi", "Psi"))
_BIG_WORDS = {"Sigma": "sum", "Pi": "prod"}
#: Functions whose name is a letter, and what opens their argument.
_LETTER_FUNCTIONS = {"E": ("mean", "["), "I": ("indicator", "["), "sigma": ("sigmoid", "(")}
_RANGE = re.compile(r"([A-Za-z])(?:=(.*))?")
_EXCEPT = re.compile(r"([A-Za-z])!=([A-Za-z])")


class Calls(Grammar):
    """The rules for functions, known and unknown, and for ``Σ``."""

    # ------------------------------------------------------------------ functions

    def is_call(self, at: int = 1) -> bool:
        """Whether brackets, perhaps after primes, follow the word that stands here."""
        while self.ahead(at).text == "'" and self.ahead(at).kind == "operator":
            at += 1
        token = self.ahead(at)
        return token.kind == "operator" and token.text == "("

    def function_here(self, token: Token) -> str | None:
        """The function that a word names, if it is not declared as something else."""
        if self.names.has(token.text):
            return None
        if token.text in _LETTER_FUNCTIONS:
            letter, bracket = _LETTER_FUNCTIONS[token.text]
            fits = self.is_call() if bracket == "(" else self.ahead().text == "["
            return letter if fits else None
        if len(token.text) == 1:
            return None
        name = function_named(token.text)
        if name and (token.text.lower() in FUNCTIONS or self.is_call()):
            return name
        return name if token.text in ("ln", "tr") else None

    def call(self, name: str) -> Expression:
        """``tanh² z``, ``max(0, z)``, ``sum(x, axis=1)``."""
        token = self.taken()
        primes = self._primes()
        power, below = self._function_scripts(token, name)
        primes += self._primes()
        if self._opens_arguments(name):
            arguments, axis = self._arguments(name)
        else:
            arguments, axis = [self._bare_argument(token)], None
        value: Expression = called(
            name,
            arguments,
            self.products,
            lambda key, **values: self.error(key, token, **values),
            axis,
            primes,
        )
        if below is not None:
            value = self._with_subscript(token, name, value, below)
        return value if power is None else Power(value, power)

    def _primes(self) -> int:
        count = 0
        while self.accepts("'"):
            count += 1
        return count

    def _function_scripts(self, token: Token, name: str) -> tuple[Expression | None, Token | None]:
        """The power and the subscript between a function and its argument: ``tanh² z``."""
        power: Expression | None = None
        below: Token | None = None
        while self.here.kind in ("above", "below") or self.sees("^"):
            script = self.taken()
            if script.kind == "below":
                below = script
                continue
            if script.kind == "operator":
                power = self._bare_power()
            else:
                power = self.all_of(script.parts[0])
            if not isinstance(power, Number):
                raise self.error("claims.function_power", script, function=name)
        return power, below

    def _bare_power(self) -> Expression:
        if self.here.kind != "number":
            raise self.error("claims.operand")
        return Number(int(self.taken().text.partition(".")[0]))

    def _with_subscript(
        self, token: Token, name: str, value: Expression, below: Token
    ) -> Expression:
        """``log_2 x``, ``softmax_i(z)``."""
        text = raw(below.parts[0])
        if name == "log" and text.isdigit():
            return Divide(value, Apply("log", (Number(int(text)),)))
        indices = self.names.picked(text)
        if indices is None or name not in ("softmax", "log_softmax"):
            raise self.error("claims.subscript", below)
        return Apply("element", (value, *indices))

    def _opens_arguments(self, name: str) -> bool:
        return self.sees("(") or (self.sees("[", "{") and name in {*REDUCTIONS, "indicator"})

    def _arguments(self, name: str) -> tuple[list[Expression], int | None]:
        """What stands in the brackets of a call."""
        opening = self.taken()
        closing = CLOSING[opening.text]
        found: list[Expression] = []
        axis = None
        with self.within(opening.text, pooled=name in REDUCTIONS):
            while not self.sees(closing):
                if self.here.text in ("axis", "dim") and self.ahead().text == "=":
                    axis = self._axis()
                else:
                    found.append(self.comparison())
                if not self.accepts(",", ";"):
                    break
        self.closes(closing, opening)
        return found, axis

    def _axis(self) -> int:
        self.taken()
        self.taken()
        sign = -1 if self.accepts("-") else 1
        if not self.here.text.isdigit():
            raise self.error("claims.axis")
        return sign * int(self.taken().text[:9])

    def _begins(self) -> bool:
        """Whether an argument without brackets begins here."""
        return self.starts() or self.here.kind == "number" or self.sees("-")

    def _bare_argument(self, token: Token) -> Expression:
        """One factor, with a coefficient that is joined to it."""
        if not self._begins():
            raise self.error("claims.no_argument", token, function=token.text)
        negative = self.accepts("-")
        is_number = self.here.kind == "number"
        value = self.factor()
        if is_number and not self.here.spaced and self.starts():
            value = self.products.beside(value, self.factor(), self.pooled)
        return Negative(value) if negative else value

    # ------------------------------------------------------------------ unknown functions

    def is_unknown_function(self, token: Token) -> bool:
        """Whether a letter is a function that nobody defined: ``f(x, y)``, ``f'(x)``."""
        if not self.is_call() or (len(token.text) > 1 and token.text not in GREEK):
            return False
        first = self.ahead()
        if first.text == "'":
            return not self.names.declares(named(token.text))
        if self.names.declares(named(token.text)) or (first.spaced and not self.latex):
            return False
        stop = self.matching(self.at + 1)
        inside = self.tokens[self.at + 1 : stop]
        return token.text in _FUNCTION_LETTERS or _has_comma(inside)

    def names_its_arguments(self, at: int) -> bool:
        """Whether ``J(w)`` stands here: a name, with what it depends on in brackets."""
        token = self.token(at)
        if token.kind != "word" or self.token(at + 1).text != "(":
            return False
        stop = self.matching(at + 1)
        if self.function_here(token) or token.text in _FUNCTION_LETTERS:
            return False
        inside = self.tokens[at + 2 : stop]
        return all(each.kind in ("word", "above", "below") or each.text == "," for each in inside)

    def unknown_call(self) -> Expression:
        """``f(x, y)``, ``f'(x)``."""
        token = self.taken()
        primes = self._primes()
        arguments, _ = self._arguments(token.text)
        if not arguments:
            raise self.error("claims.no_argument", token, function=token.text)
        return Apply(token.text, tuple(arguments), None, primes)

    def unknown(self, token: Token) -> FormulaError:
        """The error about a function that is not in the table."""
        near = suggest(token.text[:40], FUNCTIONS)
        return self.error("claims.function", token, suggestion=near)

    # ------------------------------------------------------------------ sums with an index

    def big_kind(self, token: Token) -> str | None:
        """The function of a word that is used as a big sign: ``Σ``, ``sum_i``, ``max_i``."""
        if token.kind == "big":
            return token.text
        if self.names.has(token.text):
            return None
        if token.text in _BIG_WORDS and not token.upright:
            return _BIG_WORDS[token.text]
        name = function_named(token.text) if len(token.text) > 2 else None
        if name not in {*BIG, "min"}:
            return None
        following = self.ahead()
        if following.kind == "below" or (following.kind == "above" and name in ("sum", "prod")):
            return name
        if name not in ("sum", "prod", "mean"):
            return None
        return None if following.text == "(" and not following.spaced else name

    def big(self, name: str) -> Expression:
        """``Σ_{i=1}^n x_i``."""
        token = self.taken()
        lower: Token | None = None
        upper: Expression | None = None
        while self.here.kind in ("above", "below") or self.sees("^"):
            script = self.taken()
            if script.kind == "below":
                lower = script
            elif script.kind == "above":
                upper = self.all_of(script.parts[0])
            else:
                upper = self.factor()
        if name == "min":
            raise self.error("claims.big", token, sign=token.text)
        if not self._begins():
            raise self.error("claims.no_argument", token, function=token.text)
        with self.within(self.fences[-1] if self.fences else "", pooled=lower is None):
            negative = self.accepts("-")
            body = self.product()
        body = Negative(body) if negative else body
        return self._over_indices(BIG[name], body, lower, upper)

    def _over_indices(
        self, kind: str, body: Expression, below: Token | None, upper: Expression | None
    ) -> Expression:
        """``Σ_{i=1}^n``, ``Σ_ij``, ``Σ_{j≠i}``."""
        if below is None:
            return Big(kind, body, None, None, upper)
        text = raw(below.parts[0])
        if skipped := _EXCEPT.fullmatch(text):
            running, other = Symbol(skipped[1]), Symbol(skipped[2])
            if kind != "sum":
                raise self.error("claims.big", below, sign=text)
            condition = Compare("!=", running, other)
            return Big(kind, self._times(condition, body), running, None, upper)
        if found := _RANGE.fullmatch(text):
            lower = self.all_of(_after_equals(below)) if found[2] else None
            return Big(kind, body, Symbol(found[1]), lower, upper)
        letters = text.replace(",", "")
        if not (letters.isalpha() and letters.isascii() and upper is None and len(letters) < 5):
            raise self.error("claims.big", below, sign=text)
        for letter in reversed(letters):
            body = Big(kind, body, Symbol(letter))
        return body

    def _times(self, condition: Expression, body: Expression) -> Expression:
        factors = body.factors if isinstance(body, Multiply) and not body.arrays else (body,)
        return Multiply((condition, *factors))


def _has_comma(tokens: list[Token]) -> bool:
    """Whether a comma stands between brackets, but in no others inside of them."""
    level = 0
    for token in tokens:
        if token.kind == "operator":
            level += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if token.text == "," and level == 1:
                return True
    return False


def _after_equals(token: Token) -> tuple[Token, ...]:
    """The tokens of ``i=1`` after the sign."""
    inner = token.parts[0]
    signs = [place for place, each in enumerate(inner) if each.text == "="]
    return inner[signs[0] + 1 :]
