"""Layers, losses and initialisers; a model is a frozen dataclass that is a tree."""

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

__all__ = [
    "Module",
    "Tied",
    "freeze",
    "has_random_layers",
    "parameter_count",
    "parameters",
    "partition",
    "submodules",
    "tie",
    "unfreeze",
]
