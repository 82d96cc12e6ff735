"""Native rules of the elementwise ops: from values in registers to a value in a register.

``rule(e, operands, dtypes, **attributes)`` emits one op on vectors or scalars of equal lanes.
``dtypes`` are the operands' NumPy types: LLVM's integers have no sign. Booleans are one bit.

Every result is the row's NumPy value bit for bit, except those of the functions of :mod:`.vmath`,
whose errors are stated there, and these, for which NumPy's own results depend on the machine:

- the sign of a zero from ``maximum`` and ``minimum`` of zeros of different signs;
- ``cast`` of a float that the integer type cannot hold.

An integer to a negative power, at which NumPy raises an error, is 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native import vmath
from chainrule.engines.native.emit import (
    I32,
    I64,
    Emitter,
    element_type,
    lanes_of,
    mangled,
)

__all__ = ["RULES", "Rule"]

Value = Any
Dtypes = Sequence[np.dtype[Any]]
Rule = Callable[..., Value]  # (e, operands, dtypes, **attributes) -> value


# ---------------------------------------------------------------------- makers of rules
def builder(floating: str, integer: str = "") -> Rule:
    """A rule that is one instruction: the builder's method for floats, and that for integers."""

    def rule(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
        return getattr(e.b, floating if dtypes[0].kind == "f" else integer)(*operands)

    return rule


def intrinsic(name: str) -> Rule:
    """A rule that is one intrinsic, for floats."""
    return lambda e, operands, dtypes: e.intrinsic(name, *operands)


def function(emit: Callable[..., Value]) -> Rule:
    """A rule that is a function of the emitter and the operands."""
    return lambda e, operands, dtypes: emit(e, *operands)


def comparison(symbol: str) -> Rule:
    """A rule that compares; with NaN only ``!=`` holds."""

    def rule(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
        x, y = operands
        return compared(e, symbol, x, y, dtypes[0])

    return rule


def extreme(symbol: str, signed: str, unsigned: str, truth: str) -> Rule:
    """``maximum`` or ``minimum``; NaN if one operand is."""

    def rule(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
        kind = dtypes[0].kind
        if kind == "b":
            return getattr(e.b, truth)(*operands)
        if kind != "f":
            return e.intrinsic(signed if kind == "i" else unsigned, *operands)
        x, y = operands
        larger = e.select(e.b.fcmp_ordered(symbol, x, y), x, y)  # y if one is NaN
        return e.select(e.b.fcmp_unordered("uno", x, x), x, larger)

    return rule


def compared(e: Emitter, symbol: str, x: Value, y: Value, dtype: np.dtype[Any]) -> Value:
    """``x <symbol> y``, one bit."""
    if dtype.kind == "f":
        compare = e.b.fcmp_unordered if symbol == "!=" else e.b.fcmp_ordered
        return compare(symbol, x, y)
    compare = e.b.icmp_signed if dtype.kind == "i" else e.b.icmp_unsigned
    return compare(symbol, x, y)


# ---------------------------------------------------------------------- signs
def absolute(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """``|x|``; the smallest signed integer is its own."""
    (x,), kind = operands, dtypes[0].kind
    if kind == "f":
        return e.intrinsic("fabs", x)
    if kind == "u":
        return x
    return e.select(e.b.icmp_signed("<", x, e.like(x, 0)), e.b.neg(x), x)


def sign(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """-1, 0 (never -0) or 1; NaN stays."""
    (x,), dtype = operands, dtypes[0]
    zero, one = e.like(x, 0), e.like(x, 1)
    result = e.select(compared(e, ">", x, zero, dtype), one, zero)
    if dtype.kind == "u":
        return result
    result = e.select(compared(e, "<", x, zero, dtype), e.like(x, -1), result)
    return e.select(e.b.fcmp_unordered("uno", x, x), x, result) if dtype.kind == "f" else result


# ---------------------------------------------------------------------- division with floor
def floor_divide(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """``floor(x / y)``; an integer divided by 0 is 0."""
    x, y = operands
    if dtypes[0].kind != "f":
        return _divided(e, x, y, signed=dtypes[0].kind == "i")[0]
    # As NumPy does it: x / y itself can round up to an integer that is too large.
    rest = vmath.library(e, "frem", x, y)
    zero, one = e.like(x, 0), e.like(x, 1)
    exact = e.b.fdiv(e.b.fsub(x, rest), y)
    exact = e.select(_wrong_side(e, rest, y), e.b.fsub(exact, one), exact)
    whole = e.intrinsic("floor", exact)
    above = e.b.fcmp_ordered(">", e.b.fsub(exact, whole), e.like(x, 0.5))
    whole = e.select(above, e.b.fadd(whole, one), whole)
    quotient = e.b.fdiv(x, y)
    vanished = e.b.fcmp_ordered("==", exact, zero)
    whole = e.select(vanished, e.intrinsic("copysign", zero, quotient), whole)
    return e.select(e.b.fcmp_ordered("==", y, zero), quotient, whole)


def remainder(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """``x - floor(x / y) y``, with the sign of ``y``; an integer modulo 0 is 0."""
    x, y = operands
    if dtypes[0].kind != "f":
        return _divided(e, x, y, signed=dtypes[0].kind == "i")[1]
    rest = vmath.library(e, "frem", x, y)
    vanished = e.b.fcmp_ordered("==", rest, e.like(x, 0))
    moved = e.select(_wrong_side(e, rest, y), e.b.fadd(rest, y), rest)
    return e.select(vanished, e.intrinsic("copysign", e.like(x, 0), y), moved)


def _wrong_side(e: Emitter, rest: Value, y: Value) -> Value:
    """Whether a remainder is not zero and has the other sign than the divisor."""
    zero = e.like(y, 0)
    below = e.b.fcmp_ordered("<", rest, zero)
    differs = e.b.xor(below, e.b.fcmp_ordered("<", y, zero))
    return e.b.and_(differs, e.b.fcmp_unordered("!=", rest, zero))


def _divided(e: Emitter, x: Value, y: Value, signed: bool) -> tuple[Value, Value]:
    """Quotient and remainder of integers, rounded towards minus infinity."""
    b, zero, one = e.b, e.like(x, 0), e.like(x, 1)
    by_zero = b.icmp_signed("==", y, zero)
    if not signed:
        divisor = e.select(by_zero, one, y)
        return e.select(by_zero, zero, b.udiv(x, divisor)), b.urem(x, divisor)
    # The smallest integer divided by -1 is a trap of the machine: its negative wraps.
    by_minus_one = b.icmp_signed("==", y, e.like(x, -1))
    divisor = e.select(b.or_(by_zero, by_minus_one), one, y)
    quotient = b.sdiv(x, divisor)
    rest = b.sub(x, b.mul(quotient, divisor))
    differs = b.icmp_signed("<", b.xor(rest, divisor), zero)
    wrong = b.and_(differs, b.icmp_signed("!=", rest, zero))
    quotient = e.select(wrong, b.sub(quotient, one), quotient)
    quotient = e.select(by_minus_one, b.neg(x), quotient)
    return e.select(by_zero, zero, quotient), e.select(wrong, b.add(rest, divisor), rest)


# ---------------------------------------------------------------------- powers
def square(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """``x ** 2``."""
    return RULES["multiply"](e, [*operands, *operands], dtypes)


def power(e: Emitter, operands: Sequence[Value], dtypes: Dtypes) -> Value:
    """``x ** y``; of integers by repeated squaring, and it wraps."""
    x, y = operands
    if dtypes[0].kind == "f":
        return vmath.power(e, x, y)
    b, zero, one = e.b, e.like(x, 0), e.like(x, 1)

    def unfinished(state: list[Value]) -> Value:
        left = state[2]
        if lanes_of(left) > 1:
            element = left.type.element
            left = e.call(f"llvm.vector.reduce.or.{mangled(left.type)}", left, result=element)
        return b.icmp_signed("!=", left, e.like(left, 0))

    def squared(state: list[Value]) -> list[Value]:
        product, base, left = state
        factor = e.select(b.icmp_signed("!=", b.and_(left, one), zero), base, one)
        return [b.mul(product, factor), b.mul(base, base), b.lshr(left, one)]

    result = e.repeat_while([one, x, y], unfinished, squared)[0]
    if dtypes[1].kind == "i":
        result = e.select(b.icmp_signed("<", y, zero), zero, result)
    return result


# ---------------------------------------------------------------------- choice and number types
def cast(e: Emitter, operands: Sequence[Value], dtypes: Dtypes, dtype: np.dtype[Any]) -> Value:
    """``x`` in another number type, as C converts."""
    (x,), source = operands, dtypes[0]
    wanted = _shaped(element_type(dtype), x)
    if dtype.kind == "b":
        return x if source.kind == "b" else compared(e, "!=", x, e.like(x, 0), source)
    if dtype.kind == "f":
        return _to_float(e, x, source, wanted)
    if source.kind == "f":
        return _float_to_integer(e, x, dtype, wanted)
    if dtype.itemsize < source.itemsize:
        return e.b.trunc(x, wanted)
    if x.type == wanted:
        return x
    return e.b.sext(x, wanted) if source.kind == "i" else e.b.zext(x, wanted)


def _to_float(e: Emitter, x: Value, source: np.dtype[Any], wanted: ir.Type) -> Value:
    """Any number as a float."""
    if source.kind == "i":
        return e.b.sitofp(x, wanted)
    if source.kind != "f":
        return e.b.uitofp(x, wanted)
    if x.type == wanted:
        return x
    return e.b.fpext(x, wanted) if source.itemsize == 4 else e.b.fptrunc(x, wanted)


def _float_to_integer(e: Emitter, x: Value, dtype: np.dtype[Any], wanted: ir.Type) -> Value:
    """A float cut off to an integer; a narrow type gets the low bits of a wider result."""
    if dtype == np.uint64:
        # A signed result holds half of the range: the upper half is shifted down and back.
        edge = e.like(x, 2.0**63)
        low, high = e.b.fptosi(x, wanted), e.b.fptosi(e.b.fsub(x, edge), wanted)
        high = e.b.xor(high, e.constant(wanted, 1 << 63))
        return e.select(e.b.fcmp_ordered(">=", x, edge), high, low)
    wide = _shaped(I64 if dtype.itemsize == 8 or dtype == np.uint32 else I32, x)
    whole = e.b.fptosi(x, wide)
    return whole if wide == wanted else e.b.trunc(whole, wanted)


def _shaped(element: ir.Type, x: Value) -> ir.Type:
    """The type with these elements and the lanes of ``x``."""
    return ir.VectorType(element, lanes_of(x)) if lanes_of(x) > 1 else element


RULES: dict[str, Rule] = {
    "add": builder("fadd", "add"),
    "subtract": builder("fsub", "sub"),
    "multiply": builder("fmul", "mul"),
    "divide": builder("fdiv"),
    "power": power,
    "negative": builder("fneg", "neg"),
    "reciprocal": function(lambda e, x: e.b.fdiv(e.like(x, 1), x)),
    "square": square,
    "sqrt": intrinsic("sqrt"),
    "abs": absolute,
    "sign": sign,
    "floor_divide": floor_divide,
    "remainder": remainder,
    "floor": intrinsic("floor"),
    "trunc": intrinsic("trunc"),
    "ceil": intrinsic("ceil"),
    "round": intrinsic("roundeven"),
    "exp": function(vmath.exp),
    "expm1": function(vmath.expm1),
    "log": function(vmath.log),
    "log1p": function(vmath.log1p),
    "sin": function(vmath.sin),
    "cos": function(vmath.cos),
    "tanh": function(vmath.tanh),
    "arctan2": function(vmath.arctan2),
    "sigmoid": function(vmath.sigmoid),
    "erf": function(vmath.erf),
    "maximum": extreme(">", "smax", "umax", "or_"),
    "minimum": extreme("<", "smin", "umin", "and_"),
    "less": comparison("<"),
    "less_equal": comparison("<="),
    "equal": comparison("=="),
    "not_equal": comparison("!="),
    "bitwise_and": builder("", "and_"),
    "bitwise_or": builder("", "or_"),
    "bitwise_xor": builder("", "xor"),
    "bitwise_not": builder("", "not_"),
    "where": function(lambda e, condition, x, y: e.select(condition, x, y)),
    "cast": cast,
    "stop_gradient": function(lambda e, x: x),
}
