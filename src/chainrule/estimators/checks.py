"""The parameters of estimators: what each may be, and the message if it is something else."""

from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    make_constraint,
)

from chainrule.errors import OptionError, suggest
from chainrule.estimators.losses import CLASSIFICATION, REGRESSION
from chainrule.estimators.network import LOGISTIC
from chainrule.estimators.solvers import LBFGS, SOLVERS
from chainrule.nn.activations import ACTIVATIONS
from chainrule.optim import Optimizer, Schedule

__all__ = ["CONSTRAINTS", "ParameterError", "check_parameters"]


class ParameterError(OptionError, InvalidParameterError):  # type: ignore[misc]
    """A parameter of an estimator has a value outside of what is allowed."""


def above(low: float, closed: bool = False, kind: type = Real) -> Interval:
    """Numbers from ``low`` on."""
    return Interval(kind, low, None, closed="left" if closed else "neither")


FRACTION = Interval(Real, 0, 1, closed="left")

#: What each parameter may be, as scikit-learn declares it.
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", above(1, True, Integral)],
    "activation": [StrOptions({LOGISTIC, *ACTIVATIONS}), callable, list, tuple],
    "solver": [StrOptions(set(SOLVERS)), Optimizer],
    "alpha": [above(0, True)],
    "batch_size": [StrOptions({"auto"}), above(1, True, Integral)],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule, callable],
    "learning_rate_init": [above(0)],
    "power_t": [above(0, True)],
    "max_iter": [above(1, True, Integral)],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [above(0, True)],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [FRACTION],
    "beta_1": [FRACTION],
    "beta_2": [FRACTION],
    "epsilon": [above(0)],
    "n_iter_no_change": [above(1, True, Integral), Options(Real, {np.inf})],
    "max_fun": [above(1, True, Integral)],
    "dropout": [FRACTION],
    "clip_norm": [above(0), None],
    "callbacks": [list, tuple, None],
    "metrics": [str, list, tuple, dict, callable, None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "engine": [StrOptions({"auto", "interpret", "native"})],
    "threads": [above(1, True, Integral), None],
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
}
CLASSIFIER_LOSS: list[Any] = [StrOptions(set(CLASSIFICATION)), callable]
REGRESSOR_LOSS: list[Any] = [StrOptions(set(REGRESSION)), callable]

#: Parameters that only stochastic solvers know, and their values when they are off.
STOCHASTIC_ONLY: dict[str, Any] = {"dropout": 0.0, "clip_norm": None, "callbacks": None}


def check_parameters(estimator: Any) -> None:
    """Raise unless every parameter has a value that it may have.

    Raises
    ------
    ParameterError
        The message names the parameter, what it may be, and near names of options.
    """
    for name, constraints in _constraints(estimator.__class__).items():
        value = getattr(estimator, name)
        if not any(constraint.is_satisfied_by(value) for constraint in constraints):
            _refuse(estimator, name, value, constraints)
    if estimator.solver == LBFGS:
        _check_lbfgs(estimator)


@lru_cache
def _constraints(kind: Any) -> dict[str, list[Any]]:
    declared = kind._parameter_constraints.items()
    return {name: [make_constraint(c) for c in constraints] for name, constraints in declared}


def _refuse(estimator: Any, name: str, value: Any, constraints: list[Any]) -> None:
    options = [o for c in constraints if isinstance(c, StrOptions) for o in c.options]
    hint = suggest(value, sorted(options)) if isinstance(value, str) else ""
    raise ParameterError(
        "estimators.parameter",
        who=type(estimator).__name__,
        name=name,
        wanted=" / ".join(str(c) for c in constraints if not c.hidden),
        got=repr(value),
        hint=hint,
    )


def _check_lbfgs(estimator: Any) -> None:
    """What needs mini-batches does not go with L-BFGS."""
    on = [name for name, off in STOCHASTIC_ONLY.items() if getattr(estimator, name, off) != off]
    if not isinstance(estimator.learning_rate, str):
        on.append("learning_rate")
    if on:
        raise ParameterError("estimators.lbfgs", who=type(estimator).__name__, names=", ".join(on))
