"""Functions of whole vectors and matrices: sums, softmax, losses, ``diag``, and sums over indices.

A reduction of a number that depends on index letters, such as ``mean((y_i − ŷ_i)²)`` or a ``Σ``
under which no index is written, runs over those letters that the answer has not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explain.claims.elementwise import ELEMENTWISE, SLOPES, apply_elementwise
from chainrule.explain.claims.placing import placed
from chainrule.explain.claims.products import matrix_product, transposed
from chainrule.explain.claims.values import Misfit, Value
from chainrule.explain.formulas.tree import Apply, Big, Number, Symbol

if TYPE_CHECKING:
    from chainrule.explain.claims.meaning import Meaning

__all__ = ["REDUCTIONS", "applied"]

#: What ``Σ`` and its like do along an axis.
BIG = {"sum": "sum", "product": "prod", "max": "max", "mean": "mean", "min": "min"}
NEUTRAL = {"sum": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}


def applied(meaning: Meaning, node: Apply | Big, values: Sequence[Value]) -> Value:
    """The value of a function of arguments, or of a sum over an index."""
    if isinstance(node, Big):
        return _big(meaning, node, values)
    name = node.function
    if name in ELEMENTWISE or name in meaning.situation.functions:
        function = ELEMENTWISE.get(name) or meaning.situation.functions[name]
        slope = SLOPES.get(name)
        if hasattr(meaning.backend, "elementwise"):
            by_name = partial(meaning.backend.elementwise, name, primes=node.primes)
            return meaning.elementwise(lambda *given: by_name(given), *values)
        return meaning.elementwise(
            lambda *given: apply_elementwise(meaning.backend, function, slope, node.primes, given),
            *values,
        )
    if node.primes:
        raise Misfit
    if name == "element":
        return _element(meaning, node, values[0])
    if name in REDUCTIONS:
        return _reduced(meaning, name, values[0], node.axis)
    return WHOLE[name](meaning, values, node.axis)


# ---------------------------------------------------------------------- sums and their like
def _big(meaning: Meaning, node: Big, values: Sequence[Value]) -> Value:
    body, kind = values[0], BIG[node.kind]
    if node.index is None:
        return _reduced(meaning, kind, body, None)
    letter = node.index.key
    if letter not in meaning.layout.letters:
        raise Misfit
    body = _within(meaning, node, letter, body, values[1:])
    return _along(meaning, kind, body, letter)


def _within(meaning: Meaning, node: Big, letter: str, body: Value, ends: Sequence[Value]) -> Value:
    """The body with nothing in it outside of the bounds, where there are bounds that matter."""
    given = list(ends)
    lower = given.pop(0) if node.lower is not None else None
    upper = given.pop(0) if node.upper is not None else None
    extent, first = meaning.situation.extents[letter], meaning.situation.first
    if isinstance(node.lower, Number) and node.lower.value in (0, 1):
        first, lower = int(node.lower.value), None
    if upper is not None and isinstance(node.upper, Symbol) and lower is None:
        upper = None if np.all(_plain(upper) == extent - 1 + first) else upper
    if lower is None and upper is None:
        return body
    running = meaning.value(Symbol(letter))
    running = replace(running, array=running.array - meaning.situation.first + first)
    neutral = NEUTRAL[BIG[node.kind]] if node.kind != "mean" else 0.0
    for bound, inside in ((lower, lambda i, b: i >= b), (upper, lambda i, b: i <= b)):
        if bound is not None:
            body = meaning.elementwise(
                lambda i, b, x, inside=inside: meaning.backend.where(inside(i, b), x, neutral),
                running, bound, body,
            )  # fmt: skip
    return body


def _plain(value: Value) -> Any:
    array = value.array
    return array if isinstance(array, np.ndarray) else array.numpy()


def _along(meaning: Meaning, kind: str, body: Value, letter: str) -> Value:
    """A reduction along the axis of an index letter; a constant is counted as often as it runs."""
    axis, extent = meaning.layout.axis(letter), meaning.situation.extents[letter]
    reduce = getattr(meaning.backend, "sum" if kind == "mean" else kind)
    array = reduce(body.array, axis=axis, keepdims=True)
    if body.array.shape[axis] == 1 and kind == "sum":
        array = array * float(extent)
    if body.array.shape[axis] == 1 and kind == "prod":
        array = array ** float(extent)
    if body.array.shape[axis] != 1 and kind == "mean":
        array = array / float(extent)
    return replace(body, array=array)


def _reduced(meaning: Meaning, kind: str, value: Value, axis: int | None) -> Value:
    """A reduction of a vector or matrix; of a number, along the letters the answer has not."""
    if value.rank == 0:
        for letter in sorted(meaning.layout.depends(value) - meaning.situation.wanted):
            if kind not in ("sum", "mean", "prod", "max", "min"):
                raise Misfit
            value = _along(meaning, kind, value, letter)
        return value
    axes = _axes(value, axis)
    array = REDUCTIONS[kind](meaning.backend, value.array, axes)
    return Value(array, value.rank - len(axes))


def _axes(value: Value, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(-value.rank, 0))
    if not -value.rank <= axis < value.rank:
        raise Misfit
    return (axis - value.rank if axis >= 0 else axis,)


def _mean(backend: Any, x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    count = float(np.prod([x.shape[axis] for axis in axes]))
    return backend.sum(x, axis=axes, keepdims=keepdims) / count


def _var(backend: Any, x: Any, axes: tuple[int, ...]) -> Any:
    centred = x - _mean(backend, x, axes, keepdims=True)
    return _mean(backend, centred * centred, axes)


#: ``(backend, array, axes)`` → array without these axes.
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda backend, x, axes: backend.sum(x, axis=axes),
    "prod": lambda backend, x, axes: backend.prod(x, axis=axes),
    "max": lambda backend, x, axes: backend.max(x, axis=axes),
    "min": lambda backend, x, axes: backend.min(x, axis=axes),
    "mean": _mean,
    "var": _var,
    "std": lambda backend, x, axes: backend.sqrt(_var(backend, x, axes)),
    "norm": lambda backend, x, axes: backend.sqrt(backend.sum(x * x, axis=axes)),
}


# ---------------------------------------------------------------------- vectors and matrices
def _softmax(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    backend, z = meaning.backend, values[0]
    if z.rank == 0:
        return meaning.elementwise(lambda x: x * 0.0 + 1.0, z)
    along = _axes(z, -1 if axis is None else axis)
    e = backend.exp(z.array)
    return replace(z, array=e / backend.sum(e, axis=along, keepdims=True))


def _log_softmax(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    p = _softmax(meaning, values, axis)
    return replace(p, array=meaning.backend.log(p.array))


def _mean_loss(each: Callable[..., Any]) -> Callable[..., Value]:
    """A loss that is the mean over all elements."""

    def loss(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
        errors = meaning.elementwise(lambda *given: each(meaning.backend, *given), *values)
        return _reduced(meaning, "mean", errors, axis)

    return loss


def _cross_entropy(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    logits, target = values
    surprise = meaning.elementwise(
        lambda log_p, t: -t * log_p, _log_softmax(meaning, [logits], None), target
    )
    per_row = _reduced(meaning, "sum", surprise, -1)
    return _reduced(meaning, "mean", per_row, None) if per_row.rank else per_row


def _huber(backend: Any, y: Any, t: Any, delta: Any = 1.0) -> Any:
    d = backend.abs(y - t)
    return backend.where(d <= delta, 0.5 * (y - t) * (y - t), delta * (d - 0.5 * delta))


def _binary(backend: Any, z: Any, t: Any, *rest: Any) -> Any:
    if rest:
        raise Misfit
    return ELEMENTWISE["softplus"](backend, z) - t * z


def _diag(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    (value,) = values
    array = value.array
    if value.rank == 1:
        return Value(array[..., :, None] * np.eye(array.shape[-1]), 2)
    if value.rank == 2 and array.shape[-1] == array.shape[-2]:
        return Value(meaning.backend.sum(array * np.eye(array.shape[-1]), axis=-1), 1)
    raise Misfit


def _trace(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    if values[0].rank != 2:
        raise Misfit
    return _reduced(meaning, "sum", _diag(meaning, values, None), None)


def _inverse(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    (value,) = values
    if value.rank == 0:
        return meaning.elementwise(lambda x: 1.0 / x, value)
    a = value.array
    if value.rank != 2 or a.shape[-1] != a.shape[-2]:
        raise Misfit
    if meaning.backend is np:
        # One singular matrix must not cost the others, which are other candidates, their inverses.
        singular = (np.linalg.slogdet(a)[0] == 0)[..., None, None]
        inverse = np.linalg.inv(np.where(singular, np.eye(a.shape[-1]), a))
        return replace(value, array=np.where(singular, np.nan, inverse))
    return replace(value, array=_eliminated(meaning.backend, a))


def _eliminated(backend: Any, a: Any) -> Any:
    """The inverse by Gauss and Jordan, which consists of products and so has a derivative.

    There is no exchange of rows: at a random point no pivot is 0.
    """
    size = a.shape[-1]
    inverse = backend.broadcast_to(backend.asarray(np.eye(size)), tuple(a.shape))
    for k in range(size):
        unit = np.eye(size)[k]
        pivot = a[..., k : k + 1, k : k + 1]
        row, made = a[..., k : k + 1, :] / pivot, inverse[..., k : k + 1, :] / pivot
        column = a[..., :, k : k + 1]
        at_k = unit[:, None]
        a = (a - column * row) * (1 - at_k) + at_k * row
        inverse = (inverse - column * made) * (1 - at_k) + at_k * made
    return inverse


def _outer(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    left, right = values
    if left.rank != 1 or right.rank != 1:
        raise Misfit
    return Value(left.array[..., :, None] * right.array[..., None, :], 2)


def _dot(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    left, right = values
    return matrix_product(meaning, replace(left, row=False), replace(right, row=False))


def _element(meaning: Meaning, node: Apply, value: Value) -> Value:
    """``softmax(z)_i``: indices on something that is no symbol."""
    picks = [meaning.positions(index) for index in node.arguments[1:]]
    lead = meaning.layout.lead
    meaning.check_extents(picks, tuple(value.array.shape)[lead:])
    return placed(meaning.backend, meaning.layout, value.array, lead, picks, value.rank)


def _filled(number: float) -> Callable[..., Value]:
    def filled(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
        if not values and number == 1.0:
            ones = np.ones((1,) * (meaning.layout.lead + 1))
            return Value(meaning.backend_tensor(ones), 1, open=True)
        shape = sizes_of(values)
        array = np.full((1,) * meaning.layout.lead + shape, number)
        return Value(meaning.backend_tensor(array), len(shape))

    return filled


def _eye(meaning: Meaning, values: Sequence[Value], axis: int | None) -> Value:
    shape = sizes_of(values)
    if len(shape) not in (1, 2):
        raise Misfit
    matrix = np.eye(shape[0], shape[-1])
    array = matrix.reshape((1,) * meaning.layout.lead + matrix.shape)
    return Value(meaning.backend_tensor(array), matrix.ndim)


def sizes_of(values: Sequence[Value]) -> tuple[int, ...]:
    """Whole numbers that were written as arguments."""
    sizes = []
    for value in values:
        numbers = np.unique(_plain(value))
        if value.rank or numbers.size != 1 or not 1 <= numbers[0] <= 64 or numbers[0] % 1:
            raise Misfit
        sizes.append(int(numbers[0]))
    return tuple(sizes)


WHOLE: dict[str, Callable[..., Value]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "mse": _mean_loss(lambda backend, y, t: (y - t) * (y - t)),
    "mae": _mean_loss(lambda backend, y, t: backend.abs(y - t)),
    "huber": _mean_loss(_huber),
    "binary_cross_entropy": _mean_loss(_binary),
    "cross_entropy": _cross_entropy,
    "diag": _diag,
    "trace": _trace,
    "inverse": _inverse,
    "outer": _outer,
    "dot": _dot,
    "transpose": lambda meaning, values, axis: transposed(meaning, values[0]),
    "ones": _filled(1.0),
    "zeros": _filled(0.0),
    "eye": _eye,
}
