r"""How a number is written: one rule of rounding for all views, and the way back.

A measured number (a float) is rounded to ``digits`` digits that count, ties to even, from its exact
binary value. Where that leaves less than a ten-thousandth or a number of more than seven digits, a
power of ten is split off: ``1.2346·10⁻⁷``. Before the point every digit is written: 123456.7 is
``123457``. Zeros at the end say nothing and are left out. Whole numbers and fractions are exact, as
long as they can be read: up to 21 digits.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational

__all__ = ["DIGITS", "Written", "number_latex", "number_text", "read_number", "rounded", "written"]

#: The digits that count, unless something else is asked for.
DIGITS = 5
#: The powers of ten of the first digit between which a number is written without a power.
LOWEST, HIGHEST = -4, 6
#: Digits of a whole number that are all written.
WHOLE = 21

SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
FROM_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SPECIAL = {"∞": math.inf, r"\infty": math.inf, "NaN": math.nan, r"\mathrm{NaN}": math.nan}
FRACTION = re.compile(r"(\d+)/(\d+)|\\frac\{(\d+)\}\{(\d+)\}")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
POWER = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(?:·| \\cdot ))?10(?:\^\{(-?\d+)\}|([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))")


@dataclass(frozen=True, slots=True)
class Written:
    """A number taken apart: sign, digits, and what makes a fraction or a power of ten of them.

    Attributes
    ----------
    negative
        Whether a minus stands before it.
    digits
        The number without its sign: ``"1.2346"``, ``"inf"``, ``"nan"``, or a numerator.
    denominator
        What stands under the line of a fraction, else nothing.
    power
        The power of ten that the digits are multiplied by, else nothing.
    """

    negative: bool
    digits: str
    denominator: str = ""
    power: int | None = None


def written(value: float | Fraction, digits: int | None = DIGITS) -> Written:
    """The parts of a number as it is written.

    Parameters
    ----------
    value
        A whole number or a fraction, which stay exact, or a float, which is rounded.
    digits
        How many digits of a float count; ``None`` for as many as tell it from its neighbours.

    Examples
    --------
    >>> from chainrule.explain.formulas.numbers import written
    >>> written(-1.23456e-7)
    Written(negative=True, digits='1.2346', denominator='', power=-7)
    """
    if isinstance(value, Rational):  # whole numbers are
        return _exact(int(value.numerator), int(value.denominator), digits)
    value = float(value)
    if not math.isfinite(value):
        return Written(value < 0, "nan" if math.isnan(value) else "inf")
    return _measured(value, digits)


def rounded(value: float | Fraction, digits: int | None = DIGITS) -> int | float | Fraction:
    """The number that is printed for ``value``: two values look alike if and only if these agree.

    Examples
    --------
    >>> from chainrule.explain.formulas.numbers import rounded
    >>> rounded(0.0123449999), rounded(123456.7), rounded(-0.0)
    (0.012345, 123457, 0)
    """
    return read_number(number_text(value, digits))


def number_text(value: float | Fraction, digits: int | None = DIGITS) -> str:
    """A number as Unicode text.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from chainrule.explain.formulas.numbers import number_text
    >>> [number_text(x) for x in (0.0123449999, -1.23456e-7, 1e-5, Fraction(-2, 3), -0.0)]
    ['0.012345', '−1.2346·10⁻⁷', '10⁻⁵', '−2/3', '0']
    """
    parts = written(value, digits)
    text = {"inf": "∞", "nan": "NaN"}.get(parts.digits, parts.digits)
    if parts.denominator:
        text = f"{text}/{parts.denominator}"
    if parts.power is not None:
        power = "10" + str(parts.power).translate(SUPERSCRIPTS)
        text = power if text == "1" else f"{text}·{power}"
    return f"−{text}" if parts.negative else text


def number_latex(value: float | Fraction, digits: int | None = DIGITS) -> str:
    r"""A number as LaTeX.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from chainrule.explain.formulas.numbers import number_latex
    >>> print(number_latex(-1.23456e-7), number_latex(Fraction(2, 3)), number_latex(float("inf")))
    -1.2346 \cdot 10^{-7} \frac{2}{3} \infty
    """
    parts = written(value, digits)
    text = {"inf": r"\infty", "nan": r"\mathrm{NaN}"}.get(parts.digits, parts.digits)
    if parts.denominator:
        text = rf"\frac{{{text}}}{{{parts.denominator}}}"
    if parts.power is not None:
        power = f"10^{{{parts.power}}}"
        text = power if text == "1" else rf"{text} \cdot {power}"
    return f"-{text}" if parts.negative else text


def read_number(text: str) -> int | float | Fraction:
    r"""The number that a text or LaTeX says: the inverse of the two printers.

    Raises
    ------
    ValueError
        If it is no number.

    Examples
    --------
    >>> from chainrule.explain.formulas.numbers import read_number
    >>> read_number("−1.2346·10⁻⁷"), read_number(r"\frac{2}{3}"), read_number("12")
    (-1.2346e-07, Fraction(2, 3), 12)
    """
    plain = text.strip()
    sign, bare = (-1, plain[1:]) if plain[:1] in ("-", "−") else (1, plain)
    if bare in SPECIAL:
        return sign * SPECIAL[bare]
    if match := FRACTION.fullmatch(bare):
        return sign * Fraction(int(match[1] or match[3]), int(match[2] or match[4]))
    if match := POWER.fullmatch(bare):
        power = match[2] or match[3].translate(FROM_SUPERSCRIPTS)
        scientific = f"{match[1] or 1}e{power}"
        value = float(scientific)
        return sign * (int(Decimal(scientific)) if math.isinf(value) else value)
    if not DECIMAL.fullmatch(bare):
        raise ValueError(f"no number: {text!r}")
    return sign * (float(bare) if "." in bare else int(bare))


def _exact(numerator: int, denominator: int, digits: int | None) -> Written:
    if max(abs(numerator), denominator) < 10**WHOLE:
        over = "" if denominator == 1 else str(denominator)
        return Written(numerator < 0, str(abs(numerator)), over)
    quotient = Decimal(abs(numerator)) / denominator
    return _scientific(f"{quotient:.{(digits or WHOLE) - 1}e}", numerator < 0)


def _measured(value: float, digits: int | None) -> Written:
    if value == 0:
        return Written(False, "0")
    if digits is None:
        digits = len(Decimal(repr(value)).as_tuple().digits)
    scientific = f"{abs(value):.{digits - 1}e}"
    power = int(scientific.partition("e")[2])
    if not LOWEST <= power <= HIGHEST:
        return _scientific(scientific, value < 0)
    fixed = f"{abs(value):.{max(digits - 1 - power, 0)}f}"
    return Written(value < 0, _without_zeros(fixed))


def _scientific(text: str, negative: bool) -> Written:
    mantissa, _, power = text.partition("e")
    return Written(negative, _without_zeros(mantissa), power=int(power))


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
