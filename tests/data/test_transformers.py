"""The maps as scikit-learn transformers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from chainrule import data, storage
from chainrule.data import transformers
from chainrule.data.transformers import Preprocessor
from chainrule.errors import DataError, DtypeError, OptionError

IRIS = data.datasets.load("iris")
FRAME = pd.DataFrame(IRIS.x, columns=list(IRIS.feature_names))

every_kind = pytest.mark.parametrize("kind", Preprocessor.kinds.values(), ids=Preprocessor.kinds)

ROTATING = {"PCA", "PCAWhitening"}
NO_INVERSE = {"UnitNormalizer"}


def test_every_public_transformer_can_be_read_back() -> None:
    assert {*Preprocessor.kinds, "Preprocessor"} == set(transformers.__all__)


@every_kind
def test_scikit_learn_finds_nothing_to_complain_about(kind: Any) -> None:
    results = check_estimator(kind(), on_skip=None)
    assert len(results) > 40
    others = {result["check_name"] for result in results if result["status"] != "passed"}
    # Runs only where the variable SCIPY_ARRAY_API is set before SciPy is imported.
    assert others <= {"check_array_api_input"}


@every_kind
def test_it_does_what_its_map_does(kind: Any) -> None:
    transformer = kind().fit(IRIS.x)
    z = transformer.transform(IRIS.x)
    assert np.array_equal(z, transformer.map_(IRIS.x))
    assert np.array_equal(z, kind().fit_transform(IRIS.x))
    if kind.__name__ in NO_INVERSE:
        assert not hasattr(transformer, "inverse_transform")
    else:
        np.testing.assert_allclose(transformer.inverse_transform(z), IRIS.x, atol=1e-12)


@every_kind
def test_plain_data_keep_parameters_names_and_every_digit(kind: Any, tmp_path: Path) -> None:
    transformer = kind().fit(FRAME)
    storage.write_json(tmp_path / "it.json", transformer.to_dict())
    again = Preprocessor.from_dict(storage.read_json(tmp_path / "it.json"))
    assert type(again) is kind
    assert again.get_params() == transformer.get_params()
    assert list(again.get_feature_names_out()) == list(transformer.get_feature_names_out())
    pd.testing.assert_frame_equal(
        again.set_output(transform="pandas").transform(FRAME),
        transformer.set_output(transform="pandas").transform(FRAME),
    )
    with pytest.raises(DataError, match="feature names should match"):
        again.transform(FRAME[FRAME.columns[::-1]])


def test_parameters_are_written() -> None:
    whitening = transformers.PCAWhitening(n_components=2, epsilon=0.5).fit(IRIS.x)
    again = Preprocessor.from_dict(whitening.to_dict())
    assert repr(again) == "PCAWhitening(epsilon=0.5, n_components=2)"
    assert not hasattr(again, "feature_names_in_")


@every_kind
def test_names_of_features(kind: Any) -> None:
    transformer = kind().set_output(transform="pandas")
    found = list(transformer.fit_transform(FRAME).columns)
    prefix = kind.__name__.lower()
    expected = [f"{prefix}{n}" for n in range(4)] if kind.__name__ in ROTATING else [*FRAME.columns]
    assert found == expected


def test_attributes_have_scikit_learns_names() -> None:
    x = IRIS.x
    np.testing.assert_allclose(transformers.Centerer().fit(x).mean_, x.mean(axis=0))
    standardizer = transformers.Standardizer().fit(x)
    np.testing.assert_allclose(standardizer.mean_, x.mean(axis=0))
    np.testing.assert_allclose(standardizer.scale_, x.std(axis=0))
    pca = transformers.PCA(2).fit(x)
    np.testing.assert_allclose(pca.mean_, x.mean(axis=0))
    assert (pca.n_components_, pca.components_.shape) == (2, (2, 4))
    variance = pca.transform(x).var(axis=0, ddof=1)
    np.testing.assert_allclose(pca.explained_variance_, variance)
    np.testing.assert_allclose(
        pca.explained_variance_ratio_, variance / x.var(axis=0, ddof=1).sum()
    )
    np.testing.assert_allclose(transformers.ZCAWhitening().fit(x).mean_, x.mean(axis=0))


def test_a_pipeline_is_searched_and_cloned() -> None:
    pipeline = make_pipeline(transformers.PCAWhitening(), LogisticRegression())
    grid = {"pcawhitening__n_components": [1, 2, 0.99], "pcawhitening__epsilon": [0, 1e-2]}
    search = GridSearchCV(pipeline, grid, cv=data.folds(150, 3, labels=IRIS.t))
    assert search.fit(IRIS.x, IRIS.t).best_score_ > 0.9
    assert not hasattr(clone(search.best_estimator_[0]), "map_")


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, 2.0], r"(?s)Standardizer\(\).fit cannot use this input.*Reshape your data"),
        ([[1.0], [np.nan]], "nan in row 1, column 0"),
        ([["a"], ["b"]], "could not convert string to float: 'a'"),
        (np.ones((0, 3)), "0 sample"),
    ],
)
def test_senseless_tables_are_one_error_of_this_library(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        transformers.Standardizer().fit(x)


def test_what_scikit_learn_calls_a_type_error_stays_one() -> None:
    with pytest.raises(DtypeError, match=r"must be a string or a.* number"):
        transformers.Standardizer().fit([[{"a": 1}]])


@pytest.mark.parametrize(
    "transformer",
    [
        transformers.PCA(0),
        transformers.PCA(5),
        transformers.PCAWhitening(epsilon=-1),
        transformers.ZCAWhitening(epsilon=-1),
        transformers.MinMaxScaler(low=2),
    ],
    ids=repr,
)
def test_senseless_parameters_are_refused_by_fit(transformer: Any) -> None:
    with pytest.raises(OptionError):
        transformer.fit(IRIS.x)


@every_kind
def test_what_is_not_fitted_says_so(kind: Any) -> None:
    with pytest.raises(NotFittedError):
        kind().transform(IRIS.x)
    with pytest.raises(NotFittedError):
        kind().to_dict()


WRITTEN = transformers.PCA(2).fit(FRAME).to_dict()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"kind": "PCAA"}, "'PCAA'"),
        ({"kind": "ZCAWhitening"}, "n_components"),
        ({"parameters": {"colour": 1}}, "colour"),
        ({"parameters": None}, "PCA cannot use"),
        ({"names": ["a", "b"]}, "names"),
        ({"names": 7}, "names"),
        ({"map": data.UnitNorm(4).to_dict()}, "'UnitNorm'"),
        ({"map": None}, "None"),
        ({"more": 1}, "more"),
    ],
)
def test_damaged_data_are_refused(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocessor.from_dict({**WRITTEN, **damage})


def test_scikit_learn_is_imported_with_this_module_only() -> None:
    code = """if True:
        import sys
        import chainrule
        assert "sklearn" not in sys.modules
        import chainrule.data.transformers
    """
    subprocess.run([sys.executable, "-c", code], check=True)
