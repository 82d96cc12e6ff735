"""Cholesky factors, triangular solves and products of integers.

The factor and the solution are sums in another order than LAPACK's. For the well-conditioned
matrices here they differ by at most ``n`` ulp of the largest element, and the residual is small.
"""

import numpy as np
import pytest

from .loop_driver import (
    FLOATS,
    INTEGERS,
    TARGETS,
    assert_rule_is_exact,
    expected,
    numbers,
    run_rule,
)

SIZES = [1, 2, 3, 7, 8, 9, 16, 31, 50]


def positive_definite(n: int, dtype: np.dtype, *batch: int) -> np.ndarray:
    x = numbers((*batch, n, n), dtype)
    return (x @ x.swapaxes(-1, -2) / n + np.eye(n)).astype(dtype)


def assert_within_ulps(got: np.ndarray, wanted: np.ndarray, ulps: int) -> None:
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=ulps * np.spacing(np.abs(wanted).max()))


# ---------------------------------------------------------------------- Cholesky factor
@pytest.mark.parametrize("width", TARGETS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", SIZES)
def test_cholesky_factors(n, dtype, width):
    a = positive_definite(n, dtype, 2)
    got = run_rule("cholesky", [a], target=TARGETS[width])
    assert_within_ulps(got, expected("cholesky", [a]), n)
    assert not np.triu(got, 1).any()
    exact = got.astype(np.float64)
    residual = exact @ exact.swapaxes(-1, -2) - a
    assert np.abs(residual).max() <= n * np.finfo(dtype).eps * np.abs(a).max()


def test_cholesky_reads_the_lower_triangle_only():
    a = positive_definite(12, np.dtype("f8"))
    spoilt = np.where(np.tri(12), a, np.nan)
    np.testing.assert_array_equal(run_rule("cholesky", [spoilt]), run_rule("cholesky", [a]))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("place", [(0, 0), (4, 4), (8, 8)])
@pytest.mark.parametrize("pivot", [0.0, -1.0, np.nan])
def test_a_matrix_that_is_not_positive_definite_gives_nan(pivot, place, dtype):
    a = np.eye(9, dtype=dtype)
    a[place] = pivot
    assert np.isnan(run_rule("cholesky", [a])).all()


def test_a_singular_matrix_is_not_positive_definite():
    a = np.ones((5, 5))
    assert np.isnan(run_rule("cholesky", [a])).all() and np.isnan(expected("cholesky", [a])).all()


def test_only_the_failing_matrix_of_a_batch_is_nan():
    a = positive_definite(6, np.dtype("f8"), 3)
    a[1] = -a[1]
    got = run_rule("cholesky", [a])
    assert np.isnan(got[1]).all()
    for i in (0, 2):
        assert_within_ulps(got[i], expected("cholesky", [a[i]]), 6)


def test_empty_batches_and_matrices():
    assert run_rule("cholesky", [np.zeros((0, 3, 3))]).shape == (0, 3, 3)
    assert run_rule("cholesky", [np.zeros((2, 0, 0))]).shape == (2, 0, 0)


# ---------------------------------------------------------------------- triangular solve
def lower_triangular(n: int, dtype: np.dtype, *batch: int) -> np.ndarray:
    """Well conditioned; above the diagonal, where nobody may look, NaN."""
    x = numbers((*batch, n, n), dtype, 1) / n + 2 * np.eye(n)
    return np.where(np.tri(n), x, np.nan).astype(dtype)


@pytest.mark.parametrize("width", TARGETS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 1), (9, 3), (16, 8), (31, 21), (4, 70), (3, 0)])
def test_triangular_systems(n, m, transposed, dtype, width):
    lower, b = lower_triangular(n, dtype, 2), numbers((2, n, m), dtype)
    got = run_rule("triangular_solve", [lower, b], {"transposed": transposed}, TARGETS[width])
    readable = np.tril(np.nan_to_num(lower))
    wanted = expected("triangular_solve", [readable, b], {"transposed": transposed})
    if m:
        assert_within_ulps(got, wanted, n)
    matrix = readable.swapaxes(-1, -2) if transposed else readable
    residual = matrix.astype(np.float64) @ got - b
    assert np.abs(residual).max(initial=0) <= 4 * n * np.finfo(dtype).eps * np.abs(b).max(initial=0)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("place", [0, 3, 5])
def test_a_singular_system_gives_nan_and_its_neighbours_in_the_batch_do_not(place, transposed):
    lower, b = lower_triangular(6, np.dtype("f8"), 3), numbers((3, 6, 11), np.float64)
    lower[1, place, place] = 0
    got = run_rule("triangular_solve", [lower, b], {"transposed": transposed})
    assert np.isnan(got[1]).all()
    assert np.isfinite(got[[0, 2]]).all()


# ---------------------------------------------------------------------- products of integers
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1, 1), (1, 1)),
        ((5, 7), (7, 3)),
        ((4, 3, 9), (4, 9, 70)),
        ((2, 0), (0, 40)),
        ((0, 2), (2, 3)),
    ],
    ids=str,
)
def test_products_of_integers_wrap_around_as_numpy_does(a, b, dtype):
    assert_rule_is_exact("matmul", [numbers(a, dtype), numbers(b, dtype, 1)])
