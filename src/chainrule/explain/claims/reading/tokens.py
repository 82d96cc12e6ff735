"""What a formula is made of before it is parsed: the same tokens for text and for LaTeX."""

from dataclasses import dataclass, replace
from typing import Self

__all__ = ["Token", "raw"]


@dataclass(frozen=True, slots=True)
class Token:
    r"""A piece of a formula.

    Attributes
    ----------
    kind
        ``"number"``, ``"word"`` (letters), ``"big"`` (``Σ``), ``"operator"``, ``"end"``; with
        parts: ``"above"`` and ``"below"`` (scripts), ``"accent"``, ``"fraction"``, ``"root"``,
        ``"cases"``, ``"matrix"``; ``"one"`` is the bold 1 of an indicator.
    text
        What it says, in one spelling for all syntaxes: ``alpha`` for ``α`` and ``\alpha``, ``<=``
        for ``≤``.
    start, end
        Where it stands in the source.
    spaced
        Whether white space comes before it.
    upright
        Whether it was set as one word (``\mathrm{in}``), which is never a product of letters.
    parts
        The tokens inside, part by part: numerator and denominator; the cells, row by row.
    """

    kind: str
    text: str
    start: int
    end: int
    spaced: bool = False
    upright: bool = False
    parts: "tuple[tuple[Token, ...], ...]" = ()

    def at(self, start: int, end: int) -> Self:
        """The same in another place."""
        return replace(self, start=start, end=end)

    def spaced_out(self) -> Self:
        """The same after white space."""
        return replace(self, spaced=True)

    def set_upright(self) -> Self:
        """The same, set as one word."""
        return replace(self, upright=True)


def raw(tokens: tuple[Token, ...]) -> str:
    """What tokens say, without white space: ``t-1``, ``i,j``, ``(1)``, ``y_hat``."""
    return "".join(_spelled(token) for token in tokens)


def _spelled(token: Token) -> str:
    inside = ",".join(raw(part) for part in token.parts)
    match token.kind:
        case "above":
            return f"^{inside}"
        case "below":
            return f"_{inside}"
        case "accent":
            return f"{inside}_{token.text}"
    return token.text
