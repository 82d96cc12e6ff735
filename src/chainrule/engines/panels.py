"""Matrices in panels: some columns, row after row. The native engine keeps weights so.

The last panel is filled up with zeros.
"""

import numpy as np

__all__ = ["from_panels", "to_panels"]


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
        return np.array(array, order="C")
    rows, columns = array.shape
    padded = np.zeros((rows, -(-columns // width) * width), array.dtype)
    padded[:, :columns] = array
    return np.ascontiguousarray(padded.reshape(rows, -1, width).transpose(1, 0, 2))


def from_panels(panels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of the matrix of such a shape; an array of that shape is copied as it is."""
    if panels.shape == shape:
        return panels.copy()
    whole = panels.transpose(1, 0, 2).reshape(shape[0], -1)
    return np.ascontiguousarray(whole[:, : shape[1]])
