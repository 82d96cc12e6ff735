"""Activation functions.

Each is one named step in a graph, so that a derivation says ``relu`` and not ``where``. They are
written so that values and derivatives of any order are right at 0, far out and at infinity, and NaN
passes through: a NaN that an activation swallowed would hide where it came from.

Numbers such as a slope may be Python floats or tensors; as tensors they have gradients too.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from chainrule.errors import OptionError, suggest
from chainrule.graph.ops.elementwise import erf, exp, expm1, log, log1p, stop_gradient, where
from chainrule.graph.ops.elementwise import sigmoid as _sigmoid
from chainrule.graph.ops.elementwise import tanh as _tanh
from chainrule.graph.ops.reductions import max as _max
from chainrule.graph.ops.reductions import sum as _sum
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.graph.trace import named

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "activation",
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

Activation: TypeAlias = Callable[..., Any]


@named
def identity(z: ArrayLike) -> Tensor:
    """``φ(z) = z``, with ``φ' = 1``: no activation.

    A network without activations is a linear model, however deep (:func:`chainrule.nn.collapse`).

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.identity([-1.0, 2.0])
    Tensor f32[2] [-1.  2.]
    """
    return asarray(z)


def sigmoid(z: ArrayLike) -> Tensor:
    """``σ(z) = 1 / (1 + e⁻ᶻ)``, with ``σ' = σ (1 - σ)``.

    The derivative is at most 1/4 and falls towards 0 on both sides, so gradients vanish in deep
    networks; the output is not centred at 0.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.sigmoid(0.0).item()
    0.5
    """
    return _sigmoid(z)


def tanh(z: ArrayLike) -> Tensor:
    """``tanh z = (eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ)``, with ``tanh' = 1 - tanh²``.

    Centred at 0; the derivative is 1 there and falls towards 0 on both sides.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.tanh(0.0).item()
    0.0
    """
    return _tanh(z)


@named
def relu(z: ArrayLike) -> Tensor:
    """``max(0, z)``, with ``φ' = 1[z > 0]``: the derivative at 0 is 0.

    A unit whose ``z`` is negative for every input has no gradient any more: it is dead.

    References
    ----------
    Nair & Hinton (2010), "Rectified linear units improve restricted Boltzmann machines".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.relu([-1.0, 2.0])
    Tensor f32[2] [0. 2.]
    """
    z = asarray(z)
    return where(z <= 0, 0, z)  # not z > 0: a comparison with NaN is false, and NaN must pass


@named
def leaky_relu(z: ArrayLike, slope: ArrayLike = 0.01) -> Tensor:
    """``z`` for positive ``z``, else ``slope · z``; ``φ'`` is 1 or ``slope`` (at 0 too).

    References
    ----------
    Maas, Hannun & Ng (2013), "Rectifier nonlinearities improve neural network acoustic models".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.leaky_relu([-1.0, 2.0])
    Tensor f32[2] [-0.01  2.  ]
    """
    z = asarray(z)
    return where(z > 0, z, slope * z)


@named
def elu(z: ArrayLike, alpha: ArrayLike = 1.0) -> Tensor:
    """``z`` for positive ``z``, else ``α (eᶻ - 1)``; ``φ'`` is 1 or ``α eᶻ`` (at 0 too).

    References
    ----------
    Clevert, Unterthiner & Hochreiter (2016), "Fast and accurate deep network learning by
    exponential linear units".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.elu([-1.0, 2.0])
    Tensor f32[2] [-0.6321  2.    ]
    """
    z = asarray(z)
    positive = z > 0
    # Where z is positive eᶻ may overflow; that side is not chosen, but 0 · inf would be NaN.
    return where(positive, z, alpha * expm1(where(positive, 0, z)))


@named
def softplus(z: ArrayLike) -> Tensor:
    """``log(1 + eᶻ)``, a smooth ReLU, with ``φ' = σ(z)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> [round(y, 4) for y in nn.softplus([-1000.0, 0.0, 1000.0]).tolist()]
    [0.0, 0.6931, 1000.0]
    """
    z = asarray(z)
    # max(z, 0) + log(1 + e^-|z|) does not overflow. Chosen by `where`, since the derivatives of max
    # and of |z| at 0 are conventions, and the second derivative there would be 0 in place of 1/4.
    positive = z > 0
    size = where(positive, z, -z)
    return where(positive, z, 0) + log1p(exp(-size))


@named
def gelu(z: ArrayLike, approximate: str = "none") -> Tensor:
    """``z Φ(z)``, where ``Φ`` is the normal distribution function; ``φ' = Φ(z) + z Φ'(z)``.

    Parameters
    ----------
    z
        Any shape.
    approximate
        ``"none"``, or ``"tanh"`` for ``z/2 (1 + tanh(√(2/π) (z + 0.044715 z³)))``.

    Raises
    ------
    OptionError
        For another word.

    References
    ----------
    Hendrycks & Gimpel (2016), "Gaussian error linear units".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.gelu([-1.0, 2.0])
    Tensor f32[2] [-0.1587  1.9545]
    """
    z = asarray(z)
    if approximate == "none":
        return z * (0.5 * (1.0 + erf(z * math.sqrt(0.5))))
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (z + 0.044715 * (z * z * z))
        return z * (0.5 * (1.0 + _tanh(inner)))
    raise OptionError("nn.approximate", got=approximate)


@named
def silu(z: ArrayLike) -> Tensor:
    """``z σ(z)``, also called swish, with ``φ' = σ (1 + z (1 - σ))``.

    References
    ----------
    Elfwing, Uchibe & Doya (2018), "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.silu([-1.0, 2.0])
    Tensor f32[2] [-0.2689  1.7616]
    """
    z = asarray(z)
    return z * _sigmoid(z)


@named
def softmax(z: ArrayLike, axis: int = -1) -> Tensor:
    """``pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)`` along ``axis``: positive and of sum 1.

    The Jacobian is ``diag(p) - p pᵀ``. An element that is -inf gets probability 0.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.softmax([[0.0, 0.0], [1000.0, 0.0]])
    Tensor f32[2, 2]
    [[0.5 0.5]
     [1.  0. ]]
    """
    e = exp(_shifted(z, axis))
    return e / _sum(e, axis, keepdims=True)


@named
def log_softmax(z: ArrayLike, axis: int = -1) -> Tensor:
    """``log pᵢ = zᵢ - log Σⱼ exp(zⱼ)`` along ``axis``, exact even where ``p`` rounds to 0.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.log_softmax([1000.0, 0.0])
    Tensor f32[2] [    0. -1000.]
    """
    z = _shifted(z, axis)
    return z - log(_sum(exp(z), axis, keepdims=True))


def _shifted(z: ArrayLike, axis: int) -> Tensor:
    """``z - max z``: neither function changes, and ``exp`` cannot overflow.

    The maximum is no part of the derivative, since the functions do not depend on it.
    """
    z = asarray(z)
    return z - stop_gradient(_max(z, axis, keepdims=True))


#: Activations by name: those that work element by element.
ACTIVATIONS: dict[str, Activation] = {
    function.__name__: function
    for function in (elu, gelu, identity, leaky_relu, relu, sigmoid, silu, softplus, tanh)
}


def activation(function: str | Activation) -> Activation:
    """The activation of this name; a function is returned as it is.

    Parameters
    ----------
    function
        ``"elu"``, ``"gelu"``, ``"identity"``, ``"leaky_relu"``, ``"relu"``, ``"sigmoid"``,
        ``"silu"``, ``"softplus"``, ``"tanh"``; or any function of a tensor, also a module.

    Raises
    ------
    OptionError
        For another name, with the nearest ones.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.activation("relu") is nn.relu
    True
    """
    if callable(function):
        return function
    if function not in ACTIVATIONS:
        hint, known = suggest(str(function), ACTIVATIONS), ", ".join(ACTIVATIONS)
        raise OptionError("nn.activation", got=function, hint=hint, known=known)
    return ACTIVATIONS[function]
