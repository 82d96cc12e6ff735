"""What all estimators share: parameters, the way from ``fit`` to a trained network, its weights."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    check_X_y,
    validate_data,
)

from chainrule import nn
from chainrule.errors import DataError, OptionError
from chainrule.estimators.checks import CONSTRAINTS, check_parameters
from chainrule.estimators.fitting import Problem, Rows, solve, train_network
from chainrule.estimators.loops import Batch
from chainrule.estimators.losses import Loss
from chainrule.estimators.network import (
    activations_of,
    initial_network,
    outputs,
    sizes_of,
    weights_of,
    with_weights,
)
from chainrule.estimators.progress import Progress
from chainrule.estimators.solvers import LBFGS
from chainrule.estimators.tables import categorical_columns, encoded, encoder_for

__all__ = ["NetworkEstimator"]

#: Number types that a network can have.
FLOATS = [np.float64, np.float32]


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """Parameters and attributes that all estimators of this library share.

    Names and meanings are those of :mod:`sklearn.neural_network` where it has them.

    Parameters
    ----------
    solver
        ``"adam"``, ``"sgd"`` (both as scikit-learn writes them), ``"lbfgs"`` (SciPy's, with our
        gradient), any other optimizer of :mod:`chainrule.optim` by name (``"adagrad"``,
        ``"adamax"``, ``"adamw"``, ``"momentum"``, ``"nadam"``, ``"nesterov"``, ``"rmsprop"``,
        ``"rprop"``), or an optimizer object, which brings its own numbers.
    alpha
        The penalty ``α/2 Σ W²`` on the weights, divided by the rows of a batch.
    batch_size
        Rows of a mini-batch; ``"auto"``: 200, or all if there are fewer.
    learning_rate
        ``"constant"``; for ``solver="sgd"`` also ``"invscaling"``, the initial rate divided by
        ``(rows seen + 1)^power_t``, or ``"adaptive"``, divided by 5 whenever patience runs out; or
        a schedule of :mod:`chainrule.optim`, or a function from the step to a factor, for every
        solver but L-BFGS.
    learning_rate_init
        The learning rate at the beginning, above 0.
    power_t
        The exponent of ``"invscaling"``.
    max_iter
        The most epochs, or iterations of L-BFGS.
    shuffle
        Draw a new order of the rows for every epoch.
    random_state
        Seed, generator or ``None``, for first weights, shuffling, splitting and dropout; a seed
        draws the same as in scikit-learn.
    tol
        What counts as progress; for L-BFGS the largest element of a gradient to be content with.
    verbose
        Print each epoch.
    warm_start
        Begin ``fit`` with the weights of the last one.
    momentum, nesterovs_momentum
        For ``"sgd"``; the first also for ``"momentum"`` and ``"nesterov"``.
    early_stopping
        Stop when the validation score does not improve, and go back to the best weights. The
        validation rows are those handed to ``fit``, or else set aside.
    validation_fraction
        The part of the rows that early stopping sets aside.
    beta_1, beta_2, epsilon
        For Adam and its relatives.
    n_iter_no_change
        Patience: more epochs than that without progress end the training.
    max_fun
        The most evaluations of L-BFGS.
    clip_norm
        The longest gradient, all weights together; longer ones are shortened. ``None``: no limit.
    callbacks
        :class:`chainrule.train.Callback` objects, told of steps and epochs.
    metrics
        What else to measure after each epoch, on the validation rows or, without these, on the
        training rows, as scikit-learn's ``scoring``: names or scorers, one, a list, or a dict. The
        results are in ``history_``.
    categorical_features
        Columns that hold categories and are encoded one-hot: ``"from_dtype"`` takes the columns of
        a dataframe whose type is categorical; or a mask, numbers or names; ``None``: no column.
    dtype
        ``"auto"``: the number type of ``X``, float64 for integers, as in scikit-learn;
        ``"float32"`` or ``"float64"``.
    engine, threads
        See :func:`chainrule.fit`.

    Attributes
    ----------
    model_
        The trained network, a :class:`chainrule.nn.MLP`; its outputs are before the output
        activation, and its inputs are encoded.
    history_
        The :class:`chainrule.train.History` of the latest ``fit``.
    loss_, best_loss_, loss_curve_
        The latest loss, the smallest, and all, penalty included, before the steps of their epoch.
    validation_loss_curve_, validation_scores_, best_validation_score_
        Loss (without penalty) and score (accuracy or R²) on the validation rows after each epoch,
        and the best score; ``None`` without validation rows.
    n_iter_, t_
        Epochs of the latest ``fit``, and rows seen in all.
    n_layers_, n_outputs_, out_activation_
        Layers including the input, outputs, and the activation of the output layer.
    n_features_in_, feature_names_in_
        How many columns ``X`` had, and their names if all are strings.
    encoder_
        The transformer of the categorical columns, or ``None``.
    """

    solver: Any = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: Any = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    clip_norm: float | None = None
    callbacks: Any = None
    metrics: Any = None
    categorical_features: Any = "from_dtype"
    dtype: str = "auto"
    engine: str = "auto"
    threads: int | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: CONSTRAINTS[name]
        for name in (
            *("solver", "alpha", "batch_size", "learning_rate", "learning_rate_init", "power_t"),
            *("max_iter", "shuffle", "random_state", "tol", "verbose", "warm_start", "momentum"),
            *("nesterovs_momentum", "early_stopping", "validation_fraction", "beta_1", "beta_2"),
            *("epsilon", "n_iter_no_change", "max_fun", "clip_norm", "callbacks", "metrics"),
            *("categorical_features", "dtype", "engine", "threads"),
        )
    }
    _numeric_target: ClassVar[bool] = False

    # ------------------------------------------------------------------ what kinds of tasks define
    def _encode(self, y: Any, first: bool, dtype: np.dtype[Any]) -> np.ndarray:
        """Targets as the loss wants them; ``first``: what can be told from them is new."""
        raise NotImplementedError

    def _loss(self) -> Loss:
        raise NotImplementedError

    def _output_count(self, y: Any) -> int:
        raise NotImplementedError

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _score_outputs(self, z: np.ndarray, y: Any, weight: Any) -> float:
        """How good outputs are for targets as the user gave them."""
        raise NotImplementedError

    def _weights(self, sample_weight: Any, y: Any) -> Any:
        """The weights of the rows, class weights included."""
        return sample_weight

    def _stratified_by(self, y: Any) -> Any:
        return None

    # ------------------------------------------------------------------ fit
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train on rows ``X`` with targets ``y``.

        Parameters
        ----------
        X
            ``[N, D]``: an array, a dataframe or a sparse matrix, of which only batches are made
            dense.
        y
            ``[N]``, or ``[N, K]`` for several outputs.
        sample_weight
            One weight for each row, not negative. In a batch the loss is the weighted mean.
        X_val, y_val, sample_weight_val
            Rows to watch: their loss and score are measured after each epoch, and decide when
            ``early_stopping`` is on.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter has a value that it may not have.
        DataError, ValueError
            If the data cannot be used.
        NonFiniteError
            If the loss becomes NaN or infinite; the message says where it began.

        Warns
        -----
        ConvergenceWarning
            If the last epoch came before the stopping rule was satisfied.
        UserWarning
            On Ctrl-C: what was learned is kept.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=False)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, ...], incremental: bool
    ) -> Self:
        check_parameters(self)
        if incremental and self.early_stopping:
            raise OptionError("estimators.partial_early", who=type(self).__name__)
        # Linear models do not have these parameters.
        sizes = sizes_of(getattr(self, "hidden_layer_sizes", ()))
        activations = activations_of(getattr(self, "activation", "identity"), len(sizes))
        dropout = getattr(self, "dropout", 0.0)
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        x, y = self._checked(X, y, first)
        rows = self._rows(x, y, sample_weight, first)
        watched = self._watched(x.dtype, *validation)
        random = check_random_state(self.random_state)
        if first:
            layers = [x.shape[1], *sizes, self._output_count(y)]
            self.n_layers_, self.n_outputs_ = len(layers), layers[-1]
            self.out_activation_ = self._out_activation()
            model = initial_network(random, layers, activations, dropout, x.dtype)
            self._progress = Progress(self.tol, self.n_iter_no_change)
            self._optimizer_state: Any = None
        else:
            model = self._network()
        if watched is None and self.early_stopping and self.solver != LBFGS:
            rows, watched = self._split(rows, random)
        problem = Problem(
            model, self._loss(), rows, watched, random, self._score_outputs, self._scorers()
        )
        if self.solver == LBFGS:
            solve(self, problem)
        else:
            train_network(self, problem, incremental)
        return self

    def _scorers(self) -> dict[str, Any]:
        if self.metrics is None:
            return {}
        if isinstance(self.metrics, dict):
            given = self.metrics
        else:
            listed = self.metrics if isinstance(self.metrics, (list, tuple)) else [self.metrics]
            given = {getattr(metric, "__name__", str(metric)): metric for metric in listed}
        return {
            name: check_scoring(self, scoring=get_scorer(metric)) for name, metric in given.items()
        }

    # ------------------------------------------------------------------ data
    def _checked(self, X: Any, y: Any, first: bool) -> tuple[Any, Any]:
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
        return x, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _checked_features(self, X: Any, dtype: np.dtype[Any]) -> Any:
        """Features of other rows, as numbers."""
        options = {"accept_sparse": "csr", "dtype": dtype, "order": "C"}
        if self.encoder_ is None:
            return validate_data(self, X, reset=False, **options)
        validate_data(self, X, reset=False, skip_check_array=True)
        return check_array(encoded(self.encoder_, X), estimator=self, **options)

    @property
    def _type(self) -> np.dtype[Any]:
        """The number type of the network."""
        return self._network().output.weight.dtype

    def _rows(self, x: Any, y: Any, sample_weight: Any, first: bool) -> Rows:
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, x, dtype=x.dtype)
            if (sample_weight < 0).any():
                raise DataError("estimators.negative_weight", smallest=sample_weight.min())
        targets = self._encode(y, first, x.dtype)
        weight = self._weights(sample_weight, y)
        if weight is not None:
            weight = np.asarray(weight, x.dtype)
        return Rows(Batch(x, targets, weight), y)

    def _watched(self, dtype: np.dtype[Any], X: Any, y: Any, sample_weight: Any) -> Rows | None:
        """The validation rows that were handed over."""
        if X is None and y is None:
            return None
        if X is None or y is None:
            missing = "X_val" if X is None else "y_val"
            raise OptionError("estimators.validation_pair", missing=missing)
        if self.solver == LBFGS:
            raise OptionError("estimators.lbfgs", who=type(self).__name__, names="X_val")
        x, y = self._checked_features(X, dtype), np.asarray(y)
        return self._rows(x, y, sample_weight, first=False)

    def _split(self, rows: Rows, random: np.random.RandomState) -> tuple[Rows, Rows]:
        """Set rows aside for validation, the same ones as scikit-learn does."""
        train, held = train_test_split(
            np.arange(len(rows.y)),
            random_state=random,
            test_size=self.validation_fraction,
            stratify=self._stratified_by(rows.y),
        )
        if len(held) < 2:
            raise DataError("estimators.small_validation", rows=len(held))
        return rows.chosen(train), rows.chosen(held)

    # ------------------------------------------------------------------ what was learned
    def _outputs(self, X: Any) -> np.ndarray:
        """What the last layer puts out, before its activation."""
        check_is_fitted(self)
        return outputs(self._network(), self._checked_features(X, self._type))

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
