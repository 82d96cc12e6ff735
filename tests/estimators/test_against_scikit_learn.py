"""One changed import, the same network: parameters, batches, weights, losses, stopping."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network as theirs

from chainrule import estimators as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: What rounding leaves between two ways of computing the same in float64.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}
SHARED = (
    "n_iter_",
    "t_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "validation_scores_",
    "best_validation_score_",
)


def both(name, data, sample_weight=None, **parameters):
    x, y = data
    return tuple(
        getattr(library, name)(**{"random_state": 3, "max_iter": 15, **parameters}).fit(
            x, y, sample_weight=sample_weight
        )
        for library in (ours, theirs)
    )


def assert_alike(mine, other):
    for a, b in zip(mine.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)
    for a, b in zip(mine.intercepts_, other.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)
    np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, **TOLERANCE)
    assert mine.loss_ == pytest.approx(other.loss_, **{"rel": 1e-9})
    for attribute in SHARED:
        assert getattr(mine, attribute) == pytest.approx(getattr(other, attribute)), attribute


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_seed_gives_the_same_classifier(iris, solver, activation, shuffle):
    options = {"solver": solver, "activation": activation, "shuffle": shuffle}
    assert_alike(*both("MLPClassifier", iris, hidden_layer_sizes=(7, 5), batch_size=40, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 32, "alpha": 0.5},
        {"batch_size": 50},
        {"early_stopping": True, "max_iter": 60, "validation_fraction": 0.2},
        {"max_iter": 300, "tol": 1e-2, "n_iter_no_change": 3, "learning_rate_init": 0.01},
        {"max_iter": 40, "n_iter_no_change": np.inf},
        {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 1.0, "max_iter": 3},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 0.1,
            "tol": 0.05,
            "n_iter_no_change": 2,
            "max_iter": 100,
        },
        {"beta_1": 0.0, "beta_2": 0.5, "epsilon": 1e-3},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": 6},
    ],
    ids=str,
)
def test_every_parameter_means_the_same(iris, options):
    assert_alike(*both("MLPClassifier", iris, **{"hidden_layer_sizes": (9,), **options}))


def test_two_classes_weights_and_words(iris, weights):
    x, y = iris
    two = x, np.array(["other", "setosa"])[(y == 0).astype(int)]
    mine, other = both("MLPClassifier", two, weights, hidden_layer_sizes=(5,), batch_size=64)
    assert_alike(mine, other)
    assert mine.classes_.tolist() == ["other", "setosa"]
    np.testing.assert_array_equal(mine.predict(x), other.predict(x))
    np.testing.assert_allclose(mine.predict_proba(x), other.predict_proba(x), **TOLERANCE)
    np.testing.assert_allclose(mine.predict_log_proba(x), other.predict_log_proba(x), rtol=1e-7)


def test_many_labels(iris, labels):
    x, _ = iris
    mine, other = both("MLPClassifier", (x, labels), hidden_layer_sizes=(5,))
    assert_alike(mine, other)
    np.testing.assert_array_equal(mine.predict(x), other.predict(x))
    np.testing.assert_allclose(mine.predict_proba(x), other.predict_proba(x), **TOLERANCE)
    assert mine.score(x, labels) == other.score(x, labels)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_seed_gives_the_same_regressor(diabetes, weights, loss, weighted):
    x, _ = diabetes
    mine, other = both(
        "MLPRegressor", diabetes, weights if weighted else None, loss=loss, batch_size=64
    )
    assert_alike(mine, other)
    np.testing.assert_allclose(mine.predict(x), other.predict(x), **TOLERANCE)


def test_early_stopping_of_a_regressor(diabetes, weights):
    options = {"early_stopping": True, "max_iter": 200, "learning_rate_init": 0.05}
    assert_alike(*both("MLPRegressor", diabetes, weights, **options))


def test_several_outputs_descend_the_sum_as_scikit_learn_does(diabetes):
    """And the loss that is reported is the one that is minimized: see the notes."""
    x, y = diabetes
    mine, other = both("MLPRegressor", (x, np.stack([y, 2 * y], axis=1)), alpha=0.0)
    for a, b in zip(mine.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)
    np.testing.assert_allclose(mine.loss_curve_, 2 * np.array(other.loss_curve_), **TOLERANCE)


def test_sparse_features(iris):
    x, y = iris
    some = sparse.csr_matrix(np.where(np.abs(x) < 1, 0.0, x))
    mine, other = both("MLPClassifier", (some, y), hidden_layer_sizes=(5,), batch_size=64)
    assert_alike(mine, other)
    np.testing.assert_allclose(mine.predict_proba(some), other.predict_proba(some), **TOLERANCE)
    dense = ours.MLPClassifier((5,), batch_size=64, random_state=3, max_iter=15)
    dense.fit(some.toarray(), y)
    np.testing.assert_allclose(mine.loss_curve_, dense.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_lbfgs_reaches_the_same(iris, weights, name, kind):
    x, y = iris
    options = {"solver": "lbfgs", "hidden_layer_sizes": (5,), "activation": "tanh", "alpha": 0.1}
    mine, other = both(name, (kind(x), y), weights, max_iter=30, **options)
    assert mine.loss_ == pytest.approx(other.loss_, rel=1e-6)
    assert mine.n_iter_ == other.n_iter_ == len(mine.loss_curve_)
    for a, b in zip(mine.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_lbfgs_in_blocks_of_sparse_rows(iris, monkeypatch):
    x, y = iris
    model = ours.MLPClassifier((5,), solver="lbfgs", random_state=0, max_iter=20)
    whole = model.fit(x, y).loss_
    monkeypatch.setattr("chainrule.estimators.network.BLOCK", 200)  # 50 rows of 4 columns
    assert model.fit(sparse.csr_matrix(x), y).loss_ == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on_where_it_was(iris, solver):
    x, y = iris
    options = {"hidden_layer_sizes": (5,), "solver": solver, "random_state": 1}
    options["learning_rate"] = "invscaling"
    models = ours.MLPClassifier(**options), theirs.MLPClassifier(**options)
    for model in models:
        for part in (slice(0, None, 2), slice(1, None, 2), slice(0, 60)):
            model.partial_fit(x[part], y[part], classes=[0, 1, 2])
    assert_alike(*models)


def test_warm_start_goes_on_where_it_was(iris):
    options = {"hidden_layer_sizes": (5,), "warm_start": True, "random_state": 1, "max_iter": 4}
    models = ours.MLPClassifier(**options), theirs.MLPClassifier(**options)
    for model in models:
        model.fit(*iris)
        model.fit(*iris)
    assert_alike(*models)
    assert len(models[0].loss_curve_) == 8


def test_weights_can_be_set(iris):
    """The same first weights, put there by hand, give the same training."""
    mine, other = both("MLPClassifier", iris, hidden_layer_sizes=(5,), max_iter=1)
    rng = np.random.default_rng(5)
    coefs = [rng.normal(size=w.shape) for w in mine.coefs_]
    biases = [rng.normal(size=b.shape) for b in mine.intercepts_]
    for model in (mine, other):
        model.set_params(warm_start=True, shuffle=False, max_iter=5)
        model.coefs_, model.intercepts_ = list(coefs), list(biases)
        model.fit(*iris)
    assert_alike(mine, other)


def test_single_numbers_train_in_single_numbers(iris):
    x, y = iris
    model = ours.MLPClassifier((5,), max_iter=3, random_state=0)
    assert model.fit(x.astype(np.float32), y).coefs_[0].dtype == np.float32
    assert model.fit(x, y).coefs_[0].dtype == np.float64
    assert model.set_params(dtype="float32").fit(x, y).predict_proba(x).dtype == np.float32


def test_verbose_prints_what_scikit_learn_prints(iris, capsys):
    said = []
    for library in (ours, theirs):
        options = {"max_iter": 3, "verbose": True, "early_stopping": True, "random_state": 0}
        library.MLPClassifier((5,), **options).fit(*iris)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
