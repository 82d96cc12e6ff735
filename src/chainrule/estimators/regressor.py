"""Regression: networks and linear models."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from chainrule.errors import DataError
from chainrule.estimators.base import NetworkEstimator
from chainrule.estimators.checks import CONSTRAINTS, REGRESSOR_LOSS
from chainrule.estimators.classifier import is_stochastic
from chainrule.estimators.losses import REGRESSION, Loss, OwnLoss
from chainrule.estimators.solvers import LBFGS
from chainrule.estimators.tabular import TableEstimator

__all__ = ["LinearRegressor", "MLPRegressor"]


@dataclass(eq=False, repr=False, kw_only=True)
class Regressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """What regressors share, of tables and of sequences."""

    loss: Any = "squared_error"

    _numeric_target: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "loss": REGRESSOR_LOSS,
    }

    def _encode(self, y: Any, first: bool, dtype: np.dtype[Any]) -> np.ndarray:
        targets: np.ndarray = np.asarray(y, dtype)
        if self.loss == "poisson" and (targets < 0).any():
            raise DataError("estimators.poisson", smallest=targets.min())
        return targets.reshape(len(targets), -1)

    def _loss(self) -> Loss:
        return REGRESSION[self.loss] if isinstance(self.loss, str) else OwnLoss(self.loss)

    def _output_count(self, y: Any) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _score_outputs(self, z: np.ndarray, y: Any, weight: Any) -> float:
        return float(r2_score(y, self._values_of(z), sample_weight=weight))

    def _values_of(self, z: np.ndarray) -> np.ndarray:
        values = np.exp(z) if self.out_activation_ == "exp" else z
        return values.ravel() if values.shape[1] == 1 else values

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over some rows, from the weights and the optimizer's state that are there.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.

        Raises
        ------
        OptionError
            With early stopping: a part does not know the whole.
        """
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """The predicted values, ``[N]``, or ``[N, K]`` for several outputs.

        Parameters
        ----------
        X
            As for :meth:`fit`.
        """
        return self._values_of(self._outputs(X))


@dataclass(eq=False, repr=False)
class MLPRegressor(TableEstimator, Regressor):
    """A multi-layer perceptron that predicts numbers: scikit-learn's, trained by compiled code.

    In place of ``from sklearn.neural_network import MLPRegressor``: parameters and attributes have
    the same names and meanings, and the same ``random_state`` gives the same network up to
    rounding.

    Parameters
    ----------
    loss
        ``"squared_error"`` (half of it), ``"poisson"`` (half of the deviance; predictions are
        exponentials), ``"absolute_error"``, ``"huber"``, each summed over the outputs; or a
        function ``loss(outputs, t)`` → mean over the rows, with ``sample_weight`` as a keyword if
        there are weights.
    hidden_layer_sizes
        The sizes of the hidden layers; ``()`` for a linear model.
    activation
        What follows each hidden layer; see :class:`~chainrule.estimators.MLPClassifier`.
    dropout
        Sets this part of the hidden numbers to 0 in training.
    **parameters
        All others are those of :class:`~chainrule.estimators.tabular.TableEstimator` and
        :class:`~chainrule.estimators.base.NetworkEstimator`.

    Attributes
    ----------
    coefs_, intercepts_
        Weights and biases of each layer.

    Notes
    -----
    With several outputs scikit-learn reports the *mean* of the squared errors over the outputs and
    goes down the gradient of their *sum*. Here the loss is what is minimized: the sum.

    See Also
    --------
    chainrule.estimators.base.NetworkEstimator : the other parameters and attributes.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> regressor = MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", random_state=0)
    >>> regressor.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.99
    True
    """

    loss: Any = "squared_error"
    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    dropout: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Regressor._parameter_constraints,
        **TableEstimator._parameter_constraints,
        **{name: CONSTRAINTS[name] for name in ("hidden_layer_sizes", "activation", "dropout")},
    }


@dataclass(eq=False, repr=False, kw_only=True)
class LinearRegressor(TableEstimator, Regressor):
    """A linear model for any of our losses: :class:`MLPRegressor` without hidden layers.

    Parameters
    ----------
    solver
        By default ``"lbfgs"``: the problem is convex.
    **parameters
        All others are those of :class:`MLPRegressor`, without ``hidden_layer_sizes``,
        ``activation`` and ``dropout``.

    Attributes
    ----------
    coef_, intercept_
        As scikit-learn's linear models have them: ``[D]`` and a number, ``[K, D]`` and ``[K]`` for
        several outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators import LinearRegressor
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = LinearRegressor(alpha=0, random_state=0).fit(X, [1.0, 3.0, 5.0])
    >>> model.coef_.round(3), round(float(model.intercept_), 3)
    (array([2.]), 1.0)
    """

    solver: Any = LBFGS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Regressor._parameter_constraints,
        **TableEstimator._parameter_constraints,
    }

    @property
    def coef_(self) -> np.ndarray:
        """One row of weights for each output."""
        weight = self.coefs_[-1].T
        return weight[0] if len(weight) == 1 else weight

    @property
    def intercept_(self) -> Any:
        """One bias for each output."""
        bias = self.intercepts_[-1]
        return bias[0] if len(bias) == 1 else bias
