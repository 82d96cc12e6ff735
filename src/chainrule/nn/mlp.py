"""The multi-layer perceptron."""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np

from chainrule.errors import OptionError
from chainrule.graph import keys as random
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor
from chainrule.nn.activations import Activation
from chainrule.nn.activations import activation as activation_named
from chainrule.nn.checks import check_sizes
from chainrule.nn.dropout import Dropout
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.text import constructor_form, number, short

__all__ = ["MLP"]


class MLP(Module):
    """A multi-layer perceptron: linear layers with an activation after each hidden one.

    ::

        z¹ = x W¹ + b¹        a¹ = φ(z¹)
        zˡ = aˡ⁻¹ Wˡ + bˡ     aˡ = φ(zˡ)        for every hidden layer l
        y  = aᵏ Wᵏ⁺¹ + bᵏ⁺¹                     the output layer has no activation

    For classification ``y`` are the logits: the losses and :func:`chainrule.nn.predict_class` apply
    softmax or sigmoid themselves. Without hidden layers this is the linear model.

    Parameters
    ----------
    in_features
        How many numbers a data point has.
    hidden
        The sizes of the hidden layers; a number is one layer.
    out_features
        How many numbers come out.
    activation
        A name or a function (:func:`chainrule.nn.activation`), or one for each hidden layer.
    init
        How the weights begin (:func:`chainrule.nn.initializer`). ``"auto"`` goes by the activation
        that follows: He for ReLU and its relatives, Xavier for the others and for the output.
    dropout
        If above 0, :class:`chainrule.nn.Dropout` with this rate after every hidden layer.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    hidden
        The hidden layers.
    output
        The output layer.
    dropout
        The dropout layer, or ``None``.

    Raises
    ------
    OptionError
        If a size is below 1, there is not one activation per hidden layer, or a name is unknown.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.MLP(64, [64], 10, activation="relu", rng=0)
    >>> model, model(cr.ones((5, 64))).shape
    (MLP(64, [64], 10, activation="relu"), (5, 10))
    >>> cr.tree_paths(model)
    ['hidden.0.weight', 'hidden.0.bias', 'output.weight', 'output.bias']
    """

    hidden: tuple[Linear, ...]
    output: Linear
    activations: tuple[Activation, ...]
    dropout: Dropout | None

    def __init__(
        self,
        in_features: int,
        hidden: int | Sequence[int],
        out_features: int,
        *,
        activation: str | Activation | Sequence[str | Activation] = "relu",
        init: str | Initializer = "auto",
        dropout: float = 0.0,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        sizes = [in_features, *([hidden] if isinstance(hidden, (int, np.integer)) else hidden)]
        who = f"MLP({in_features}, {sizes[1:]}, {out_features})"
        check_sizes(who, *sizes, out_features)
        self.activations = _one_each(who, activation, len(sizes) - 1)
        generator = checked_rng(rng)

        def linear(n_in: int, n_out: int, following: Activation | None) -> Linear:
            return Linear(
                n_in, n_out, init=initializer(init, following), rng=generator, dtype=dtype
            )

        self.hidden = tuple(map(linear, sizes[:-1], sizes[1:], self.activations))
        self.output = linear(sizes[-1], out_features, None)
        self.dropout = Dropout(dropout) if dropout else None

    def __call__(self, x: ArrayLike, key: Tensor | None = None) -> Tensor:
        """``y``; dropout is applied where there is a key."""
        for layer, phi, layer_key in zip(
            self.hidden, self.activations, self._keys(key), strict=True
        ):
            x = phi(layer(x))
            x = x if self.dropout is None else self.dropout(x, key=layer_key)
        return self.output(x)

    def _keys(self, key: Tensor | None) -> Iterable[Tensor | None]:
        """A key for the dropout after each hidden layer."""
        if key is None or self.dropout is None:
            return [None] * len(self.hidden)
        return random.split(key, len(self.hidden))

    def __repr__(self) -> str:
        layers = (*self.hidden, self.output)
        if not all(
            isinstance(layer, Linear) and hasattr(layer.weight, "shape") for layer in layers
        ):
            return super().__repr__()
        sizes = [layer.out_features for layer in self.hidden]
        parts = [str(layers[0].in_features), str(sizes), str(self.output.out_features)]
        names = [short(phi) for phi in self.activations]
        if names:
            alike = len(set(names)) == 1
            parts.append(
                f'activation="{names[0]}"' if alike else f"activation=({', '.join(names)})"
            )
        if self.dropout is not None:
            parts.append(f"dropout={number(self.dropout.rate, 'rate')}")
        return constructor_form(type(self).__name__, parts)


def _one_each(
    who: str, activation: str | Activation | Sequence[str | Activation], count: int
) -> tuple[Activation, ...]:
    """An activation for every hidden layer; of a module every layer gets a copy of its own."""
    if isinstance(activation, str) or callable(activation):
        phi = activation_named(activation)
        return tuple(copy(phi) if isinstance(phi, Module) else phi for _ in range(count))
    if len(activation) != count:
        raise OptionError("nn.activations", who=who, wanted=count, got=len(activation))
    return tuple(map(activation_named, activation))
