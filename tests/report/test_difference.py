"""The paired bootstrap: what it estimates, and where it says nothing."""

import numpy as np
import pytest

from chainrule.compare import accuracy, r_squared
from chainrule.report.difference import paired_difference


def values(rows: int, targets: int = 1, seed: int = 0):
    rng = np.random.default_rng(seed)
    t = rng.normal(1e4, 3, (rows, targets))
    return t, t + rng.normal(0, 1.5, t.shape), t + rng.normal(0, 1.8, t.shape)


def classes(rows: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 4, rows)
    return t, np.where(rng.random(rows) < 0.9, t, 0), np.where(rng.random(rows) < 0.85, t, 0)


@pytest.mark.parametrize("rows", [50, 5000])
@pytest.mark.parametrize("targets", [1, 3])
def test_the_difference_is_that_of_the_scores(rows, targets):
    t, ours, theirs = values(rows, targets)
    t = np.column_stack([t, np.full(rows, 7.0)])  # a target that does not vary counts for nothing
    ours, theirs = (np.column_stack([y, np.full(rows, 7.5)]) for y in (ours, theirs))
    found = paired_difference("regression", t, ours, theirs)
    wanted = r_squared(ours, t) - r_squared(theirs, t)
    np.testing.assert_allclose(found.value, wanted, rtol=1e-9)
    assert found.low < found.value < found.high

    t, ours, theirs = classes(rows)
    found = paired_difference("classification", t, ours, theirs)
    np.testing.assert_allclose(found.value, accuracy(ours, t) - accuracy(theirs, t), atol=1e-12)


@pytest.mark.parametrize("rows", [400, 40_000])
def test_the_interval_of_a_mean_is_the_normal_one(rows):
    """Above 2,000 rows blocks are drawn in their place: the width must not change."""
    t, ours, theirs = classes(rows)
    found = paired_difference("classification", t, ours, theirs)
    each = (ours == t).astype(float) - (theirs == t)
    half = 1.96 * each.std() / np.sqrt(rows)
    np.testing.assert_allclose((found.high - found.low) / 2, half, rtol=0.08)
    np.testing.assert_allclose((found.high + found.low) / 2, each.mean(), atol=0.15 * half)


def test_the_interval_of_r_squared_holds_the_truth_as_often_as_it_says():
    whole = values(200_000, seed=1)
    truth = r_squared(whole[1], whole[0]) - r_squared(whole[2], whole[0])
    held = 0
    for start in range(0, 60 * 100, 100):
        one = paired_difference("regression", *(x[start : start + 100] for x in whole))
        held += one.low <= truth <= one.high
    assert 52 <= held <= 60  # 95% of 60 is 57, with a standard deviation of 1.7


def test_swapping_the_models_swaps_the_sign():
    t, ours, theirs = values(80)
    one = paired_difference("regression", t, ours, theirs)
    other = paired_difference("regression", t, theirs, ours)
    np.testing.assert_allclose(
        [-one.value, -one.high, -one.low], [other.value, other.low, other.high]
    )
    assert one.verdict == -other.verdict


def test_equal_predictions_differ_by_nothing():
    t, ours, _ = classes(50)
    found = paired_difference("classification", t, ours, ours)
    assert (found.value, found.low, found.high, found.verdict) == (0, 0, 0, 0)


def test_where_nothing_can_be_said_nothing_is_said():
    t, ours, theirs = values(9)
    assert paired_difference("regression", t, ours, theirs) is None
    constant = np.ones(40)
    assert paired_difference("regression", constant, constant, constant + 1) is None
    once = np.eye(40)[0]  # a third of all draws do not meet the only other value
    assert paired_difference("regression", once, once, np.zeros(40)) is None
