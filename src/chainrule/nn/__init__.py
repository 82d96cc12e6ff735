"""Layers, losses and initialisers; a model is a frozen dataclass that is a tree."""

from chainrule.nn import init
from chainrule.nn.activations import (
    activation,
    elu,
    gelu,
    identity,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from chainrule.nn.classification import one_hot, predict_class, predict_probability
from chainrule.nn.dropout import Dropout
from chainrule.nn.flatten import flatten
from chainrule.nn.init import initializer
from chainrule.nn.linear import Linear
from chainrule.nn.linear_model import collapse, least_squares_fit
from chainrule.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from chainrule.nn.mlp import MLP
from chainrule.nn.module import Module, has_random_layers, submodules
from chainrule.nn.parameters import (
    Tied,
    freeze,
    parameter_count,
    parameters,
    partition,
    tie,
    unfreeze,
)
from chainrule.nn.sequential import Sequential

__all__ = [
    "MLP",
    "Dropout",
    "Linear",
    "Module",
    "Sequential",
    "Tied",
    "activation",
    "binary_cross_entropy",
    "collapse",
    "cross_entropy",
    "elu",
    "flatten",
    "freeze",
    "gelu",
    "has_random_layers",
    "huber",
    "identity",
    "init",
    "initializer",
    "leaky_relu",
    "least_squares_fit",
    "log_softmax",
    "mae",
    "mse",
    "one_hot",
    "parameter_count",
    "parameters",
    "partition",
    "predict_class",
    "predict_probability",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "submodules",
    "tanh",
    "tie",
    "unfreeze",
]
