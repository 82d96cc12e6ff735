"""Inside scikit-learn: pipelines, searches, clones, pickles; and that a search compiles once."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import optim
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.loops import Loop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(data, **parameters):
    return MLPClassifier((5,), max_iter=3, random_state=0, **parameters).fit(*data)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_grid_search_over_a_pipeline(iris, n_jobs):
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=40, random_state=0, dropout=0.1)
    )
    grid = {
        "mlpclassifier__learning_rate_init": [1e-4, 1e-2],
        "mlpclassifier__solver": ["adam", optim.nadam(1e-2)],
    }
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(*iris)
    assert search.best_score_ > 0.8
    assert search.score(*iris) > 0.8


def threads_in_a_worker():
    from chainrule.engines.cpus import cpu_limit

    return cpu_limit()


def test_a_worker_of_two_takes_half_of_the_machine(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CHAINRULE_THREADS", raising=False)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(threads_in_a_worker)() for _ in range(2))
    assert max(found) <= max(1, joblib.cpu_count() // 2)


def test_a_clone_is_untrained(iris):
    model = fitted(iris, solver=optim.adam(1e-2), callbacks=[])
    copy = clone(model)
    assert not hasattr(copy, "model_")
    assert copy.get_params().keys() == model.get_params().keys()
    assert copy.set_params(solver="adam", alpha=0.5).alpha == 0.5


@pytest.mark.parametrize(
    "solver", ["adam", optim.chain(optim.clip_by_value(1.0), optim.adam(), optim.cosine(9))]
)
def test_pickle_and_joblib_bring_back_the_same_predictions(iris, tmp_path, solver):
    x, y = iris
    model = fitted(iris, dropout=0.2, activation=["gelu"], solver=solver)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        assert (again.predict_proba(x) == model.predict_proba(x)).all()
        assert again.history_ == model.history_
        again.partial_fit(x, y)
        assert again.loss_curve_[:-1] == model.loss_curve_


def test_a_pickled_training_goes_on_bit_for_bit(iris):
    x, y = iris
    model = MLPClassifier((5,), random_state=0).partial_fit(x, y, classes=[0, 1, 2])
    again = pickle.loads(pickle.dumps(model)).partial_fit(x, y)
    assert again.loss_curve_ == model.partial_fit(x, y).loss_curve_


def test_threads_of_python_train_side_by_side(iris):
    model = MLPClassifier((8,), max_iter=10, random_state=0, engine="native")
    alone = model.fit(*iris).loss_curve_
    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(lambda: clone(model).fit(*iris).loss_curve_)() for _ in range(8)
    )
    assert all(curve == alone for curve in found)


# ------------------------------------------------------------------ compiling
@pytest.fixture
def traced(monkeypatch):
    """How often a training step is traced."""
    made = []
    step = Loop._step

    def counted(self, *arguments):
        made.append(arguments)
        return step(self, *arguments)

    monkeypatch.setattr(Loop, "_step", counted)
    return made


def test_a_search_traces_and_compiles_once(iris, compiled, traced):
    numbers = {
        "alpha": [1e-4, 1e-1],
        "learning_rate_init": [1e-3, 1e-2],
        "beta_1": [0.8, 0.9],
        "random_state": [0, 1],
    }
    grid = [{name: values} for name, values in numbers.items()]
    model = MLPClassifier((5,), max_iter=2, engine="native")
    before = None
    for _ in range(2):
        GridSearchCV(model, grid, cv=7, refit=True).fit(*iris)  # folds of 128, 129 and 150 rows
        before = before or len(traced)
    assert len(compiled) == 1 and len(traced) == before <= 8


def test_dropout_rates_schedules_and_limits_are_inputs_too(iris, compiled):
    x, y = iris
    for rate, limit, steps in ((0.1, 1.0, 10), (0.2, 2.0, 20), (0.5, 0.1, 5)):
        model = MLPClassifier((5,), dropout=rate, clip_norm=limit, max_iter=2, engine="native")
        model.set_params(learning_rate=optim.cosine(steps)).fit(x, y)
    assert len(compiled) == 1


def test_a_thousand_short_fits_are_compiled_once_they_would_have_paid(iris, compiled, traced):
    model = MLPClassifier((5,), max_iter=2, random_state=0)
    for seed in range(20):
        model.set_params(random_state=seed).fit(*iris)
    assert compiled == [] and len(traced) <= 3


def test_any_number_of_rows_shares_code(diabetes, compiled):
    x, y = diabetes
    for rows in (120, 100, 128, 150, 70):
        options = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0}
        native_, plain = (
            MLPRegressor(engine=engine, **options).fit(x[:rows], y[:rows]).loss_curve_
            for engine in ("native", "interpret")
        )
        np.testing.assert_allclose(native_, plain, rtol=1e-9)
    assert len(compiled) == 1


def test_predictions_out_of_sample(iris):
    x, y = iris
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), solver="lbfgs", random_state=0))
    assert (cross_val_predict(model, x, y) == y).mean() > 0.9
