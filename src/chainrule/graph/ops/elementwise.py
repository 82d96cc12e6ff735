"""Elementwise rows: NumPy value, and local derivatives as expressions in the inputs and ``y``.

In a graph all inputs of such a node have one shape; the functions broadcast and promote before.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply, broadcast_together, elementwise, promoted
from chainrule.graph.spec import Spec, broadcast_shapes, checked_dtype
from chainrule.graph.table import Check, Linear, Local, Op, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = [
    "abs",
    "add",
    "arctan2",
    "astype",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "cos",
    "divide",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "less",
    "less_equal",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "remainder",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "stop_gradient",
    "subtract",
    "tanh",
    "trunc",
    "where",
]

Expression: TypeAlias = Callable[..., Any] | float
Unary: TypeAlias = Callable[[ArrayLike], Tensor]
Binary: TypeAlias = Callable[[ArrayLike, ArrayLike], Tensor]
Interval: TypeAlias = tuple[float, float]
EVERYWHERE: Interval = (-3.0, 3.0)


def unary(
    name: str,
    value: Callable[..., Any],
    local: Expression | None,
    meaning: str,
    example: tuple[object, object],
    *,
    kinds: str = "f",
    domain: Interval = EVERYWHERE,
    kinks: tuple[float, ...] = (),
) -> Unary:
    """Enter a row of one input and return the function that applies it.

    ``local`` is ``None`` where the function is piecewise constant. ``example`` is an input and its
    value, printed in the docstring.
    """
    op = _row(name, value, None if local is None else (local,), (domain,), kinds, kinks)

    def function(x: ArrayLike) -> Tensor:
        return elementwise(op, x)

    return _published(function, name, meaning, example)


def binary(
    name: str,
    value: Callable[..., Any],
    local: tuple[Expression, Expression] | None,
    meaning: str,
    example: tuple[object, object, object],
    *,
    kinds: str = "fi",
    result: str | None = None,
    domain: tuple[Interval, Interval] = (EVERYWHERE, EVERYWHERE),
    kinks: tuple[float, ...] = (),
) -> Binary:
    """Enter a row of two inputs and return the function that applies it.

    ``local`` is ``None`` where the function is piecewise constant; ``result`` is the number type of
    the output where that is not the inputs'.
    """
    op = _row(name, value, local, domain, kinds, kinks, result)

    def function(x: ArrayLike, y: ArrayLike) -> Tensor:
        return elementwise(op, x, y)

    return _published(function, name, meaning, example)


def _row(
    name: str,
    value: Callable[..., Any],
    local: tuple[Expression, ...] | None,
    domain: tuple[Interval, ...],
    kinds: str,
    kinks: tuple[float, ...],
    result: str | None = None,
) -> Op:
    def rule(*specs: Spec) -> Spec:
        first = specs[0]
        if len(specs) != len(domain):
            raise ShapeError("graph.arity", op=name, wanted=len(domain), got=len(specs))
        for spec in specs:
            if spec != first:
                _refuse(name, specs)
        return first if result is None else Spec(first.shape, np.dtype(result))

    derivative = None if local is None else Local(local)
    return add_row(Op(name, "elementwise", rule, value, derivative, Check(domain, kinks, kinds)))


def _refuse(name: str, specs: tuple[Spec, ...]) -> None:
    broadcast_shapes(name, *(spec.shape for spec in specs))
    raise DtypeError("graph.mixed", who=name, specs=" and ".join(map(repr, specs)))


Published = TypeVar("Published", bound=Callable[..., Tensor])


def _published(
    function: Published, name: str, meaning: str, example: tuple[object, ...]
) -> Published:
    """The function with its name and docstring; operators of tensors can reach it."""
    *inputs, output = map(repr, example)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{meaning}; elementwise, with NumPy's broadcasting and promotion.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.{name}({", ".join(inputs)}).item()
    {output}
    """
    return tensor_function(function)


