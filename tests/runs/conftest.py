"""What several tests of runs share: models that were trained for a moment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, runs


class Case(NamedTuple):
    """A trained model, the rows that it was trained on, and where it is stored."""

    path: Path
    model: Any
    x: np.ndarray
    scaling: data.Map

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """What the model itself puts out."""
        return np.asarray(self.model(self.scaling(x).astype(np.float32)))


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A network for iris, stored with its preprocessing and the names of its classes."""
    dataset = data.datasets.load("iris")
    scaling = data.Scaling.standard(dataset.x)
    model = nn.MLP(4, [8], 3, dropout=0.1, rng=0)

    def cost(model: Any, x: Any, t: Any, key: Any = None) -> Any:
        return nn.cross_entropy(model(x, key=key), t)

    model, history = cr.fit(model, cost, (scaling(dataset.x), dataset.t), epochs=3)
    path = runs.save(
        tmp_path_factory.mktemp("iris") / "iris-001",
        model,
        dict(zip(dataset.feature_names, dataset.x.T, strict=True)),
        preprocessing=scaling,
        target=runs.Classes(dataset.class_names),
        history=history,
        facts={"task": "classification", "score": {"accuracy": np.float64(0.5)}},
    )
    return Case(path, model, dataset.x, scaling)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., runs.TrainedRun]:
    """Stores a model in a directory of its own, and reads it again."""

    def save(model: Any, example: Any, **options: Any) -> runs.TrainedRun:
        runs.save(tmp_path / "run-001", model, example, **options)
        return cr.load(tmp_path / "run-001")

    return save
