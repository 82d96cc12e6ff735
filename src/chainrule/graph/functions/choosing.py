"""Choosing elements by index, and sorting."""

from chainrule.errors import ShapeError
from chainrule.graph.functions.shaping import expand_dims, ravel
from chainrule.graph.ops.gather import gather
from chainrule.graph.ops.movement import broadcast_to, moveaxis, transpose
from chainrule.graph.ops.reductions import argsort
from chainrule.graph.spec import broadcast_shapes, normalize_axes
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["sort", "take", "take_along_axis"]


@tensor_function
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Tensor:
    """Slices of ``x`` at integer ``indices`` along ``axis``, or elements of the flattened tensor.

    Parameters
    ----------
    x
        Any shape.
    indices
        Integers of any shape, which takes the place of the axis; negative ones count from the end.
    axis
        Along which axis.

    Raises
    ------
    ShapeError
        For an index outside of the axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.take([10.0, 20.0, 30.0], [0, -1])
    Tensor f32[2] [10. 30.]
    """
    if axis is None:
        return take(ravel(x), indices, 0)
    x, indices = asarray(x), asarray(indices)
    (axis,) = normalize_axes("take", axis, x.ndim)
    y = gather(moveaxis(x, axis, 0), expand_dims(indices, -1))  # [*indices, *rest]
    order = list(range(y.ndim))
    places, rest = order[: indices.ndim], order[indices.ndim :]
    return transpose(y, [*rest[:axis], *places, *rest[axis:]])


def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int = -1) -> Tensor:
    """``x`` at ``indices`` along ``axis``, element by element, as ``numpy.take_along_axis``.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or for an index outside of the axis.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
    Tensor f32[2, 1]
    [[2.]
     [3.]]
    """
    x, indices = asarray(x), asarray(indices)
    (axis,) = normalize_axes("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError("graph.take_along", x=x.shape, indices=indices.shape)
    x, indices = moveaxis(x, axis, -1), moveaxis(indices, axis, -1)
    batch = broadcast_shapes("take_along_axis", x.shape[:-1], indices.shape[:-1])
    x = broadcast_to(x, (*batch, x.shape[-1]))
    indices = broadcast_to(indices, (*batch, indices.shape[-1]))
    return moveaxis(gather(x, expand_dims(indices, -1), batch=len(batch)), -1, axis)


def sort(x: ArrayLike, axis: int | None = -1) -> Tensor:
    """``x`` sorted along ``axis`` (``None``: flattened), NaN last; the derivative follows.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.sort([3.0, 1.0, 2.0])
    Tensor f32[3] [1. 2. 3.]
    """
    if axis is None:
        return sort(ravel(x), 0)
    return take_along_axis(x, argsort(x, axis), axis)
