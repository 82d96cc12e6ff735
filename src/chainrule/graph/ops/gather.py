"""Rows that address elements by index: gather, its transpose scatter-add, and scatter.

In ``gather(x, indices)``, ``x`` is ``[*batch, n1 … nk, *rest]`` and ``indices`` is
``[*batch, *places, k]``. The result is ``[*batch, *places, *rest]``, where
``result[b, p] = x[b, i1, …, ik]`` for ``(i1, …, ik) = indices[b, p]``. ``scatter_add`` adds values
at the same places, and ``scatter`` puts them there. As in NumPy, a negative index counts from the
end.
"""

from collections.abc import Sequence

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply, promoted
from chainrule.graph.spec import Shape, Spec
from chainrule.graph.table import Check, Example, Linear, Op, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray

__all__ = ["gather", "scatter", "scatter_add"]

ANY = "fib"
F64 = np.dtype(np.float64)
I64 = np.dtype(np.int64)


# ------------------------------------------------------------------ gather
def _gather_rule(x: Spec, indices: Spec, batch: int) -> Spec:
    k = _checked_indices(x.shape, indices, batch)
    return x.with_shape((*indices.shape[:-1], *x.shape[batch + k :]))


def _checked_indices(shape: Shape, indices: Spec, batch: int) -> int:
    """How many axes an index addresses."""
    if indices.dtype.kind not in "iu":
        raise DtypeError("graph.index_dtype", spec=indices)
    k = indices.shape[-1] if indices.ndim > batch else 0
    if k < 1 or indices.shape[:batch] != shape[:batch] or batch + k > len(shape):
        raise ShapeError("graph.gather", shape=shape, indices=indices.shape, batch=batch)
    return k


