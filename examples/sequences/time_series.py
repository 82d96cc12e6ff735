"""Two classic data sets of time series, against 1-nearest-neighbour with dynamic time warping.

``ItalyPowerDemand``: power in the 24 hours of a day, is it winter or summer; 67 days to learn from,
1,029 to test. It counts at which hour something happens; what a GRU knows after the last step, the
default, can say that. ``BasicMotions``: 100 steps of six sensors of a smart watch, standing,
walking, running or badminton; 40 to learn from, 40 to test. A stroke may come at any time, so the
maximum over time stands for the sequence.

Published accuracies of 1-NN with DTW on the same splits:

- ItalyPowerDemand: 0.9504, with the window that is best on the training set 0.9553 (errors 0.0496
  and 0.0447 in the summary of the UCR archive; Dau et al. 2018, "The UCR time series archive",
  arXiv:1810.07758).
- BasicMotions: 0.975 with one path for all sensors (DTW_D), 1.000 with one for each (DTW_I);
  Bagnall et al. 2018, "The UEA multivariate time series classification archive, 2018",
  arXiv:1811.00075.

The data come with the package ``aeon``, of which only the files are read: ``pip install --no-deps
aeon``, or ``--data FOLDER`` with the archive's ``.ts`` files (timeseriesclassification.com).

Run: ``python examples/sequences/time_series.py``
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np

from chainrule.estimators import SequenceClassifier

#: What differs from the defaults, and what 1-NN with DTW reaches.
PROBLEMS = {
    "ItalyPowerDemand": ({}, {"DTW": 0.9504, "DTW, best window": 0.9553}),
    "BasicMotions": ({"pooling": "max"}, {"DTW_D": 0.975, "DTW_I": 1.0}),
}


def folder():
    """Where the files of aeon lie; the package itself is not imported."""
    found = importlib.util.find_spec("aeon")
    if found is None:
        raise SystemExit("Install the data with: pip install --no-deps aeon, or give --data.")
    return Path(found.origin).parent / "datasets" / "data"


def series(path):
    """Sequences ``[T, F]`` and their classes, from a ``.ts`` file of the archive.

    One line for each: the features one after another with ``:`` between, and the class last.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.lower().startswith("@data"))
    rows = [line.split(":") for line in lines[start + 1 :] if line.strip()]
    sequences = [np.array([part.split(",") for part in row[:-1]], float).T for row in rows]
    return sequences, np.array([row[-1].strip() for row in rows])


def accuracies(data, name, seeds, **options):
    """The accuracy on the test set, for each seed."""
    train, test = (series(data / name / f"{name}_{part}.ts") for part in ("TRAIN", "TEST"))
    models = (SequenceClassifier(**options, random_state=seed) for seed in range(seeds))
    return [model.fit(*train).score(*test) for model in models]


def main():
    parser = argparse.ArgumentParser(description="Time series against 1-NN with DTW.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    chosen = parser.parse_args()
    for name, (options, published) in PROBLEMS.items():
        found = accuracies(chosen.data or folder(), name, chosen.seeds, **options)
        peers = ", ".join(f"{peer} {value}" for peer, value in published.items())
        each = " ".join(f"{accuracy:.4f}" for accuracy in found)
        print(
            f"{name:16}  mean {np.mean(found):.4f}  worst {min(found):.4f}  ({each})  1-NN: {peers}"
        )


if __name__ == "__main__":
    main()
