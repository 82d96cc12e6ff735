"""Elementary functions as inline vector code, for float32 and float64.

Every function takes an emitter and values, vectors or scalars, and returns the value of the result.
There are no tables in memory, and no branches but the one named below. The pattern is always the
same: reduce the argument to a short interval, evaluate a polynomial there, join the parts again.

``exp`` and its family
    ``x = n ln 2 + r`` with ``|r| ≤ ln 2 / 2``, so ``e^x = 2ⁿ (1 + q)`` with ``q = e^r - 1``.
    ``tanh`` and ``expm1`` need ``q`` itself: near 0 it keeps the digits that ``1 + q`` loses.
``erf``
    ``(3 w - w³) / 2`` with a quotient ``w`` of two polynomials.
``log`` and ``log1p``
    ``x = 2ᵏ (1 + f)`` with ``√½ ≤ 1 + f < √2``, so ``log x = k ln 2 + f - f²/2 + f³ P(f)``.
``sin`` and ``cos``
    ``x = n π/2 + r`` with π/2 in three parts (Cody and Waite, *Software Manual for the Elementary
    Functions*, 1980). Where a lane exceeds ``Format.trigonometric_limit`` (2¹⁷ in float32, 2³⁰ in
    float64) a branch calls the C library, one lane after the other.
``arctan2``
    ``arctan q`` of the quotient ``q ≤ 1`` of the smaller by the larger coordinate.
``power``
    In float32 ``exp(y log |x|)`` computed in float64; in float64 the C library, lane by lane.

Special values are NumPy's: signed zeros, infinities, NaN. Results underflow gradually. With
flush-to-zero on, denormal inputs count as zero and denormal results are zero.

``ACCURACY`` holds the largest errors that were measured, in units in the last place, rounded up.
Functions of one number were measured on every float32 from 2⁻¹⁴ to 2⁸ (``sin`` and ``cos``: to 2¹⁷)
and on every 16th (64th) of the others, all else on several million random numbers. Every operation
in between is IEEE's, so other machines give the same bits, but for the C library's part.
"""

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from chainrule.engines.native.emit import DOUBLE, I1, Emitter, lanes_of, mangled, new_function
from chainrule.engines.native.formats import FLOAT64, Format, format_of

__all__ = [
    "ACCURACY",
    "arctan2",
    "cos",
    "erf",
    "exp",
    "expm1",
    "library",
    "log",
    "log1p",
    "power",
    "sigmoid",
    "sin",
    "tanh",
]

Value = Any

LONGEST_CHAIN = 8  # coefficients that Horner's rule takes one after the other

ACCURACY: dict[str, dict[str, float]] = {
    "exp": {"float32": 1.1, "float64": 1.1},
    "expm1": {"float32": 1.6, "float64": 2.0},
    "log": {"float32": 0.9, "float64": 0.9},
    "log1p": {"float32": 1.5, "float64": 1.5},
    "tanh": {"float32": 2.6, "float64": 2.6},
    "sigmoid": {"float32": 2.5, "float64": 2.5},
    "erf": {"float32": 2.0, "float64": 1.8},
    "sin": {"float32": 1.7, "float64": 1.7},
    "cos": {"float32": 1.7, "float64": 1.7},
    "arctan2": {"float32": 1.8, "float64": 1.8},
    "power": {"float32": 0.6, "float64": 1.0},  # in float64 that of glibc
}


# ---------------------------------------------------------------------- exp and its family
def exp(e: Emitter, x: Value) -> Value:
    """``e^x``."""
    form = format_of(x)
    high, low, q = _spread(e, _at_most(e, _at_least(e, x, form.exp_low), form.exp_high))
    return e.b.fmul(e.fma(high, q, high), low)


def expm1(e: Emitter, x: Value) -> Value:
    """``e^x - 1``, exact near 0."""
    form = format_of(x)
    limited = _at_most(e, _at_least(e, x, form.expm1_low), form.exp_high)
    # Half of the result: at the upper end 2ⁿ is infinite, but 2ⁿ⁻¹ is not.
    bits, q = _reduced(e, limited, form.bias - 1, form.ln2)
    half_two_n = _power_of_two(e, x, bits)
    half = e.fma(half_two_n, q, e.b.fsub(half_two_n, e.like(x, 0.5)))
    return _unless_negligible(e, x, e.b.fadd(half, half))


