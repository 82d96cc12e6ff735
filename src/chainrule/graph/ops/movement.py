"""Rows that move elements without computing: shape, order, slices, padding, gather and scatter.

All are linear. Each one's transpose is written with the others: ``broadcast_to`` ↔ ``sum``,
``slice`` ↔ ``pad``, ``gather`` ↔ ``scatter_add``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply, make_node
from chainrule.graph.node import Op
from chainrule.graph.spec import Shape, Spec, broadcast_shapes, normalize_axes
from chainrule.graph.table import TABLE, Check, Example, Linear, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

F64 = np.dtype(np.float64)
ANY = "fib"


# ------------------------------------------------------------------ reshape, transpose, broadcast
def _reshape_rule(x: Spec, shape: Shape) -> Spec:
    if math.prod(shape) != x.size:
        raise ShapeError("graph.reshape", shape=x.shape, new=shape)
    return x.with_shape(shape)


RESHAPE = add_row(
    Op(
        "reshape",
        "movement",
        _reshape_rule,
        lambda x, shape: np.reshape(x, shape),
        Linear(lambda i, g, x, shape: reshape(g, x.shape)),
        Check(
            examples=(
                Example((Spec((2, 6), F64),), {"shape": (3, 4)}),
                Example((Spec((2, 3), F64),), {"shape": (6,)}),
                Example((Spec((), F64),), {"shape": (1, 1)}),
                Example((Spec((0, 3), F64),), {"shape": (3, 0, 2)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def reshape(x: ArrayLike, shape: int | Sequence[int]) -> Tensor:
    """The same elements in another shape, in C order; one length may be -1.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.reshape(cr.arange(6), (2, -1)).shape
    (2, 3)
    """
    x = asarray(x)
    wanted = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest == 0 or x.size % rest:
            raise ShapeError("graph.reshape", shape=x.shape, new=wanted)
        wanted = tuple(x.size // rest if n == -1 else n for n in wanted)
    return x if wanted == x.shape else apply(RESHAPE, x, shape=wanted)  # type: ignore[no-any-return]


def _transpose_rule(x: Spec, axes: tuple[int, ...]) -> Spec:
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError("graph.transpose", axes=axes, ndim=x.ndim)
    return x.with_shape([x.shape[a] for a in axes])


TRANSPOSE = add_row(
    Op(
        "transpose",
        "movement",
        _transpose_rule,
        lambda x, axes: np.transpose(x, axes),
        Linear(lambda i, g, x, axes: transpose(g, [axes.index(a) for a in range(len(axes))])),
        Check(
            examples=(
                Example((Spec((2, 3), F64),), {"axes": (1, 0)}),
                Example((Spec((2, 3, 4), F64),), {"axes": (2, 0, 1)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in another order; reversed by default.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.transpose(cr.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = asarray(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(int(a) for a in axes)
    order = tuple(a % x.ndim if -x.ndim <= a < 0 else a for a in order)
    if order == tuple(range(x.ndim)):
        return x
    return apply(TRANSPOSE, x, axes=order)  # type: ignore[no-any-return]


@tensor_function
def swapaxes(x: ArrayLike, first: int, second: int) -> Tensor:
    """Two axes exchanged.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.swapaxes(cr.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError("graph.swapaxes", shape=x.shape)
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return transpose(x, order)


def moveaxis(x: ArrayLike, source: int, destination: int) -> Tensor:
    """One axis moved to another place.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.moveaxis(cr.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    (source,) = normalize_axes("moveaxis", source, x.ndim)
    (destination,) = normalize_axes("moveaxis", destination, x.ndim)
    order = [a for a in range(x.ndim) if a != source]
    order.insert(destination, source)
    return transpose(x, order)


def _broadcast_rule(x: Spec, shape: Shape) -> Spec:
    if broadcast_shapes("broadcast_to", x.shape, shape) != tuple(shape):
        raise ShapeError("graph.broadcast_to", shape=x.shape, new=shape)
    return x.with_shape(shape)


def _unbroadcast(i: int, g: Tensor, x: Tensor, shape: Shape) -> Tensor:
    """Sum over the axes along which ``x`` was repeated."""
    new = len(shape) - x.ndim
    axes = tuple(a for a in range(len(shape)) if a < new or x.shape[a - new] != shape[a])
    return reshape(apply(TABLE["sum"], g, axes=axes), x.shape)


BROADCAST = add_row(
    Op(
        "broadcast_to",
        "movement",
        _broadcast_rule,
        lambda x, shape: np.broadcast_to(x, shape),
        Linear(_unbroadcast),
        Check(
            examples=(
                Example((Spec((3,), F64),), {"shape": (2, 3)}),
                Example((Spec((2, 1), F64),), {"shape": (4, 2, 3)}),
                Example((Spec((), F64),), {"shape": (2, 2)}),
            ),
            kinds=ANY,
        ),
    )
)


@tensor_function
def broadcast_to(x: ArrayLike, shape: Sequence[int]) -> Tensor:
    """``x`` repeated to ``shape``: aligned at the end, axes of length 1 stretch.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.broadcast_to([1.0, 2.0], (2, 2))
    Tensor f32[2, 2]
    [[1. 2.]
     [1. 2.]]
    """
    x, wanted = asarray(x), tuple(shape)
    return x if x.shape == wanted else apply(BROADCAST, x, shape=wanted)  # type: ignore[no-any-return]


def constant_like(value: float, x: Tensor) -> Tensor:
    """``value`` in the shape and type of ``x``; in a graph a scalar and a broadcast, not an array."""
    scalar = asarray(value, x.dtype)
    if not x.is_symbolic or not x.shape:
        return broadcast_to(scalar, x.shape)
    return make_node(BROADCAST, [scalar], {"shape": x.shape})  # type: ignore[no-any-return]


# ------------------------------------------------------------------ slices, padding, joining
def _slice_rule(x: Spec, start: Shape, stop: Shape, step: Shape) -> Spec:
    lengths = [len(range(a, b, c)) for a, b, c in zip(start, stop, step, strict=True)]
    return x.with_shape(lengths)


def _slice_value(x: np.ndarray, start: Shape, stop: Shape, step: Shape) -> np.ndarray:
    return x[tuple(slice(a, b, c) for a, b, c in zip(start, stop, step, strict=True))]


def _slice_transpose(
    i: int, g: Tensor, x: Tensor, start: Shape, stop: Shape, step: Shape
) -> Tensor:
    low, high = [], []
    for n, first, stride, count in zip(x.shape, start, step, g.shape, strict=True):
        covered = (count - 1) * stride + 1 if count else 0
        low.append(first if count else 0)
        high.append(n - low[-1] - covered)
    interior = tuple(c - 1 for c in step)
    return apply(PAD, g, low=tuple(low), high=tuple(high), interior=interior)  # type: ignore[no-any-return]


SLICE = add_row(
    Op(
        "slice",
        "movement",
        _slice_rule,
        _slice_value,
        Linear(_slice_transpose),
        Check(
            examples=(
                Example(
                    (Spec((5, 6), F64),), {"start": (1, 0), "stop": (4, 6), "step": (1, 2)}
                ),
                Example((Spec((7,), F64),), {"start": (1,), "stop": (7,), "step": (3,)}),
                Example((Spec((3,), F64),), {"start": (2,), "stop": (2,), "step": (1,)}),
            ),
            kinds=ANY,
        ),
    )
)


def _padded_length(n: int, low: int, high: int, interior: int) -> int:
    return low + n + (n - 1 if n else 0) * interior + high


def _pad_rule(x: Spec, low: Shape, high: Shape, interior: Shape) -> Spec:
    return x.with_shape(list(map(_padded_length, x.shape, low, high, interior)))


def _pad_value(x: np.ndarray, low: Shape, high: Shape, interior: Shape) -> np.ndarray:
    lengths = tuple(map(_padded_length, x.shape, low, high, interior))
    out = np.zeros(lengths, x.dtype)
    out[_holes(x.shape, low, interior)] = x
    return out


def _holes(shape: Shape, low: Shape, interior: Shape) -> tuple[slice, ...]:
    """Where the elements of the unpadded tensor lie in the padded one."""
    return tuple(
        slice(a, a + (n - 1) * (c + 1) + 1 if n else a, c + 1)
        for n, a, c in zip(shape, low, interior, strict=True)
    )


def _pad_transpose(
    i: int, g: Tensor, x: Tensor, low: Shape, high: Shape, interior: Shape
) -> Tensor:
    holes = _holes(x.shape, low, interior)
    attributes = {name: tuple(getattr(h, name) for h in holes) for name in ("start", "stop", "step")}
    return apply(SLICE, g, **attributes)  # type: ignore[no-any-return]


PAD = add_row(
    Op(
        "pad",
        "movement",
        _pad_rule,
        _pad_value,
        Linear(_pad_transpose),
        Check(
            examples=(
                Example(
                    (Spec((2, 3), F64),), {"low": (1, 0), "high": (0, 2), "interior": (0, 1)}
                ),
                Example((Spec((0,), F64),), {"low": (2,), "high": (1,), "interior": (1,)}),
            ),
            kinds=ANY,
        ),
    )
)


def pad(x: ArrayLike, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros before and after, ``(before, after)`` for every axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.pad([1.0, 2.0], [(1, 2)])
    Tensor f32[5] [0. 1. 2. 0. 0.]
    """
    x = asarray(x)
    if len(widths) != x.ndim or any(n < 0 for pair in widths for n in pair):
        raise ShapeError("graph.pad", widths=tuple(widths), ndim=x.ndim)
    low, high = tuple(a for a, _ in widths), tuple(b for _, b in widths)
    return apply(PAD, x, low=low, high=high, interior=(0,) * x.ndim)  # type: ignore[no-any-return]


FLIP = add_row(
    Op(
        "flip",
        "movement",
        lambda x, axes: x,
        lambda x, axes: np.flip(x, axes),
        Linear(lambda i, g, x, axes: flip(g, axes)),
        Check(examples=(Example((Spec((2, 3), F64),), {"axes": (0, 1)}),), kinds=ANY),
    )
)


def flip(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Elements in reverse order along ``axis``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.flip([1.0, 2.0, 3.0])
    Tensor f32[3] [3. 2. 1.]
    """
    x = asarray(x)
    axes = normalize_axes("flip", axis, x.ndim)
    return apply(FLIP, x, axes=axes) if axes else x  # type: ignore[no-any-return]


def _concatenate_rule(*xs: Spec, axis: int) -> Spec:
    first = xs[0]
    for x in xs:
        same = x.ndim == first.ndim and all(
            a == b for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis
        )
        if not same or x.dtype != first.dtype:
            raise ShapeError("graph.concatenate", axis=axis, specs=", ".join(map(repr, xs)))
    total = 0
    for x in xs:
        total += x.shape[axis]
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _concatenate_transpose(i: int, g: Tensor, *xs: Tensor, axis: int) -> Tensor:
    before = 0
    for x in xs[:i]:
        before += x.shape[axis]
    start, stop = [0] * g.ndim, list(g.shape)
    start[axis], stop[axis] = before, before + xs[i].shape[axis]
    attributes = {"start": tuple(start), "stop": tuple(stop), "step": (1,) * g.ndim}
    return apply(SLICE, g, **attributes)  # type: ignore[no-any-return]


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

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.concatenate([[1.0], [2.0, 3.0]])
    Tensor f32[3] [1. 2. 3.]
    """
    tensors = _common_type([asarray(x) for x in xs])
    (axis,) = normalize_axes("concatenate", axis, tensors[0].ndim)
    if len(tensors) == 1:
        return tensors[0]
    return apply(CONCATENATE, *tensors, axis=axis)  # type: ignore[no-any-return]


@tensor_function
def stack(xs: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    Tensor f32[2, 2]
    [[1. 3.]
     [2. 4.]]
    """
    tensors = _common_type([asarray(x) for x in xs])
    (axis,) = normalize_axes("stack", axis, tensors[0].ndim + 1)
    shape = tensors[0].shape
    if any(t.shape != shape for t in tensors):
        raise ShapeError("graph.stack", shapes=", ".join(str(t.shape) for t in tensors))
    return concatenate([reshape(t, (*shape[:axis], 1, *shape[axis:])) for t in tensors], axis)


def _common_type(tensors: list[Tensor]) -> list[Tensor]:
    if not tensors:
        raise ShapeError("graph.nothing_to_join")
    dtype = np.result_type(*(t.dtype for t in tensors))
    return [t.astype(dtype) for t in tensors]


# ------------------------------------------------------------------ gather and scatter
#
# gather(x, indices): x is [*batch, n1 … nk, *rest], indices is [*batch, *places, k];
# the result is [*batch, *places, *rest], where result[b, p] = x[b, i1, …, ik] for
# (i1, …, ik) = indices[b, p]. scatter_add is its transpose: it adds values at the same places.


def _gather_rule(x: Spec, indices: Spec, batch: int) -> Spec:
    k = _checked_indices(x.shape, indices, batch)
    return x.with_shape((*indices.shape[:-1], *x.shape[batch + k :]))


def _checked_indices(shape: Shape, indices: Spec, batch: int) -> int:
    if indices.dtype.kind not in "iu":
        raise DtypeError("graph.index_dtype", spec=indices)
    k = indices.shape[-1]
    if indices.shape[:batch] != shape[:batch] or batch + k > len(shape):
        raise ShapeError("graph.gather", shape=shape, indices=indices.shape, batch=batch)
    return k


def _places(shape: Shape, indices: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
    """NumPy's advanced index for the addressed elements; raises where one is out of range."""
    k = indices.shape[-1]
    for i, n in enumerate(shape[batch : batch + k]):
        column = indices[..., i]
        if column.size and not 0 <= column.min() <= column.max() < n:
            raise ShapeError("graph.index_range", low=column.min(), high=column.max(), n=n)
    grids = np.ogrid[tuple(slice(n) for n in shape[:batch])] if batch else []
    fill = (1,) * (indices.ndim - 1 - batch)
    return (
        *(grid.reshape(grid.shape + fill) for grid in grids),
        *(indices[..., i] for i in range(k)),
    )


def _gather_value(x: np.ndarray, indices: np.ndarray, batch: int) -> np.ndarray:
    return x[_places(x.shape, indices, batch)]  # type: ignore[no-any-return]


def _scatter_rule(updates: Spec, indices: Spec, shape: Shape, batch: int) -> Spec:
    k = _checked_indices(shape, indices, batch)
    if updates.shape != (*indices.shape[:-1], *shape[batch + k :]):
        raise ShapeError("graph.gather", shape=updates.shape, indices=indices.shape, batch=batch)
    return updates.with_shape(shape)


def _scatter_value(
    updates: np.ndarray, indices: np.ndarray, shape: Shape, batch: int
) -> np.ndarray:
    out = np.zeros(shape, updates.dtype)
    np.add.at(out, _places(shape, indices, batch), updates)
    return out


GATHER_EXAMPLES = (
    Example((Spec((5, 3), F64), Spec((4, 1), np.dtype(np.int64))), {"batch": 0}, ("", "index:5")),
    Example((Spec((3, 4), F64), Spec((6, 2), np.dtype(np.int64))), {"batch": 0}, ("", "index:3")),
    Example((Spec((2, 5), F64), Spec((2, 3, 1), np.dtype(np.int64))), {"batch": 1}, ("", "index:5")),
)
SCATTER_EXAMPLES = (
    Example(
        (Spec((4, 3), F64), Spec((4, 1), np.dtype(np.int64))),
        {"shape": (5, 3), "batch": 0},
        ("", "index:5"),
    ),
    Example(
        (Spec((2, 3), F64), Spec((2, 3, 1), np.dtype(np.int64))),
        {"shape": (2, 5), "batch": 1},
        ("", "index:5"),
    ),
)

GATHER = add_row(
    Op(
        "gather",
        "movement",
        _gather_rule,
        _gather_value,
        Linear(
            lambda i, g, x, indices, batch: apply(SCATTER, g, indices, shape=x.shape, batch=batch)
        ),
        Check(examples=GATHER_EXAMPLES, kinds=ANY),
    )
)
SCATTER = add_row(
    Op(
        "scatter_add",
        "movement",
        _scatter_rule,
        _scatter_value,
        Linear(lambda i, g, u, indices, shape, batch: apply(GATHER, g, indices, batch=batch)),
        Check(examples=SCATTER_EXAMPLES, kinds="fi"),
    )
)


def gather(x: Tensor, indices: Tensor, batch: int = 0) -> Tensor:
    """Elements (or slices) of ``x`` at ``indices``; the row that all indexing by tensors uses.

    Parameters
    ----------
    x
        ``[*batch, n1 … nk, *rest]``.
    indices
        Integers ``[*batch, *places, k]``, from 0 on.
    batch
        How many leading axes both share.

    Returns
    -------
    Tensor
        ``[*batch, *places, *rest]``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.gather(cr.tensor([10.0, 20.0, 30.0]), cr.tensor([[2], [0]]))
    Tensor f32[2] [30. 10.]
    """
    return apply(GATHER, asarray(x), asarray(indices), batch=batch)  # type: ignore[no-any-return]


def scatter_add(updates: Tensor, indices: Tensor, shape: Sequence[int], batch: int = 0) -> Tensor:
    """Zeros of ``shape`` with ``updates`` added at ``indices``; the transpose of :func:`gather`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.scatter_add(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([[0], [2], [0]]), (3,))
    Tensor f32[3] [4. 0. 2.]
    """
    operands = asarray(updates), asarray(indices)
    return apply(SCATTER, *operands, shape=tuple(shape), batch=batch)  # type: ignore[no-any-return]
