"""The data sets that ship with scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets as sources

from chainrule.data import datasets
from chainrule.errors import DataError


@pytest.mark.parametrize("name", datasets.names())
def test_a_data_set_is_complete(name: str) -> None:
    dataset = datasets.load(name)
    assert dataset.name == name and dataset.source
    assert dataset.x.shape == (dataset.rows, dataset.features)
    assert dataset.x.dtype == np.float64
    assert len(dataset.feature_names) == dataset.features
    assert np.isfinite(dataset.x).all()
    if dataset.task == "classification":
        assert dataset.t.shape == (dataset.rows,)
        assert dataset.t.dtype == np.int64
        assert set(dataset.t.tolist()) == set(range(dataset.outputs))
        assert len(dataset.class_names) == dataset.outputs
        assert len(dataset.target_names) == 1
    else:
        assert dataset.t.shape == (dataset.rows, dataset.outputs)
        assert dataset.t.dtype == np.float64
        assert np.isfinite(dataset.t).all()
        assert dataset.class_names == ()


@pytest.mark.parametrize("name", datasets.names())
def test_the_numbers_are_those_of_scikit_learn(name: str) -> None:
    options = {"scaled": False} if name == "diabetes" else {}
    x, t = getattr(sources, f"load_{name}")(return_X_y=True, **options)
    dataset = datasets.load(name)
    np.testing.assert_array_equal(dataset.x, x)
    np.testing.assert_array_equal(dataset.t, np.reshape(t, dataset.t.shape))


def test_every_complete_data_set_of_scikit_learn_is_there() -> None:
    loaders = {name for name in dir(sources) if name.startswith("load_")}
    others = {"load_files", "load_sample_image", "load_sample_images", "load_svmlight_file"}
    others |= {"load_svmlight_files"}
    assert loaders - others == {f"load_{name}" for name in datasets.names()}


def test_data_cannot_be_changed_by_accident() -> None:
    dataset = datasets.load("iris")
    with pytest.raises(ValueError, match="read-only"):
        dataset.x[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        dataset.t[0] = 1


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"'digit'.* Did you mean 'digits'\?.*iris"):
        datasets.load("digit")


def test_scikit_learn_is_imported_when_the_first_data_set_is_loaded() -> None:
    code = """if True:
        import sys
        import chainrule.data
        assert "sklearn" not in sys.modules
        chainrule.data.datasets.load("iris")
        assert "sklearn" in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True)
