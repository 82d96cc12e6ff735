"""Baselines: those of scikit-learn, on any rows that somebody may have."""

import os

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score

from chainrule import compare, words
from chainrule.compare import baselines
from chainrule.data import datasets
from chainrule.errors import DataError, OptionError


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, "en")


def halves(name: str):
    dataset = datasets.load(name)
    x = (dataset.x - dataset.x.mean(axis=0)) / dataset.x.std(axis=0)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[: len(x) // 2], order[len(x) // 2 :]
    return (x[train], dataset.t[train]), (x[test], dataset.t[test])


def test_classifiers_are_those_of_scikit_learn():
    train, test = halves("breast_cancer")
    found = compare.train_baselines("classification", train, test, seed=3)
    linear = LogisticRegression(max_iter=5000).fit(*train)
    trees = HistGradientBoostingClassifier(max_iter=30, early_stopping=False, random_state=3)
    for one, model in zip(found.models, (linear, trees.fit(*train)), strict=True):
        np.testing.assert_array_equal(one.predicted, model.predict(test[0]))
        np.testing.assert_allclose(one.probabilities, model.predict_proba(test[0]))
        assert one.score == accuracy_score(test[1], one.predicted)
        assert one.seconds > 0
    assert list(found.scores) == list(found.predictions) == ["linear_model", "boosted_trees"]
    assert found.notes == ()


def test_regressors_are_those_of_scikit_learn():
    train, test = halves("diabetes")
    found = compare.train_baselines("regression", train, test)
    trees = HistGradientBoostingRegressor(max_iter=30, early_stopping=False, random_state=0)
    for one, model in zip(found.models, (Ridge(), trees), strict=True):
        wanted = model.fit(train[0], train[1][:, 0]).predict(test[0])
        np.testing.assert_allclose(one.predicted[:, 0], wanted)
        np.testing.assert_allclose(one.score, r2_score(test[1], one.predicted))
        assert one.probabilities is None


def test_every_target_gets_its_own_trees():
    train, test = halves("linnerud")
    found = compare.train_baselines("regression", train, test)
    assert {one.predicted.shape for one in found.models} == {(10, 3)}


def test_a_vector_of_targets_stays_a_vector():
    (x, t), (x_test, t_test) = halves("diabetes")
    found = compare.train_baselines("regression", (x, t[:, 0]), (x_test, t_test[:, 0]))
    assert {one.predicted.shape for one in found.models} == {(len(x_test),)}


def test_early_stopping_holds_rows_back_where_there_are_enough():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    t = x[:, 0] + rng.normal(size=600)
    found = compare.train_baselines("regression", (x, t), (x, t))
    trees = HistGradientBoostingRegressor(early_stopping=True, random_state=0).fit(x, t)
    np.testing.assert_array_equal(found.predictions["boosted_trees"], trees.predict(x))


# ---------------------------------------------------------------------- awkward rows
def test_one_class_is_always_answered():
    x = np.random.default_rng(0).normal(size=(20, 2))
    found = compare.train_baselines(
        "classification", (x, np.full(20, 1)), (x, np.arange(20) % 3), classes=3
    )
    assert len(found.models) == 2
    for one in found.models:
        np.testing.assert_array_equal(one.predicted, 1)
        np.testing.assert_array_equal(one.probabilities, np.tile([0.0, 1.0, 0.0], (20, 1)))
    assert found.notes == (words.text("compare.one_class", "en", rows=20),)


def test_a_class_without_training_rows_has_no_probability():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(60, 2)), rng.integers(0, 2, 60) * 2
    found = compare.train_baselines("classification", (x, t), (x, t), classes=4)
    for one in found.models:
        assert one.probabilities.shape == (60, 4)
        np.testing.assert_array_equal(one.probabilities[:, [1, 3]], 0)
        np.testing.assert_allclose(one.probabilities.sum(axis=1), 1)
        assert set(one.predicted) <= {0, 2}


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_few_rows_are_enough(task, rows):
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 3))
    t = np.arange(rows) % 2 if task == "classification" else rng.normal(size=(rows, 2))
    found = compare.train_baselines(task, (x, t), (x, t))
    assert len(found.models) == 2
    assert all(np.isfinite(one.predicted).all() for one in found.models)


def test_rare_classes_do_not_stop_the_trees():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(700, 2)), np.r_[np.zeros(699, int), 1]
    found = compare.train_baselines("classification", (x, t), (x, t))
    assert len(found.models) == 2


