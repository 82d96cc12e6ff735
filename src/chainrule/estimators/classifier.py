"""Classification: networks and linear models."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from chainrule import nn
from chainrule.errors import DataError, OptionError
from chainrule.estimators.base import NetworkEstimator
from chainrule.estimators.checks import CLASSIFIER_LOSS, CONSTRAINTS
from chainrule.estimators.losses import Loss, OwnLoss, binary_log_loss, log_loss
from chainrule.estimators.solvers import LBFGS
from chainrule.estimators.tabular import TableEstimator

__all__ = ["LinearClassifier", "MLPClassifier"]


def is_stochastic(estimator: Any) -> bool:
    """Whether the solver takes steps on mini-batches, so that there is a ``partial_fit``."""
    return bool(estimator.solver != LBFGS)


@dataclass(eq=False, repr=False, kw_only=True)
class Classifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """What classifiers share, of tables and of sequences."""

    loss: Any = "log_loss"
    class_weight: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "loss": CLASSIFIER_LOSS,
        "class_weight": CONSTRAINTS["class_weight"],
    }

    # ------------------------------------------------------------------ targets
    @property
    def _kind(self) -> str:
        """``"binary"``, ``"multiclass"`` or ``"multilabel-indicator"``."""
        found: str = self._label_binarizer.y_type_
        return found

    def _encode(self, y: Any, first: bool, dtype: np.dtype[Any]) -> np.ndarray:
        if first:
            self._learn_classes(y)
        self._check_classes(y, first)
        if self._kind == "multiclass" and self.loss == "log_loss":
            numbers: np.ndarray = np.searchsorted(self.classes_, y).astype(np.int64)
            return numbers
        return np.asarray(self._label_binarizer.transform(y), dtype)

    def _learn_classes(self, y: Any) -> None:
        self._label_binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._label_binarizer.classes_

    def _check_classes(self, y: Any, first: bool) -> None:
        """Raise if there are classes that the network has no output for."""
        if first:
            return
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if unknown.size:
            raise DataError(
                "estimators.classes", unknown=unknown.tolist(), known=self.classes_.tolist()
            )

    def _loss(self) -> Loss:
        if self.loss != "log_loss":
            return OwnLoss(self.loss)
        return log_loss if self._kind == "multiclass" else binary_log_loss

    def _output_count(self, y: Any) -> int:
        return 1 if self._kind == "binary" else len(self.classes_)

    def _out_activation(self) -> str:
        return "softmax" if self._kind == "multiclass" else "logistic"

    def _weights(self, sample_weight: Any, y: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        by_class = compute_sample_weight(self.class_weight, y)
        return by_class if sample_weight is None else by_class * sample_weight

    def _stratified_by(self, y: Any) -> Any:
        return y if self._kind == "binary" else None  # as scikit-learn does

    def _score_outputs(self, z: np.ndarray, y: Any, weight: Any) -> float:
        return float(accuracy_score(y, self._classes_of(z), sample_weight=weight))

    def _classes_of(self, z: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._label_binarizer.inverse_transform(_raveled(z), threshold=0.0)
        return found

    # ------------------------------------------------------------------ partial_fit
    @available_if(is_stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
    ) -> Self:
        """One pass over some rows, from the weights and the optimizer's state that are there.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.
        classes
            All classes that will ever come; needed in the first call.

        Raises
        ------
        OptionError
            With early stopping, or balanced class weights: a part does not know the whole.
        """
        if isinstance(self.class_weight, str):
            raise OptionError("estimators.partial_balanced", who=type(self).__name__)
        if _check_partial_fit_first_call(self, classes):
            self._learn_classes(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)

    # ------------------------------------------------------------------ predictions
    def predict(self, X: Any) -> np.ndarray:
        """The most likely class of each row; 0 and 1 for each label, ``[N, K]``, if there are many.

        Parameters
        ----------
        X
            As for :meth:`fit`.
        """
        return self._classes_of(self._outputs(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits: what the last layer puts out, ``[N]`` for two classes, else ``[N, K]``.

        Parameters
        ----------
        X
            As for :meth:`fit`.
        """
        return _raveled(self._outputs(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, ``[N, C]``, in the order of ``classes_``.

        For many labels the probability of each, ``[N, K]``.

        Parameters
        ----------
        X
            As for :meth:`fit`.
        """
        z = self._outputs(X)
        if self._kind == "binary":
            z = np.hstack([-z, z])  # 1 - p would lose the digits of a small probability
        return nn.predict_probability(z, binary=self._kind != "multiclass").numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of :meth:`predict_proba`, exact even where that rounds to 0.

        Parameters
        ----------
        X
            As for :meth:`fit`.
        """
        z = self._outputs(X)
        if self._kind == "multiclass":
            return nn.log_softmax(z).numpy()
        if self._kind == "binary":
            z = np.hstack([-z, z])
        return -nn.softplus(-z).numpy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@dataclass(eq=False, repr=False)
class MLPClassifier(TableEstimator, Classifier):
    """A multi-layer perceptron that classifies: scikit-learn's, trained by compiled code.

    In place of ``from sklearn.neural_network import MLPClassifier``: parameters and attributes have
    the same names and meanings, and the same ``random_state`` gives the same network up to
    rounding.

    Parameters
    ----------
    hidden_layer_sizes
        The sizes of the hidden layers; ``()`` for a linear model.
    activation
        What follows each hidden layer: ``"identity"``, ``"logistic"``, ``"tanh"``, ``"relu"``,
        ``"elu"``, ``"gelu"``, ``"leaky_relu"``, ``"sigmoid"``, ``"silu"``, ``"softplus"``, or a
        function of a tensor; or a list with one for each layer.
    dropout
        Sets this part of the hidden numbers to 0 in training.
    loss
        ``"log_loss"``, or a function ``loss(logits, t)`` → mean over the rows, ``t`` being one-hot
        rows, ``[N, C]`` (``[N, 1]`` for two classes); with ``sample_weight`` as a keyword if there
        are weights.
    class_weight
        A weight for each class in a dict, or ``"balanced"``: ``N / (C · count)``. The validation
        loss and score count rows likewise.
    **parameters
        All others are those of :class:`~chainrule.estimators.tabular.TableEstimator` and
        :class:`~chainrule.estimators.base.NetworkEstimator`.

    Attributes
    ----------
    classes_
        The classes.
    coefs_, intercepts_
        Weights and biases of each layer.

    See Also
    --------
    chainrule.estimators.base.NetworkEstimator : the other parameters and attributes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule.estimators import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95, classifier.model_
    (True, MLP(4, [16], 3, activation="relu"))
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    dropout: float = 0.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Classifier._parameter_constraints,
        **TableEstimator._parameter_constraints,
        **{name: CONSTRAINTS[name] for name in ("hidden_layer_sizes", "activation", "dropout")},
    }


@dataclass(eq=False, repr=False, kw_only=True)
class LinearClassifier(TableEstimator, Classifier):
    """Softmax or logistic regression: :class:`MLPClassifier` without hidden layers.

    Parameters
    ----------
    solver
        By default ``"lbfgs"``: the problem is convex, and its solution does not depend on the first
        weights where ``alpha`` is above 0.
    **parameters
        All others are those of :class:`MLPClassifier`, without ``hidden_layer_sizes``,
        ``activation`` and ``dropout``.

    Attributes
    ----------
    coef_, intercept_
        ``[C, D]`` and ``[C]``, as scikit-learn's linear models have them; ``[1, D]`` and ``[1]``
        for two classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule.estimators import LinearClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> LinearClassifier(max_iter=500).fit(X, y).coef_.shape
    (3, 4)
    """

    solver: Any = LBFGS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Classifier._parameter_constraints,
        **TableEstimator._parameter_constraints,
    }

    @property
    def coef_(self) -> np.ndarray:
        """One row of weights for each output."""
        return self.coefs_[-1].T

    @property
    def intercept_(self) -> np.ndarray:
        """One bias for each output."""
        return self.intercepts_[-1]


def _raveled(z: np.ndarray) -> np.ndarray:
    """One output as ``[N]``."""
    return z.ravel() if z.shape[1] == 1 else z
