"""Reductions and scans along an axis: sum, max, min, arg max, arg min, cumulative sum, arg sort."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.node import Op
from chainrule.graph.ops.movement import broadcast_to, reshape
from chainrule.graph.spec import Spec, normalize_axes
from chainrule.graph.table import Check, Example, Linear, Tangent, add_row
from chainrule.graph.tensor import ArrayLike, Axis, Tensor, asarray, tensor_function

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


def _reduced(x: Spec, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _sum_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    return x.with_shape(_reduced(x, axes))


def _extremum_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError("graph.empty_extremum", shape=x.shape, axes=axes)
    return x.with_shape(_reduced(x, axes))


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


def _reduce(
    op: Op, x: ArrayLike, axis: Axis, keepdims: bool, bool_as: type | None = None
) -> Tensor:
    x = asarray(x)
    if x.dtype.kind == "b" and bool_as is not None:
        x = x.astype(bool_as)
    axes = normalize_axes(op.name, axis, x.ndim)
    y = apply(op, x, axes=axes)
    return reshape(y, _kept(x.shape, axes)) if keepdims else y  # type: ignore[no-any-return]


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
    return _reduce(SUM, x, axis, keepdims, bool_as=np.int64)


@tensor_function
def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element over ``axis``; NaN if there is one. Ties share the derivative equally.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.max([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor f32[2] [2. 3.]
    """
    return _reduce(MAX, x, axis, keepdims)


@tensor_function
def min(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element over ``axis``; NaN if there is one. Ties share the derivative equally.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor f32[2] [1. 0.]
    """
    return _reduce(MIN, x, axis, keepdims)


# ------------------------------------------------------------------ positions
def _position_rule(x: Spec, axis: int) -> Spec:
    if x.shape[axis] == 0:
        raise ShapeError("graph.empty_extremum", shape=x.shape, axes=(axis,))
    return Spec(_reduced(x, (axis,)), np.dtype(np.int64))


def _position(name: str, value: Callable[..., Any]) -> Op:
    check = Check(examples=SOME_AXIS, kinds="fib")
    return add_row(
        Op(name, "reduction", _position_rule, lambda x, axis: value(x, axis=axis), None, check)
    )


ARGMAX = _position("argmax", np.argmax)
ARGMIN = _position("argmin", np.argmin)
ARGSORT = add_row(
    Op(
        "argsort",
        "reduction",
        lambda x, axis: Spec(x.shape, np.dtype(np.int64)),
        lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
        None,
        Check(examples=SOME_AXIS, kinds="fib"),
    )
)


def _along(op: Op, x: ArrayLike, axis: int | None) -> Tensor:
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (axis,) = normalize_axes(op.name, axis, x.ndim)
    return apply(op, x, axis=axis)  # type: ignore[no-any-return]


@tensor_function
def argmax(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Index of the (first) largest element along ``axis``, or in the flattened tensor.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argmax([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor i64[2] [1 0]
    """
    return _along(ARGMAX, x, axis)


def argmin(x: ArrayLike, axis: int | None = None) -> Tensor:
    """Index of the (first) smallest element along ``axis``, or in the flattened tensor.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argmin([3.0, 1.0, 2.0])
    Tensor i64[] 1
    """
    return _along(ARGMIN, x, axis)


def argsort(x: ArrayLike, axis: int = -1) -> Tensor:
    """Indices that sort ``x`` along ``axis``; stable, NaN last.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.argsort([3.0, 1.0, 2.0])
    Tensor i64[3] [1 2 0]
    """
    return _along(ARGSORT, x, axis)


# ------------------------------------------------------------------ cumulative sum
def _cumsum_value(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)
    return np.cumsum(x, axis=axis, dtype=x.dtype)


def _cumsum_rule(x: Spec, axis: int, reverse: bool) -> Spec:
    if x.dtype.kind == "b":
        raise DtypeError("graph.op_dtype", op="cumsum", dtype="bool")
    return x


CUMSUM = add_row(
    Op(
        "cumsum",
        "reduction",
        _cumsum_rule,
        _cumsum_value,
        Linear(lambda i, g, x, axis, reverse: apply(CUMSUM, g, axis=axis, reverse=not reverse)),
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


def cumsum(x: ArrayLike, axis: int = -1, reverse: bool = False) -> Tensor:
    """Cumulative sum along ``axis``; with ``reverse`` from the end.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cumsum([1.0, 2.0, 3.0])
    Tensor f32[3] [1. 3. 6.]
    """
    x = asarray(x)
    if x.dtype.kind == "b":
        x = x.astype(np.int64)
    (axis,) = normalize_axes("cumsum", axis, x.ndim)
    return apply(CUMSUM, x, axis=axis, reverse=reverse)  # type: ignore[no-any-return]
