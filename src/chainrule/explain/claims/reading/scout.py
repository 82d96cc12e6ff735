"""What a formula says about its own names, before it is parsed."""

import re
from collections.abc import Iterator, Sequence

from chainrule.explain.claims.reading.functions import BIG, function_named
from chainrule.explain.claims.reading.names import Names, named
from chainrule.explain.claims.reading.tokens import Token, raw
from chainrule.explain.formulas.names import GREEK

__all__ = ["scout"]

_RUNNING = re.compile(r"([A-Za-z](?:,?[A-Za-z])*)(?:=.*|!=[A-Za-z])?")


def scout(tokens: Sequence[Token], names: Names) -> None:
    """Note letters that stand alone, indices that run, layers, and what is defined.

    A letter by itself is a name, so that ``ab`` beside ``a`` and ``b`` is a product. So is the
    word before the first ``=``, and what stands after a ``∂``.
    """
    _note_definition(tokens, names)
    for row in _rows(tokens):
        for place, token in enumerate(row):
            following = row[place + 1] if place + 1 < len(row) else None
            if token.kind == "word":
                _note_word(token, following, names)
            if token.text == "∂" and following is not None and following.kind == "word":
                names.loose.add(following.text)
            if following is not None and token.kind in ("word", "big") and _is_big(token):
                scripts = [each for each in row[place + 1 : place + 3] if each.kind == "below"]
                found = _RUNNING.fullmatch(raw(scripts[0].parts[0])) if scripts else None
                if found:
                    names.bound.update(found[1].replace(",", ""))


def _note_word(token: Token, following: Token | None, names: Names) -> None:
    if len(token.text) == 1 or token.text in GREEK:
        names.loose.add(token.text)
    if following is not None and following.kind == "above" and raw(following.parts[0]) == "1":
        names.layered.add(named(token.text).name)


def _note_definition(tokens: Sequence[Token], names: Names) -> None:
    """The name that stands alone before the first ``=``."""
    if not tokens or tokens[0].kind != "word":
        return
    place = 1
    while place < len(tokens) and tokens[place].kind in ("above", "below"):
        place += 1
    if place < len(tokens) and tokens[place].text == "=":
        names.loose.add(tokens[0].text)


def _is_big(token: Token) -> bool:
    return function_named(token.text) in BIG or token.text in ("Sigma", "Pi")


def _rows(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens, and those inside of every part."""
    waiting: list[Sequence[Token]] = [tokens]
    while waiting:
        row = waiting.pop()
        yield row
        waiting += [part for token in row for part in token.parts]
