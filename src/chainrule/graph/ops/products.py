"""Matrix product, Cholesky factor, triangular solve: batched over leading axes."""

import math
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.node import Op
from chainrule.graph.ops.movement import broadcast_to, reshape, swapaxes
from chainrule.graph.spec import Spec, broadcast_shapes
from chainrule.graph.table import Check, Example, Linear, Tangent, add_row
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, tensor_function

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
    return apply(MATMUL, g, swapaxes(b, -1, -2)) if i == 0 else apply(MATMUL, swapaxes(a, -1, -2), g)  # type: ignore[no-any-return]


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
    """Matrix product ``a @ b``, batched over leading axes, with NumPy's rules for vectors.

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
    a, b = asarray(a), asarray(b)
    dtype = np.result_type(a.dtype, b.dtype)
    a, b = a.astype(dtype), b.astype(dtype)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError("graph.matmul", a=a.shape, b=b.shape)
    left = reshape(a, (1, a.size)) if a.ndim == 1 else a
    right = reshape(b, (b.size, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError("graph.matmul", a=a.shape, b=b.shape)
    if right.ndim == 2 and left.ndim > 2:
        # Rows of all batches in one product: faster, and the transpose sums over the batch by itself.
        rows = math.prod(left.shape[:-1])
        flat = apply(MATMUL, reshape(left, (rows, left.shape[-1])), right)
        y = reshape(flat, (*left.shape[:-1], right.shape[-1]))
    else:
        batch = broadcast_shapes("matmul", left.shape[:-2], right.shape[:-2])
        left = broadcast_to(left, batch + left.shape[-2:])
        right = broadcast_to(right, batch + right.shape[-2:])
        y = apply(MATMUL, left, right)
    shape = list(y.shape)
    if b.ndim == 1:
        shape.pop(-1)
    if a.ndim == 1:
        shape.pop(-1 if b.ndim == 1 else -2)
    return reshape(y, shape)


# ------------------------------------------------------------------ Cholesky factor
def _square_rule(who: str, a: Spec) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError("graph.square_matrix", who=who, shape=a.shape)
    if not a.is_float:
        raise DtypeError("graph.op_dtype", op=who, dtype=a.dtype)


def _cholesky_rule(a: Spec) -> Spec:
    _square_rule("cholesky", a)
    return a


def _cholesky_value(a: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        # Not positive definite: NaN, as elsewhere where a function leaves its domain.
        return np.full_like(a, np.nan)


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

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.cholesky([[4.0, 2.0], [2.0, 2.0]])
    Tensor f32[2, 2]
    [[2. 0.]
     [1. 1.]]
    """
    return apply(CHOLESKY, asarray(a))  # type: ignore[no-any-return]


# ------------------------------------------------------------------ triangular solve
def _solve_rule(l: Spec, b: Spec, transposed: bool) -> Spec:  # noqa: E741
    _square_rule("triangular_solve", l)
    if l.ndim != b.ndim or l.shape[:-1] != b.shape[:-1] or l.dtype != b.dtype:
        raise ShapeError("graph.solve", a=l, b=b)
    return b


def _solve_value(l: np.ndarray, b: np.ndarray, transposed: bool) -> np.ndarray:  # noqa: E741
    from scipy.linalg import solve_triangular  # loaded at first use: SciPy's import is slow

    out = np.empty_like(b)
    for i in np.ndindex(l.shape[:-2]):
        out[i] = solve_triangular(
            l[i], b[i], lower=True, trans=int(transposed), check_finite=False
        )
    return out


def _solve_tangent(
    tangents: tuple[Any, ...], l: Tensor, b: Tensor, y: Tensor, transposed: bool  # noqa: E741
) -> Tensor:
    """From ``L y = b``: ``dy = -L⁻¹ dL y``; only the lower triangle of ``L`` counts."""
    n = l.shape[-1]
    dl = tangents[0] * asarray(np.tril(np.ones((n, n), l.dtype)))
    moved = matmul(swapaxes(dl, -1, -2) if transposed else dl, y)
    return triangular_solve(l, -moved, transposed)


def _solve_transpose(i: int, g: Tensor, l: Tensor, b: Tensor, transposed: bool) -> Tensor:  # noqa: E741
    return triangular_solve(l, g, not transposed)


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


def triangular_solve(l: ArrayLike, b: ArrayLike, transposed: bool = False) -> Tensor:  # noqa: E741
    """Solve ``L y = b`` (or ``Lᵀ y = b``) for lower triangular ``l[..., n, n]`` and ``b[..., n, m]``.

    Only the lower triangle of ``l`` is read.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.triangular_solve([[2.0, 0.0], [1.0, 1.0]], [[2.0], [3.0]])
    Tensor f32[2, 1]
    [[1.]
     [2.]]
    """
    l, b = asarray(l), asarray(b)  # noqa: E741
    dtype = np.result_type(l.dtype, b.dtype, np.float32)
    return apply(SOLVE, l.astype(dtype), b.astype(dtype), transposed=transposed)  # type: ignore[no-any-return]
