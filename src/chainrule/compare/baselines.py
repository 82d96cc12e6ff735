"""What a network has to beat: a linear model and gradient-boosted trees on the same rows.

Both are scikit-learn's, with the settings that its users would begin with. Work is bounded by
counting, not by a clock, so that the same rows give the same comparison on every machine.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import words
from chainrule.engines import one_thread
from chainrule.errors import DataError, OptionError

__all__ = ["Baseline", "Baselines", "accuracy", "r_squared", "train_baselines"]

Arrays = tuple[np.ndarray, np.ndarray]

#: Above this many rows, or numbers in ``x``, a baseline hardly gets better and takes long.
ROWS, CELLS = 100_000, 20_000_000
#: What fits into about half a minute on one core: multiplications of the linear model, and
#: histogram entries of the trees.
MULTIPLICATIONS, ENTRIES = 6e10, 4e9
#: A small tree takes as long as this many entries.
SMALL_TREE = 300_000
#: Iterations of the linear model's solver where nothing limits them.
ITERATIONS = 5000
#: Boosting rounds: until rows held back say enough, or a fixed number where rows are too dear to
#: be held back. On iris, wine, breast_cancer and diabetes, 30 predict as well as early stopping or
#: better, and 100 learn the noise of diabetes by heart (R² 0.39 against 0.46; 8 splits).
ROUNDS, FEW_ROUNDS = 100, 30
#: The fewest rows, in all and of any class, of which some are held back.
EARLY_ROWS, MEMBERS = 500, 10
#: Below this many numbers in ``x`` threads wait for each other: on a busy machine, two of them
#: took 17 times the processor time of one for the trees of the digits.
THREADED_CELLS = 1_000_000


@dataclass(frozen=True, eq=False)
class Baseline:
    """One trained model and what it says about the test rows.

    Attributes
    ----------
    name
        ``"linear_model"`` or ``"boosted_trees"``.
    score
        Accuracy, or R² averaged over the targets, on the test rows.
    predicted
        What it predicts for the test rows; the same shape as their targets.
    probabilities
        The probability of each class, ``[rows, classes]``; ``None`` for regression.
    seconds
        How long training took.
    """

    name: str
    score: float
    predicted: np.ndarray
    probabilities: np.ndarray | None
    seconds: float


@dataclass(frozen=True)
class Baselines:
    """The baselines that could be trained, and what is to be said about them.

    Attributes
    ----------
    models
        The linear model first.
    notes
        Sentences: rows that were left out to save time, a model that could not be trained, …
    """

    models: tuple[Baseline, ...]
    notes: tuple[str, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """The score of each model by its name."""
        return {model.name: model.score for model in self.models}

    @property
    def predictions(self) -> dict[str, np.ndarray]:
        """What each model predicts for the test rows, by its name."""
        return {model.name: model.predicted for model in self.models}


# ---------------------------------------------------------------------- scores
def accuracy(predicted: np.ndarray, t: np.ndarray) -> float:
    """The share of rows whose class is found.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import compare
    >>> compare.accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    0.75
    """
    return float((predicted == t).mean())


def r_squared(predicted: np.ndarray, t: np.ndarray) -> float:
    """The share of a target's variance that is explained, averaged over the targets that vary.

    ``R² = 1 − Σ (t − y)² / Σ (t − t̄)²`` for ``t`` and ``y`` of shape ``[rows]`` or
    ``[rows, targets]``; NaN where every target is the same in all rows: then there is nothing to
    explain.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import compare
    >>> compare.r_squared(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    0.5
    """
    error = np.atleast_1d(((t - predicted) ** 2).sum(axis=0))
    spread = np.atleast_1d(((t - t.mean(axis=0)) ** 2).sum(axis=0))
    varying = spread > 0
    return float((1 - error[varying] / spread[varying]).mean()) if varying.any() else float("nan")


# ---------------------------------------------------------------------- training
def train_baselines(
    task: str,
    train: Arrays,
    test: Arrays,
    *,
    rows: np.ndarray | None = None,
    classes: int | None = None,
    seed: int = 0,
) -> Baselines:
    """Train a linear model and gradient-boosted trees, and let them predict the test rows.

    Parameters
    ----------
    task
        ``"classification"``: logistic regression and boosted classification trees.
        ``"regression"``: ridge regression and boosted regression trees, one ensemble per target.
    train, test
        ``(x, t)``: features ``[rows, features]`` as the network sees them, without NaN, and class
        numbers ``[rows]`` or values ``[rows]`` or ``[rows, targets]``.
    rows
        The numbers of the rows of ``train`` to train on; by default all.
    classes
        How many classes there are; by default the highest class number + 1. A class without
        training rows has probability 0.
    seed
        Decides which rows are held back for early stopping, and which are used where there are
        more than 100,000 of them (or 20 million numbers).

    Returns
    -------
    Baselines
        A model that cannot be trained on these rows is left out, and a note says why.

    Raises
    ------
    DataError, OptionError
        If ``task`` or a shape is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import compare
    >>> x = np.linspace(-1, 1, 60)[:, None]
    >>> found = compare.train_baselines("regression", (x, 3 * x), (x, 3 * x))
    >>> list(found.scores), found.predictions["linear_model"].shape
    (['linear_model', 'boosted_trees'], (60, 1))
    >>> found.scores["linear_model"] > 0.99
    True
    """
    _check(task, train, test)
    used, notes = _rows_used(train[0], rows, np.random.default_rng(seed))
    x, t = train[0][used], train[1][used]
    if task == "regression":
        makers = _regressors(x, t, seed)
        classes = 0
    else:
        classes = classes or 1 + int(max(train[1].max(), test[1].max()))
        makers = _classifiers(x, t, seed)
        if len(np.unique(t)) == 1:
            notes.append(words.text("compare.one_class", rows=len(t)))
    models = []
    with one_thread() if x.size < THREADED_CELLS else nullcontext():
        for name, make in makers.items():
            try:
                models.append(_trained(name, make(), (x, t), test, classes, notes))
            # What scikit-learn says about rows that nobody has thought of is a note, not the end
            # of the training that the user has waited for.
            except (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as error:
                notes.append(words.text("compare.failed", name=_label(name), cause=error))
    return Baselines(tuple(models), tuple(notes))


def _trained(
    name: str, model: Any, train: Arrays, test: Arrays, classes: int, notes: list[str]
) -> Baseline:
    """Train one model and let it predict."""
    x, t = test
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters in them is said in the notes
        model.fit(*train)
        seconds = time.perf_counter() - began
        predicted = np.asarray(model.predict(x)).reshape(t.shape)
        probabilities = _probabilities(model, x, classes)
    if not np.isfinite(predicted).all():
        raise ValueError(words.text("compare.not_finite"))
    notes.extend(_shortened(name, model))
    score = accuracy if probabilities is not None else r_squared
    return Baseline(name, score(predicted, t), predicted, probabilities, seconds)


def _probabilities(model: Any, x: np.ndarray, classes: int) -> np.ndarray | None:
    """The probability of every class, also of those that the model has never met."""
    if not hasattr(model, "predict_proba"):
        return None
    probabilities = np.zeros((len(x), classes))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return probabilities


def _shortened(name: str, model: Any) -> list[str]:
    """Sentences about a model that got less work than usual."""
    limit = getattr(model, "max_iter", None)
    if name == "linear_model" and limit and np.max(model.n_iter_) >= limit:
        return [words.text("compare.unfinished", name=_label(name), iterations=limit)]
    rounds = getattr(getattr(model, "estimator", model), "max_iter", ROUNDS)
    if name == "boosted_trees" and rounds < FEW_ROUNDS:
        return [words.text("compare.few_rounds", name=_label(name), rounds=rounds)]
    return []


def _label(name: str) -> str:
    labels = {
        "linear_model": words.text("compare.linear_model"),
        "boosted_trees": words.text("compare.boosted_trees"),
    }
    return labels[name]


# ---------------------------------------------------------------------- models
def _classifiers(x: np.ndarray, t: np.ndarray, seed: int) -> Mapping[str, Callable[[], Any]]:
    """Logistic regression and gradient-boosted trees; or what any model learns from one class."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    members = np.unique(t, return_counts=True)[1]
    if len(members) == 1:
        return {"linear_model": DummyClassifier, "boosted_trees": DummyClassifier}
    # Two classes need one column of weights and one tree per round.
    outputs = len(members) if len(members) > 2 else 1
    # The rows held back, a tenth, are divided by class: each needs one of them.
    early = members.min() >= MEMBERS and len(t) >= max(EARLY_ROWS, 10 * len(members))
    iterations = int(np.clip(MULTIPLICATIONS / (4 * x.size * outputs), 50, ITERATIONS))
    options = _tree_options(x, outputs, early, seed)
    return {
        "linear_model": lambda: LogisticRegression(max_iter=iterations),
        "boosted_trees": lambda: HistGradientBoostingClassifier(**options),
    }


def _regressors(x: np.ndarray, t: np.ndarray, seed: int) -> Mapping[str, Callable[[], Any]]:
    """Ridge regression, and gradient-boosted trees for each target."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.multioutput import MultiOutputRegressor

    outputs = t.shape[1] if t.ndim == 2 else 1
    options = _tree_options(x, outputs, len(t) >= EARLY_ROWS, seed)

    def trees() -> Any:
        one = HistGradientBoostingRegressor(**options)
        return MultiOutputRegressor(one) if t.ndim == 2 else one

    return {"linear_model": Ridge, "boosted_trees": trees}


def _tree_options(x: np.ndarray, outputs: int, early: bool, seed: int) -> dict[str, Any]:
    """Early stopping or few rounds, within the budget."""
    affordable = int(ENTRIES / (outputs * (x.size + SMALL_TREE)))
    rounds = min(ROUNDS if early else FEW_ROUNDS, max(5, affordable))
    return {"max_iter": rounds, "early_stopping": early, "random_state": seed}


# ---------------------------------------------------------------------- rows
def _check(task: str, train: Arrays, test: Arrays) -> None:
    """Refuse what no model could be trained on."""
    if task not in ("classification", "regression"):
        raise OptionError("compare.task", task=task)
    for part, (x, t) in {"train": train, "test": test}.items():
        if x.ndim != 2 or t.ndim not in (1, 2) or not len(x) == len(t) > 0:
            raise DataError("compare.rows", part=part, x=x.shape, t=t.shape)
        if task == "classification" and t.ndim != 1:
            raise DataError("compare.targets", shape=t.shape)


def _rows_used(
    x: np.ndarray, rows: np.ndarray | None, rng: np.random.Generator
) -> tuple[Any, list[str]]:
    """The rows that the baselines are trained on, and a note where that is not all of them."""
    limit, count = min(ROWS, CELLS // max(1, x.shape[1])), len(x) if rows is None else len(rows)
    if count <= limit:
        return slice(None) if rows is None else rows, []
    chosen = np.sort(rng.choice(count, max(1, limit), replace=False))
    note = words.text("compare.sampled", used=len(chosen), rows=count)
    return chosen if rows is None else rows[chosen], [note]
