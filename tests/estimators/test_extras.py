"""What scikit-learn's users ask for in vain."""

import inspect
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning

from chainrule import nn, optim
from chainrule.errors import ChainruleError, DataError, NonFiniteError, OptionError
from chainrule.estimators import (
    LinearClassifier,
    LinearRegressor,
    MLPClassifier,
    MLPRegressor,
    ParameterError,
)
from chainrule.estimators.solvers import SOLVERS
from chainrule.graph import square
from chainrule.train import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ------------------------------------------------------------------ solvers
@pytest.mark.parametrize("solver", [s for s in SOLVERS if s != "lbfgs"])
def test_every_optimizer_by_name(iris, solver):
    model = MLPClassifier((8,), solver=solver, learning_rate_init=0.01, random_state=0)
    assert model.set_params(max_iter=30).fit(*iris).loss_ < model.loss_curve_[0]


def test_the_names_are_all_optimizers_that_there_are():
    factories = {
        name
        for name in optim.__all__
        if inspect.isfunction(factory := getattr(optim, name))
        and "learning_rate" in inspect.signature(factory).parameters
    }
    assert factories - {"scale_by_learning_rate"} == set(SOLVERS) - {"lbfgs"}


def test_an_optimizer_object_brings_its_own_numbers(iris):
    by_name = MLPClassifier((8,), solver="adagrad", learning_rate_init=0.02, random_state=0)
    by_object = MLPClassifier((8,), solver=optim.adagrad(0.02), random_state=0)
    curves = [m.set_params(max_iter=5).fit(*iris).loss_curve_ for m in (by_name, by_object)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
def test_a_schedule_multiplies_the_rate(iris, solver):
    model = MLPClassifier((8,), solver=solver, learning_rate=optim.cosine(8), random_state=0)
    model.set_params(max_iter=8).fit(*iris)
    rates = [record["learning_rate"] for record in model.history_]
    np.testing.assert_allclose(rates, 1e-3 * optim.cosine(8)(np.arange(8)).numpy(), rtol=1e-9)


def test_a_function_is_a_schedule(iris):
    model = MLPClassifier((8,), learning_rate=lambda step: 0.0 * step, random_state=0, max_iter=3)
    assert len(set(model.fit(*iris).loss_curve_)) == 1


def test_clipping_shortens_the_steps(iris):
    model = MLPClassifier((8,), solver="sgd", momentum=0, random_state=0, max_iter=1, alpha=0)
    before = model.fit(*iris).coefs_[0]
    clipped = model.set_params(clip_norm=1e-12).fit(*iris).coefs_[0]
    first = MLPClassifier((8,), learning_rate_init=1e-30, random_state=0, max_iter=1).fit(*iris)
    np.testing.assert_allclose(clipped, first.coefs_[0], atol=1e-12)
    assert np.abs(before - clipped).max() > 1e-6


# ------------------------------------------------------------------ the network
def test_activations_by_layer(iris):
    model = MLPClassifier((6, 5), activation=["gelu", "logistic"], max_iter=2).fit(*iris)
    assert repr(model.model_) == "MLP(4, [6, 5], 3, activation=(gelu, sigmoid))"


def test_dropout_acts_in_training_only(iris):
    x, y = iris
    plain, dropped = (
        MLPClassifier((20,), dropout=rate, max_iter=4, random_state=0).fit(x, y)
        for rate in (0.0, 0.5)
    )
    assert plain.loss_curve_ != dropped.loss_curve_
    assert (dropped.predict_proba(x) == dropped.predict_proba(x)).all()
    again = MLPClassifier((20,), dropout=0.5, max_iter=4, random_state=0).fit(x, y)
    assert again.loss_curve_ == dropped.loss_curve_


def test_linear_models_have_scikit_learns_attributes(iris, diabetes):
    x, y = iris
    linear = LinearClassifier(alpha=0.01, random_state=0).fit(x, y)
    assert linear.coef_.shape == (3, 4) and linear.intercept_.shape == (3,)
    np.testing.assert_allclose(linear.decision_function(x), x @ linear.coef_.T + linear.intercept_)
    regressor = LinearRegressor(alpha=0.0, tol=1e-9, random_state=0).fit(*diabetes)
    exact = np.linalg.lstsq(np.c_[diabetes[0], np.ones(150)], diabetes[1])[0]
    np.testing.assert_allclose(regressor.coef_, exact[:-1], atol=1e-4)
    assert regressor.intercept_ == pytest.approx(exact[-1], abs=1e-5)


# ------------------------------------------------------------------ losses and weights
@pytest.mark.parametrize(("loss", "wanted"), [("absolute_error", 2.0), ("squared_error", 21.6)])
def test_the_loss_decides_what_is_found(loss, wanted):
    """A constant: the median, or the mean."""
    y = np.array([1.0, 2.0, 2.0, 3.0, 100.0])
    model = MLPRegressor(loss, (), learning_rate=optim.linear(1500), learning_rate_init=0.2)
    model.set_params(alpha=0, max_iter=1500, n_iter_no_change=np.inf, random_state=0)
    assert model.fit(np.zeros((5, 1)), y).predict([[0.0]])[0] == pytest.approx(wanted, rel=0.02)


def test_an_own_loss(diabetes):
    x, y = diabetes

    def half_squares(z, t, sample_weight=None):
        return 0.5 * nn.mse(z, t, sample_weight=sample_weight)

    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5}
    for weight in (None, np.linspace(0.1, 1, 150)):
        mine = MLPRegressor(half_squares, **options).fit(x, y, weight)
        np.testing.assert_allclose(
            mine.loss_curve_, MLPRegressor(**options).fit(x, y, weight).loss_curve_, rtol=1e-12
        )


