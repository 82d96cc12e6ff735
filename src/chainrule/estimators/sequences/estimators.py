"""Sequences in scikit-learn's conventions: recurrent networks and transformers as estimators."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_X_y
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_feature_names

from chainrule.errors import ShapeError
from chainrule.estimators.base import NetworkEstimator, single_column
from chainrule.estimators.checks import CONSTRAINTS
from chainrule.estimators.classifier import Classifier
from chainrule.estimators.losses import OwnLoss
from chainrule.estimators.regressor import Regressor
from chainrule.estimators.sequences.data import (
    Sequences,
    Steps,
    check_targets,
    checked_steps,
    named_sequence,
    side_by_side,
    standardized,
    standardizer,
)
from chainrule.estimators.sequences.network import (
    LAYERS,
    POOLINGS,
    SequenceNetwork,
    sequence_network,
)
from chainrule.estimators.sequences.prediction import predicted
from chainrule.estimators.solvers import LBFGS, SOLVERS
from chainrule.optim import Optimizer

__all__ = ["SequenceClassifier", "SequenceEstimator", "SequenceRegressor"]


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceEstimator(NetworkEstimator):
    """What the estimators for sequences share beside :class:`~chainrule.estimators.base`.

    ``X`` holds ``N`` sequences: a list or an array of objects, whose elements are ``[T, F]``, or
    ``[T]`` with one feature; each may have a length of its own. Where all have one length, it may
    be an array ``[N, T, F]``, or a table ``[N, T]``.

    Shorter sequences are padded, which changes no result: a prediction for a sequence by itself is
    that for it among others.

    Parameters
    ----------
    layer
        ``"gru"``, ``"lstm"``, ``"rnn"``, or ``"transformer"``: blocks of self-attention. On small
        data sets a GRU often learns with fewer examples than an LSTM.
    hidden_layer_sizes
        The sizes of the layers, from the input on. A transformer has one block for each; they are
        all of one width, which is that of the embedding.
    bidirectional
        Read from the end, too, with as many numbers again. A transformer sees both sides anyway.
    pooling
        What is handed to the output layer: ``"last"``, what was found after the last step (of the
        way back: after the first one); or the ``"mean"`` or the ``"max"`` over all steps.
        ``"auto"``: ``"mean"`` for a transformer, ``"last"`` for the others.
    dropout
        Sets this part of the numbers between layers and of the pooled ones to 0 in training; in a
        transformer also within the blocks.
    standardize
        Give every feature the mean 0 and the variance 1 over all steps of the training set, which
        count with the ``sample_weight`` of their sequences.
    learning_rate_init
        The learning rate at the beginning, above 0.
    n_iter_no_change
        Patience: more epochs than that without progress end the training. More than for tables,
        since recurrent networks often stay on a plateau before they learn.
    clip_norm
        The longest gradient, all weights together; longer ones are shortened. ``None``: no limit.
    dtype
        ``"float32"``, ``"float64"``, or ``"auto"``: that of ``X``. In float32 a step takes about
        half the time.
    solver
        All but ``"lbfgs"``.

    Attributes
    ----------
    model_
        The trained network: ``model_(x, lengths)`` with standardized, padded sequences.
    n_features_in_
        How many features a step has.
    scaler_
        The :class:`sklearn.preprocessing.StandardScaler` of the steps, or ``None``.
    """

    layer: str = "gru"
    hidden_layer_sizes: Any = (64,)
    bidirectional: bool = False
    pooling: str = "auto"
    dropout: float = 0.0
    standardize: bool = True
    learning_rate_init: float = 0.005
    n_iter_no_change: float = 30
    clip_norm: float | None = 1.0
    dtype: str = "float32"

    _auto_batch: ClassVar[int] = 32
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        **{name: CONSTRAINTS[name] for name in ("hidden_layer_sizes", "dropout")},
        "solver": [StrOptions(set(SOLVERS) - {LBFGS}), Optimizer],
        "layer": [StrOptions(set(LAYERS))],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "bidirectional": ["boolean"],
        "standardize": ["boolean"],
    }

    @property
    def _fills_batches(self) -> bool:
        # A user's loss need not know weights of rows.
        return not isinstance(self._loss(), OwnLoss)

    # ------------------------------------------------------------------ data
    def _checked(self, X: Any, y: Any, weight: Any, first: bool) -> tuple[Sequences, Any]:
        """Padded sequences, and targets, both checked."""
        who = type(self).__name__
        steps = checked_steps(who, X)
        _check_feature_names(self, named_sequence(who, X), reset=first)
        # Numbers of rows stand for the sequences, of which scikit-learn looks at the count only.
        numbers = np.arange(len(steps.lengths))[:, None]
        check_targets(who, y)
        _, y = check_X_y(
            numbers, y, multi_output=True, y_numeric=self._numeric_target, estimator=self
        )
        if first:
            self.n_features_in_ = steps.values.shape[1]
            self.scaler_ = standardizer(who, steps, weight) if self.standardize else None
            found = np.float32 if steps.values.dtype == np.float32 else np.float64
            dtype = np.dtype(found if self.dtype == "auto" else self.dtype)
        else:
            dtype = self._type
        return side_by_side(self._standardized(steps, dtype)), single_column(y)

    def _checked_features(self, X: Any, dtype: np.dtype[Any]) -> Steps:
        """Other sequences, which are padded batch by batch."""
        if isinstance(X, Steps | Sequences):  # from the estimator itself, to measure in training
            return X if isinstance(X, Steps) else X.steps
        who = type(self).__name__
        steps = self._standardized(checked_steps(who, X), dtype)
        _check_feature_names(self, named_sequence(who, X), reset=False)
        return steps

    def _standardized(self, steps: Steps, dtype: np.dtype[Any]) -> Steps:
        who, wanted, (count, features) = type(self).__name__, self.n_features_in_, steps.shape
        if features != wanted:
            if features == 1 and (steps.lengths == wanted).all():
                got = (count, wanted)
                raise ShapeError(
                    "estimators.single_sequence", who=who, wanted=wanted, got=got, count=count
                )
            raise ShapeError("estimators.features_changed", who=who, wanted=wanted, got=features)
        return standardized(who, steps, self.scaler_, dtype)

    def _predicted(self, network: SequenceNetwork, x: Steps | Sequences) -> np.ndarray:
        return predicted(network, self._checked_features(x, x.dtype), self.engine, self.threads)

    def _initial_network(
        self, random: np.random.RandomState, x: Sequences, outputs: int
    ) -> SequenceNetwork:
        return sequence_network(
            self.layer,
            self.n_features_in_,
            self._hidden_sizes,
            outputs,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            pooling=self.pooling,
            rng=int(random.randint(2**31)),
            dtype=x.dtype,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceClassifier(SequenceEstimator, Classifier):
    """Classifies sequences of any length: LSTM, GRU, plain recurrent network or transformer.

    Parameters
    ----------
    loss, class_weight
        As for :class:`~chainrule.estimators.MLPClassifier`.
    **parameters
        All others are those of
        :class:`~chainrule.estimators.sequences.estimators.SequenceEstimator` and
        :class:`~chainrule.estimators.base.NetworkEstimator`.

    Attributes
    ----------
    classes_
        The classes.

    See Also
    --------
    chainrule.estimators.sequences.estimators.SequenceEstimator : what ``X`` may be.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(length, 2)) for length in rng.integers(3, 9, 60)]
    >>> y = ["up" if x[-1, 0] > x[0, 0] else "down" for x in X]
    >>> options = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.02, "tol": 0.001}
    >>> classifier = SequenceClassifier(**options, random_state=0).fit(X, y)
    >>> classifier.predict([[[0.0, 0.0], [0.0, 3.0], [2.0, 0.0]]]), classifier.n_features_in_
    (array(['up'], dtype='<U4'), 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Classifier._parameter_constraints,
        **SequenceEstimator._parameter_constraints,
    }


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceRegressor(SequenceEstimator, Regressor):
    """Predicts numbers from sequences of any length, with the networks of the classifier.

    Parameters
    ----------
    loss
        As for :class:`~chainrule.estimators.MLPRegressor`.
    **parameters
        All others are those of
        :class:`~chainrule.estimators.sequences.estimators.SequenceEstimator` and
        :class:`~chainrule.estimators.base.NetworkEstimator`.

    See Also
    --------
    chainrule.estimators.sequences.estimators.SequenceEstimator : what ``X`` may be.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators import SequenceRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=length) for length in rng.integers(3, 9, 60)]
    >>> y = [x.mean() for x in X]
    >>> options = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.02, "tol": 0.001}
    >>> regressor = SequenceRegressor(**options, random_state=0).fit(X, y)
    >>> bool(regressor.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Regressor._parameter_constraints,
        **SequenceEstimator._parameter_constraints,
    }
