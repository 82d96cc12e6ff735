"""Characters: Greek letters, small raised and lowered ones, accents, many signs for one thing."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from chainrule.explain.formulas.names import ACCENTS, GREEK, SUBSCRIPTS, SUPERSCRIPTS

__all__ = [
    "ACCENT_NAMES",
    "GREEK_NAMES",
    "LOWERED",
    "OPERATORS",
    "RAISED",
    "composed",
    "letter",
    "spelled",
]

#: The English name of each Greek letter, of its variants too.
GREEK_NAMES: Mapping[str, str] = MappingProxyType(
    {sign: name for name, sign in GREEK.items()}
    | {"ϵ": "epsilon", "ϕ": "phi", "ϑ": "theta", "ϱ": "rho", "ς": "sigma", "ϖ": "pi"}
    | {"µ": "mu", "Ω": "Omega", "∆": "Delta", "ϰ": "kappa"}
)

#: What small raised and lowered characters stand for.
RAISED: Mapping[str, str] = MappingProxyType(
    {small: sign for sign, small in SUPERSCRIPTS.items() if sign != "′"} | {"ᶲ": "φ"}
)
LOWERED: Mapping[str, str] = MappingProxyType(
    {small: sign for sign, small in SUBSCRIPTS.items() if sign != ","} | {"ⱼ": "j", "ₔ": "ə"}
)

ACCENT_NAMES: Mapping[str, str] = MappingProxyType(
    {mark: name for name, mark in ACCENTS.items()} | {"\u0305": "bar"}
)

#: One spelling for every sign.
OPERATORS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys("-−–—‐‑﹣－", "-")
    | dict.fromkeys("·⋅∙•・", "·")
    | dict.fromkeys("*∗＊", "*")
    | dict.fromkeys("/÷∕⁄／", "/")
    | dict.fromkeys("⊙∘○◦", "⊙")
    | dict.fromkeys("'′’ʹ", "'")
    | dict.fromkeys("|∣❘", "|")
    | dict.fromkeys("‖∥", "‖")
    | dict.fromkeys("≤⩽≦", "<=")
    | dict.fromkeys("≥⩾≧", ">=")
    | {
        "≠": "!=",
        "＝": "=",
        "＋": "+",
        "（": "(",
        "）": ")",
        "，": ",",
        "；": ";",
        "⟨": "(",
        "⟩": ")",
    }
    | {sign: sign for sign in "+=<>()[]{},;:^@×∂∇√∛…!"}
)


def composed(text: str) -> str:
    """The text with every letter and its accent as one character where Unicode has it."""
    return unicodedata.normalize("NFC", text)


def letter(character: str) -> tuple[str, str]:
    """A letter's name and accent: ``ŷ`` is ``("y", "hat")``, ``α`` is ``("alpha", "")``.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.letters import letter
    >>> letter("ŷ"), letter("α"), letter("w")
    (('y', 'hat'), ('alpha', ''), ('w', ''))
    """
    if character in GREEK_NAMES:
        return GREEK_NAMES[character], ""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in ACCENT_NAMES:
        return GREEK_NAMES.get(base, base), ACCENT_NAMES[marks[0]]
    plain = unicodedata.normalize("NFKC", character)  # 𝐰, ｗ and ℓ are w, w and l
    return (plain if len(plain) == 1 and plain.isalpha() else character), ""


def spelled(text: str) -> str:
    """A text with every character in its plain spelling: ``ₜ₋₁`` and ``t−1`` are ``t-1``."""
    plain = (RAISED.get(c) or LOWERED.get(c) or c for c in text)
    return "".join(GREEK_NAMES.get(c) or OPERATORS.get(c) or c for c in plain if not c.isspace())
