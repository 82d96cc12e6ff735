"""Optimizers that take stochastic steps, their links and schedules.

An optimizer is a pair of pure functions (:mod:`chainrule.optim.protocol`)::

    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(1e-3), optim.cosine(10_000))
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = optim.apply_updates(params, updates)

A new one is one file, a ``link`` or a ``chain`` of links under ``recipe``, and its export here; the
tests find it.
"""

from chainrule.optim.adagrad import adagrad, scale_by_adagrad
from chainrule.optim.adam import adam, scale_by_adam
from chainrule.optim.adamax import adamax, scale_by_adamax
from chainrule.optim.adamw import adamw
from chainrule.optim.clip import clip_by_global_norm, clip_by_value, global_norm
from chainrule.optim.momentum import momentum
from chainrule.optim.nadam import nadam, scale_by_nadam
from chainrule.optim.nesterov import nesterov
from chainrule.optim.plateau import Plateau, PlateauState, reduce_on_plateau
from chainrule.optim.protocol import (
    LinkState,
    Optimizer,
    apply_updates,
    chain,
    current_learning_rate,
    learning_rate,
    link,
    set_learning_rate,
)
from chainrule.optim.rmsprop import rmsprop, scale_by_rms
from chainrule.optim.rprop import rprop
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.schedule import Schedule, join, scale_by_schedule, schedule
from chainrule.optim.schedules import (
    constant,
    cosine,
    exponential,
    inverse_time,
    linear,
    one_cycle,
    piecewise,
    polynomial,
    step_decay,
    warmup,
)
from chainrule.optim.sgd import accumulate_momentum, sgd
from chainrule.optim.weight_decay import add_decayed_weights, is_matrix

__all__ = [
    "LinkState",
    "Optimizer",
    "Plateau",
    "PlateauState",
    "Schedule",
    "accumulate_momentum",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "current_learning_rate",
    "exponential",
    "global_norm",
    "inverse_time",
    "is_matrix",
    "join",
    "learning_rate",
    "linear",
    "link",
    "momentum",
    "nadam",
    "nesterov",
    "one_cycle",
    "piecewise",
    "polynomial",
    "reduce_on_plateau",
    "rmsprop",
    "rprop",
    "scale_by_adagrad",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_learning_rate",
    "scale_by_nadam",
    "scale_by_rms",
    "scale_by_schedule",
    "schedule",
    "set_learning_rate",
    "sgd",
    "step_decay",
    "warmup",
]