def test_an_own_loss_of_classes_gets_one_hot_rows(iris):
    def brier(z, t):
        return square(nn.softmax(z) - t).sum(axis=1).mean()

    model = MLPClassifier((8,), loss=brier, random_state=0, learning_rate_init=0.01, alpha=0.0)
    assert model.fit(*iris).loss_ < 0.1 and model.score(*iris) > 0.9


def test_class_weights_are_row_weights(iris):
    x, y = iris
    few = np.r_[0:50, 50:60, 100:150]
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "batch_size": 30}
    by_dict = MLPClassifier(class_weight={0: 1.0, 1: 5.0, 2: 1.0}, **options).fit(x[few], y[few])
    by_row = MLPClassifier(**options).fit(x[few], y[few], np.where(y[few] == 1, 5.0, 1.0))
    assert by_dict.loss_curve_ == by_row.loss_curve_
    balanced = MLPClassifier(class_weight="balanced", **options).fit(x[few], y[few])
    assert balanced.loss_curve_ != by_row.loss_curve_


# ------------------------------------------------------------------ watching
def test_own_validation_rows_are_watched(iris):
    x, y = iris
    train, held = slice(0, None, 2), slice(1, None, 2)
    model = MLPClassifier((8,), random_state=0, max_iter=6)
    model.fit(x[train], y[train], X_val=x[held], y_val=y[held])
    plain = MLPClassifier((8,), random_state=0, max_iter=6).fit(x[train], y[train])
    assert model.loss_curve_ == pytest.approx(plain.loss_curve_, rel=1e-12)
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == 6
    assert model.validation_scores_[-1] == model.score(x[held], y[held])
    p = model.predict_proba(x[held])[np.arange(75), y[held]]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean(), rel=1e-9)
    assert model.history_["validation_loss"] == model.validation_loss_curve_


def test_early_stopping_returns_the_weights_that_were_best_on_own_rows(iris):
    x, y = iris
    train, held = slice(0, None, 2), slice(1, None, 2)
    model = MLPClassifier((8,), random_state=0, early_stopping=True, n_iter_no_change=5)
    model.fit(x[train], y[train], X_val=x[held], y_val=y[held])
    assert model.n_iter_ < 200 and model.history_.stopped
    assert model.score(x[held], y[held]) == model.best_validation_score_


def test_metrics_are_scorers(iris):
    x, y = iris
    names = {"error": "neg_log_loss", "area": "roc_auc_ovr"}
    model = MLPClassifier((8,), random_state=0, max_iter=30, metrics=names).fit(x, y)
    assert model.history_["area"][-1] > model.history_["area"][0]
    p = model.predict_proba(x)[np.arange(150), y]
    assert model.history_["error"][-1] == pytest.approx(np.log(p).mean())
    assert model.set_params(metrics="accuracy").fit(x, y).history_[-1]["accuracy"] == model.score(
        x, y
    )


