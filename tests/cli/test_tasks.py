"""How a task is judged, and what it is compared with."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from chainrule.cli.tasks import TASKS, accuracy, baseline_scores, r_squared


@pytest.mark.parametrize("targets", [1, 3])
def test_r_squared_is_that_of_scikit_learn(targets: int) -> None:
    rng = np.random.default_rng(0)
    t = rng.normal(5, 3, (40, targets))
    predicted = t + rng.normal(0, 2, t.shape)
    np.testing.assert_allclose(r_squared(predicted, t), r2_score(t, predicted), rtol=1e-12)


def test_r_squared_leaves_out_targets_that_do_not_vary() -> None:
    t = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    predicted = np.array([[1.0, 6.0], [2.0, 7.0], [2.0, 8.0]])
    assert r_squared(predicted, t) == r2_score(t[:, 0], predicted[:, 0]) == 0.5
    assert math.isnan(r_squared(t, np.ones_like(t)))


def test_accuracy_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    predicted, t = rng.integers(0, 3, (2, 50))
    assert accuracy(predicted, t) == accuracy_score(t, predicted)


def test_a_baseline_that_cannot_learn_from_the_rows_is_left_out() -> None:
    x, one_class = np.random.default_rng(0).normal(size=(20, 2)), np.zeros(20, int)
    scores = baseline_scores(TASKS["classification"], (x, one_class), (x, one_class), 0)
    assert "linear_model" not in scores  # logistic regression needs two classes
