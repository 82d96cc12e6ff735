"""Products of matrices and vectors, and transposes, by the rules of mathematics or of Python.

A vector is a column unless it was transposed. Where a vector without a transpose stands before a
matrix it is read as a row, as in ``h W`` for row vectors; Python's ``@`` does the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chainrule.explain.claims.values import Misfit, Value

if TYPE_CHECKING:
    from chainrule.explain.claims.meaning import Meaning

__all__ = ["matrix_product", "transposed"]


def transposed(meaning: Meaning, value: Value) -> Value:
    """``Aᵀ``; of a vector its row, in Python the vector itself."""
    if value.rank == 0 or (value.rank == 1 and not meaning.situation.rows):
        return value
    if value.rank == 1:
        return replace(value, row=not value.row)
    axes = list(range(value.array.ndim))
    axes[-1], axes[-2] = axes[-2], axes[-1]
    return replace(value, array=meaning.backend.transpose(value.array, axes))


def matrix_product(meaning: Meaning, left: Value, right: Value) -> Value:
    """``A @ B``; a number times anything is the plain product.

    Raises
    ------
    Misfit
        If the inner sizes differ, or a matrix stands before a row.
    """
    if left.rank == 0 or right.rank == 0:
        return meaning.elementwise(lambda a, b: a * b, left, right)
    if left.rank > 2 or right.rank > 2:
        raise Misfit
    if left.open or right.open:
        left, right = _met(meaning, left, right)
    a, b = left.array, right.array
    if left.rank == right.rank == 1:
        return _of_vectors(meaning, left, right)
    if right.row:
        raise Misfit
    inner = b.shape[-1] if right.rank == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise Misfit
    if left.rank == 1:
        product = meaning.backend.sum(a[..., :, None] * b, axis=-2)
        return Value(product, 1, left.row)
    if right.rank == 1:
        return Value(meaning.backend.sum(a * b[..., None, :], axis=-1), 1)
    return Value(a @ b, 2)


def _met(meaning: Meaning, left: Value, right: Value) -> tuple[Value, Value]:
    """A unit matrix, or ones, in the size of the other factor."""
    if left.open and right.open:
        raise Misfit
    lead = meaning.layout.lead
    if left.open:
        size = tuple(right.array.shape)[lead]
        return left.grown((size,) * left.rank), right
    size = tuple(left.array.shape)[-1]
    return left, right.grown((size,) * right.rank)


def _of_vectors(meaning: Meaning, left: Value, right: Value) -> Value:
    a, b = left.array, right.array
    if right.row and not left.row:  # a column times a row
        return Value(a[..., :, None] * b[..., None, :], 2)
    if right.row or a.shape[-1] != b.shape[-1]:
        raise Misfit
    return Value(meaning.backend.sum(a * b, axis=-1))
