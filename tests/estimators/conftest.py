"""Small real data, scaled."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from chainrule.engines import native
from chainrule.engines.native.training import LoopDesign
from chainrule.estimators.loops import loop_of


@pytest.fixture(scope="session")
def iris():
    x, y = load_iris(return_X_y=True)
    return scale(x), y


@pytest.fixture(scope="session")
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return scale(x)[:150], y[:150] / 100


@pytest.fixture(scope="session")
def labels(iris):
    """Three yes-or-no questions about the flowers."""
    x, _ = iris
    return (x[:, :3] + x[:, 1:] > 0).astype(int)


@pytest.fixture(scope="session")
def weights():
    return np.random.default_rng(0).uniform(0.1, 2.0, 150)


@pytest.fixture
def compiled(monkeypatch):
    """What is compiled, with nothing known before."""
    made = []
    artifact = LoopDesign.artifact

    def counted(self):
        made.append(self)
        return artifact(self)

    monkeypatch.setenv("CHAINRULE_CACHE", "")
    monkeypatch.setattr("chainrule.engines.native._compiled", native._Cache())
    monkeypatch.setattr(LoopDesign, "artifact", counted)
    loop_of.cache_clear()
    yield made
    loop_of.cache_clear()
