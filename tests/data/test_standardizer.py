"""Zero-centring and scaling."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from chainrule import data
from chainrule.errors import DataError


@pytest.mark.parametrize("name", data.datasets.names())
def test_it_agrees_with_scikit_learn(name: str) -> None:
    x = data.datasets.load(name).x  # digits has pixels that are always 0
    train, other = x[::2], x[1::2]
    ours, theirs = data.Standardizer.fit(train), StandardScaler().fit(train)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.scale, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(ours(other), theirs.transform(other), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours.inverse(ours(other)), other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-30, 1e30, -12345.678])
def test_a_constant_feature_is_centred_and_not_blown_up(constant: float) -> None:
    x = np.full((1001, 1), constant)
    standardizer = data.Standardizer.fit(x)
    assert standardizer.scale.item() == 1.0
    assert np.abs(standardizer(x)).max() <= 1e-12 * abs(constant)


def test_a_tiny_but_real_variation_is_scaled() -> None:
    x = 1e-20 * np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(data.Standardizer.fit(x)(x).std(), 1.0)


def test_json_keeps_every_digit() -> None:
    x = np.random.default_rng(0).normal(1e3, 7, (50, 4))
    standardizer = data.Standardizer.fit(x)
    again = data.Standardizer.from_dict(json.loads(json.dumps(standardizer.to_dict())))
    assert np.array_equal(again(x), standardizer(x))


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 2, 2)])
def test_what_is_no_table_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"\[rows, features\]"):
        data.Standardizer.fit(np.ones(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    x = np.ones((3, 4))
    x[1, 2] = bad
    with pytest.raises(DataError, match="column 2"):
        data.Standardizer.fit(x)


def test_another_number_of_features_is_refused() -> None:
    standardizer = data.Standardizer.fit(np.ones((3, 4)))
    with pytest.raises(DataError, match=r"x.shape\[-1\] == 4"):
        standardizer(np.ones((3, 5)))
    with pytest.raises(DataError, match=r"x.shape\[-1\] == 4"):
        standardizer.inverse(np.float64(1))
