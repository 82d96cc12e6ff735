"""Layers one after another."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.graph import keys as random
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.nn.text import constructor_form, with_runs

__all__ = ["Sequential"]


class Sequential(Module):
    """Layers one after another: ``y = f_k(… f_2(f_1(x)))``.

    Parameters
    ----------
    *layers
        Modules, or plain functions such as :func:`chainrule.nn.relu`.

    Notes
    -----
    A ``key`` is split, and every layer whose ``__call__`` takes one is handed one of its own.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(4, 8, rng=0), nn.relu, nn.Linear(8, 1, rng=1))
    >>> model, model(cr.ones((2, 4))).shape
    (Sequential(Linear(4, 8), relu, Linear(8, 1)), (2, 1))
    >>> cr.tree_paths(model)
    ['layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias']
    """

    layers: tuple[Callable[..., Any], ...]

    def __init__(self, *layers: Callable[..., Any]) -> None:
        self.layers = layers

    def __call__(self, x: Any, key: Tensor | None = None) -> Any:
        """The output of the last layer."""
        takes_key = [_takes_key(layer) for layer in self.layers]
        keys = iter([None] * len(self.layers) if key is None else random.split(key, sum(takes_key)))
        for layer, takes in zip(self.layers, takes_key, strict=True):
            x = layer(x, key=next(keys)) if takes else layer(x)
        return x

    def __repr__(self) -> str:
        return constructor_form(type(self).__name__, with_runs(self.layers))


def _takes_key(layer: Callable[..., Any]) -> bool:
    return _has_key(type(layer).__call__ if isinstance(layer, Module) else layer)


@functools.lru_cache
def _has_key(function: Callable[..., Any]) -> bool:
    try:
        return "key" in inspect.signature(function).parameters
    except ValueError:  # functions written in C need not say what they take
        return False
