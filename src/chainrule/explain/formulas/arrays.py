"""Arrays in formulas and tables: small ones written out, large ones by what they are like."""

import numpy as np

from chainrule.explain.document import Cell, Prose
from chainrule.explain.formulas import Dots, Expression, Matrix, Number

__all__ = ["MEASURES", "as_formula", "as_matrix", "is_small", "measures", "shape_text"]

#: An array with at most so many elements, so many of them in a row, is written out.
ELEMENTS, LENGTH = 16, 6
#: So many elements of a larger one are shown.
FIRST = 3
#: The keys of the heads of the columns that :func:`measures` fills.
MEASURES = (
    "explain.array_shape",
    "explain.array_mean",
    "explain.array_largest",
    "explain.array_first",
)


def is_small(array: np.ndarray) -> bool:
    """Whether an array is written out.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.formulas.arrays import is_small
    >>> is_small(np.ones((2, 3))), is_small(np.ones((64, 10)))
    (True, False)
    """
    array = as_matrix(array)
    long = max(array.shape, default=0)
    return array.ndim <= 2 and 0 < array.size <= ELEMENTS and long <= LENGTH


def as_matrix(array: np.ndarray) -> np.ndarray:
    """The array without the leading axes of length 1 that it has beyond a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.formulas.arrays import as_matrix
    >>> as_matrix(np.ones((1, 1, 3, 3))).shape, as_matrix(np.ones((2, 1, 3))).shape
    ((3, 3), (2, 1, 3))
    """
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    return array


def as_formula(array: np.ndarray) -> Expression:
    """A number, a vector or a matrix; of a large one the first elements, dots for the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.formulas.arrays import as_formula
    >>> from chainrule.explain.formulas import to_text
    >>> [to_text(as_formula(a)) for a in (np.ones((1, 1)), np.eye(2), np.arange(100))]
    ['1', '[[1, 0], [0, 1]]', '[0, 1, 2, …]']
    """
    if array.size == 1:
        return _number(array.reshape(-1)[0])
    array = as_matrix(array)
    if array.ndim > 2:
        array = array.reshape(-1)
    rows = np.atleast_2d(array)
    if is_small(array):
        return Matrix(tuple(tuple(map(_number, row)) for row in rows))
    shown = [(*map(_number, row[:FIRST]), *_dots(row.size)) for row in rows[:FIRST]]
    below = [tuple(Dots() for _ in shown[0])] * len(_dots(len(rows))) if shown else []
    return Matrix((*shown, *below)) if shown else Dots()


def measures(array: np.ndarray) -> list[Cell]:
    """Shape, mean, largest size and first elements, as cells of a table."""
    if not array.size:
        return [shape_text(array.shape), "", "", ""]
    numbers = array.astype(np.float64)
    first: list[Expression | str] = []
    for value in array.reshape(-1)[:FIRST]:
        first += [_number(value), ", "]
    first = [*first, "…"] if array.size > FIRST else first[:-1]
    return [
        shape_text(array.shape),
        Number(float(numbers.mean())),
        Number(float(np.abs(numbers).max())),
        Prose(*first),
    ]


def shape_text(shape: tuple[int, ...]) -> str:
    """``"64 × 10"``; nothing for a number.

    Examples
    --------
    >>> from chainrule.explain.formulas.arrays import shape_text
    >>> shape_text((64, 10)), shape_text((3,)), shape_text(())
    ('64 × 10', '3', '')
    """
    return " × ".join(map(str, shape))


def _number(value: np.generic) -> Number:
    plain = value.item()
    return Number(int(plain) if isinstance(plain, bool) else plain)


def _dots(size: int) -> tuple[Dots, ...]:
    return (Dots(),) if size > FIRST else ()
