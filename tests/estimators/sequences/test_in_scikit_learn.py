"""Inside scikit-learn: searches, clones, pickles; and that few shapes are compiled."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from chainrule.errors import ChainruleError
from chainrule.estimators import SequenceClassifier, SequenceRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "layer": "rnn",
    "hidden_layer_sizes": (8,),
    "learning_rate_init": 0.02,
    "max_iter": 80,
    "random_state": 0,
}


def test_a_grid_search_over_lists(walks):
    grid = {"learning_rate_init": [1e-5, 0.02], "pooling": ["last", "mean"]}
    search = GridSearchCV(SequenceClassifier(**SMALL), grid, cv=3, error_score="raise")
    search.fit(*walks)
    assert search.best_params_["learning_rate_init"] == 0.02
    assert search.best_score_ > 0.8 and search.score(*walks) > 0.8


def test_a_grid_search_in_workers(walks):
    search = GridSearchCV(SequenceClassifier(**SMALL), {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2)
    assert search.fit(*walks).best_score_ > 0.8


def test_cross_validation_over_lists_and_arrays(walks):
    x, y = walks
    model = SequenceClassifier(**SMALL)
    assert cross_val_score(model, x, y, cv=3, error_score="raise").mean() > 0.8
    assert (cross_val_predict(model, x, y, cv=3) == y).mean() > 0.8
    cut = np.array([sequence[:3] for sequence in x])
    targets = cut[:, -1, 0]
    model = SequenceRegressor(**{**SMALL, "max_iter": 100})
    scores = cross_val_score(model, cut, targets, cv=3, error_score="raise")
    assert scores.mean() > 0.7


def test_a_clone_is_untrained(walks):
    model = SequenceClassifier(**{**SMALL, "max_iter": 2, "layer": "lstm"}, callbacks=[]).fit(
        *walks
    )
    copy = clone(model)
    assert not hasattr(copy, "model_") and copy.get_params() == model.get_params()


@pytest.mark.parametrize("layer", ["gru", "transformer"])
def test_pickle_and_joblib_bring_back_the_same_predictions(walks, tmp_path, layer):
    x, y = walks
    model = SequenceClassifier(**{**SMALL, "max_iter": 3, "layer": layer}, dropout=0.2).fit(x, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        assert (again.predict_proba(x) == model.predict_proba(x)).all()
        assert again.history_ == model.history_
        again.partial_fit(x, y)
        assert again.loss_curve_[:-1] == model.loss_curve_


def test_partial_fit_takes_sequences_of_any_length(walks):
    x, y = walks
    model = SequenceClassifier(hidden_layer_sizes=(8,), random_state=0, learning_rate_init=0.02)
    for _ in range(40):
        for part in (slice(0, 30), slice(30, 70)):
            model.partial_fit(x[part], y[part], classes=["down", "up"])
    assert model.score(x, y) > 0.9 and model.t_ == 40 * 70


def test_partial_fit_knows_the_classes_that_its_first_part_lacks(walks):
    x, y = walks
    model = SequenceClassifier(hidden_layer_sizes=(4,), engine="interpret")
    model.partial_fit(x[:1], y[:1], classes=["left", "down", "up"])
    assert model.classes_.tolist() == ["down", "left", "up"]
    assert model.partial_fit(x, y).predict_proba(x).shape == (70, 3)
    with pytest.raises(ChainruleError, match=r"classes .*right"):
        model.partial_fit(x[:1], ["right"])


# ------------------------------------------------------------------ compiling
def test_batches_folds_and_lengths_share_code(compiled):
    """Batches of 32 and less, 60, 79 and 80 rows, longest sequences of 17 and 18 steps."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(length, 2)) for length in [18, 17, *[3, 17] * 39]]
    y = np.array([sequence.sum() > 0 for sequence in x])
    model = SequenceClassifier(hidden_layer_sizes=(4,), max_iter=2, engine="native")
    GridSearchCV(model, {"learning_rate_init": [0.01, 0.1]}, cv=4, error_score="raise").fit(x, y)
    model.fit(x[1:], y[1:])
    assert len(compiled) == 1
