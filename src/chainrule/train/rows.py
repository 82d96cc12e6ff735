"""The rows of training data: checked and cast once, never held twice."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import DataError
from chainrule.graph import Tensor, asarray
from chainrule.trees import tree_flatten, tree_leaves, tree_map, tree_unflatten

__all__ = [
    "all_finite",
    "checked_rows",
    "chosen_rows",
    "parts",
    "prepared",
    "row_count",
    "slabs",
]

#: Numbers that are looked at together: the marks of so many fit into a cache.
LOOKED_AT = 2**18


def prepared(data: Any, model: Any, name: str) -> tuple[Any, int]:
    """Data as tensors, floating ones in the model's number type, and the number of rows.

    An array that has the type already is shared, not copied.

    Raises
    ------
    DataError
        If the arrays differ in their number of rows, have none, or hold NaN or infinity.
    """
    if not isinstance(data, (tuple, list)):
        raise DataError("train.data_tuple", name=name, got=type(data).__name__)
    floats = {x.dtype for x in tree_leaves(model) if isinstance(x, Tensor) and x.spec.is_float}
    dtype = floats.pop() if len(floats) == 1 else None

    def cast(leaf: Any) -> Tensor:
        value = asarray(leaf)
        return value.astype(dtype) if value.spec.is_float and dtype is not None else value

    leaves, definition = tree_flatten(tuple(data))
    tensors = [cast(leaf) for leaf in leaves]
    for path, value in zip(definition.paths, tensors, strict=True):
        if not all_finite(value):
            raise DataError("train.data_nonfinite", name=name, path=path)
    counts = {t.shape[0] if t.shape else None for t in tensors}
    if len(counts) != 1 or not counts - {None, 0}:
        shapes = ", ".join(str(t.shape) for t in tensors)
        raise DataError("train.rows", name=name, shapes=shapes or words.text("train.nothing"))
    return tree_unflatten(definition, tensors), tensors[0].shape[0]


def all_finite(tree: Any) -> bool:
    """Whether no tensor of a tree holds NaN or infinity.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule.train.rows import all_finite
    >>> all_finite({"w": cr.ones(3)}), all_finite([np.array([1.0, np.nan])])
    (True, False)
    """
    arrays = (asarray(leaf).numpy() for leaf in tree_leaves(tree))
    return all(
        bool(np.isfinite(part).all())
        for array in arrays
        if array.dtype.kind == "f"
        for part in slabs(array)
    )


def slabs(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array in pieces of whole rows, so that what is made of one stays small."""
    array = np.atleast_1d(array)
    rows = max(1, LOOKED_AT * len(array) // max(array.size, 1))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def checked_rows(rows: Any, count: int) -> np.ndarray:
    """Numbers of rows, of data that have so many.

    Raises
    ------
    DataError
        If there are none, or some are out of range or come twice.

    Examples
    --------
    >>> from chainrule.train.rows import checked_rows
    >>> checked_rows([4, 0], 5)
    array([4, 0])
    """
    numbers = np.asarray(rows)
    good = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu"
    if not good or numbers.min() < 0 or numbers.max() >= count:
        raise DataError("train.chosen", count=count, got=_shown(numbers))
    times = np.bincount(numbers)
    if times.max() > 1:
        raise DataError("train.chosen_twice", row=int(times.argmax()))
    return numbers.astype(np.int64, copy=False)


def _shown(numbers: np.ndarray) -> str:
    text = f"{numbers.dtype}{list(numbers.shape)}"
    return f"{text} in [{numbers.min()}, {numbers.max()}]" if numbers.size else text


def chosen_rows(data: Any, rows: np.ndarray) -> Any:
    """A copy of some rows of prepared data."""
    return tree_map(lambda x: asarray(x.numpy()[rows]), data)


def row_count(data: Any) -> int:
    """Rows of prepared data."""
    return int(tree_leaves(data)[0].shape[0])


def parts(data: Any, rows: int) -> Iterator[tuple[Any, int]]:
    """Prepared data in pieces of so many rows, with the number of rows in each; nothing is copied.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.train.rows import parts
    >>> [(part[0].tolist(), count) for part, count in parts((cr.tensor([1.0, 2.0, 3.0]),), 2)]
    [([1.0, 2.0], 2), ([3.0], 1)]
    """
    count = row_count(data)
    for start in range(0, count, rows):
        chosen = slice(start, min(start + rows, count))
        part = tree_map(lambda x, chosen=chosen: asarray(x.numpy()[chosen]), data)
        yield part, chosen.stop - start