def test_callbacks_see_steps_and_epochs_and_may_stop(iris):
    seen = []

    class Watch(Callback):
        def on_fit_begin(self, run):
            seen.append("begin")

        def on_step_end(self, run, error):
            seen.append(run.step)

        def on_epoch_end(self, run):
            seen.append(f"epoch {run.history[-1]['epoch']}")
            if len(run.history) == 2:
                run.stop("Enough.")

        def on_fit_end(self, run):
            seen.append("end")

    model = MLPClassifier((8,), batch_size=75, callbacks=[Watch()], random_state=0).fit(*iris)
    assert seen == ["begin", 1, 2, "epoch 1", 3, 4, "epoch 2", "end"]
    assert model.history_.stopped == "Enough." and model.n_iter_ == 2


# ------------------------------------------------------------------ tables
@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    color = rng.choice(["red", "green", "blue"], 120)
    size = rng.normal(size=120)
    return {"color": color, "size": size}, (color == "red") * 2.0 + 0.1 * size


def frames(columns):
    yield pd.DataFrame(columns).astype({"color": "category"})
    yield pl.DataFrame(columns).with_columns(pl.col("color").cast(pl.Categorical))


def test_columns_of_categories_are_encoded(table):
    columns, y = table
    for frame in frames(columns):
        model = LinearRegressor(alpha=0.0, random_state=0).fit(frame, y)
        assert model.score(frame, y) > 0.999
        assert model.n_features_in_ == 2
        assert model.feature_names_in_.tolist() == ["color", "size"]
        assert model.coef_.shape == (4,)


@pytest.mark.parametrize("named", [["color"], [0], [True, False]])
def test_columns_can_be_named(table, named):
    columns, y = table
    frame = pd.DataFrame(columns)
    model = LinearRegressor(alpha=0.0, random_state=0, categorical_features=named).fit(frame, y)
    assert model.score(frame, y) > 0.999


def test_unseen_and_missing_categories(table):
    columns, y = table
    frame = next(frames(columns))
    frame.loc[:9, "color"] = None
    model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0).fit(frame, y)
    new = pd.DataFrame({"color": pd.Categorical(["violet", None]), "size": [0.0, 0.0]})
    assert np.isfinite(model.predict(new)).all()


def test_early_stopping_and_metrics_on_a_table(table):
    columns, y = table
    frame = next(frames(columns))
    model = MLPRegressor(hidden_layer_sizes=(5,), early_stopping=True, metrics="r2", max_iter=5)
    model.set_params(random_state=0).fit(frame, y)
    assert model.history_["r2"] == pytest.approx(model.validation_scores_)
    watched = model.set_params(early_stopping=False).fit(frame, y, X_val=frame, y_val=y)
    assert watched.validation_scores_[-1] == pytest.approx(watched.score(frame, y))


def test_text_without_a_category_is_named(table):
    columns, y = table
    with pytest.raises(ValueError, match="could not convert"):
        MLPRegressor().fit(pd.DataFrame(columns), y)
    both = pd.DataFrame(columns).assign(shape="round").astype({"color": "category"})
    with pytest.raises(DataError, match="Give it a categorical type"):
        MLPRegressor().fit(both, y)


