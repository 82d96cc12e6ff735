"""Estimators that learn from tables: one row of features for each target."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import validate_data

from chainrule import nn
from chainrule.estimators.base import NetworkEstimator, single_column
from chainrule.estimators.checks import CONSTRAINTS
from chainrule.estimators.network import (
    activations_of,
    initial_network,
    weights_of,
    with_weights,
)
from chainrule.estimators.tables import categorical_columns, encoded, encoder_for

__all__ = ["TableEstimator"]

#: Number types that a network can have.
FLOATS = [np.float64, np.float32]


@dataclass(eq=False, repr=False, kw_only=True)
class TableEstimator(NetworkEstimator):
    """What the estimators for tables share beside :class:`~chainrule.estimators.base`.

    Parameters
    ----------
    max_fun
        The most evaluations of L-BFGS.
    categorical_features
        Columns that hold categories and are encoded one-hot: ``"from_dtype"`` takes the columns of
        a dataframe whose type is categorical; or a mask, numbers or names; ``None``: no column.

    Attributes
    ----------
    model_
        The trained network, a :class:`chainrule.nn.MLP`; its inputs are encoded.
    n_features_in_, feature_names_in_
        How many columns ``X`` had, and their names if all are strings.
    encoder_
        The transformer of the categorical columns, or ``None``.
    """

    max_fun: int = 15000
    categorical_features: Any = "from_dtype"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        **{name: CONSTRAINTS[name] for name in ("max_fun", "categorical_features")},
    }

    # ------------------------------------------------------------------ data
    def _checked(self, X: Any, y: Any, weight: Any, first: bool) -> tuple[Any, Any]:
        """Features as numbers, and targets, both checked."""
        wanted = (FLOATS if self.dtype == "auto" else np.dtype(self.dtype)) if first else self._type
        options = {
            "accept_sparse": "csr",
            "dtype": wanted,
            "order": "C",
            "multi_output": True,
            "y_numeric": self._numeric_target,
        }
        if first:
            columns = categorical_columns(X, self.categorical_features)
            self.encoder_ = encoder_for(columns) if columns else None
        if self.encoder_ is None:
            x, y = validate_data(self, X, y, reset=first, **options)
        else:
            validate_data(self, X, y, reset=first, skip_check_array=True)
            x, y = check_X_y(encoded(self.encoder_, X, fit=first), y, estimator=self, **options)
        return x, single_column(y)

    def _checked_features(self, X: Any, dtype: np.dtype[Any]) -> Any:
        """Features of other rows, as numbers."""
        options = {"accept_sparse": "csr", "dtype": dtype, "order": "C"}
        if self.encoder_ is None:
            return validate_data(self, X, reset=False, **options)
        validate_data(self, X, reset=False, skip_check_array=True)
        return check_array(encoded(self.encoder_, X), estimator=self, **options)

    def _initial_network(self, random: np.random.RandomState, x: Any, outputs: int) -> nn.MLP:
        # Linear models do not have these parameters.
        activations = getattr(self, "activation", "identity")
        dropout, sizes = getattr(self, "dropout", 0.0), self._hidden_sizes
        layers = [x.shape[1], *sizes, outputs]
        named = activations_of(activations, len(sizes))
        return initial_network(random, layers, named, dropout, x.dtype)

    def _view(self, network: Any, x: Any) -> Any:
        view = super()._view(network, x)
        view.encoder_, view.n_features_in_ = None, x.shape[1]
        vars(view).pop("feature_names_in_", None)
        return view

    # ------------------------------------------------------------------ what was learned
    def _network(self) -> nn.MLP:
        network: nn.MLP = self.model_
        return network

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, ``[n_in, n_out]``; setting them makes a new network."""
        return [weight.numpy() for weight in weights_of(self._network())[0]]

    @coefs_.setter
    def coefs_(self, coefs: list[np.ndarray]) -> None:
        self.model_ = with_weights(self._network(), coefs, self.intercepts_)

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer, ``[n_out]``; setting them makes a new network."""
        return [bias.numpy() for bias in weights_of(self._network())[1]]

    @intercepts_.setter
    def intercepts_(self, intercepts: list[np.ndarray]) -> None:
        self.model_ = with_weights(self._network(), self.coefs_, intercepts)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
