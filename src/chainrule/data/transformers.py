"""The maps of this room as transformers for scikit-learn's pipelines.

Import them from this module: it needs scikit-learn, whose import takes longer than the rest of the
library, so ``import chainrule`` does not load it.

Where scikit-learn has a transformer of the same purpose, this is what differs:

==================  =============================  ============================================
here                there                          what is added here
==================  =============================  ============================================
``Centerer``        ``StandardScaler``             float32 is centred exactly at large offsets
``Standardizer``    ``StandardScaler``             the same
``MinMaxScaler``    ``MinMaxScaler``               the same
``UnitNormalizer``  ``Normalizer``                 lengths neither overflow nor vanish
``PCA``             ``PCA(svd_solver="full")``     only axes along which the rows vary; accurate at
                                                   large offsets; one block of rows at a time
``PCAWhitening``    ``PCA(whiten=True)``           ``ε``; noise is never blown up
``ZCAWhitening``                                   the whole transformer
==================  =============================  ============================================

All are written as plain data (``to_dict``), without pickle, and refuse NaN and infinity, by row and
column. Take scikit-learn's own for what these lack: sparse input, missing values that pass through,
``sample_weight``, ``partial_fit``, randomized solvers.

The fitted map is the attribute ``map_``; it is all that a saved model needs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from chainrule.data.maps import Map
from chainrule.data.moments import Floats, Numbers, as_table
from chainrule.data.principal import ZCA, Projection
from chainrule.data.scaling import Scaling, UnitNorm
from chainrule.errors import DataError, DtypeError

__all__ = [
    "PCA",
    "Centerer",
    "MinMaxScaler",
    "PCAWhitening",
    "Preprocessor",
    "Standardizer",
    "UnitNormalizer",
    "ZCAWhitening",
]

#: NaN and infinity are left to the maps, which say where they are.
TABLE = {"dtype": (np.float64, np.float32), "ensure_all_finite": False}


@contextmanager
def _refusing(who: str) -> Iterator[None]:
    """Errors of scikit-learn's own checks as errors of this library, with the same text in them."""
    try:
        yield
    except TypeError as error:
        raise DtypeError("preprocessing.refused", who=who, cause=str(error)) from None
    except ValueError as error:
        raise DataError("preprocessing.refused", who=who, cause=str(error)) from None


