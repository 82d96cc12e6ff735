"""What a part of a formula stands for at some points: an array whose axes know their meaning.

The axes of every array are, in this order,

1. two axes of *candidates*, along which the search lays what it tries, and one of *points*;
2. one axis per index letter of the formulas: that of ``i`` has length 1 where nothing depends on
   ``i``;
3. the axes of the vector or matrix that stands in the formula without indices.

So ``x_ij`` and ``X`` are the same numbers at different places, products and sums are NumPy's
broadcasting, and ``Σ_i`` is a sum along the axis of ``i``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FRONT", "POINTS", "Layout", "Misfit", "Value"]

#: The axes before those of the index letters, and which of them is that of the points.
FRONT, POINTS = 3, 2


class Misfit(ValueError):
    """The shapes of the parts of a formula do not fit together."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array; its last ``rank`` axes are those of a vector or matrix.

    ``row`` is set for a vector that lies: ``wᵀ`` for a vector ``w``; ``open`` for ``I`` and for a
    vector of ones whose size nobody said: they become as large as what they meet.
    """

    array: Any
    rank: int = 0
    row: bool = False
    open: bool = False

    def grown(self, shape: tuple[int, ...]) -> "Value":
        """An open value in the size it must have."""
        if not self.open:
            return self
        size = shape[-self.rank :]
        unit = np.eye(size[-1]) if self.rank == 2 else np.ones(size)
        if self.rank == 2 and size != 2 * size[-1:]:
            raise Misfit
        return Value(self.array * unit, self.rank, self.row)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the axes of the index letters lie."""

    letters: tuple[str, ...]

    @property
    def lead(self) -> int:
        """How many axes come before those of a vector or matrix."""
        return FRONT + len(self.letters)

    def axis(self, letter: str) -> int:
        """The axis of an index letter."""
        return FRONT + self.letters.index(letter)

    def lifted(self, value: Value, rank: int) -> Any:
        """The array with axes of length 1 put in, so that it broadcasts with others of ``rank``."""
        missing = rank - value.rank
        if not missing:
            return value.array
        shape = tuple(value.array.shape)
        return value.array.reshape(shape[: self.lead] + (1,) * missing + shape[self.lead :])

    def depends(self, value: Value) -> frozenset[str]:
        """The index letters on which a value depends."""
        sizes = value.array.shape[FRONT : self.lead]
        return frozenset(
            letter for letter, size in zip(self.letters, sizes, strict=True) if size > 1
        )
