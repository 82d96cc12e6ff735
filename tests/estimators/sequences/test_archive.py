"""The published accuracy of 1-NN with DTW, on data sets that the package ``aeon`` ships.

Without its files the tests are skipped; ``pip install --no-deps aeon`` brings them.
"""

import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "sequences" / "time_series.py"

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(importlib.util.find_spec("aeon") is None, reason="aeon is not installed"),
]


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("time_series", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["ItalyPowerDemand", "BasicMotions"])
def test_the_accuracy_of_warped_neighbours_is_reached(example, name):
    options, published = example.PROBLEMS[name]
    (found,) = example.accuracies(example.folder(), name, 1, **options)
    assert found >= max(published.values())
