import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.explain.formulas.numbers import number_latex, number_text, read_number, rounded

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DIGITS = st.integers(1, 17)


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        (0.012345, "0.012345", "0.012345"),
        (1.23456e-7, "1.2346·10⁻⁷", r"1.2346 \cdot 10^{-7}"),
        (-1e-5, "−10⁻⁵", "-10^{-5}"),
        (1e-4, "0.0001", "0.0001"),
        (9.99996e-5, "0.0001", "0.0001"),
        (123456.7, "123457", "123457"),
        (9999999.4, "10⁷", "10^{7}"),
        (99999.96, "100000", "100000"),
        (2.0, "2", "2"),
        (-0.0, "0", "0"),
        (0.5, "0.5", "0.5"),
        (10**20, "100000000000000000000", "100000000000000000000"),
        (3 * 10**40, "3·10⁴⁰", r"3 \cdot 10^{40}"),
        (Fraction(-2, 3), "−2/3", r"-\frac{2}{3}"),
        (Fraction(6, 3), "2", "2"),
        (math.inf, "∞", r"\infty"),
        (-math.inf, "−∞", r"-\infty"),
        (math.nan, "NaN", r"\mathrm{NaN}"),
        (np.float32(0.1), "0.1", "0.1"),
        (np.int64(-7), "−7", "-7"),
    ],
)
def test_how_numbers_are_written(value: float, text: str, latex: str) -> None:
    assert number_text(value) == text
    assert number_latex(value) == latex


def test_a_number_that_python_would_not_write_is_written() -> None:
    assert number_text(-(10**5000)) == "−10⁵⁰⁰⁰"
    assert number_text(Fraction(10**5000 + 1, 7)) == "1.4286·10⁴⁹⁹⁹"


@given(FINITE, DIGITS)
def test_a_float_is_off_by_half_a_unit_of_the_last_digit_at_most(x: float, digits: int) -> None:
    exact = Fraction(x)
    error = abs(Fraction(read_number(number_text(x, digits))) - exact)
    if x == 0:
        assert error == 0
    else:
        first = math.floor(math.log10(abs(x)))
        # 10**-400 is no float; a float read back is itself off by half of its own last bit.
        unit = Fraction(10) ** (first + 1 - digits)
        assert error <= unit / 2 + abs(exact) * Fraction(1, 2**53) + Fraction(1, 2**1075)


@given(FINITE, DIGITS)
def test_text_and_latex_say_the_same_number(x: float, digits: int) -> None:
    assert read_number(number_text(x, digits)) == read_number(number_latex(x, digits))


@given(FINITE, DIGITS)
def test_what_is_printed_is_printed_alike_again(x: float, digits: int) -> None:
    assert number_text(rounded(x, digits), digits) == number_text(x, digits)


@given(FINITE)
def test_with_all_digits_a_float_is_read_back_exactly(x: float) -> None:
    assert float(read_number(number_text(x, None))) == x


@given(st.integers(-(10**20), 10**20) | st.fractions(max_denominator=10**9))
def test_whole_numbers_and_fractions_are_exact(x: int | Fraction) -> None:
    assert read_number(number_text(x)) == x
    assert read_number(number_latex(x)) == x


@given(FINITE)
def test_numbers_are_as_long_as_was_asked(x: float) -> None:
    digits = number_text(x).partition("·")[0].lstrip("−0.").replace(".", "")
    assert len(digits) <= 7
    assert number_text(x).count("0." + "0" * 4) == 0


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "--1", "1·10", "1/0/2", "١٢x"])
def test_what_is_no_number_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        read_number(text)