def tanh(e: Emitter, x: Value) -> Value:
    """``tanh |x| = -m / (m + 2)`` with ``m = e^(-2|x|) - 1``, with the sign of ``x``."""
    form = format_of(x)
    u = _at_least(e, _minus_magnitude(e, x), -form.tanh_high)
    # The smaller e^(-2|x|), the less it counts: one number is enough of ln 2.
    bits, q = _reduced(e, e.b.fadd(u, u), form.bias, form.ln2[:1])
    two_n = _power_of_two(e, x, bits)
    m = e.fma(two_n, q, e.b.fsub(two_n, e.like(x, 1)))
    return e.intrinsic("copysign", e.b.fdiv(m, e.b.fadd(m, e.like(x, 2))), x)


def sigmoid(e: Emitter, x: Value) -> Value:
    """``a / (a + 1 / b)`` with ``e^x = a b``, both far from the ends of the range."""
    form = format_of(x)
    high, low, q = _spread(e, _at_most(e, _at_least(e, x, form.exp_low), -form.exp_low))
    a = e.fma(high, q, high)
    opposite = e.b.sub(_integer(e, x, 2 * form.bias << form.mantissa), _bits(e, low))
    return e.b.fdiv(a, e.b.fadd(a, e.b.bitcast(opposite, x.type)))


def erf(e: Emitter, x: Value) -> Value:
    """``w + w (1 - w²) / 2`` with a rational ``w``, with the sign of ``x``.

    The cubic is flat where ``w`` is 1: the closer the limit, the less an error of ``w`` counts.
    """
    form, slope, half = format_of(x), 2 / math.sqrt(math.pi), e.like(x, 0.5)
    u = _at_most(e, e.intrinsic("fabs", x), form.erf_high)
    z = e.b.fmul(u, u)
    over, under = (_polynomial(e, z, part) for part in form.erf)
    bend = e.b.fdiv(e.b.fmul(e.b.fmul(u, z), over), under)
    w = e.fma(u, e.like(x, slope / 1.5), bend)
    rest = e.fma(e.b.fneg(e.b.fmul(w, half)), w, half)
    y = e.fma(w, rest, w)
    # Where erf x is just normal, w may be too small to be, and have been flushed to zero.
    gone = e.b.fcmp_ordered("==", w, e.like(x, 0))
    y = e.select(gone, e.b.fmul(u, e.like(x, slope)), y)
    return e.intrinsic("copysign", y, x)