# ------------------------------------------------------------------ arithmetic
add = binary("add", np.add, (1.0, 1.0), "The sum ``x + y``", (1.0, 2.0, 3.0))
subtract = binary("subtract", np.subtract, (1.0, -1.0), "The difference ``x - y``", (5.0, 2.0, 3.0))
multiply = binary(
    "multiply",
    np.multiply,
    (lambda a, b, y: b, lambda a, b, y: a),
    "The product ``x * y``",
    (2.0, 3.0, 6.0),
)
divide = binary(
    "divide",
    np.true_divide,
    (lambda a, b, y: 1.0 / b, lambda a, b, y: -y / b),
    "The quotient ``x / y``",
    (1.0, 4.0, 0.25),
    kinds="f",
    domain=(EVERYWHERE, (0.3, 3.0)),
)
_power = binary(
    "power",
    np.power,
    (
        # At exponent 0 the derivative is 0 even where x ** -1 is infinite.
        lambda a, b, y: where(b == 0, 0.0, b * power(a, where(b == 0, 1.0, b - 1.0))),
        # At base 0 the logarithm is infinite, but 0 ** b does not move with b.
        lambda a, b, y: y * log(where((a == 0) & (b >= 0), 1.0, a)),
    ),
    "The power ``x ** y``",
    (2.0, 3.0, 8.0),
    domain=((0.2, 3.0), (-2.0, 3.0)),
)
negative = unary("negative", np.negative, -1.0, "The negative ``-x``", (1.0, -1.0), kinds="fi")
reciprocal = unary(
    "reciprocal",
    np.reciprocal,
    lambda x, y: -y * y,
    "The reciprocal ``1 / x``",
    (4.0, 0.25),
    domain=(0.3, 3.0),
)
square = unary(
    "square", np.square, lambda x, y: 2.0 * x, "The square ``x ** 2``", (3.0, 9.0), kinds="fi"
)
sqrt = unary(
    "sqrt", np.sqrt, lambda x, y: 0.5 / y, "The square root ``√x``", (9.0, 3.0), domain=(0.1, 3.0)
)
abs = unary(
    "abs",
    np.abs,
    lambda x, y: sign(x),
    "The absolute value ``|x|``",
    (-2.0, 2.0),
    kinds="fi",
    kinks=(0,),
)
sign: Unary = unary(
    "sign", np.sign, None, "The sign -1, 0 or 1", (-2.0, -1.0), kinds="fi", kinks=(0,)
)
floor_divide = binary(
    "floor_divide",
    np.floor_divide,
    None,
    "The whole part ``floor(x / y)`` of a quotient",
    (7.0, 2.0, 3.0),
    domain=((0.1, 0.9), (1.0, 3.0)),
)
remainder = binary(
    "remainder",
    np.remainder,
    (1.0, lambda a, b, y: -floor_divide(a, b)),
    "The remainder ``x - floor(x / y) * y`` of a quotient, with the sign of ``y``",
    (7.0, 2.0, 1.0),
    domain=((3.1, 3.9), (1.1, 1.5)),
)
floor = unary(
    "floor", np.floor, None, "The largest integer not above ``x``", (1.5, 1.0), domain=(0.1, 0.9)
)
ceil = unary(
    "ceil", np.ceil, None, "The smallest integer not below ``x``", (1.5, 2.0), domain=(0.1, 0.9)
)
trunc = unary(
    "trunc", np.trunc, None, "The integer next to ``x`` towards 0", (-1.5, -1.0), domain=(0.1, 0.9)
)
round = unary(
    "round", np.rint, None, "The nearest integer, ties to even", (2.5, 2.0), domain=(0.6, 1.4)
)

#: Powers that have a row of their own.
NAMED_POWERS: dict[object, Unary] = {2: square, 0.5: sqrt, -1: reciprocal}


def power(x: ArrayLike, y: ArrayLike) -> Tensor:  # noqa: D103  # its docstring is the row's
    if type(y) in (int, float) and y in NAMED_POWERS:
        base = asarray(x)
        if base.dtype.kind == "f":
            return NAMED_POWERS[y](base)
    return _power(x, y)


power.__doc__ = _power.__doc__
tensor_function(power)

# ------------------------------------------------------------------ exponentials and relatives
exp: Unary = unary("exp", np.exp, lambda x, y: y, "The exponential ``eˣ``", (0.0, 1.0))
expm1 = unary(
    "expm1",
    np.expm1,
    lambda x, y: exp(x),  # y + 1 loses all digits where y is close to -1
    "``exp(x) - 1``, exact near 0",
    (0.0, 0.0),
)
log: Unary = unary(
    "log", np.log, lambda x, y: 1.0 / x, "The natural logarithm", (1.0, 0.0), domain=(0.1, 3.0)
)
log1p = unary(
    "log1p",
    np.log1p,
    lambda x, y: 1.0 / (1.0 + x),
    "``log(1 + x)``, exact near 0",
    (0.0, 0.0),
    domain=(-0.8, 3.0),
)
sin: Unary = unary("sin", np.sin, lambda x, y: cos(x), "The sine", (0.0, 0.0))
cos: Unary = unary("cos", np.cos, lambda x, y: -sin(x), "The cosine", (0.0, 1.0))
tanh: Unary = unary("tanh", np.tanh, lambda x, y: 1.0 - y * y, "The hyperbolic tangent", (0.0, 0.0))
arctan2 = binary(
    "arctan2",
    np.arctan2,
    (lambda a, b, y: b / (a * a + b * b), lambda a, b, y: -a / (a * a + b * b)),
    "The angle of the point with ordinate ``x`` and abscissa ``y``",
    (0.0, 1.0, 0.0),
    kinds="f",
    domain=((0.5, 3.0), (0.5, 3.0)),
)


