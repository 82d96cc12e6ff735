"""PCA and whitening."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.decomposition import PCA

from chainrule import data
from chainrule.errors import DataError, OptionError

WHITENINGS = [data.Projection.whitening, data.ZCA.whitening]


def table(
    seed: int, rows: int, features: int, rank: int | None = None, offset: float = 1.0
) -> np.ndarray:
    """Random rows in a random subspace, some way from the origin."""
    rng = np.random.default_rng(seed)
    rank = features if rank is None else rank
    x: np.ndarray = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, features))
    return x + offset * rng.normal(size=features)


sizes = st.tuples(st.integers(0, 99), st.integers(2, 40), st.integers(1, 12), st.integers(1, 12))


def varied(size: tuple[int, int, int, int]) -> tuple[np.ndarray, int]:
    """A table, and along how many directions its rows vary."""
    seed, rows, features, rank = size
    rank = min(rank, features, rows - 1)
    return table(seed, rows, features, rank), rank


# ---------------------------------------------------------------------- laws
@given(size=sizes)
def test_whitened_rows_have_the_covariance_1(size: tuple[int, int, int, int]) -> None:
    x, rank = varied(size)
    z = data.Projection.whitening(x)(x)
    assert z.shape == (len(x), rank)
    np.testing.assert_allclose(np.cov(z.T).reshape(rank, rank), np.eye(rank), atol=1e-6)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)


@given(size=sizes)
def test_zca_whitens_the_space_that_the_rows_span(size: tuple[int, int, int, int]) -> None:
    x, rank = varied(size)
    zca = data.ZCA.whitening(x)
    z = zca(x)
    assert z.shape == x.shape
    onto = zca.axes.T @ zca.axes  # the projection on that space: all of it, if the rank is full
    assert len(zca.axes) == rank
    np.testing.assert_allclose(np.cov(z.T).reshape(onto.shape), onto, atol=1e-6)


@given(size=sizes)
def test_every_map_can_be_undone(size: tuple[int, int, int, int]) -> None:
    x, _ = varied(size)
    for fit in (data.Projection.pca, *WHITENINGS):
        fitted = fit(x)
        np.testing.assert_allclose(fitted.inverse(fitted(x)), x, rtol=0, atol=1e-12 * abs(x).max())


@given(size=sizes)
def test_zca_and_full_projections_can_be_undone_for_rows_never_seen(
    size: tuple[int, int, int, int],
) -> None:
    x, _ = varied(size)
    other = table(size[0] + 1, 5, x.shape[1])
    full = min(x.shape)
    fits = [data.ZCA.whitening(x)]
    if full == x.shape[1]:
        fits += [data.Projection.pca(x, full), data.Projection.whitening(x, full)]
    for fitted in fits:
        spread = max(1.0, np.abs(fitted(other)).max()) * max(1.0, np.abs(other - x.mean(0)).max())
        np.testing.assert_allclose(
            fitted.inverse(fitted(other)), other, rtol=0, atol=1e-12 * spread
        )


@given(seed=st.integers(0, 30), features=st.integers(2, 6))
def test_zca_is_the_whitening_nearest_to_the_rows(seed: int, features: int) -> None:
    x = table(seed, 60, features)
    centred, z = x - x.mean(axis=0), data.ZCA.whitening(x)(x)
    distance = np.square(z - centred).sum()
    turned = [data.Projection.whitening(x)(x)]
    for other in range(5):
        turn, _ = np.linalg.qr(np.random.default_rng(other).normal(size=(features, features)))
        turned.append(z @ turn)
    for whitened in turned:  # each of them whitens as well
        np.testing.assert_allclose(np.cov(whitened.T), np.eye(features), atol=1e-7)
        assert np.square(whitened - centred).sum() >= distance * (1 - 1e-12)


@given(seed=st.integers(0, 30), epsilon=st.floats(1e-3, 10))
def test_epsilon_is_added_to_the_eigenvalue_under_the_root(seed: int, epsilon: float) -> None:
    x = table(seed, 50, 4)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    matrix = vectors / np.sqrt(values + epsilon) @ vectors.T
    z = data.ZCA.whitening(x, epsilon)(x)
    np.testing.assert_allclose(z, (x - x.mean(axis=0)) @ matrix, atol=1e-9)
    z = data.Projection.whitening(x, epsilon=epsilon)(x)
    np.testing.assert_allclose(
        np.cov(z.T), np.diag(values / (values + epsilon))[::-1, ::-1], atol=1e-9
    )


def test_dividing_by_the_eigenvalue_itself_does_not_whiten() -> None:
    x = data.datasets.load("iris").x
    pca = data.Projection.pca(x)
    variance = np.square(pca.deviation)
    np.testing.assert_allclose(np.cov((pca(x) / np.sqrt(variance)).T), np.eye(4), atol=1e-12)
    assert np.abs(np.cov((pca(x) / variance).T) - np.eye(4)).max() > 1


@given(size=sizes)
def test_principal_coordinates_are_sorted_and_not_correlated(
    size: tuple[int, int, int, int],
) -> None:
    x, rank = varied(size)
    pca = data.Projection.pca(x)
    assert pca.shape == (x.shape[1], rank)
    np.testing.assert_allclose(pca.axes @ pca.axes.T, np.eye(rank), atol=1e-12)
    covariance = np.cov(pca(x).T).reshape(rank, rank)
    expected = np.diag(np.square(pca.deviation))
    np.testing.assert_allclose(covariance, expected, atol=1e-12 * expected.max())
    assert (np.diff(pca.deviation) <= 0).all()
    np.testing.assert_allclose(pca.share.sum(), 1)


# ---------------------------------------------------------------------- scikit-learn
@pytest.mark.parametrize("name", data.datasets.names())
@pytest.mark.parametrize("whiten", [False, True])
def test_it_agrees_with_scikit_learn(name: str, whiten: bool) -> None:
    x = data.Scaling.standard(data.datasets.load(name).x)(data.datasets.load(name).x)
    fit = data.Projection.whitening if whiten else data.Projection.pca
    ours = fit(x, 3)
    theirs = PCA(3, whiten=whiten, svd_solver="full").fit(x)
    signs = np.sign((ours.axes * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(ours.axes, theirs.components_ * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(np.square(ours.deviation), theirs.explained_variance_)
    np.testing.assert_allclose(ours.share, theirs.explained_variance_ratio_)
    np.testing.assert_allclose(ours(x), theirs.transform(x) * signs, atol=1e-9)
    np.testing.assert_allclose(
        ours.inverse(ours(x)), theirs.inverse_transform(theirs.transform(x)), atol=1e-9
    )


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.9999])
def test_a_share_of_the_variance_keeps_as_many_axes_as_scikit_learn(share: float) -> None:
    x = data.datasets.load("wine").x
    expected = PCA(share, svd_solver="full").fit(x).n_components_
    assert data.Projection.pca(x, share).shape == (13, expected)


# ---------------------------------------------------------------------- numbers that are hard
@pytest.mark.parametrize("fit", WHITENINGS)
def test_float32_at_a_large_offset_is_whitened(fit: Any) -> None:
    x = (table(0, 5000, 4, offset=0) * [10, 3, 1, 0.3] + 1e4).astype(np.float32)
    fitted = fit(x)
    z = fitted(x)
    assert z.dtype == np.float32
    np.testing.assert_allclose(np.cov(z.T.astype(np.float64)), np.eye(4), atol=1e-5)
    assert np.abs(fitted.inverse(z) - x).max() <= np.spacing(np.float32(1e4))


@pytest.mark.parametrize("fit", WHITENINGS)
def test_small_directions_are_not_lost_to_the_square_of_the_condition_number(fit: Any) -> None:
    x = table(0, 300, 3, offset=0) * [1e6, 1, 1e-4]  # eigenvalues from 1e12 to 1e-8
    np.testing.assert_allclose(np.cov(fit(x)(x).T), np.eye(3), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_directions_without_variance_are_found_in_any_unit(
    dtype: type, size: float, offset: float
) -> None:
    for rank in (1, 3, 7):
        x = (size * table(rank, 60, 10, rank, offset)).astype(dtype)
        x[:, 4] = x[0, 4]  # and one feature is constant
        assert data.Projection.whitening(x).shape == (10, rank)
        assert np.abs(data.ZCA.whitening(x)(x)).max() < 10  # noise is not blown up


def test_fewer_rows_than_features() -> None:
    x = table(0, 5, 2000)
    z = data.Projection.whitening(x)(x)
    np.testing.assert_allclose(np.cov(z.T), np.eye(4), atol=1e-10)
    zca = data.ZCA.whitening(x)
    np.testing.assert_allclose(zca.inverse(zca(x)), x, atol=1e-10)


def test_what_no_training_row_shows_is_kept_in_proportion_by_zca() -> None:
    x = np.array([[3.0, 0.0], [-3.0, 0.0]])
    zca = data.ZCA.whitening(x)
    (z,) = zca([[0.0, 3.0]])
    np.testing.assert_allclose(z, [0, 3 / zca.scale[0]])


def test_axes_that_are_asked_for_beyond_the_rank_give_zeros() -> None:
    x = table(0, 50, 4, rank=2)
    z = data.Projection.whitening(x, 3)(x)
    np.testing.assert_allclose(z[:, 2], 0, atol=1e-12)


def test_signs_do_not_hang_on_rounding_errors() -> None:
    x = table(1, 100, 2)
    standard = data.Scaling.standard(x)(x)  # the axes are (1, 1) and (1, -1), whatever the rows
    for noise in np.random.default_rng(0).normal(scale=1e-12, size=(20, 100, 2)):
        axes = data.Projection.pca(standard + noise).axes
        assert (axes[:, 0] > 0).all()
        np.testing.assert_allclose(np.abs(axes), np.sqrt(0.5), atol=1e-9)


def test_a_table_of_many_blocks_is_fitted_like_one() -> None:
    x = table(0, 70_000, 9)
    pca = data.Projection.pca(x)
    values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    np.testing.assert_allclose(np.square(pca.deviation), values, rtol=1e-9)


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize("wanted", [0, 5, -1, 1.0, 0.0, 1.5, True, "two", np.nan])
def test_senseless_numbers_of_components_are_refused(wanted: Any) -> None:
    with pytest.raises(OptionError, match="whole number from 1 to 4"):
        data.Projection.pca(data.datasets.load("iris").x, wanted)


@pytest.mark.parametrize("epsilon", [-1e-9, np.nan, np.inf])
@pytest.mark.parametrize("fit", WHITENINGS)
def test_senseless_epsilons_are_refused(fit: Any, epsilon: float) -> None:
    with pytest.raises(OptionError, match="epsilon >= 0"):
        fit(np.eye(3), epsilon=epsilon)


@pytest.mark.parametrize("fit", [data.Projection.pca, *WHITENINGS])
def test_rows_without_a_direction_are_refused(fit: Any) -> None:
    with pytest.raises(DataError, match="all 6 rows are the same"):
        fit(np.full((6, 3), 0.1))
    with pytest.raises(DataError, match="rows >= 2"):
        fit(np.ones((1, 3)))
    with pytest.raises(DataError, match="too large"):
        fit(np.array([[1e308, 0], [-1e308, 1], [1e308, 2]]))
    with pytest.raises(DataError, match="nan in row 0, column 1"):
        fit(np.array([[1, np.nan], [2, 3]]))


@given(
    x=arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=7),
        elements=st.floats(-(2.0**60), 2.0**60, width=32),
    )
)
def test_any_table_is_whitened_or_refused(x: np.ndarray) -> None:
    for fit in (data.Projection.pca, *WHITENINGS):
        try:
            fitted = fit(x)
        except DataError as error:
            assert error.key in ("preprocessing.table", "preprocessing.no_variance")
            return
        z = fitted(x)
        assert z.dtype == x.dtype
        error = np.abs(fitted.inverse(z).astype(np.float64) - x).max()
        assert error <= 50 * np.finfo(x.dtype).eps * np.abs(x).max()