# ------------------------------------------------------------------ what goes wrong
def test_probabilities_that_round_to_zero_keep_their_logarithm():
    x, y = np.array([[-1.0], [1.0]]), [0, 1]
    model = MLPClassifier((), max_iter=1, random_state=0).fit(x, y)
    model.coefs_, model.intercepts_ = [np.array([[1000.0]])], [np.array([0.0])]
    assert model.predict_log_proba(x).tolist() == [[0.0, -1000.0], [-1000.0, 0.0]]
    assert model.predict_proba(x).sum(axis=1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_keeps_what_was_learned(iris, solver, monkeypatch):
    calls = []

    def interrupt(key, **values):
        calls.append(key)
        if key == "estimators.iteration" and calls.count(key) == 3:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr("chainrule.words.text", interrupt)
    model = MLPClassifier((8,), solver=solver, verbose=True, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*iris)
    assert "estimators.interrupted" in calls
    assert not [w for w in caught if w.category is ConvergenceWarning]
    assert model.predict(iris[0]).shape == (150,)
    assert 1 <= len(model.loss_curve_) <= 3 + 11


def test_a_rate_that_explodes_is_named(diabetes):
    model = MLPRegressor(hidden_layer_sizes=(5,), solver="sgd", learning_rate_init=1e6)
    with pytest.raises(NonFiniteError, match=r"epoch \d+, step \d+.*clip_norm") as caught:
        model.set_params(random_state=0, activation="identity").fit(*diabetes)
    assert np.isfinite(caught.value.model.output.weight.numpy()).all()


def test_weights_that_explode_in_the_last_step_are_seen(iris):
    model = MLPClassifier((), solver="sgd", learning_rate_init=1e308, max_iter=1, random_state=0)
    with pytest.raises(NonFiniteError, match="epoch 1, step 1"):
        model.set_params(momentum=1.0, alpha=1e10).fit(*iris)
    assert not hasattr(model, "model_")


def test_lbfgs_says_when_it_ends_in_nan():
    x = np.linspace(0, 1, 20)[:, None]
    with pytest.raises(NonFiniteError, match="Scale the features"):
        LinearRegressor(loss="poisson", random_state=0).fit(1e4 * x, x[:, 0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alpha": -1}, r"MLPClassifier expects alpha to be .*\[0.0, inf\), but got -1"),
        ({"solver": "adm"}, "Did you mean 'adam'"),
        ({"activation": "rellu"}, "Did you mean 'relu'"),
        ({"dropout": 1.0}, "dropout"),
        ({"learning_rate": "cosine"}, "learning_rate"),
        ({"hidden_layer_sizes": (5, 0)}, "whole numbers >= 1"),
        ({"activation": ["relu"], "hidden_layer_sizes": (5, 5)}, "one for each of the 2"),
        ({"activation": ["rellu"]}, "Did you mean"),
        ({"solver": "lbfgs", "dropout": 0.5}, "does not know dropout"),
        ({"solver": "lbfgs", "learning_rate": optim.cosine(5)}, "does not know learning_rate"),
        ({"categorical_features": ["colour"]}, "no such column"),
        ({"categorical_features": [True]}, "each of the 4 columns"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_with_a_mend(iris, change, words):
    with pytest.raises(ChainruleError, match=words) as caught:
        MLPClassifier((5,)).set_params(**change).fit(*iris)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("change", [{"hidden_layer_sizes": (7,)}, {"activation": "tanh"}])
@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_what_goes_on_keeps_its_network(iris, change, again):
    x, y = iris
    model = MLPClassifier(hidden_layer_sizes=(5,), solver="sgd", max_iter=2, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
        model.set_params(hidden_layer_sizes=[5]).fit(x, y)
        with pytest.raises(OptionError, match=f"goes on with a network of {next(iter(change))}"):
            getattr(model.set_params(**change), again)(x, y)
        model.set_params(warm_start=False).fit(x, y)


def test_a_parameter_error_is_scikit_learns_too():
    from sklearn.utils._param_validation import InvalidParameterError

    assert issubclass(ParameterError, (InvalidParameterError,))
    assert issubclass(ParameterError, OptionError)


def test_bad_data_are_refused_with_a_mend(iris):
    x, y = iris
    model = MLPClassifier((5,), max_iter=2, random_state=0)
    with pytest.raises(OptionError, match="no y_val"):
        model.fit(x, y, X_val=x)
    with pytest.raises(DataError, match=r"classes \[7\]"):
        model.fit(x, y, X_val=x, y_val=np.where(y == 2, 7, y))
    with pytest.raises(DataError, match="weights of rows >= 0"):
        model.fit(x, y, -np.ones(150))
    with pytest.raises(OptionError, match="nothing to stop"):
        MLPClassifier(early_stopping=True).partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(OptionError, match="as a dict"):
        MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(DataError, match="y >= 0"):
        MLPRegressor("poisson").fit(x, y - 1.0)
    with pytest.raises(DataError, match="too small"):
        MLPRegressor(early_stopping=True, validation_fraction=0.006).fit(x, y)
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    with pytest.warns(UserWarning, match="more than the 150 rows"):
        model.set_params(batch_size=151).fit(x, y)


def test_partial_fit_knows_the_classes_that_its_first_part_lacks(iris):
    x, y = iris
    model = MLPClassifier((4,), random_state=0).partial_fit(x[:10], y[:10], classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.partial_fit(x, y).predict_proba(x).shape == (150, 3)
