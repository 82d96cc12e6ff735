"""Numbers and names as they are printed."""

import math
import unicodedata
from typing import Any

import numpy as np

__all__ = ["clean", "number", "percent", "score", "shortened", "signed", "value"]

MINUS, MISSING, UNKNOWN = "−", "–", "\N{REPLACEMENT CHARACTER}"
#: Characters that turn the direction of writing: with them a name rewrites the text around it.
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    r"""A text without what no page may hold: control characters, halves of pairs, turned writing.

    Examples
    --------
    >>> from chainrule.report.text import clean
    >>> clean("price\x00\nin €")
    'price� in €'
    """
    spaced = " ".join(text.split()) if any(c in text for c in "\n\r\t\x0b\x0c\x85") else text
    if spaced.isascii() and spaced.isprintable():
        return spaced
    return "".join(UNKNOWN if _is_unprintable(c) else c for c in spaced)


def _is_unprintable(character: str) -> bool:
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or character in TURNING
        or (code & 0xFFFE) == 0xFFFE
        or 0xFDD0 <= code <= 0xFDEF
        or character in "\u2028\u2029"
    )


def shortened(text: str, length: int) -> str:
    """A name that fits, its middle left out: names that differ often differ at the end.

    Examples
    --------
    >>> from chainrule.report.text import shortened
    >>> shortened("worst concave points", 13)
    'worst …points'
    """
    text = clean(text)
    if len(text) <= length:
        return text
    tail = length // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def number(x: Any, digits: int = 4) -> str:
    """A number with four digits that count; ``–`` where there is none.

    Examples
    --------
    >>> from chainrule.report.text import number
    >>> [number(x) for x in (4810, 0.0123456, -2951.26, 3.2e-9, float("nan"))]
    ['4,810', '0.01235', '−2,951', '3.2e−9', '–']
    """
    if x is None or not math.isfinite(x):
        return MISSING
    if float(x).is_integer() and abs(x) < 1e15:
        text = f"{int(x):,}"
    elif 10 ** (digits - 1) <= abs(x) < 1e7:
        text = f"{x:,.0f}"
    else:
        mantissa, _, exponent = f"{x:.{digits}g}".partition("e")
        text = f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return text.replace("-", MINUS)


def score(x: float | None) -> str:
    """A score with three decimals.

    Examples
    --------
    >>> from chainrule.report.text import score
    >>> score(0.97527), score(-0.25), score(None)
    ('0.975', '−0.250', '–')
    """
    if x is None or not math.isfinite(x):
        return MISSING
    return (f"{x:.3f}" if abs(x) < 1000 else f"{x:.3g}").replace("-", MINUS)


def signed(x: float) -> str:
    """A difference of scores, with its sign.

    Examples
    --------
    >>> from chainrule.report.text import signed
    >>> signed(0.0139), signed(-0.0101), signed(0.0)
    ('+0.014', '−0.010', '0.000')
    """
    text = score(x)
    return f"+{text}" if x > 0 and float(text) > 0 else text


def percent(share: float) -> str:
    """A share in percent; what is rounded is never shown as none or all.

    Examples
    --------
    >>> from chainrule.report.text import percent
    >>> percent(0.431), percent(0.9972), percent(0.99999), percent(1.0)
    ('43%', '99.7%', '> 99.9%', '100%')
    """
    if not math.isfinite(share):
        return MISSING
    if 0 < share < 0.0005:
        return "< 0.1%"
    if 0.9995 <= share < 1:
        return "> 99.9%"
    near_an_end = 0 < share < 0.095 or 0.905 < share < 1
    return f"{100 * share:.{1 if near_an_end else 0}f}%".replace("-", MINUS)


def value(x: Any) -> str:
    """An entry of the data: a number as a number, all else as text."""
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, int | float | np.integer | np.floating):
        return number(float(x)) if isinstance(x, float | np.floating) else str(int(x))
    return MISSING if x is None else str(x)