def test_what_cannot_be_trained_is_a_note():
    x = np.zeros((30, 2))
    t = np.full(30, np.inf)
    found = compare.train_baselines("regression", (x, t), (x, t))
    assert found.models == ()
    assert len(found.notes) == 2
    assert found.notes[0].startswith("The linear model could not be trained on these rows")


# ---------------------------------------------------------------------- much work
def test_many_rows_are_sampled_and_that_is_said(monkeypatch):
    monkeypatch.setattr(baselines, "ROWS", 50)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    t = x @ [1.0, 2.0]
    found = compare.train_baselines("regression", (x, t), (x, t))
    assert "50 of the 80 training rows" in found.notes[0]
    again = compare.train_baselines("regression", (x, t), (x, t))
    np.testing.assert_array_equal(
        found.predictions["linear_model"], again.predictions["linear_model"]
    )
    other = compare.train_baselines("regression", (x, t), (x, t), seed=1)
    assert (other.predictions["linear_model"] != found.predictions["linear_model"]).any()


def test_wide_tables_count_as_many_rows(monkeypatch):
    monkeypatch.setattr(baselines, "CELLS", 100)
    x = np.random.default_rng(0).normal(size=(40, 5))
    found = compare.train_baselines("regression", (x, x[:, 0]), (x, x[:, 0]))
    assert "20 of the 40 training rows" in found.notes[0]


def test_work_is_bounded_and_that_is_said(monkeypatch):
    monkeypatch.setattr(baselines, "ENTRIES", 0)
    monkeypatch.setattr(baselines, "MULTIPLICATIONS", 0)
    rng = np.random.default_rng(0)
    x = 1e3 * rng.normal(size=(300, 20))  # not scaled: fifty iterations do not suffice
    t = rng.integers(0, 5, 300)
    notes = " ".join(compare.train_baselines("classification", (x, t), (x, t)).notes)
    assert "only 5 rounds" in notes
    assert "not settled after 50 iterations" in notes


# ---------------------------------------------------------------------- wrong calls
def test_wrong_calls_are_told():
    x, t = np.zeros((4, 2)), np.zeros(4, int)
    good = x, t
    with pytest.raises(OptionError, match="'ranking'"):
        compare.train_baselines("ranking", good, good)
    with pytest.raises(DataError, match=r"x \(4, 2\) and t \(3,\) in test"):
        compare.train_baselines("classification", good, (x, t[:3]))
    with pytest.raises(DataError, match="at least one"):
        compare.train_baselines("classification", good, (x[:0], t[:0]))
    with pytest.raises(DataError, match=r"t\[:, 0\]"):
        compare.train_baselines("classification", (x, t[:, None]), (x, t[:, None]))


@pytest.mark.parametrize("targets", [1, 3])
def test_r_squared_is_that_of_scikit_learn(targets):
    rng = np.random.default_rng(0)
    t = rng.normal(5, 3, (40, targets))
    predicted = t + rng.normal(0, 2, t.shape)
    np.testing.assert_allclose(compare.r_squared(predicted, t), r2_score(t, predicted), rtol=1e-12)
    assert np.isnan(compare.r_squared(predicted, np.ones_like(t)))


def test_accuracy_is_that_of_scikit_learn():
    predicted, t = np.random.default_rng(0).integers(0, 3, (2, 50))
    assert compare.accuracy(predicted, t) == accuracy_score(t, predicted)


def test_notes_speak_the_users_language(monkeypatch):
    monkeypatch.setitem(os.environ, words.ENVIRONMENT_VARIABLE, "ko")
    x = np.zeros((5, 1))
    found = compare.train_baselines("classification", (x, np.zeros(5, int)), (x, np.zeros(5, int)))
    assert "클래스가 모두 같아서" in found.notes[0]


@pytest.mark.parametrize("limit", [1000, 30])
def test_some_rows_are_those_rows_alone(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.compare.baselines.ROWS", limit)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 3))
    t, rows = x @ rng.standard_normal((3, 1)), rng.permutation(120)[:60]
    part = compare.train_baselines("regression", (x, t), (x, t), rows=rows)
    alone = compare.train_baselines("regression", (x[rows], t[rows]), (x, t))
    assert part.scores == alone.scores and part.notes == alone.notes
