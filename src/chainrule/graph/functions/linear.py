"""Sums of products: outer and inner products, and Einstein's summation."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.ops.elementwise import multiply
from chainrule.graph.ops.movement import reshape, transpose
from chainrule.graph.ops.products import matmul
from chainrule.graph.ops.reductions import sum as total
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["dot", "einsum", "outer"]


def outer(x: ArrayLike, y: ArrayLike) -> Tensor:
    """The matrix of all products ``x_i y_j`` of two vectors.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.outer([1.0, 2.0], [3.0, 4.0])
    Tensor f32[2, 2]
    [[3. 4.]
     [6. 8.]]
    """
    return matmul(reshape(x, (-1, 1)), reshape(y, (1, -1)))


@tensor_function
def dot(x: ArrayLike, y: ArrayLike) -> Tensor:
    """The product of vectors, matrices or numbers, as ``numpy.dot``.

    Raises
    ------
    ShapeError
        If the inner lengths differ, or ``y`` has more than two axes (use :func:`matmul`).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.dot([1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    x, y = asarray(x), asarray(y)
    if y.ndim > 2:
        raise ShapeError("graph.dot", x=x.shape, y=y.shape)
    return matmul(x, y) if x.ndim and y.ndim else multiply(x, y)


# ------------------------------------------------------------------ Einstein's summation
def einsum(subscripts: str, *operands: ArrayLike) -> Tensor:
    """Sums of products, written with a letter for every axis.

    Parameters
    ----------
    subscripts
        ``"ij,jk->ik"``: letters of each operand, and of the result. A letter that is missing in the
        result is summed over; one that several operands share is matched up. Without ``->`` the
        result has the letters that occur once, in the order of the alphabet.
    *operands
        One tensor for each group of letters.

    Notes
    -----
    Operands are combined from left to right, two at a time, each time by one matrix product.
    ``...`` is not supported.

    Raises
    ------
    ShapeError
        If letters and axes do not fit.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.einsum("i,i->", [1.0, 2.0], [3.0, 4.0]).item()
    11.0
    """
    tensors = [asarray(operand) for operand in operands]
    groups, result = _parsed(subscripts, [t.shape for t in tensors])
    letters, y = _without_repeats(groups[0], tensors[0])
    for i in range(1, len(groups)):
        other, z = _without_repeats(groups[i], tensors[i])
        later = set(result).union(*groups[i + 1 :])
        letters, y = _contracted(letters, y, other, z, later)
    y = total(y, [a for a, letter in enumerate(letters) if letter not in result])
    letters = [letter for letter in letters if letter in result]
    return transpose(y, [letters.index(letter) for letter in result])


def _parsed(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand and of the result; raises unless they fit the shapes."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    groups = left.split(",")
    counts = Counter(left.replace(",", ""))
    if not arrow:
        result = "".join(sorted(letter for letter, count in counts.items() if count == 1))
    lengths: dict[str, int] = {}
    fits = len(groups) == len(shapes) and len(set(result)) == len(result) <= len(counts)
    fits = fits and all(letter.isalpha() for letter in counts) and set(result) <= set(counts)
    for group, shape in zip(groups, shapes, strict=False):
        fits = fits and len(group) == len(shape)
        for letter, n in zip(group, shape, strict=False):
            fits = fits and lengths.setdefault(letter, n) == n
    if not fits:
        raise ShapeError("graph.einsum", subscripts=subscripts, shapes=", ".join(map(str, shapes)))
    return groups, result


def _without_repeats(letters: str, x: Tensor) -> tuple[list[str], Tensor]:
    """The diagonal where a letter occurs twice in one operand."""
    names = list(letters)
    for letter in dict.fromkeys(letters):
        while names.count(letter) > 1:
            first = names.index(letter)
            second = names.index(letter, first + 1)
            rest = [a for a in range(x.ndim) if a not in (first, second)]
            places = np.arange(x.shape[first])
            x = transpose(x, [first, second, *rest])[places, places]
            names = [letter, *(names[a] for a in rest)]
    return names, x


def _contracted(
    left: list[str], x: Tensor, right: list[str], y: Tensor, kept: set[str]
) -> tuple[list[str], Tensor]:
    """Two operands combined by one batched matrix product; letters not ``kept`` are summed over."""
    x = total(x, [a for a, c in enumerate(left) if c not in kept and c not in right])
    left = [c for c in left if c in kept or c in right]
    y = total(y, [a for a, c in enumerate(right) if c not in kept and c not in left])
    right = [c for c in right if c in kept or c in left]
    length = dict(zip([*left, *right], [*x.shape, *y.shape], strict=True))
    batch = [c for c in left if c in right and c in kept]
    inner = [c for c in left if c in right and c not in kept]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]

    def grouped(z: Tensor, letters: list[str], *groups: list[str]) -> Tensor:
        order = [letters.index(c) for group in groups for c in group]
        return reshape(transpose(z, order), [math.prod(length[c] for c in g) for g in groups])

    product = matmul(grouped(x, left, batch, rows, inner), grouped(y, right, batch, inner, columns))
    letters = [*batch, *rows, *columns]
    return letters, reshape(product, [length[c] for c in letters])
