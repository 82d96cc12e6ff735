"""Zero-centring and normalisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

from chainrule import data
from chainrule.errors import DataError, OptionError

tables = arrays.arrays(
    st.sampled_from([np.float32, np.float64]),
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)

FITS = [data.Scaling.centred, data.Scaling.standard, data.Scaling.min_max]


# ---------------------------------------------------------------------- laws
@given(x=tables)
def test_every_scaling_can_be_undone(x: np.ndarray) -> None:
    for fit in FITS:
        scaling = fit(x)
        again = scaling.inverse(scaling(x))
        assert again.dtype == x.dtype
        # Of the numbers that are added, the larger decides about the last digit.
        size = np.maximum(np.abs(x), np.maximum(np.abs(scaling.offset), scaling.scale))
        assert (np.abs(again - x) <= 4 * np.finfo(x.dtype).eps * size).all()


@given(x=tables)
def test_standard_rows_have_mean_0_and_deviation_1_or_0(x: np.ndarray) -> None:
    z = data.Scaling.standard(x.astype(np.float64))(x.astype(np.float64))
    deviation = z.std(axis=0)
    varies = deviation > 0.5
    # What is left of a mean is a rounding error of the numbers that were centred.
    noise = 1e-14 * np.abs(x).max(axis=0) / data.Scaling.standard(x.astype(np.float64)).scale
    assert (np.abs(z.mean(axis=0)) <= noise + 1e-14).all()
    np.testing.assert_allclose(deviation[varies], 1, rtol=1e-9)
    assert (np.abs(z[:, ~varies]) <= 1e-14 * np.abs(x[:, ~varies])).all()


@given(x=tables, low=st.integers(-3, 3), width=st.integers(1, 5))
def test_min_max_fills_the_interval(x: np.ndarray, low: int, width: int) -> None:
    z = data.Scaling.min_max(x.astype(np.float64), low, low + width)(x.astype(np.float64))
    assert (z >= low - 1e-9).all() and (z <= low + width + 1e-9).all()
    np.testing.assert_allclose(z.min(axis=0), low, atol=1e-9)
    full = z.max(axis=0) > low + 1e-6
    np.testing.assert_allclose(z.max(axis=0)[full], low + width, atol=1e-9)


@given(x=tables)
def test_unit_rows_have_the_length_1_or_are_zero(x: np.ndarray) -> None:
    z = data.UnitNorm(x.shape[1])(x)
    lengths = np.linalg.norm(z.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, (x != 0).any(axis=1), rtol=1e-6)
    assert (np.sign(z) == np.sign(x))[np.abs(z) > 1e-30].all()


# ---------------------------------------------------------------------- references
@pytest.mark.parametrize("name", data.datasets.names())
def test_they_agree_with_scikit_learn(name: str) -> None:
    x = data.datasets.load(name).x  # digits has pixels that are always 0
    train, other = x[::2], x[1::2]
    for ours, theirs in [
        (data.Scaling.centred(train), StandardScaler(with_std=False)),
        (data.Scaling.standard(train), StandardScaler()),
        (data.Scaling.min_max(train, -1, 2), MinMaxScaler((-1, 2))),
        (data.UnitNorm(x.shape[1]), Normalizer()),
    ]:
        expected = theirs.fit(train).transform(other)
        np.testing.assert_allclose(ours(other), expected, rtol=1e-10, atol=1e-10)


# ---------------------------------------------------------------------- numbers that are hard
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-30, 1e30, -12345.678])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_is_centred_and_not_blown_up(constant: float, dtype: type) -> None:
    x = np.full((1001, 1), constant, dtype)
    standard = data.Scaling.standard(x)
    assert standard.scale.item() == 1.0
    assert (standard(x) == 0).all()
    np.testing.assert_allclose(data.Scaling.min_max(x, 2, 3)(x), 2, rtol=1e-6)


def test_rounding_errors_are_no_variation() -> None:
    x = np.array([[0.1 + 0.2], [0.3], [0.3]])
    assert x.std() > 0
    assert np.abs(data.Scaling.standard(x)(x)).max() < 1e-15


@pytest.mark.parametrize("size", [1e-200, 1e-20, 1e200])
def test_a_variation_of_any_size_is_scaled(size: float) -> None:
    x = size * np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(data.Scaling.standard(x)(x).std(), 1)
    np.testing.assert_allclose(data.UnitNorm(3)(x.T), [[1, 2, 3] / np.sqrt(14)])


def test_float32_is_centred_exactly_at_a_large_offset() -> None:
    noise = np.random.default_rng(0).normal(size=(5000, 1))
    x = (1e4 + noise).astype(np.float32)
    z = data.Scaling.standard(x)(x)
    assert z.dtype == np.float32
    assert abs(z.astype(np.float64).mean()) < 1e-8  # a mean in float32 is off by 1e-3
    np.testing.assert_allclose(z.astype(np.float64).std(), 1, rtol=1e-6)


def test_a_table_of_many_blocks_is_fitted_like_one() -> None:
    x = np.random.default_rng(0).normal(3, 2, (70_000, 9))  # 2.4 blocks
    standard = data.Scaling.standard(x)
    np.testing.assert_allclose(standard.offset, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standard.scale, x.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standard(x), (x - x.mean(axis=0)) / x.std(axis=0), atol=1e-12)


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize("shape", [(3,), (0, 2), (3, 0), (2, 2, 2)])
@pytest.mark.parametrize("fit", FITS)
def test_what_is_no_table_is_refused(shape: tuple[int, ...], fit: type) -> None:
    with pytest.raises(DataError, match=r"Scaling\..*\[rows, features\] with rows >= 1"):
        fit(np.ones(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("fit", FITS)
def test_numbers_that_are_not_finite_are_refused(bad: float, fit: type) -> None:
    x = np.ones((3, 4))
    x[1, 2] = bad
    with pytest.raises(DataError, match=f"{bad} in row 1, column 2"):
        fit(x)


@pytest.mark.parametrize("x", [[["a"]], [[None]], [[1j]], [[1.0], [1.0, 2.0]]])
def test_what_is_no_number_is_refused(x: list[list[object]]) -> None:
    with pytest.raises(DataError, match="expects an array of numbers"):
        data.Scaling.standard(x)


@pytest.mark.parametrize("fit", FITS)
def test_sums_that_overflow_are_refused(fit: type) -> None:
    x = np.array([[0.0, 1.7e308], [0.0, 1.7e308], [0.0, -1.7e308]])
    with pytest.raises(DataError, match="column 1: its numbers are too large"):
        fit(x)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_an_interval_without_length_is_refused(low: float, high: float) -> None:
    with pytest.raises(OptionError, match="low < high"):
        data.Scaling.min_max(np.eye(2), low, high)


def test_a_length_cannot_be_restored() -> None:
    with pytest.raises(DataError, match="no inverse"):
        data.UnitNorm(2).inverse(np.eye(2))
