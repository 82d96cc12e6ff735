"""Matrix product, Cholesky factor, triangular solve: batched over leading axes."""

import math
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply, promoted
from chainrule.graph.ops.movement import broadcast_to, reshape, swapaxes
from chainrule.graph.spec import Spec, broadcast_shapes
from chainrule.graph.table import Check, Example, Linear, Op, Tangent, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

__all__ = ["cholesky", "matmul", "triangular_solve"]

F64 = np.dtype(np.float64)


def _float64(*shapes: tuple[int, ...]) -> tuple[Spec, ...]:
    return tuple(Spec(shape, F64) for shape in shapes)


# ------------------------------------------------------------------ matrix product
def _matmul_rule(a: Spec, b: Spec) -> Spec:
    if a.ndim < 2 or a.ndim != b.ndim or a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError("graph.matmul", a=a.shape, b=b.shape)
    if a.dtype != b.dtype:
        raise DtypeError("graph.mixed", who="matmul", specs=f"{a!r} and {b!r}")
    return a.with_shape((*a.shape[:-1], b.shape[-1]))


def _matmul_transpose(i: int, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    if i == 0:
        return apply(MATMUL, g, swapaxes(b, -1, -2))
    return apply(MATMUL, swapaxes(a, -1, -2), g)


MATMUL = add_row(
    Op(
        "matmul",
        "product",
        _matmul_rule,
        np.matmul,
        Linear(_matmul_transpose, inputs=(0, 1)),
        Check(
            examples=(
                Example(_float64((2, 3), (3, 4))),
                Example(_float64((2, 2, 3), (2, 3, 1))),
                Example(_float64((2, 0), (0, 3))),
            ),
            kinds="fi",
        ),
    )
)


@tensor_function
def matmul(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The matrix product ``a @ b``, batched over leading axes, with NumPy's rules for vectors.

    Parameters
    ----------
    a, b
        ``[..., n, k]`` and ``[..., k, m]``; a vector is a row on the left, a column on the right.

    Raises
    ------
    ShapeError
        If the inner lengths differ or the leading axes do not broadcast.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor f32[1, 1]
    [[11.]]
    """
    a, b = promoted("matmul", "fi", (a, b))
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[0 if b.ndim == 1 else -2]:
        raise ShapeError("graph.matmul", a=a.shape, b=b.shape)
    if a.ndim == b.ndim == 2:
        return apply(MATMUL, a, b)
    left = reshape(a, (1, a.size)) if a.ndim == 1 else a
    right = reshape(b, (b.size, 1)) if b.ndim == 1 else b
    y = _batched(left, right)
    rows = () if a.ndim == 1 else (y.shape[-2],)
    columns = () if b.ndim == 1 else (y.shape[-1],)
    return reshape(y, y.shape[:-2] + rows + columns)


def _batched(left: Tensor, right: Tensor) -> Tensor:
    """The product of matrices, with the leading axes broadcast."""
    if right.ndim == 2:
        # Rows of all batches in one product: faster, and its transpose sums over the batch.
        rows, inner = math.prod(left.shape[:-1]), left.shape[-1]
        flat = apply(MATMUL, reshape(left, (rows, inner)), right)
        return reshape(flat, (*left.shape[:-1], right.shape[-1]))
    batch = broadcast_shapes("matmul", left.shape[:-2], right.shape[:-2])
    left = broadcast_to(left, batch + left.shape[-2:])
    right = broadcast_to(right, batch + right.shape[-2:])
    return apply(MATMUL, left, right)


# ------------------------------------------------------------------ Cholesky factor
def _check_square(who: str, a: Spec) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError("graph.square_matrix", who=who, shape=a.shape)
    if not a.is_float:
        raise DtypeError("graph.op_dtype", op=who, dtype=a.dtype)


def _cholesky_rule(a: Spec) -> Spec:
    _check_square("cholesky", a)
    return a


def _cholesky_value(a: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        # Not positive definite: NaN for that matrix, as wherever a function leaves its domain.
        if a.ndim == 2:
            return np.full_like(a, np.nan)
        return np.stack([_cholesky_value(matrix) for matrix in a])


def _cholesky_tangent(tangents: tuple[Tensor, ...], a: Tensor, y: Tensor) -> Tensor:
    """``dL = L Φ(L⁻¹ dA L⁻ᵀ)``, Φ: lower triangle with half the diagonal (Murray 2016, eq. 8)."""
    symmetric = (tangents[0] + swapaxes(tangents[0], -1, -2)) * 0.5
    half = triangular_solve(y, symmetric)
    inner = swapaxes(triangular_solve(y, swapaxes(half, -1, -2)), -1, -2)
    n = a.shape[-1]
    phi = np.tril(np.ones((n, n))) - 0.5 * np.eye(n)
    return matmul(y, inner * asarray(phi.astype(a.dtype)))


CHOLESKY = add_row(
    Op(
        "cholesky",
        "product",
        _cholesky_rule,
        _cholesky_value,
        Tangent(_cholesky_tangent),
        Check(
            examples=(
                Example(_float64((3, 3)), kinds=("spd",)),
                Example(_float64((2, 2, 2)), kinds=("spd",)),
            ),
            tolerance=1e-5,
        ),
    )
)


def cholesky(a: ArrayLike) -> Tensor:
    """Lower triangular ``L`` with ``L Lᵀ = a`` for symmetric positive definite ``a[..., n, n]``.

    A matrix that is not positive definite gives NaN. The derivative is that for symmetric changes.

    Raises
    ------
    ShapeError
        If the matrices are not square.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cholesky([[4.0, 2.0], [2.0, 2.0]])
    Tensor f32[2, 2]
    [[2. 0.]
     [1. 1.]]
    """
    (a,) = promoted("cholesky", "f", (a,))
    _cholesky_rule(a.spec)  # NumPy raises one error for all that is wrong with a matrix
    return apply(CHOLESKY, a)


# ------------------------------------------------------------------ triangular solve
def _solve_rule(lower: Spec, b: Spec, *, transposed: bool) -> Spec:
    _check_square("triangular_solve", lower)
    if lower.ndim != b.ndim or lower.shape[:-1] != b.shape[:-1] or lower.dtype != b.dtype:
        raise ShapeError("graph.solve", lower=lower, b=b)
    return b


def _solve_value(lower: np.ndarray, b: np.ndarray, transposed: bool) -> np.ndarray:
    from scipy.linalg import solve_triangular  # loaded at first use: SciPy's import is slow

    y = np.full_like(b, np.nan)
    for i in np.ndindex(lower.shape[:-2]):
        if np.all(np.diagonal(lower[i])):  # a singular matrix leaves NaN
            y[i] = solve_triangular(
                lower[i], b[i], lower=True, trans=int(transposed), check_finite=False
            )
    return y


def _solve_tangent(
    tangents: tuple[Any, ...], lower: Tensor, b: Tensor, y: Tensor, transposed: bool
) -> Tensor:
    """From ``L y = b``: ``dy = -L⁻¹ dL y``; only the lower triangle of ``L`` counts."""
    n = lower.shape[-1]
    change = tangents[0] * asarray(np.tril(np.ones((n, n), lower.dtype)))
    moved = matmul(swapaxes(change, -1, -2) if transposed else change, y)
    return triangular_solve(lower, -moved, transposed)


def _solve_transpose(i: int, g: Tensor, lower: Tensor, b: Tensor, transposed: bool) -> Tensor:
    return triangular_solve(lower, g, not transposed)


SOLVE = add_row(
    Op(
        "triangular_solve",
        "product",
        _solve_rule,
        _solve_value,
        Linear(_solve_transpose, inputs=(1,), rest=Tangent(_solve_tangent)),
        Check(
            examples=tuple(
                Example(_float64((*batch, 3, 3), (*batch, 3, 2)), {"transposed": t}, ("lower", ""))
                for batch in ((), (2,))
                for t in (False, True)
            ),
            tolerance=1e-5,
        ),
    )
)


def triangular_solve(lower: ArrayLike, b: ArrayLike, transposed: bool = False) -> Tensor:
    """Solve ``L y = b`` (or ``Lᵀ y = b``) for a lower triangle ``L[..., n, n]``, ``b[..., n, m]``.

    Only the lower triangle of ``lower`` is read. A matrix with a zero on its diagonal gives NaN.

    Raises
    ------
    ShapeError
        If the matrices do not fit.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.triangular_solve([[2.0, 0.0], [1.0, 1.0]], [[2.0], [3.0]])
    Tensor f32[2, 1]
    [[1.]
     [2.]]
    """
    lower, b = promoted("triangular_solve", "f", (lower, b))
    _solve_rule(lower.spec, b.spec, transposed=transposed)  # SciPy is laxer about vectors
    return apply(SOLVE, lower, b, transposed=transposed)
