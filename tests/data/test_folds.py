"""Folds for cross-validation."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from chainrule import data
from chainrule.errors import DataError, OptionError


def check_partition(found: list[data.Fold], rows: int) -> None:
    """Every row is tested once, and trains in the other folds."""
    assert sorted(np.concatenate([fold.test for fold in found])) == list(range(rows))
    for fold in found:
        assert sorted(np.concatenate(fold)) == list(range(rows))
        assert len(fold.train) and len(fold.test)


@given(rows=st.integers(2, 60), count=st.integers(2, 10), seed=st.integers(0, 5))
def test_random_folds_are_a_partition_as_even_as_can_be(rows: int, count: int, seed: int) -> None:
    count = min(count, rows)
    found = data.folds(rows, count, rng=seed)
    check_partition(found, rows)
    sizes = [len(fold.test) for fold in found]
    assert len(found) == count and max(sizes) - min(sizes) <= 1


@given(
    sizes=st.lists(st.integers(5, 23), min_size=1, max_size=5),
    count=st.integers(2, 5),
    seed=st.integers(0, 5),
)
def test_folds_differ_by_one_row_of_a_class_at_most(
    sizes: list[int], count: int, seed: int
) -> None:
    rows = sum(sizes)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = data.folds(rows, count, labels=labels, rng=seed)
    check_partition(found, rows)
    for label in range(len(sizes)):
        held = [int((labels[fold.test] == label).sum()) for fold in found]
        assert max(held) - min(held) <= 1
    tested = [len(fold.test) for fold in found]
    assert max(tested) - min(tested) <= 1


@given(
    sizes=st.lists(st.integers(1, 9), min_size=5, max_size=30),
    count=st.integers(2, 5),
    seed=st.integers(0, 5),
)
def test_no_group_is_tested_and_trained_on(sizes: list[int], count: int, seed: int) -> None:
    rows = sum(sizes)
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = data.folds(rows, count, groups=[f"patient {group}" for group in groups], rng=seed)
    check_partition(found, rows)
    for train, test in found:
        assert not set(groups[train]) & set(groups[test])
    tested = [len(fold.test) for fold in found]
    assert max(tested) - min(tested) <= max(sizes)


@given(
    times=st.lists(st.integers(0, 40), min_size=12, max_size=60).filter(lambda t: len(set(t)) > 8),
    count=st.integers(2, 5),
    gap=st.integers(0, 2),
)
def test_the_past_alone_trains(times: list[int], count: int, gap: int) -> None:
    at = np.array(times)
    try:
        found = data.folds(len(at), count, times=at, gap=gap)
    except DataError as error:
        assert error.key == "data.gap_takes_all" and gap
        return
    assert len(found) == count
    tested = np.concatenate([fold.test for fold in found])
    assert len(set(tested)) == len(tested)
    assert set(at[tested]).isdisjoint(set(at) - set(at[tested]))
    for (_, test), (_, later) in pairwise(found):
        assert at[test].max() < at[later].min()
    for train, test in found:
        start = at[test].min()
        assert set(train) == set(np.flatnonzero(start - at > gap))
    assert at.max() in at[found[-1].test]


def test_stretches_of_time_are_even() -> None:
    times = np.random.default_rng(0).permutation(60)
    found = data.folds(60, 5, times=times)
    assert [len(fold.train) for fold in found] == [10, 20, 30, 40, 50]
    assert [len(fold.test) for fold in found] == [10] * 5


def test_a_seed_gives_one_division() -> None:
    labels, groups = np.arange(60) % 3, np.arange(60) // 4
    for options in ({}, {"labels": labels}, {"groups": groups}):
        one, again, other = (
            np.concatenate([fold.test for fold in data.folds(60, rng=seed, **options)])
            for seed in (1, 1, 2)
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


def test_scikit_learn_takes_them() -> None:
    iris = data.datasets.load("iris")
    found = data.folds(150, 5, labels=iris.t)
    scores = cross_val_score(LogisticRegression(max_iter=500), iris.x, iris.t, cv=found)
    assert scores.mean() > 0.95


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        (10, {"count": 1}, OptionError, "count >= 2, but got 1"),
        (3, {"count": 5}, DataError, "5 parts of 3 different rows"),
        (10, {"labels": ["a"] * 8 + ["b"] * 2}, DataError, "class 'b' has 2. Make fewer folds"),
        (10, {"groups": [1] * 10}, DataError, "5 parts of 1 different groups"),
        (10, {"times": [1] * 5 + [2] * 5}, DataError, "6 parts of 2 different times"),
        (10, {"times": range(10), "gap": 3}, DataError, "gap=3 leaves no row for train"),
        (10, {"gap": 3}, DataError, "expects times"),
        (10, {"labels": range(3)}, DataError, r"labels of shape \(3,\)"),
        (10, {"labels": [0.0] * 9 + [float("nan")]}, DataError, "first in row 9"),
        (10, {"labels": [0] * 10, "times": range(10)}, OptionError, "got labels, times"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    rows: int, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        data.folds(rows, **options)