def _places(shape: Shape, indices: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
    """NumPy's advanced index for the addressed elements; raises where one is out of range."""
    columns = [indices[..., i] for i in range(indices.shape[-1])]
    for n, column in zip(shape[batch:], columns, strict=False):
        if column.size and not -n <= column.min() <= column.max() < n:
            raise ShapeError("graph.index_range", low=column.min(), high=column.max(), n=n)
    fill = (1,) * (indices.ndim - 1 - batch)
    grids = np.ogrid[tuple(slice(n) for n in shape[:batch])] if batch else []
    return (*(grid.reshape(grid.shape + fill) for grid in grids), *columns)


def _gather_value(x: np.ndarray, indices: np.ndarray, batch: int) -> np.ndarray:
    return x[_places(x.shape, indices, batch)]  # type: ignore[no-any-return]


def _gather_transpose(i: int, g: Tensor, x: Tensor, indices: Tensor, batch: int) -> Tensor:
    return scatter_add(g, indices, x.shape, batch)


GATHER = add_row(
    Op(
        "gather",
        "movement",
        _gather_rule,
        _gather_value,
        Linear(_gather_transpose),
        Check(
            examples=(
                Example((Spec((5, 3), F64), Spec((4, 1), I64)), {"batch": 0}, ("", "index:5")),
                Example((Spec((3, 4), F64), Spec((6, 2), I64)), {"batch": 0}, ("", "index:3")),
                Example((Spec((2, 5), F64), Spec((2, 3, 1), I64)), {"batch": 1}, ("", "index:5")),
                Example((Spec((2, 5), F64), Spec((2, 1), I64)), {"batch": 1}, ("", "index:5")),
                Example((Spec((4, 0), F64), Spec((2, 1), I64)), {"batch": 0}, ("", "index:4")),
            ),
            kinds="fib",
        ),
    )
)


def gather(x: ArrayLike, indices: ArrayLike, batch: int = 0) -> Tensor:
    """Elements (or slices) of ``x`` at ``indices``; the row that all indexing by tensors uses.

    Parameters
    ----------
    x
        ``[*batch, n1 … nk, *rest]``.
    indices
        Integers ``[*batch, *places, k]``; a negative one counts from the end.
    batch
        How many leading axes both share.

    Returns
    -------
    Tensor
        ``[*batch, *places, *rest]``.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an index is out of range.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.gather([10.0, 20.0, 30.0], [[2], [0]])
    Tensor f32[2] [30. 10.]
    """
    x, indices = asarray(x), asarray(indices)
    _gather_rule(x.spec, indices.spec, batch)  # NumPy is laxer about batch axes of length 1
    return apply(GATHER, x, indices, batch=batch)


# ------------------------------------------------------------------ scatter-add
def _scatter_add_rule(updates: Spec, indices: Spec, shape: Shape, batch: int) -> Spec:
    k = _checked_indices(shape, indices, batch)
    if updates.shape != (*indices.shape[:-1], *shape[batch + k :]):
        raise ShapeError("graph.gather", shape=updates.shape, indices=indices.shape, batch=batch)
    if updates.dtype.kind == "b":
        raise DtypeError("graph.op_dtype", op="scatter_add", dtype="bool")
    return updates.with_shape(shape)


def _scatter_add_value(
    updates: np.ndarray, indices: np.ndarray, shape: Shape, batch: int
) -> np.ndarray:
    out = np.zeros(shape, updates.dtype)
    np.add.at(out, _places(shape, indices, batch), updates)
    return out


def _scatter_add_transpose(
    i: int, g: Tensor, updates: Tensor, indices: Tensor, shape: Shape, batch: int
) -> Tensor:
    return gather(g, indices, batch)


SCATTER_ADD = add_row(
    Op(
        "scatter_add",
        "movement",
        _scatter_add_rule,
        _scatter_add_value,
        Linear(_scatter_add_transpose),
        Check(
            examples=(
                Example(
                    (Spec((4, 3), F64), Spec((4, 1), I64)),
                    {"shape": (5, 3), "batch": 0},
                    ("", "index:5"),
                ),
                Example(
                    (Spec((2, 3), F64), Spec((2, 3, 1), I64)),
                    {"shape": (2, 5), "batch": 1},
                    ("", "index:5"),
                ),
            ),
            kinds="fi",
        ),
    )
)


def scatter_add(
    updates: ArrayLike, indices: ArrayLike, shape: Sequence[int], batch: int = 0
) -> Tensor:
    """Zeros of ``shape`` with ``updates`` added at ``indices``; the transpose of :func:`gather`.

    Parameters
    ----------
    updates
        ``[*batch, *places, *rest]``.
    indices
        Integers ``[*batch, *places, k]``; a place that is named twice receives both updates.
    shape
        ``[*batch, n1 … nk, *rest]``.
    batch
        How many leading axes all share.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an index is out of range.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.scatter_add([1.0, 2.0, 3.0], [[0], [2], [0]], (3,))
    Tensor f32[3] [4. 0. 2.]
    """
    updates, indices, shape = asarray(updates), asarray(indices), tuple(map(int, shape))
    _scatter_add_rule(updates.spec, indices.spec, shape, batch)
    return apply(SCATTER_ADD, updates, indices, shape=shape, batch=batch)


# ------------------------------------------------------------------ scatter
def _scatter_rule(x: Spec, indices: Spec, values: Spec, batch: int) -> Spec:
    k = _checked_indices(x.shape, indices, batch)
    if values.shape != (*indices.shape[:-1], *x.shape[batch + k :]):
        raise ShapeError("graph.gather", shape=values.shape, indices=indices.shape, batch=batch)
    if values.dtype != x.dtype:
        raise DtypeError("graph.mixed", who="scatter", specs=f"{x!r} and {values!r}")
    return x


def _scatter_value(
    x: np.ndarray, indices: np.ndarray, values: np.ndarray, batch: int
) -> np.ndarray:
    out = x.copy()
    out[_places(x.shape, indices, batch)] = values
    return out


def _scatter_transpose(
    i: int, g: Tensor, x: Tensor, indices: Tensor, values: Tensor, batch: int
) -> Tensor:
    if i == 2:
        return gather(g, indices, batch)
    return scatter(g, indices, np.zeros(values.shape, values.dtype), batch)


SCATTER = add_row(
    Op(
        "scatter",
        "movement",
        _scatter_rule,
        _scatter_value,
        Linear(_scatter_transpose, inputs=(0, 2), jointly=True),
        Check(  # one place for each of a batch: no place is named twice
            examples=(
                Example(
                    (Spec((4, 3), F64), Spec((1, 1), I64), Spec((1, 3), F64)),
                    {"batch": 0},
                    ("", "index:4", ""),
                ),
                Example(
                    (Spec((2, 5, 3), F64), Spec((2, 1), I64), Spec((2, 3), F64)),
                    {"batch": 1},
                    ("", "index:5", ""),
                ),
                Example(
                    (Spec((2, 3, 5, 4), F64), Spec((2, 3, 1, 2), I64), Spec((2, 3, 1), F64)),
                    {"batch": 2},
                    ("", "index:4", ""),
                ),
            ),
            kinds="fib",
        ),
    )
)


def scatter(x: ArrayLike, indices: ArrayLike, values: ArrayLike, batch: int = 0) -> Tensor:
    """``x`` with ``values`` in the places ``indices``; :func:`gather` of the result gives them.

    Parameters
    ----------
    x
        ``[*batch, n1 … nk, *rest]``.
    indices
        Integers ``[*batch, *places, k]``, each place named once; a negative one counts from the
        end.
    values
        ``[*batch, *places, *rest]``.
    batch
        How many leading axes all share.

    Returns
    -------
    Tensor
        Like ``x``, in the common number type. A compiled loop whose state it updates writes these
        places only.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an index is out of range.
    DtypeError
        If the indices are no integers.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.scatter([1.0, 2.0, 3.0], [[2], [0]], [30.0, 10.0])
    Tensor f32[3] [10.  2. 30.]
    """
    (x, values), indices = promoted("scatter", ANY, (x, values)), asarray(indices)
    _scatter_rule(x.spec, indices.spec, values.spec, batch)
    return apply(SCATTER, x, indices, values, batch=batch)
