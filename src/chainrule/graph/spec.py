"""Shape and number type of a value, and the rules by which both combine.

Broadcasting and promotion are NumPy's (NEP 50: a Python number adapts to the array beside it), with
these deviations, stated in ``docs/design``: arithmetic on booleans counts (``True + True`` is 2);
Python numbers that meet no array become float32 or int64; a function of integers that needs floats
gives float64, whatever the integers; sums and products keep the type of their elements.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError

__all__ = ["FLOAT_TYPES", "Shape", "Spec", "broadcast_shapes", "checked_dtype", "normalize_axes"]

Shape = tuple[int, ...]

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
SHORT_NAMES = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float64): "f64",
    np.dtype(np.int8): "i8",
    np.dtype(np.int16): "i16",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.uint8): "u8",
    np.dtype(np.uint16): "u16",
    np.dtype(np.uint32): "u32",
    np.dtype(np.uint64): "u64",
    np.dtype(np.bool_): "bool",
}


@dataclass(frozen=True, slots=True, init=False)
class Spec:
    """Shape and number type of a value, without the value.

    Parameters
    ----------
    shape
        The length of each axis.
    dtype
        float32, float64, an integer type or bool.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Spec((64, 784), "float32")
    f32[64, 784]
    """

    shape: Shape
    dtype: np.dtype[Any]

    def __init__(self, shape: Sequence[int], dtype: Any = np.float32) -> None:
        object.__setattr__(self, "shape", tuple(map(operator.index, shape)))
        object.__setattr__(self, "dtype", checked_dtype(dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether derivatives with respect to such a value exist."""
        return self.dtype.kind == "f"

    def with_shape(self, shape: Sequence[int]) -> "Spec":
        """The same number type in another shape."""
        return Spec(tuple(shape), self.dtype)

    def __repr__(self) -> str:
        return f"{SHORT_NAMES[self.dtype]}[{', '.join(map(str, self.shape))}]"


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """``dtype`` as a NumPy type, if it is one that the library computes with."""
    try:
        resolved: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise DtypeError("graph.dtype", dtype=dtype) from None
    if resolved not in SHORT_NAMES:
        raise DtypeError("graph.dtype", dtype=resolved)
    return resolved


def broadcast_shapes(who: str, *shapes: Shape) -> Shape:
    """The common shape of ``shapes`` by NumPy's rule: aligned at the end, 1 stretches."""
    ndim = max(map(len, shapes))
    common = []
    for lengths in zip(*((1,) * (ndim - len(shape)) + shape for shape in shapes), strict=True):
        stretched = {n for n in lengths if n != 1}
        if len(stretched) > 1:
            raise ShapeError("graph.broadcast", who=who, shapes=" and ".join(map(str, shapes)))
        common.append(stretched.pop() if stretched else 1)
    return tuple(common)


def normalize_axes(who: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of axes from 0 on; ``None`` means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if any(not -ndim <= a < ndim for a in axes):
        raise ShapeError("graph.axis", who=who, axis=axis, ndim=ndim)
    normal = tuple(sorted(int(a) % ndim for a in axes))
    if len(set(normal)) != len(normal):
        raise ShapeError("graph.axis_twice", who=who, axis=axis)
    return normal
