"""Matrices in panels: some columns, row after row. The native engine keeps weights so.

The last panel is filled up with zeros.
"""

import math
from typing import Any

import numpy as np

__all__ = ["aligned", "from_panels", "lined_up", "to_panels"]

LINE = 64  # bytes of a cache line


def to_panels(array: np.ndarray, width: int) -> np.ndarray:
    """A copy of a matrix in panels of ``width`` columns, ``[panels, rows, width]``; 0: as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.engines.panels import from_panels, to_panels
    >>> panels = to_panels(np.arange(6.0).reshape(2, 3), 2)
    >>> panels.tolist()
    [[[0.0, 1.0], [3.0, 4.0]], [[2.0, 0.0], [5.0, 0.0]]]
    >>> from_panels(panels, (2, 3)).tolist()
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """
    if not width:
        return _copy(array)
    rows, columns = array.shape
    panels = aligned((-(-columns // width), rows, width), array.dtype)
    whole = columns // width
    panels[:whole] = array[:, : whole * width].reshape(rows, whole, width).transpose(1, 0, 2)
    if whole < len(panels):
        panels[whole] = 0
        panels[whole, :, : columns - whole * width] = array[:, whole * width :]
    return panels


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A new array that begins at a cache line, so that no vector lies across two of them."""
    count, item = math.prod(shape), np.dtype(dtype).itemsize
    memory = np.empty(count * item + LINE, np.uint8)
    skip = -memory.ctypes.data % LINE
    made: np.ndarray = memory[skip : skip + count * item].view(dtype).reshape(shape)
    return made


def lined_up(array: np.ndarray) -> np.ndarray:
    """The array if it is contiguous and begins at a cache line, else such a copy.

    NumPy's arrays begin 16 bytes after a line, so that every vector of 64 bytes lies across two of
    them; to read weights takes twice as long then.
    """
    if array.flags.c_contiguous and array.ctypes.data % LINE == 0:
        return array
    return _copy(array)


def _copy(array: np.ndarray) -> np.ndarray:
    made = aligned(array.shape, array.dtype)
    made[...] = array
    return made


def from_panels(panels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of the matrix of such a shape; an array of that shape is copied as it is."""
    if panels.shape == shape:
        return _copy(panels)
    columns, width = shape[1], panels.shape[2]
    parts = [panel[:, : columns - i * width] for i, panel in enumerate(panels)]
    return np.concatenate(parts, axis=1, out=aligned(shape, panels.dtype))
