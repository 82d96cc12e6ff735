"""What all estimators share: parameters, and the way from ``fit`` to a trained network."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from chainrule.errors import DataError, OptionError
from chainrule.estimators.checks import CONSTRAINTS, check_parameters
from chainrule.estimators.fitting import Problem, Rows, solve, train_network
from chainrule.estimators.loops import Batch
from chainrule.estimators.losses import Loss
from chainrule.estimators.network import outputs, sizes_of
from chainrule.estimators.progress import Progress
from chainrule.estimators.solvers import LBFGS

__all__ = ["NetworkEstimator", "single_column"]

#: Parameters that a network is made from: what goes on training has them as they were.
NETWORK = ("activation", "dropout", "layer", "bidirectional", "pooling")


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
        Rows of a mini-batch; ``"auto"``: 200 (sequences: 32), or all if there are fewer.
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
    clip_norm
        The longest gradient, all weights together; longer ones are shortened. ``None``: no limit.
    callbacks
        :class:`chainrule.train.Callback` objects, told of steps and epochs.
    metrics
        What else to measure after each epoch, on the validation rows or, without these, on the
        training rows, as scikit-learn's ``scoring``: names or scorers, one, a list, or a dict. The
        results are in ``history_``.
    dtype
        ``"auto"``: the number type of ``X``, float64 for integers, as in scikit-learn;
        ``"float32"`` or ``"float64"``.
    engine, threads
        See :func:`chainrule.fit`.

    Attributes
    ----------
    model_
        The trained network; its outputs are before the output activation.
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
    n_features_in_
        How many features ``X`` had.
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
    clip_norm: float | None = None
    callbacks: Any = None
    metrics: Any = None
    dtype: str = "auto"
    engine: str = "auto"
    threads: int | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: CONSTRAINTS[name]
        for name in (
            *("solver", "alpha", "batch_size", "learning_rate", "learning_rate_init", "power_t"),
            *("max_iter", "shuffle", "random_state", "tol", "verbose", "warm_start", "momentum"),
            *("nesterovs_momentum", "early_stopping", "validation_fraction", "beta_1", "beta_2"),
            *("epsilon", "n_iter_no_change", "clip_norm", "callbacks", "metrics", "dtype"),
            *("engine", "threads"),
        )
    }
    _numeric_target: ClassVar[bool] = False
    #: Rows of a batch where ``batch_size`` is "auto".
    _auto_batch: ClassVar[int] = 200

    @property
    def _fills_batches(self) -> bool:
        """Whether shorter batches are filled up, where code is made for one number of rows."""
        return False

    # ------------------------------------------------------------------ what kinds of data define
    def _checked(self, X: Any, y: Any, weight: Any, first: bool) -> tuple[Any, Any]:
        """Features as the network takes them, and targets, both checked.

        ``first``: what can be told from them, and from the weights of the rows, is new.
        """
        raise NotImplementedError

    def _checked_features(self, X: Any, dtype: np.dtype[Any]) -> Any:
        """Features of other rows, as the network takes them."""
        raise NotImplementedError

    def _initial_network(self, random: np.random.RandomState, x: Any, outputs: int) -> Any:
        """The network before training; raises if its parameters do not go together."""
        raise NotImplementedError

    def _predicted(self, network: Any, x: Any) -> np.ndarray:
        """What the last layer of a network puts out, for features that are checked already."""
        return outputs(network, x)

    def _view(self, network: Any, x: Any) -> Any:
        """An estimator that predicts with this network, from features that are checked already."""
        view = copy.copy(self)
        view.model_ = network
        return view

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
            A table ``[N, D]``: an array, a dataframe or a sparse matrix, of which only batches are
            made dense. Of estimators for sequences: ``N`` sequences.
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
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        weight = _checked_weight(sample_weight, X)
        x, y = self._checked(X, y, weight, first)
        # The classes of partial_fit are those that it was told, not those of the first part.
        rows = self._rows(x, y, weight, first and not incremental)
        watched = self._watched(x.dtype, *validation)
        random = check_random_state(self.random_state)
        if first:
            self.n_outputs_ = self._output_count(y)
            self.n_layers_ = 2 + len(self._hidden_sizes)
            self.out_activation_ = self._out_activation()
            model = self._initial_network(random, x, self.n_outputs_)
            self._made_from = self._made_of
            self._progress = Progress(self.tol, self.n_iter_no_change)
            self._optimizer_state: Any = None
        else:
            self._check_goes_on()
            model = self.model_
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

    @property
    def _made_of(self) -> dict[str, Any]:
        """The parameters that the network is made from."""
        given = {name: getattr(self, name) for name in NETWORK if hasattr(self, name)}
        return given | {"hidden_layer_sizes": self._hidden_sizes}

    def _check_goes_on(self) -> None:
        """Raise if what was learned belongs to another network than the parameters ask for."""
        for name, value in self._made_of.items():
            if value != self._made_from[name]:
                raise OptionError(
                    "estimators.goes_on",
                    who=type(self).__name__,
                    name=name,
                    value=value,
                    before=self._made_from[name],
                )

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
    @property
    def _type(self) -> np.dtype[Any]:
        """The number type of the network."""
        found: np.dtype[Any] = self.model_.output.weight.dtype
        return found

    @property
    def _hidden_sizes(self) -> list[int]:
        """The sizes of the hidden layers; linear models have none."""
        return sizes_of(getattr(self, "hidden_layer_sizes", ()))

    def _rows(self, x: Any, y: Any, weight: Any, first: bool) -> Rows:
        targets = self._encode(y, first, x.dtype)
        weight = self._weights(weight, y)
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
        check_consistent_length(x, y)
        return self._rows(x, y, _checked_weight(sample_weight, x), first=False)

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
        return self._predicted(self.model_, self._checked_features(X, self._type))


def _checked_weight(sample_weight: Any, X: Any) -> Any:
    """One weight for each row, or ``None``."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X)
    if (weight < 0).any():
        raise DataError("estimators.negative_weight", smallest=weight.min())
    return weight


def single_column(y: np.ndarray) -> np.ndarray:
    """Targets in a single column as a vector, with scikit-learn's warning; others as they are."""
    column: np.ndarray = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
    return column