def _spread(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """``(2ⁱ, 2ʲ, q)`` with ``e^x = 2^(i + j) (1 + q)``.

    ``2^(i + j)`` can lie outside the range of the type where ``e^x`` does not.
    """
    bits, q = _reduced(e, x, 2 * format_of(x).bias, format_of(x).ln2)
    half = e.b.lshr(bits, _integer(e, x, 1))
    return _power_of_two(e, x, half), _power_of_two(e, x, e.b.sub(bits, half)), q


def _reduced(e: Emitter, x: Value, shift: int, ln2: Sequence[float]) -> tuple[Value, Value]:
    """``(bits, q)`` with ``e^x = 2ⁿ (1 + q)``; the lowest bits are ``n + shift``."""
    form = format_of(x)
    shifted = e.like(x, form.rounder + shift)
    t = e.fma(x, e.like(x, 1 / math.log(2)), shifted)
    n, r = e.b.fsub(t, shifted), x
    for part in ln2:
        r = e.fma(n, e.like(x, -part), r)
    return _bits(e, t), e.fma(e.b.fmul(r, r), _polynomial(e, r, form.expm1), r)


def _power_of_two(e: Emitter, x: Value, bits: Value) -> Value:
    """2 to the power of what the lowest bits are above the bias; the shift drops all others."""
    return e.b.bitcast(e.b.shl(bits, _integer(e, x, format_of(x).mantissa)), x.type)


# ---------------------------------------------------------------------- logarithms
def log(e: Emitter, x: Value) -> Value:
    """The natural logarithm; ``-inf`` at 0 and NaN below."""
    form = format_of(x)
    half = form.half_range
    denormal = e.b.fcmp_ordered("<", x, e.like(x, form.smallest_normal))
    normal = e.select(denormal, e.b.fmul(x, e.like(x, 2.0**half)), x)
    scale = e.select(denormal, e.like(x, -half), e.like(x, 0))
    k, biased = _exponent(e, normal, scale)
    fraction = e.b.and_(biased, _integer(e, x, (1 << form.mantissa) - 1))
    mantissa = e.b.add(fraction, _integer(e, x, _pattern(form, math.sqrt(0.5))))
    f = e.b.fsub(e.b.bitcast(mantissa, x.type), e.like(x, 1))
    return _log_specials(e, x, 0, _joined_log(e, k, f))


def log1p(e: Emitter, x: Value) -> Value:
    """``log(1 + x)``, exact near 0."""
    form, one = format_of(x), e.like(x, 1)
    half = form.half_range
    # Beyond, 1 + x is x; scaled down, 2⁻ᵏ below is a normal number.
    huge = e.b.fcmp_ordered(">", x, e.like(x, 2.0 ** (half + form.mantissa + 3)))
    scaled = e.select(huge, e.b.fmul(x, e.like(x, 2.0**-half)), x)
    scale = e.select(huge, e.like(x, half), e.like(x, 0))
    k, biased = _exponent(e, e.b.fadd(one, scaled), scale)
    exponent = e.b.and_(biased, _integer(e, x, -1 << form.mantissa))
    opposite = e.b.sub(_integer(e, x, 2 * form.bias << form.mantissa), exponent)
    shrink = e.b.bitcast(opposite, x.type)  # 2⁻ᵏ
    f = e.fma(scaled, shrink, e.b.fsub(shrink, one))  # 2⁻ᵏ (1 + x) - 1, rounded once
    return _unless_negligible(e, x, _log_specials(e, x, -1, _joined_log(e, k, f)))


def _exponent(e: Emitter, x: Value, scale: Value) -> tuple[Value, Value]:
    """``k + scale`` as a number, and ``k + bias`` in the exponent bits, ``√½ ≤ 2⁻ᵏ x < √2``.

    The mantissa bits beside it count from √½ on.
    """
    form = format_of(x)
    lowest = _pattern(form, math.sqrt(0.5))
    biased = e.b.sub(_bits(e, x), _integer(e, x, lowest - (form.bias << form.mantissa)))
    # An integer in the lowest bits of 2^mantissa is that number plus the integer.
    base = 2.0**form.mantissa
    small = e.b.lshr(biased, _integer(e, x, form.mantissa))
    number = e.b.bitcast(e.b.or_(small, _integer(e, x, _pattern(form, base))), x.type)
    return e.b.fsub(number, e.b.fsub(e.like(x, base + form.bias), scale)), biased


def _joined_log(e: Emitter, k: Value, f: Value) -> Value:
    """``k ln 2 + log(1 + f)``."""
    form = format_of(f)
    curve = e.fma(f, _polynomial(e, f, form.log), e.like(f, -0.5))
    tail = e.fma(e.b.fmul(f, f), curve, e.b.fmul(k, e.like(f, form.ln2[1])))
    return e.fma(k, e.like(f, form.ln2[0]), e.b.fadd(f, tail))


def _log_specials(e: Emitter, x: Value, pole: float, y: Value) -> Value:
    """``y``, but -inf at the pole, NaN below it, and infinity and NaN as they are."""
    y = e.select(e.b.fcmp_unordered("==", x, e.like(x, math.inf)), x, y)
    y = e.select(e.b.fcmp_ordered("==", x, e.like(x, pole)), e.like(x, -math.inf), y)
    return e.select(e.b.fcmp_ordered("<", x, e.like(x, pole)), e.like(x, math.nan), y)


# ---------------------------------------------------------------------- trigonometry
def sin(e: Emitter, x: Value) -> Value:
    """The sine."""
    magnitude = e.intrinsic("fabs", x)
    y = e.b.xor(_bits(e, _turned(e, magnitude, 0)), _sign(e, x))
    return _unless_large(e, "sin", x, magnitude, e.b.bitcast(y, x.type))


def cos(e: Emitter, x: Value) -> Value:
    """The cosine."""
    magnitude = e.intrinsic("fabs", x)
    return _unless_large(e, "cos", x, magnitude, _turned(e, magnitude, 1))


def _turned(e: Emitter, x: Value, quarters: int) -> Value:
    """``sin(x + quarters π/2)`` for ``x ≥ 0``."""
    form = format_of(x)
    t = e.fma(x, e.like(x, 2 / math.pi), e.like(x, form.rounder))
    n = e.b.fsub(t, e.like(x, form.rounder))
    r = x
    for part in form.pi_2:
        r = e.fma(n, e.like(x, -part), r)
    z = e.b.fmul(r, r)
    sine = e.fma(e.b.fmul(r, z), _polynomial(e, z, form.sin), r)
    flat = e.fma(z, e.like(x, -0.5), e.like(x, 1))
    cosine = e.fma(e.b.fmul(z, z), _polynomial(e, z, form.cos), flat)
    quadrant = e.b.add(_bits(e, t), _integer(e, x, quarters))
    top = e.b.shl(quadrant, _integer(e, x, form.bits - 1))
    odd = e.b.icmp_signed("<", top, _integer(e, x, 0))
    flip = e.b.and_(
        e.b.shl(quadrant, _integer(e, x, form.bits - 2)), _integer(e, x, 1 << (form.bits - 1))
    )
    return e.b.bitcast(e.b.xor(_bits(e, e.select(odd, cosine, sine)), flip), x.type)


def _unless_large(e: Emitter, name: str, x: Value, magnitude: Value, y: Value) -> Value:
    """``y``, but the C library's value in the lanes beyond the trigonometric limit."""
    large = e.b.fcmp_ordered(">", magnitude, e.like(x, format_of(x).trigonometric_limit))
    somewhere = large
    if lanes_of(x) > 1:
        somewhere = e.call(f"llvm.vector.reduce.or.{mangled(large.type)}", large, result=I1)
    return e.either(somewhere, lambda: [e.select(large, library(e, name, x), y)], lambda: [y])[0]


def arctan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of the point with abscissa ``x`` and ordinate ``y``."""
    form, zero, one = format_of(x), e.like(x, 0), e.like(x, 1)
    width, height = e.intrinsic("fabs", x), e.intrinsic("fabs", y)
    steep = e.b.fcmp_ordered(">", height, width)
    small, large = e.select(steep, width, height), e.select(steep, height, width)
    # 0/0 and inf/inf have an angle too.
    equal = e.select(e.b.fcmp_ordered("==", large, zero), zero, one)
    quotient = e.b.fdiv(small, large)
    q = e.select(e.b.fcmp_ordered("==", small, large), equal, quotient)
    z = e.b.fmul(q, q)
    angle = e.fma(e.b.fmul(q, z), _polynomial(e, z, form.arctan), q)
    left = e.b.icmp_signed("<", _bits(e, x), _integer(e, x, 0))  # -0 counts as left
    # From the axis that the point is closest to, back or on: quarters π/2 ± angle.
    quarters = e.select(steep, one, e.select(left, e.like(x, 2), zero))
    turned = e.select(e.b.xor(steep, left), e.b.fneg(angle), angle)
    high, low, _ = form.pi_2
    angle = e.fma(quarters, e.like(x, high), e.fma(quarters, e.like(x, low), turned))
    return e.intrinsic("copysign", angle, y)


# ---------------------------------------------------------------------- powers
def power(e: Emitter, x: Value, y: Value) -> Value:
    """``x ** y`` with the special values of IEEE 754's ``pow``."""
    if format_of(x) is FLOAT64:
        return library(e, "pow", x, y)
    wide = ir.VectorType(DOUBLE, lanes_of(x)) if lanes_of(x) > 1 else DOUBLE
    base, exponent = e.b.fpext(x, wide), e.b.fpext(y, wide)
    logarithm = log(e, e.intrinsic("fabs", base))
    product = e.b.fmul(exponent, logarithm)
    return e.b.fptrunc(_signed_power(e, base, exponent, logarithm, product), x.type)


def _signed_power(e: Emitter, x: Value, y: Value, logarithm: Value, product: Value) -> Value:
    """``±e^product``, NaN or 1: what the signs and special values of ``x ** y`` ask for."""
    b, zero, one = e.b, e.like(x, 0), e.like(x, 1)
    # (-1) ** ±inf is 1, but inf · log 1 is NaN.
    flat = b.and_(b.fcmp_ordered("==", logarithm, zero), b.fcmp_ordered("ord", y, y))
    magnitude = exp(e, e.select(flat, zero, product))
    half = b.fmul(y, e.like(y, 0.5))
    whole = b.fcmp_ordered("==", e.intrinsic("trunc", y), y)
    odd = b.and_(whole, b.fcmp_ordered("!=", e.intrinsic("trunc", half), half))
    result = e.select(odd, e.intrinsic("copysign", magnitude, x), magnitude)
    finite = b.fcmp_ordered(">", x, e.like(x, -math.inf))
    rootless = b.and_(b.and_(b.fcmp_ordered("<", x, zero), finite), b.not_(whole))
    result = e.select(rootless, e.like(x, math.nan), result)
    certain = b.or_(b.fcmp_ordered("==", x, one), b.fcmp_ordered("==", y, zero))
    return e.select(certain, one, result)


# ---------------------------------------------------------------------- building blocks
def _polynomial(e: Emitter, x: Value, coefficients: tuple[float, ...]) -> Value:
    """A polynomial, highest power first: in ``x`` if short, else in ``x⁴`` over cubics in ``x``.

    A long chain of dependent steps would leave the arithmetic units waiting. Blocks of neighbours
    cancel less than even against odd powers where the signs alternate.
    """
    if len(coefficients) <= LONGEST_CHAIN:
        return _horner(e, x, [e.like(x, number) for number in coefficients])
    square = e.b.fmul(x, x)
    starts = range(len(coefficients) % 4 - 4, len(coefficients), 4)
    blocks = [coefficients[max(start, 0) : start + 4] for start in starts if start > -4]
    cubics = [_polynomial(e, x, block) for block in blocks]
    return _horner(e, e.b.fmul(square, square), cubics)


def _horner(e: Emitter, x: Value, coefficients: Sequence[Value]) -> Value:
    """A polynomial, highest power first, one step after the other."""
    result, *others = coefficients
    for coefficient in others:
        result = e.fma(result, x, coefficient)
    return result


def _minus_magnitude(e: Emitter, x: Value) -> Value:
    """``-|x|``, one instruction like ``|x|``."""
    return e.b.fneg(e.intrinsic("fabs", x))


def _at_least(e: Emitter, x: Value, low: float) -> Value:
    """``max(x, low)``; NaN stays. In this order it is one instruction."""
    bound = e.like(x, low)
    return e.select(e.b.fcmp_ordered(">", bound, x), bound, x)


def _at_most(e: Emitter, x: Value, high: float) -> Value:
    """``min(x, high)``; NaN stays."""
    bound = e.like(x, high)
    return e.select(e.b.fcmp_ordered("<", bound, x), bound, x)


def _unless_negligible(e: Emitter, x: Value, y: Value) -> Value:
    """``x`` itself where it is so small that ``x²`` does not count; keeps -0 and denormals."""
    magnitude = e.intrinsic("fabs", x)
    small = e.b.fcmp_ordered("<", magnitude, e.like(x, format_of(x).negligible))
    return e.select(small, x, y)


def _integers(x: Value) -> ir.Type:
    """The integer type as wide as the elements of ``x``, with as many lanes."""
    element = ir.IntType(format_of(x).bits)
    return ir.VectorType(element, lanes_of(x)) if lanes_of(x) > 1 else element


def _integer(e: Emitter, x: Value, number: int) -> Value:
    """An integer as wide as the elements of ``x``, in every lane."""
    return e.constant(_integers(x), number % (1 << format_of(x).bits))


def _bits(e: Emitter, x: Value) -> Value:
    """The bit pattern of ``x``."""
    return e.b.bitcast(x, _integers(x))


def _sign(e: Emitter, x: Value) -> Value:
    """The sign bit of ``x``, in its place."""
    return e.b.and_(_bits(e, x), _integer(e, x, 1 << (format_of(x).bits - 1)))


def _pattern(form: Format, number: float) -> int:
    """The bit pattern of a positive normal number, cut off after the mantissa."""
    fraction, exponent = math.frexp(number)
    stored = int((2 * fraction - 1) * (1 << form.mantissa))
    return (exponent - 1 + form.bias) << form.mantissa | stored


def library(e: Emitter, name: str, *operands: Value) -> Value:
    """The C library's function on each lane, in a function of its own: the code is long.

    ``name`` is an intrinsic (``sin``, ``pow``, …) or ``frem``, the remainder of ``x / y`` with the
    sign of ``x``.
    """
    kind = operands[0].type
    label = f"library.{name}.{mangled(kind)}"
    function = e.b.module.globals.get(label)
    if function is None:
        kinds = [operand.type for operand in operands]
        function, inner = new_function(
            e.b.module, label, kinds, e.target, result=kind, internal=True
        )
        x = function.args
        inner.b.ret(inner.b.frem(*x) if name == "frem" else inner.intrinsic(name, *x))
    return e.b.call(function, operands)
