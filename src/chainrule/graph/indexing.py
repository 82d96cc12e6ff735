"""``x[index]`` with NumPy's meaning: integers, slices, ``...``, ``None``, and tensors of indices.

Basic indexing becomes ``slice``, ``flip`` and ``reshape``; tensors of indices become one
``gather``. A symbolic mask is refused: the result's shape would depend on values.
"""

import operator
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.ops.gather import gather
from chainrule.graph.ops.joining import SLICE, stack
from chainrule.graph.ops.movement import broadcast_to, flip, reshape, transpose
from chainrule.graph.spec import broadcast_shapes
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["getitem"]

Item: TypeAlias = "int | slice | Tensor | None"
WHOLE = slice(None)
BASIC = {int, slice, type(None), type(...)}


@tensor_function
def getitem(x: ArrayLike, index: Any) -> Tensor:
    """``x[index]``, as NumPy does it.

    Raises
    ------
    ShapeError
        For too many indices, an index out of range, or a symbolic mask.
    DtypeError
        For an index that is not an integer.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> x[1, ::-1]
    Tensor f32[3] [6. 5. 4.]
    >>> x[[0, 1], [2, 0]]
    Tensor f32[2] [3. 4.]
    """
    x = asarray(x)
    index = index if isinstance(index, tuple) else (index,)
    if x._array is not None and all(type(item) in BASIC for item in index):
        try:
            return Tensor(np.asarray(x._array[index]))
        except IndexError:
            pass  # said in our words by what follows
    items = _one_per_axis(x, index)
    y, places = _basic(x, [WHOLE if isinstance(item, Tensor) else item for item in items])
    chosen = {
        place: item
        for place, item in zip(places, items, strict=True)
        if place is not None and isinstance(item, Tensor)
    }
    return _gathered(y, chosen) if chosen else y


def _one_per_axis(x: Tensor, index: tuple[Any, ...]) -> list[Item]:
    """One item for each axis of ``x``, and ``None`` for each new axis."""
    items = [_checked(item) for item in index]
    used = sum(_axes_of(item) for item in items)
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if used > x.ndim or len(dots) > 1:
        raise ShapeError("graph.too_many_indices", shape=x.shape, count=used, dots=len(dots))
    at = dots[0] if dots else len(items)
    items[at : at + 1] = [WHOLE] * (x.ndim - used)
    if any(isinstance(item, Tensor) for item in items):
        # Beside tensors of indices, NumPy reads an integer as a tensor of one index.
        items = [asarray(item) if isinstance(item, int) else item for item in items]
    return _without_masks(x, items)


def _checked(item: Any) -> Any:
    """An item as an integer, a slice, ``None``, ``...``, or a tensor of integers or booleans."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return int(item)
    indices = asarray(item, np.int64) if isinstance(item, list) and not item else asarray(item)
    if indices.spec.is_float:
        raise DtypeError("graph.index_dtype", spec=indices.spec)
    return indices


def _is_mask(item: Any) -> bool:
    return isinstance(item, Tensor) and item.dtype.kind == "b"


def _axes_of(item: Any) -> int:
    """How many axes an item speaks about."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if _is_mask(item) else 1


def _without_masks(x: Tensor, items: list[Any]) -> list[Item]:
    """Replace each mask by the indices at which it holds: one tensor for each of its axes."""
    replaced: list[Item] = []
    axis = 0
    for item in items:
        if _is_mask(item):
            shape = x.shape[axis : axis + item.ndim]
            if item.is_symbolic or item.ndim == 0 or item.shape != shape:
                raise ShapeError("graph.mask", spec=item.spec, shape=shape)
            replaced += map(asarray, np.nonzero(item.numpy()))
        else:
            replaced.append(item)
        axis += _axes_of(item)
    return replaced


def _basic(x: Tensor, items: list[Any]) -> tuple[Tensor, list[int | None]]:
    """Apply integers, slices and new axes; also where each item's axis stands in the result."""
    cuts: list[slice] = []
    flips: list[int] = []
    shape: list[int] = []
    places: list[int | None] = []
    for item in items:
        places.append(None if isinstance(item, int) else len(shape))
        if item is None:
            shape.append(1)
            continue
        n = x.shape[len(cuts)]
        if isinstance(item, int):
            cuts.append(_single(item, n))
        else:
            cut, backwards = _rising(item, n)
            shape.append(len(range(cut.start, cut.stop, cut.step)))
            flips += [len(cuts)] * backwards
            cuts.append(cut)
    return reshape(_flipped(_cut(x, cuts), flips), shape), places


def _single(i: int, n: int) -> slice:
    if not -n <= i < n:
        raise ShapeError("graph.index_range", low=i, high=i, n=n)
    return slice(i % n, i % n + 1, 1)


def _rising(item: slice, n: int) -> tuple[slice, bool]:
    """The elements that a slice names, in rising order, and whether it names them in falling."""
    numbers = slice(*map(_index_or_none, (item.start, item.stop, item.step)))
    places = range(n)[numbers]
    if len(places) == 0:
        return slice(0, 0, 1), False
    low, high = min(places[0], places[-1]), max(places[0], places[-1])
    return slice(low, high + 1, abs(places.step)), places.step < 0


def _index_or_none(end: Any) -> int | None:
    return None if end is None else operator.index(end)


def _cut(x: Tensor, cuts: list[slice]) -> Tensor:
    if cuts == [slice(0, n, 1) for n in x.shape]:
        return x
    start, stop, step = zip(*((cut.start, cut.stop, cut.step) for cut in cuts), strict=True)
    return apply(SLICE, x, start=start, stop=stop, step=step)


def _flipped(x: Tensor, axes: list[int]) -> Tensor:
    return flip(x, axes) if axes else x


def _gathered(x: Tensor, chosen: dict[int, Tensor]) -> Tensor:
    """Replace the axes that tensors of indices name by those of the (broadcast) tensors."""
    axes = list(chosen)
    shape = broadcast_shapes("x[...]", *(indices.shape for indices in chosen.values()))
    columns = [broadcast_to(indices.astype(np.int64), shape) for indices in chosen.values()]
    rest = [a for a in range(x.ndim) if a not in axes]
    y = gather(transpose(x, [*axes, *rest]), stack(columns, axis=-1))  # [*shape, *rest]
    # NumPy puts the new axes in the place of the indexed ones; in front if these stand apart.
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    before = axes[0] if adjacent else 0
    places, others = list(range(len(shape))), list(range(len(shape), y.ndim))
    return transpose(y, [*others[:before], *places, *others[before:]])
