"""Test accuracy on the digits: ours against scikit-learn's ``MLPClassifier``, both as they come.

Thirty stratified splits, scaled by their training rows. Both get the same rows to train on and to
test on, the same seed, and nothing else is set: ours is what ``chainrule train digits`` does. In a
second comparison ours trains on what the command leaves it, a tenth of all rows being watched only,
while scikit-learn keeps all. The interval is Student's t for the mean of the paired differences.
"""

import numpy as np
from scipy import stats
from sklearn.neural_network import MLPClassifier

from chainrule import data, nn, train
from chainrule.cli.options import TrainOptions, named_optimizer
from chainrule.cli.tasks import TASKS

SPLITS = 30
#: The lower end of the interval that we want to reach.
WANTED = -0.005


def ours(x: np.ndarray, t: np.ndarray, x_test: np.ndarray, seed: int) -> np.ndarray:
    """The classes that our network finds."""
    options, task = TrainOptions("digits"), TASKS["classification"]
    rng = np.random.default_rng(seed)
    model, _ = train.fit(
        nn.MLP(64, options.hidden, 10, activation=options.activation, rng=rng),
        task.cost,
        (x, t),
        optimizer=named_optimizer(options.optimizer, options.learning_rate),
        epochs=options.epochs,
        batch_size=options.batch_size,
        rng=rng,
    )
    return task.predict(model(x_test.astype(np.float32)).numpy())


def theirs(x: np.ndarray, t: np.ndarray, x_test: np.ndarray, seed: int) -> np.ndarray:
    """The classes that scikit-learn's network finds."""
    return np.asarray(MLPClassifier(random_state=seed).fit(x, t).predict(x_test))


def accuracies(dataset: data.Dataset, seed: int) -> tuple[float, float, float]:
    """Ours on all training rows, ours without the validation rows, scikit-learn's."""
    split = data.split(dataset.rows, test=0.2, validation=0.1, labels=dataset.t, rng=seed)
    both = np.sort(np.concatenate([split.train, split.validation]))
    scale = data.Scaling.standard(dataset.x[both])
    x, t = scale(dataset.x), dataset.t
    found = (
        ours(x[both], t[both], x[split.test], seed),
        ours(x[split.train], t[split.train], x[split.test], seed),
        theirs(x[both], t[both], x[split.test], seed),
    )
    full, held_out, scikit = (float((classes == t[split.test]).mean()) for classes in found)
    return full, held_out, scikit


def report(name: str, mine: np.ndarray, other: np.ndarray) -> None:
    """Print the mean difference and its 95 % interval."""
    difference = mine - other
    half = stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference)
    low, high = difference.mean() - half, difference.mean() + half
    verdict = "reached" if low >= WANTED else "MISSED"
    print(
        f"{name}: {mine.mean():.4f} against {other.mean():.4f}, "
        f"difference {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}], "
        f"wanted low end {WANTED}: {verdict}"
    )


def main() -> None:
    """Run all splits."""
    dataset = data.datasets.load("digits")
    rows = np.array([accuracies(dataset, seed) for seed in range(SPLITS)])
    full, held_out, scikit = rows.T
    report("same training rows", full, scikit)
    report("ours without validation rows", held_out, scikit)


if __name__ == "__main__":
    main()
