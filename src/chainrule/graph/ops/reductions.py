"""Reductions and scans along an axis: sum, max, min, arg max, arg min, cumulative sum, arg sort."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.ops.movement import broadcast_to, reshape
from chainrule.graph.spec import Spec, normalize_axes
from chainrule.graph.table import Check, Example, Linear, Op, Tangent, add_row
from chainrule.graph.tensor import ArrayLike, Axis, Tensor, asarray, tensor_function

__all__ = ["argmax", "argmin", "argsort", "cumsum", "max", "min", "sum"]

F64 = np.dtype(np.float64)
CUBE = Spec((2, 3, 4), F64)
SOME_AXES = tuple(
    Example((CUBE,), {"axes": axes}, ("distinct",)) for axes in ((), (1,), (0, 2), (0, 1, 2))
)
SOME_AXIS = tuple(Example((CUBE,), {"axis": axis}, ("distinct",)) for axis in (0, 1, 2))


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with ones at ``axes``: what broadcasts back over the reduced axes."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def expand(y: Tensor, shape: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Repeat a reduced value over the axes that were reduced."""
    return broadcast_to(reshape(y, _kept(shape, axes)), shape)


def _reduced(who: str, x: Spec, axes: tuple[int, ...]) -> tuple[int, ...]:
    axes = normalize_axes(who, axes, x.ndim)
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _check_number(who: str, x: Spec) -> None:
    if x.dtype.kind == "b":
        raise DtypeError("graph.op_dtype", op=who, dtype="bool")


def _sum_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    _check_number("sum", x)
    return x.with_shape(_reduced("sum", x, axes))


def _extremum_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    shape = _reduced("max", x, axes)
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError("graph.empty_extremum", shape=x.shape, axes=axes)
    return x.with_shape(shape)


def _extremum_tangent(
    tangents: tuple[Tensor, ...], x: Tensor, y: Tensor, axes: tuple[int, ...]
) -> Tensor:
    # Elements that tie share the derivative equally.
    at = (x == expand(y, x.shape, axes)).astype(x.dtype)
    share = at / expand(sum(at, axes), x.shape, axes)
    return sum(share * tangents[0], axes)


SUM = add_row(
    Op(
        "sum",
        "reduction",
        _sum_rule,
        lambda x, axes: np.sum(x, axis=axes, dtype=x.dtype),
        Linear(lambda i, g, x, axes: expand(g, x.shape, axes)),
        Check(examples=SOME_AXES, kinds="fi"),
    )
)


def _extremum(name: str, value: Callable[..., Any]) -> Op:
    return add_row(
        Op(
            name,
            "reduction",
            _extremum_rule,
            lambda x, axes: value(x, axis=axes),
            Tangent(_extremum_tangent),
            Check(examples=SOME_AXES, kinds="fib"),
        )
    )


MAX = _extremum("max", np.max)
MIN = _extremum("min", np.min)


def _reduce(op: Op, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = normalize_axes(op.name, axis, x.ndim)
    y = apply(op, x, axes=axes) if axes else x
    return reshape(y, _kept(x.shape, axes)) if keepdims else y


def counted(x: ArrayLike) -> Tensor:
    """``x`` as a tensor of numbers: booleans become the integers 0 and 1."""
    x = asarray(x)
    return x.astype(np.int64) if x.dtype.kind == "b" else x


@tensor_function
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over ``axis`` (all axes by default); booleans are counted.

    Parameters
    ----------
    x
        Any shape.
    axis
        An axis or several; negative ones count from the end.
    keepdims
        Keep the reduced axes with length 1.

    Notes
    -----
    Unlike NumPy, integers and float32 keep their type.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor f32[2] [4. 6.]
    """
    return _reduce(SUM, counted(x), axis, keepdims)


@tensor_function
def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element over ``axis``; NaN if there is one. Ties share the derivative equally.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.max([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor f32[2] [2. 3.]
    """
    return _reduce(MAX, asarray(x), axis, keepdims)


@tensor_function
def min(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element over ``axis``; NaN if there is one. Ties share the derivative equally.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor f32[2] [1. 0.]
    """
    return _reduce(MIN, asarray(x), axis, keepdims)


# ------------------------------------------------------------------ positions
def _position_rule(x: Spec, axis: int) -> Spec:
    shape = _reduced("argmax", x, (axis,))
    if x.shape[axis] == 0:
        raise ShapeError("graph.empty_extremum", shape=x.shape, axes=(axis,))
    return Spec(shape, np.dtype(np.int64))


def _position(name: str, value: Callable[..., Any]) -> Op:
    check = Check(examples=SOME_AXIS, kinds="fib")
    return add_row(
        Op(name, "reduction", _position_rule, lambda x, axis: value(x, axis=axis), None, check)
    )


ARGMAX = _position("argmax", np.argmax)
ARGMIN = _position("argmin", np.argmin)


def _argsort_rule(x: Spec, axis: int) -> Spec:
    normalize_axes("argsort", axis, x.ndim)
    return Spec(x.shape, np.dtype(np.int64))


ARGSORT = add_row(
    Op(
        "argsort",
        "reduction",
        _argsort_rule,
        lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
        None,
        Check(examples=SOME_AXIS, kinds="fib"),
    )
)


def _along(op: Op, x: Tensor, axis: int | None, **attributes: bool) -> Tensor:
    if axis is None:
        return apply(op, reshape(x, (-1,)), axis=0, **attributes)
    (axis,) = normalize_axes(op.name, axis, x.ndim)
    return apply(op, x, axis=axis, **attributes)


@tensor_function
def argmax(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Index of the (first) largest element along ``axis``, or in the flattened tensor.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argmax([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor i64[2] [1 0]
    """
    return _along(ARGMAX, asarray(x), axis)


@tensor_function
def argmin(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Index of the (first) smallest element along ``axis``, or in the flattened tensor.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argmin([3.0, 1.0, 2.0])
    Tensor i64[] 1
    """
    return _along(ARGMIN, asarray(x), axis)


def argsort(x: ArrayLike, axis: int | None = -1) -> Tensor:
    """Indices that sort ``x`` along ``axis`` (``None``: flattened); stable, NaN last.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argsort([3.0, 1.0, 2.0])
    Tensor i64[3] [1 2 0]
    """
    return _along(ARGSORT, asarray(x), axis)


# ------------------------------------------------------------------ cumulative sum
def _cumsum_value(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)
    return np.cumsum(x, axis=axis, dtype=x.dtype)


def _cumsum_rule(x: Spec, axis: int, reverse: bool) -> Spec:
    _check_number("cumsum", x)
    normalize_axes("cumsum", axis, x.ndim)
    return x


def _cumsum_transpose(i: int, g: Tensor, x: Tensor, axis: int, reverse: bool) -> Tensor:
    return cumsum(g, axis, not reverse)


CUMSUM = add_row(
    Op(
        "cumsum",
        "reduction",
        _cumsum_rule,
        _cumsum_value,
        Linear(_cumsum_transpose),
        Check(
            examples=tuple(
                Example((CUBE,), {"axis": axis, "reverse": reverse})
                for axis in (0, 1, 2)
                for reverse in (False, True)
            ),
            kinds="fi",
        ),
    )
)


@tensor_function
def cumsum(x: ArrayLike, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Cumulative sum along ``axis``, or of the flattened tensor; with ``reverse`` from the end.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cumsum([1.0, 2.0, 3.0])
    Tensor f32[3] [1. 3. 6.]
    """
    return _along(CUMSUM, counted(x), axis, reverse=reverse)