# ---------------------------------------------------------------------- what all have in common
class Preprocessor(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # they have no types
    """A transformer that is a fitted map.

    Attributes
    ----------
    map_
        What has been learned: a :class:`~chainrule.data.Map`.
    n_features_in_, feature_names_in_
        How many features were seen in ``fit``, and their names if they had any.
    """

    kinds: ClassVar[dict[str, type["Preprocessor"]]] = {}
    made_of: ClassVar[type[Map]]
    least_rows: ClassVar[int] = 1

    map_: Map

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "made_of" in vars(cls):
            Preprocessor.kinds[cls.__name__] = cls

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _learn(self, x: Floats) -> Map:
        """The map that the parameters ask for, fitted on ``x``."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from ``X``, the training rows, ``[rows, features]``; ``y`` is not looked at.

        Raises
        ------
        DataError
            If ``X`` is not such a table of finite numbers, or has too few rows.
        OptionError
            If a parameter has no sense.
        """
        with _refusing(f"{self!r}.fit"):
            x = validate_data(self, X, ensure_min_samples=self.least_rows, **TABLE)
        self.map_ = self._learn(x)
        return self

    def transform(self, X: Any) -> Any:
        """``X`` mapped; float32 stays float32.

        Raises
        ------
        DataError
            If ``X`` has other features than in ``fit``, or is not finite.
        """
        check_is_fitted(self)
        with _refusing(f"{self!r}.transform"):
            x = validate_data(self, X, reset=False, **TABLE)
        return self.map_(x)

    def to_dict(self) -> dict[str, Any]:
        """Parameters, names of features, and the map's arrays, as plain data.

        :func:`chainrule.storage.write_json` takes this as it is. What is under ``"map"`` suffices
        to predict: :meth:`Map.from_dict <chainrule.data.Map.from_dict>` reads it without
        scikit-learn.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return {
            "kind": type(self).__name__,
            "parameters": self.get_params(deep=False),
            "names": None if names is None else names.tolist(),
            "map": self.map_.to_dict(),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Preprocessor":
        """The fitted transformer that :meth:`to_dict` wrote.

        Raises
        ------
        DataError
            If ``values`` is something else, or does not fit together.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule.data.transformers import PCA, Preprocessor
        >>> written = PCA(n_components=2).fit(np.eye(4)).to_dict()
        >>> Preprocessor.from_dict(written)
        PCA(n_components=2)
        """
        kinds = Preprocessor.kinds
        kind = values.get("kind") if isinstance(values, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise DataError("preprocessing.kind", kind=kind, known=", ".join(kinds))
        wanted = ("kind", "parameters", "names", "map")
        if set(values) != set(wanted):
            got = ", ".join(map(str, values))
            raise DataError("preprocessing.entries", kind=kind, wanted=", ".join(wanted), got=got)
        try:
            transformer = kinds[kind](**values["parameters"])
        except TypeError as error:
            raise DataError("preprocessing.refused", who=kind, cause=str(error)) from None
        return transformer._restored(Map.from_dict(values["map"]), values["names"])

    def _restored(self, fitted: Map, names: list[str] | None) -> Self:
        if not isinstance(fitted, self.made_of):
            known = self.made_of.__name__
            raise DataError("preprocessing.kind", kind=type(fitted).__name__, known=known)
        self.map_, self.n_features_in_ = fitted, fitted.shape[0]
        if names is not None:
            self.feature_names_in_ = np.array(names, object)
            if self.feature_names_in_.shape != (self.n_features_in_,):
                who, got = type(self).__name__, self.feature_names_in_.shape
                raise DataError(
                    "preprocessing.field", kind=who, name="names", wanted="features", got=got
                )
        return self


class Invertible(Preprocessor):
    """A transformer that can be undone."""

    def inverse_transform(self, X: Any) -> Any:
        """The rows that ``transform`` maps to ``X``.

        Raises
        ------
        DataError
            If ``X`` has another number of columns than ``transform`` gives, or is not finite.
        """
        check_is_fitted(self)
        with _refusing(f"{self!r}.inverse_transform"):
            z = check_array(X, **TABLE)
        return self.map_.inverse(z)


# ---------------------------------------------------------------------- column by column
class Centerer(OneToOneFeatureMixin, Invertible):  # type: ignore[misc]
    """Zero-centring: every feature gets the mean 0.

    Attributes
    ----------
    mean_
        The mean of each feature.

    Examples
    --------
    >>> from chainrule.data.transformers import Centerer
    >>> Centerer().fit_transform([[1.0, 5.0], [3.0, 6.0]])
    array([[-1. , -0.5],
           [ 1. ,  0.5]])
    """

    made_of = Scaling
    map_: Scaling

    def _learn(self, x: Floats) -> Map:
        return Scaling.centred(x)

    @property
    def mean_(self) -> Numbers:
        """The mean of each feature."""
        return self.map_.offset


class Standardizer(OneToOneFeatureMixin, Invertible):  # type: ignore[misc]
    """Every feature gets the mean 0 and the standard deviation 1.

    A feature that does not vary is centred only. See :meth:`chainrule.data.Scaling.standard`.

    Attributes
    ----------
    mean_, scale_
        Mean and standard deviation (divided by ``n``) of each feature.

    Examples
    --------
    >>> from chainrule.data.transformers import Standardizer
    >>> Standardizer().fit_transform([[1.0, 5.0], [3.0, 5.0]])
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    made_of = Scaling
    map_: Scaling

    def _learn(self, x: Floats) -> Map:
        return Scaling.standard(x)

    @property
    def mean_(self) -> Numbers:
        """The mean of each feature."""
        return self.map_.offset

    @property
    def scale_(self) -> Numbers:
        """What each feature is divided by."""
        return self.map_.scale


class MinMaxScaler(OneToOneFeatureMixin, Invertible):  # type: ignore[misc]
    """Every feature fills the interval from ``low`` to ``high`` on the training rows.

    See :meth:`chainrule.data.Scaling.min_max`.

    Examples
    --------
    >>> from chainrule.data.transformers import MinMaxScaler
    >>> MinMaxScaler(low=-1.0).fit_transform([[1.0], [2.0], [5.0]])
    array([[-1. ],
           [-0.5],
           [ 1. ]])
    """

    made_of = Scaling
    map_: Scaling

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self.low = low
        self.high = high

    def _learn(self, x: Floats) -> Map:
        return Scaling.min_max(x, self.low, self.high)


class UnitNormalizer(OneToOneFeatureMixin, Preprocessor):  # type: ignore[misc]
    """Each row divided by its Euclidean length, which cannot be undone.

    See :class:`chainrule.data.UnitNorm`.

    Examples
    --------
    >>> from chainrule.data.transformers import UnitNormalizer
    >>> UnitNormalizer().fit_transform([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """

    made_of = UnitNorm

    def _learn(self, x: Floats) -> Map:
        return UnitNorm(as_table(f"{self!r}.fit", x).shape[1])


# ---------------------------------------------------------------------- along principal axes
class PCA(ClassNamePrefixFeaturesOutMixin, Invertible):  # type: ignore[misc]
    """Coordinates along the principal axes; see :meth:`chainrule.data.Projection.pca`.

    Parameters
    ----------
    n_components
        A number of axes, a share of the variance in ``(0, 1)``, or ``None`` for all along which the
        training rows vary.

    Attributes
    ----------
    mean_, components_
        Where rows are centred, and the axes, ``[components, features]``.
    explained_variance_, explained_variance_ratio_
        The variance along each axis (divided by ``n − 1``), and its share of all variance.
    n_components_
        How many axes there are.

    Examples
    --------
    >>> from chainrule import data
    >>> from chainrule.data.transformers import PCA
    >>> pca = PCA(n_components=0.95).fit(data.datasets.load("iris").x)
    >>> pca.explained_variance_ratio_
    array([0.925, 0.053])
    """

    made_of = Projection
    least_rows = 2
    map_: Projection

    def __init__(self, n_components: float | None = None) -> None:
        self.n_components = n_components

    def _learn(self, x: Floats) -> Map:
        return Projection.pca(x, self.n_components)

    @property
    def mean_(self) -> Numbers:
        """Where rows are centred."""
        return self.map_.mean

    @property
    def components_(self) -> Numbers:
        """The axes, one in a row."""
        return self.map_.axes

    @property
    def explained_variance_(self) -> Numbers:
        """The variance along each axis: an eigenvalue of the covariance matrix."""
        return np.square(self.map_.deviation)

    @property
    def explained_variance_ratio_(self) -> Numbers:
        """The share of the variance along each axis."""
        return self.map_.share

    @property
    def n_components_(self) -> int:
        """How many axes there are."""
        return self.map_.shape[1]

    @property
    def _n_features_out(self) -> int:
        return self.n_components_


class PCAWhitening(PCA):
    """Principal coordinates of variance 1; see :meth:`chainrule.data.Projection.whitening`.

    Parameters
    ----------
    n_components
        As for :class:`PCA`, whose attributes this has too.
    epsilon
        Added to each eigenvalue before the square root is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> from chainrule.data.transformers import PCAWhitening
    >>> z = PCAWhitening().fit_transform(data.datasets.load("iris").x)
    >>> np.allclose(np.cov(z.T), np.eye(4))
    True
    """

    made_of = Projection

    def __init__(self, n_components: float | None = None, epsilon: float = 0.0) -> None:
        super().__init__(n_components)
        self.epsilon = epsilon

    def _learn(self, x: Floats) -> Map:
        return Projection.whitening(x, self.n_components, self.epsilon)


class ZCAWhitening(OneToOneFeatureMixin, Invertible):  # type: ignore[misc]
    """Whitening that turns nothing; see :class:`chainrule.data.ZCA`.

    Parameters
    ----------
    epsilon
        Added to each eigenvalue before the square root is taken.

    Attributes
    ----------
    mean_
        The mean of each feature.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> from chainrule.data.transformers import ZCAWhitening
    >>> z = ZCAWhitening().fit_transform(data.datasets.load("iris").x)
    >>> np.allclose(np.cov(z.T), np.eye(4))
    True
    """

    made_of = ZCA
    least_rows = 2
    map_: ZCA

    def __init__(self, epsilon: float = 0.0) -> None:
        self.epsilon = epsilon

    def _learn(self, x: Floats) -> Map:
        return ZCA.whitening(x, self.epsilon)

    @property
    def mean_(self) -> Numbers:
        """The mean of each feature."""
        return self.map_.mean
