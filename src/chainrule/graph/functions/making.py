"""Making tensors: of one value, in steps, the identity."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.ops.movement import constant_like
from chainrule.graph.tensor import ArrayLike, Tensor, asarray

__all__ = [
    "arange",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def zeros(shape: int | Sequence[int], dtype: Any = np.float32) -> Tensor:
    """A tensor of zeros.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.zeros(2)
    Tensor f32[2] [0. 0.]
    """
    return asarray(np.zeros(shape, dtype))


def ones(shape: int | Sequence[int], dtype: Any = np.float32) -> Tensor:
    """A tensor of ones.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ones(2)
    Tensor f32[2] [1. 1.]
    """
    return asarray(np.ones(shape, dtype))


def full(shape: int | Sequence[int], value: float, dtype: Any = np.float32) -> Tensor:
    """A tensor of one value.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.full(2, 7.0)
    Tensor f32[2] [7. 7.]
    """
    return asarray(np.full(shape, value, dtype))


def zeros_like(x: ArrayLike) -> Tensor:
    """Zeros in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.zeros_like([1.0, 2.0])
    Tensor f32[2] [0. 0.]
    """
    return constant_like(0, asarray(x))


def ones_like(x: ArrayLike) -> Tensor:
    """Ones in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ones_like([1.0, 2.0])
    Tensor f32[2] [1. 1.]
    """
    return constant_like(1, asarray(x))


def full_like(x: ArrayLike, value: float) -> Tensor:
    """One value in the shape and type of ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.full_like([1.0, 2.0], 7)
    Tensor f32[2] [7. 7.]
    """
    return constant_like(value, asarray(x))


def arange(*ends: float, dtype: Any = None) -> Tensor:
    """Numbers from ``start`` to before ``stop`` in steps, as ``numpy.arange``.

    Parameters
    ----------
    *ends
        ``stop``, or ``start, stop``, or ``start, stop, step``.
    dtype
        By default int64, or float32 where one of the ends is a float.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.arange(3)
    Tensor i64[3] [0 1 2]
    """
    made = np.arange(*ends, dtype=dtype)
    if dtype is None:
        made = made.astype(np.float32 if made.dtype.kind == "f" else np.int64)
    return asarray(made)


def linspace(start: float, stop: float, count: int, dtype: Any = np.float32) -> Tensor:
    """``count`` numbers from ``start`` to ``stop``, both included, at equal distances.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.linspace(0, 1, 3)
    Tensor f32[3] [0.  0.5 1. ]
    """
    return asarray(np.linspace(start, stop, count, dtype=dtype))


def eye(n: int, dtype: Any = np.float32) -> Tensor:
    """The identity matrix.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.eye(2)
    Tensor f32[2, 2]
    [[1. 0.]
     [0. 1.]]
    """
    return asarray(np.eye(n, dtype=dtype))
