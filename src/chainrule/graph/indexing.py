"""``x[index]`` with NumPy's meaning: integers, slices, ``...``, ``None``, and integer tensors.

Basic indexing becomes ``slice``, ``flip`` and ``reshape``; tensors of indices become one ``gather``.
A boolean mask is refused in a graph, since the result's shape would depend on values.
"""

import operator
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.functions import wrap_negative
from chainrule.graph.ops.movement import SLICE, broadcast_to, flip, gather, reshape, stack, transpose
from chainrule.graph.tensor import Tensor, asarray, tensor_function

__all__ = ["getitem"]


@tensor_function
def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``, as NumPy does it.

    Raises
    ------
    ShapeError
        For too many indices, an index out of range, or a boolean mask.
    """
    items = _expanded(x, index if isinstance(index, tuple) else (index,))
    basic: list[Any] = []
    for item in items:
        basic.append(slice(None) if isinstance(item, Tensor) else item)
    y, kept = _basic(x, basic)
    # Where the tensors of indices stand after integers were dropped and new axes were made.
    advanced = {place: item for place, item in zip(kept, items, strict=True) if isinstance(item, Tensor)}
    return _gathered(y, advanced) if advanced else y


def _expanded(x: Tensor, items: tuple[Any, ...]) -> list[Any]:
    """One item per axis of ``x`` (and ``None`` for each new axis)."""
    converted = [_converted(item) for item in items]
    if any(isinstance(item, Tensor) for item in converted):
        # Beside tensors of indices, NumPy reads an integer as a tensor of one index.
        converted = [asarray(item) if isinstance(item, int) else item for item in converted]
    used = sum(item is not None and item is not Ellipsis for item in converted)
    if used > x.ndim:
        raise ShapeError("graph.too_many_indices", shape=x.shape, count=used)
    rest = [slice(None)] * (x.ndim - used)
    for i, item in enumerate(converted):
        if item is Ellipsis:
            return [*converted[:i], *rest, *converted[i + 1 :]]
    return [*converted, *rest]


def _converted(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_)):
        return int(item)
    indices = asarray(item)
    if indices.dtype.kind == "b":
        raise ShapeError("graph.boolean_index")
    if indices.dtype.kind not in "iu":
        raise ShapeError("graph.index_dtype", spec=indices.spec)
    return indices


def _basic(x: Tensor, items: list[Any]) -> tuple[Tensor, list[int | None]]:
    """Apply integers, slices and new axes; also where each item's axis stands in the result."""
    start, stop, step, flips, shape = [], [], [], [], []
    kept: list[int | None] = []
    axis = 0
    for item in items:
        if item is None:
            kept.append(len(shape))
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(item, slice):
            a, b, c = _positive(item, n)
            if item.step is not None and operator.index(item.step) < 0:
                flips.append(axis)
            kept.append(len(shape))
            shape.append(len(range(a, b, c)))
        else:
            if not -n <= item < n:
                raise ShapeError("graph.index_range", low=item, high=item, n=n)
            a, b, c = item % n, item % n + 1, 1
            kept.append(None)
        start.append(a)
        stop.append(b)
        step.append(c)
        axis += 1
    whole = all(a == 0 and b == n and c == 1 for a, b, c, n in zip(start, stop, step, x.shape, strict=True))
    if not whole:
        x = apply(SLICE, x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    if flips:
        x = flip(x, flips)
    return reshape(x, shape), kept


def _positive(item: slice, n: int) -> tuple[int, int, int]:
    """Start, stop and positive step of the elements that a slice names, in rising order."""
    places = range(n)[item]
    if len(places) == 0:
        return 0, 0, 1
    low, high = min(places[0], places[-1]), max(places[0], places[-1])
    return low, high + 1, abs(places.step)


def _gathered(x: Tensor, advanced: dict[int | None, Tensor]) -> Tensor:
    """Replace the axes that tensors of indices name by those of the (broadcast) tensors."""
    axes = [axis for axis in advanced if axis is not None]
    wrapped = [wrap_negative(advanced[axis], x.shape[axis]).astype(np.int64) for axis in axes]
    shape = np.broadcast_shapes(*(w.shape for w in wrapped))
    indices = stack([broadcast_to(w, shape) for w in wrapped], axis=-1)
    rest = [a for a in range(x.ndim) if a not in axes]
    y = gather(transpose(x, [*axes, *rest]), indices)  # [*shape, *rest]
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    if not adjacent:
        return y  # NumPy puts the new axes in front when the indexed ones are apart
    before = sum(a < axes[0] for a in rest)
    places = list(range(len(shape)))
    others = list(range(len(shape), y.ndim))
    return transpose(y, [*others[:before], *places, *others[before:]])