def _sigmoid(x: np.ndarray) -> Any:
    from scipy.special import expit  # loaded at first use: SciPy's import is slow

    return expit(x)


def _erf(x: np.ndarray) -> Any:
    from scipy.special import erf

    return erf(x)


sigmoid = unary(
    "sigmoid", _sigmoid, lambda x, y: y * (1.0 - y), "``1 / (1 + exp(-x))``", (0.0, 0.5)
)
erf = unary(
    "erf",
    _erf,
    lambda x, y: 2.0 / math.sqrt(math.pi) * exp(-(x * x)),
    "The error function ``2/√π ∫₀ˣ exp(-t²) dt``",
    (0.0, 0.0),
)

# ------------------------------------------------------------------ choice
maximum = binary(
    "maximum",
    np.maximum,
    (lambda a, b, y: _share(a, b), lambda a, b, y: _share(b, a)),
    "The larger of ``x`` and ``y``, at a tie each gets half of the derivative",
    (1.0, 2.0, 2.0),
    kinds="fib",
    kinks=(0,),
)
minimum = binary(
    "minimum",
    np.minimum,
    (lambda a, b, y: _share(b, a), lambda a, b, y: _share(a, b)),
    "The smaller of ``x`` and ``y``, at a tie each gets half of the derivative",
    (1.0, 2.0, 1.0),
    kinds="fib",
    kinks=(0,),
)


def _share(a: Tensor, b: Tensor) -> Tensor:
    """The part of the derivative that goes to ``a`` in ``max(a, b)``."""
    return where(b < a, 1.0, where(a == b, 0.5, 0.0)).astype(a.dtype)


def _comparison(name: str, value: np.ufunc, meaning: str, holds: bool) -> Binary:
    example = (1.0, 2.0, holds)
    return binary(name, value, None, meaning, example, kinds="fib", result="bool", kinks=(0,))


less = _comparison("less", np.less, "Whether ``x < y``", True)
less_equal = _comparison("less_equal", np.less_equal, "Whether ``x <= y``", True)
equal = _comparison("equal", np.equal, "Whether ``x == y``", False)
not_equal = _comparison("not_equal", np.not_equal, "Whether ``x != y``", True)

bitwise_and = binary(
    "bitwise_and", np.bitwise_and, None, "``x & y``, also of booleans", (6, 3, 2), kinds="ib"
)
bitwise_or = binary(
    "bitwise_or", np.bitwise_or, None, "``x | y``, also of booleans", (6, 3, 7), kinds="ib"
)
bitwise_xor = binary(
    "bitwise_xor", np.bitwise_xor, None, "``x ^ y``, also of booleans", (6, 3, 5), kinds="ib"
)
bitwise_not = unary(
    "bitwise_not", np.bitwise_not, None, "``~x``, also of booleans", (6, -7), kinds="ib"
)


# ------------------------------------------------------------------ rows of mixed type
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
        Check(((0.0, 1.0), EVERYWHERE, EVERYWHERE), kinds="fib"),
    )
)


@tensor_function
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Tensor:
    """``x`` where ``condition`` holds, ``y`` elsewhere, with NumPy's broadcasting and promotion.

    The derivative flows only to the chosen side. A side that is not chosen may be infinite, but its
    own derivative must be finite (``0 · inf`` is NaN): mask the input, not only the output.

    Raises
    ------
    DtypeError
        If ``condition`` is not boolean.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.where(cr.tensor([True, False]), 1.0, cr.tensor([5.0, 6.0]))
    Tensor f32[2] [1. 6.]
    """
    condition = asarray(condition)
    if condition.dtype.kind != "b":
        raise DtypeError("graph.where_condition", spec=condition.spec)
    return apply(
        WHERE, *broadcast_together("where", [condition, *promoted("where", "fib", (x, y))])
    )


def _cast_rule(x: Spec, *, dtype: np.dtype[Any]) -> Spec:
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
    x, dtype = asarray(x), checked_dtype(dtype)
    return x if x.dtype == dtype else apply(CAST, x, dtype=dtype)


STOP = add_row(
    Op(
        "stop_gradient",
        "elementwise",
        lambda x: x,
        lambda x: x,
        None,
        Check((EVERYWHERE,), kinds="fib"),
    )
)


def stop_gradient(x: ArrayLike) -> Tensor:
    """``x``, but a constant to every derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0).item()
    3.0
    """
    return apply(STOP, asarray(x))
