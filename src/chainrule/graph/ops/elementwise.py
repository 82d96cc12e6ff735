"""Elementwise rows: NumPy value, and local derivatives as expressions in the inputs and ``y``.

In a graph all inputs of such a node have one shape; the functions broadcast and promote before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply, broadcast_together, elementwise, promoted
from chainrule.graph.node import Op
from chainrule.graph.spec import SHORT_NAMES, Spec, broadcast_shapes
from chainrule.graph.table import Check, Linear, Local, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

Expression = Callable[..., Any] | float | None
Function = Callable[..., Tensor]
EVERYWHERE = (-3.0, 3.0)


def row(
    name: str,
    value: Callable[..., Any],
    *local: Expression,
    meaning: str,
    kinds: str = "f",
    result: str | None = None,
    domain: tuple[tuple[float, float], ...] = (),
    kinks: tuple[float, ...] = (),
) -> Function:
    """Enter an elementwise row and return the function that applies it.

    ``local`` holds one expression per input; without any, the op has no derivative (its result is
    piecewise constant or not a float), and the number of inputs is that of ``domain``.
    """
    arity = len(local) or len(domain)

    def rule(*specs: Spec) -> Spec:
        for spec in specs:
            if spec != specs[0]:
                broadcast_shapes(name, *(s.shape for s in specs))
                raise DtypeError("graph.mixed", who=name, specs=" and ".join(map(repr, specs)))
        return specs[0] if result is None else Spec(specs[0].shape, np.dtype(result))

    check = Check(domain or (EVERYWHERE,) * arity, kinks, kinds)
    op = add_row(Op(name, "elementwise", rule, value, Local(local) if local else None, check))

    def function(*values: ArrayLike) -> Tensor:
        return elementwise(op, values)

    def unary(x: ArrayLike) -> Tensor:
        return elementwise(op, (x,))

    def binary(x: ArrayLike, y: ArrayLike) -> Tensor:
        return elementwise(op, (x, y))

    chosen = {1: unary, 2: binary}.get(arity, function)
    chosen.__name__ = chosen.__qualname__ = name
    chosen.__doc__ = f"{meaning}, elementwise, with NumPy's broadcasting and promotion."
    tensor_function(chosen)
    return chosen


# ------------------------------------------------------------------ arithmetic
add = row("add", np.add, 1.0, 1.0, meaning="``x + y``", kinds="fi")
subtract = row("subtract", np.subtract, 1.0, -1.0, meaning="``x - y``", kinds="fi")
multiply = row(
    "multiply",
    np.multiply,
    lambda a, b, y: b,
    lambda a, b, y: a,
    meaning="``x * y``",
    kinds="fi",
)
divide = row(
    "divide",
    np.true_divide,
    lambda a, b, y: 1.0 / b,
    lambda a, b, y: -y / b,
    meaning="``x / y``",
    domain=(EVERYWHERE, (0.3, 3.0)),
)
power = row(
    "power",
    np.power,
    # At exponent 0 the derivative is 0 even where x ** -1 is infinite.
    lambda a, b, y: where(b == 0, 0.0, b * power(a, where(b == 0, 1.0, b - 1.0))),
    # At base 0 the factor log x is infinite, but y = 0 ** b does not move with b > 0.
    lambda a, b, y: where(a == 0, where(b > 0, 0.0, log(a)), y * log(a)),
    meaning="``x ** y``",
    kinds="fi",
    domain=((0.2, 3.0), (-2.0, 3.0)),
)
negative = row("negative", np.negative, -1.0, meaning="``-x``", kinds="fi")
reciprocal = row(
    "reciprocal", np.reciprocal, lambda x, y: -y * y, meaning="``1 / x``", domain=((0.3, 3.0),)
)
square = row("square", np.square, lambda x, y: 2.0 * x, meaning="``x ** 2``")
sqrt = row(
    "sqrt", np.sqrt, lambda x, y: 0.5 / y, meaning="The square root ``√x``", domain=((0.1, 3.0),)
)
abs = row(
    "abs", np.abs, lambda x, y: sign(x), meaning="The absolute value ``|x|``", kinds="fi", kinks=(0,)
)
sign = row("sign", np.sign, meaning="-1, 0 or 1", kinds="fi", domain=(EVERYWHERE,), kinks=(0,))
floor_divide = row(
    "floor_divide", np.floor_divide, meaning="``floor(x / y)``", kinds="fi",
    domain=(EVERYWHERE, (1.0, 3.0)),
)  # fmt: skip
remainder = row(
    "remainder",
    np.remainder,
    1.0,
    lambda a, b, y: -floor_divide(a, b),
    meaning="``x - floor(x / y) * y``",
    kinds="fi",
    domain=((0.1, 0.9), (1.0, 3.0)),
)
floor = row(
    "floor", np.floor, meaning="The largest integer not above ``x``", domain=(EVERYWHERE,)
)
ceil = row("ceil", np.ceil, meaning="The smallest integer not below ``x``", domain=(EVERYWHERE,))
round = row("round", np.rint, meaning="The nearest integer, ties to even", domain=(EVERYWHERE,))

# ------------------------------------------------------------------ exponentials and relatives
exp = row("exp", np.exp, lambda x, y: y, meaning="``exp(x)``")
expm1 = row("expm1", np.expm1, lambda x, y: y + 1.0, meaning="``exp(x) - 1``, exact near 0")
log = row(
    "log", np.log, lambda x, y: 1.0 / x, meaning="The natural logarithm", domain=((0.1, 3.0),)
)
log1p = row(
    "log1p",
    np.log1p,
    lambda x, y: 1.0 / (1.0 + x),
    meaning="``log(1 + x)``, exact near 0",
    domain=((-0.8, 3.0),),
)
sin = row("sin", np.sin, lambda x, y: cos(x), meaning="The sine")
cos = row("cos", np.cos, lambda x, y: -sin(x), meaning="The cosine")
tanh = row("tanh", np.tanh, lambda x, y: 1.0 - y * y, meaning="The hyperbolic tangent")
arctan2 = row(
    "arctan2",
    np.arctan2,
    lambda a, b, y: b / (a * a + b * b),
    lambda a, b, y: -a / (a * a + b * b),
    meaning="The angle of the point with ordinate ``x`` and abscissa ``y``",
    domain=((0.5, 3.0), (0.5, 3.0)),
)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # loaded at first use: SciPy's import is slow

    return expit(x)  # type: ignore[no-any-return]


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return erf(x)  # type: ignore[no-any-return]


sigmoid = row("sigmoid", _sigmoid, lambda x, y: y * (1.0 - y), meaning="``1 / (1 + exp(-x))``")
erf = row(
    "erf",
    _erf,
    lambda x, y: 2.0 / np.sqrt(np.pi).item() * exp(-(x * x)),
    meaning="The error function",
)

# ------------------------------------------------------------------ choice
maximum = row(
    "maximum",
    np.maximum,
    lambda a, b, y: _share(a, b),
    lambda a, b, y: _share(b, a),
    meaning="The larger of ``x`` and ``y``; at a tie each gets half of the derivative",
    kinds="fib",
    kinks=(0,),
)
minimum = row(
    "minimum",
    np.minimum,
    lambda a, b, y: _share(b, a),
    lambda a, b, y: _share(a, b),
    meaning="The smaller of ``x`` and ``y``; at a tie each gets half of the derivative",
    kinds="fib",
    kinks=(0,),
)


def _share(a: Tensor, b: Tensor) -> Tensor:
    """The part of the derivative that goes to ``a`` in ``max(a, b)``."""
    return where(b < a, 1.0, where(a == b, 0.5, 0.0)).astype(a.dtype)


PAIR = (EVERYWHERE, EVERYWHERE)
less = row("less", np.less, meaning="``x < y``", kinds="fib", result="bool", domain=PAIR)
less_equal = row(
    "less_equal", np.less_equal, meaning="``x <= y``", kinds="fib", result="bool", domain=PAIR
)
equal = row("equal", np.equal, meaning="``x == y``", kinds="fib", result="bool", domain=PAIR)
not_equal = row(
    "not_equal", np.not_equal, meaning="``x != y``", kinds="fib", result="bool", domain=PAIR
)
bitwise_and = row(
    "bitwise_and", np.bitwise_and, meaning="``x & y``, also for booleans", kinds="ib", domain=PAIR
)
bitwise_or = row(
    "bitwise_or", np.bitwise_or, meaning="``x | y``, also for booleans", kinds="ib", domain=PAIR
)
bitwise_xor = row(
    "bitwise_xor", np.bitwise_xor, meaning="``x ^ y``, also for booleans", kinds="ib", domain=PAIR
)
bitwise_not = row(
    "bitwise_not", np.bitwise_not, meaning="``~x``, also for booleans", kinds="ib",
    domain=(EVERYWHERE,),
)  # fmt: skip


# ------------------------------------------------------------------ the two rows of mixed type
def _where_rule(condition: Spec, x: Spec, y: Spec) -> Spec:
    if condition.dtype.kind != "b":
        raise DtypeError("graph.where_condition", spec=condition)
    if not condition.shape == x.shape == y.shape or x.dtype != y.dtype:
        raise ShapeError("graph.where_shapes", condition=condition, x=x, y=y)
    return x


def _where_transpose(i: int, g: Tensor, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return where(condition, g, 0.0) if i == 1 else where(condition, 0.0, g)


WHERE = add_row(
    Op(
        "where",
        "elementwise",
        _where_rule,
        np.where,
        Linear(_where_transpose, inputs=(1, 2), jointly=True),
        Check(((0, 1), EVERYWHERE, EVERYWHERE), kinds="fib"),
    )
)


@tensor_function
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Tensor:
    """``x`` where ``condition`` holds, ``y`` elsewhere, with NumPy's broadcasting and promotion.

    The derivative flows only to the chosen side. A side that is not chosen may be infinite, but its
    own derivative must be finite (``0 · inf`` is NaN): mask the input, not only the output.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.where(cr.tensor([True, False]), 1.0, cr.tensor([5.0, 6.0]))
    Tensor f32[2] [1. 6.]
    """
    dtype = promoted("where", "fib", (x, y))
    operands = [asarray(condition), asarray(x, dtype), asarray(y, dtype)]
    return apply(WHERE, *broadcast_together("where", operands))  # type: ignore[no-any-return]


def _cast_rule(x: Spec, dtype: np.dtype[Any]) -> Spec:
    return Spec(x.shape, dtype)


CAST = add_row(
    Op(
        "cast",
        "elementwise",
        _cast_rule,
        lambda x, dtype: x.astype(dtype),
        Linear(lambda i, g, x, dtype: astype(g, x.dtype)),
        Check((EVERYWHERE,), kinds="fib"),
    )
)


@tensor_function
def astype(x: ArrayLike, dtype: Any) -> Tensor:
    """``x`` in another number type.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.astype([0.5, 1.5], "int64")
    Tensor i64[2] [0 1]
    """
    x, dtype = asarray(x), np.dtype(dtype)
    if dtype not in SHORT_NAMES:
        raise DtypeError("graph.dtype", dtype=dtype)
    return x if x.dtype == dtype else apply(CAST, x, dtype=dtype)  # type: ignore[no-any-return]


STOP = add_row(
    Op("stop_gradient", "elementwise", lambda x: x, lambda x: x, None, Check((EVERYWHERE,)))
)


def stop_gradient(x: ArrayLike) -> Tensor:
    """``x``, but a constant to every derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0).item()
    3.0
    """
    return apply(STOP, asarray(x))  # type: ignore[no-any-return]
