"""Rows that cut and join: slice, pad, concatenate.

All are linear; ``slice`` and ``pad`` are each other's transpose.
"""

from collections.abc import Sequence

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.apply import apply, promoted
from chainrule.graph.ops.movement import reshape
from chainrule.graph.spec import Shape, Spec, normalize_axes
from chainrule.graph.table import Check, Example, Linear, Op, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["concatenate", "pad", "stack"]

F64 = np.dtype(np.float64)
ANY = "fib"


# ------------------------------------------------------------------ slice
def _slice_rule(x: Spec, start: Shape, stop: Shape, step: Shape) -> Spec:
    cuts = tuple(zip(start, stop, step, strict=True))
    inside = all(0 <= a <= b <= n and c > 0 for (a, b, c), n in zip(cuts, x.shape, strict=False))
    if len(cuts) != x.ndim or not inside:
        raise ShapeError("graph.slice", shape=x.shape, cuts=cuts)
    return x.with_shape([len(range(*cut)) for cut in cuts])


def _slice_value(x: np.ndarray, start: Shape, stop: Shape, step: Shape) -> np.ndarray:
    return x[tuple(map(slice, start, stop, step))]


def _slice_transpose(
    i: int, g: Tensor, x: Tensor, start: Shape, stop: Shape, step: Shape
) -> Tensor:
    low, high = [], []
    for n, first, stride, count in zip(x.shape, start, step, g.shape, strict=True):
        covered = (count - 1) * stride + 1 if count else 0
        low.append(first if count else 0)
        high.append(n - low[-1] - covered)
    interior = tuple(stride - 1 for stride in step)
    return apply(PAD, g, low=tuple(low), high=tuple(high), interior=interior)


SLICE = add_row(
    Op(
        "slice",
        "movement",
        _slice_rule,
        _slice_value,
        Linear(_slice_transpose),
        Check(
            examples=(
                Example((Spec((5, 6), F64),), {"start": (1, 0), "stop": (4, 6), "step": (1, 2)}),
                Example((Spec((7,), F64),), {"start": (1,), "stop": (7,), "step": (3,)}),
                Example((Spec((3,), F64),), {"start": (2,), "stop": (2,), "step": (1,)}),
            ),
            kinds=ANY,
        ),
    )
)


# ------------------------------------------------------------------ pad
def _padded_length(n: int, low: int, high: int, interior: int) -> int:
    return low + n + max(n - 1, 0) * interior + high


def _pad_rule(x: Spec, low: Shape, high: Shape, interior: Shape) -> Spec:
    if not len(low) == len(high) == len(interior) == x.ndim or min((*low, *high, *interior, 0)) < 0:
        raise ShapeError("graph.pad", widths=tuple(zip(low, high, strict=False)), ndim=x.ndim)
    return x.with_shape(list(map(_padded_length, x.shape, low, high, interior)))


def _pad_value(x: np.ndarray, low: Shape, high: Shape, interior: Shape) -> np.ndarray:
    out = np.zeros(tuple(map(_padded_length, x.shape, low, high, interior)), x.dtype)
    out[_holes(x.shape, low, interior)] = x
    return out


def _holes(shape: Shape, low: Shape, interior: Shape) -> tuple[slice, ...]:
    """Where the elements of the unpadded tensor lie in the padded one."""
    return tuple(
        slice(before, before + max((n - 1) * (gap + 1) + 1, 0), gap + 1)
        for n, before, gap in zip(shape, low, interior, strict=True)
    )


def _pad_transpose(
    i: int, g: Tensor, x: Tensor, low: Shape, high: Shape, interior: Shape
) -> Tensor:
    holes = _holes(x.shape, low, interior)
    start, stop = tuple(hole.start for hole in holes), tuple(hole.stop for hole in holes)
    return apply(SLICE, g, start=start, stop=stop, step=tuple(hole.step for hole in holes))


PAD = add_row(
    Op(
        "pad",
        "movement",
        _pad_rule,
        _pad_value,
        Linear(_pad_transpose),
        Check(
            examples=(
                Example((Spec((2, 3), F64),), {"low": (1, 0), "high": (0, 2), "interior": (0, 1)}),
                Example((Spec((0,), F64),), {"low": (2,), "high": (1,), "interior": (1,)}),
            ),
            kinds=ANY,
        ),
    )
)


def pad(x: ArrayLike, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros before and after, ``(before, after)`` for every axis.

    Raises
    ------
    ShapeError
        Unless there is a pair of widths ≥ 0 for every axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.pad([1.0, 2.0], [(1, 2)])
    Tensor f32[5] [0. 1. 2. 0. 0.]
    """
    x = asarray(x)
    low, high = tuple(before for before, _ in widths), tuple(after for _, after in widths)
    attributes = {"low": low, "high": high, "interior": (0,) * x.ndim}
    _pad_rule(x.spec, **attributes)  # NumPy is not asked, so it cannot refuse
    return apply(PAD, x, **attributes)


# ------------------------------------------------------------------ concatenate
def _concatenate_rule(*xs: Spec, axis: int) -> Spec:
    first = xs[0]
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    for x in xs:
        fits = x.ndim == first.ndim and (x.shape[:axis], x.shape[axis + 1 :]) == (before, after)
        if not fits or x.dtype != first.dtype:
            raise ShapeError("graph.concatenate", axis=axis, specs=", ".join(map(repr, xs)))
    return first.with_shape((*before, sum(x.shape[axis] for x in xs), *after))


def _concatenate_transpose(i: int, g: Tensor, *xs: Tensor, axis: int) -> Tensor:
    before = sum(x.shape[axis] for x in xs[:i])
    start, stop = [0] * g.ndim, list(g.shape)
    start[axis], stop[axis] = before, before + xs[i].shape[axis]
    return apply(SLICE, g, start=tuple(start), stop=tuple(stop), step=(1,) * g.ndim)


CONCATENATE = add_row(
    Op(
        "concatenate",
        "movement",
        _concatenate_rule,
        lambda *xs, axis: np.concatenate(xs, axis),
        Linear(_concatenate_transpose, inputs=None, jointly=True),
        Check(
            examples=(
                Example((Spec((2, 3), F64), Spec((2, 1), F64)), {"axis": 1}),
                Example((Spec((1, 3), F64), Spec((0, 3), F64), Spec((2, 3), F64)), {"axis": 0}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def concatenate(xs: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Tensors joined along an axis.

    Raises
    ------
    ShapeError
        If the shapes differ on another axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.concatenate([[1.0], [2.0, 3.0]])
    Tensor f32[3] [1. 2. 3.]
    """
    tensors = _of_one_type("concatenate", xs)
    (axis,) = normalize_axes("concatenate", axis, tensors[0].ndim)
    return apply(CONCATENATE, *tensors, axis=axis) if len(tensors) > 1 else tensors[0]


@tensor_function
def stack(xs: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    Tensor f32[2, 2]
    [[1. 3.]
     [2. 4.]]
    """
    tensors = _of_one_type("stack", xs)
    (axis,) = normalize_axes("stack", axis, tensors[0].ndim + 1)
    shape = tensors[0].shape
    if any(t.shape != shape for t in tensors):
        raise ShapeError("graph.stack", shapes=", ".join(str(t.shape) for t in tensors))
    return concatenate([reshape(t, (*shape[:axis], 1, *shape[axis:])) for t in tensors], axis)


def _of_one_type(who: str, xs: Sequence[ArrayLike]) -> list[Tensor]:
    if not len(xs):
        raise ShapeError("graph.nothing_to_join", who=who)
    return promoted(who, ANY, xs)
