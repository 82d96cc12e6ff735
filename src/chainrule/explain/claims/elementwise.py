"""Functions that work element by element, written once for NumPy and for tensors of this library.

``backend`` is :mod:`numpy` where a formula is searched for a mend, and :mod:`chainrule.graph` where
its derivative is asked for; both know the functions used here by the same names.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from chainrule import graph
from chainrule.autodiff import grad

__all__ = ["ELEMENTWISE", "SLOPES", "Backend", "apply_elementwise"]

#: NumPy or :mod:`chainrule.graph`.
Backend: TypeAlias = Any
Array: TypeAlias = Any

_erf = np.frompyfunc(math.erf, 1, 1)


def _sigmoid(backend: Backend, z: Array) -> Array:
    return 0.5 * (1.0 + backend.tanh(0.5 * z))


def _relu(backend: Backend, z: Array) -> Array:
    return backend.where(z <= 0, 0.0, z)


def _leaky_relu(backend: Backend, z: Array, slope: Array = 0.01) -> Array:
    return backend.where(z > 0, z, slope * z)


def _elu(backend: Backend, z: Array, alpha: Array = 1.0) -> Array:
    negative = backend.where(z > 0, 0.0, z)  # so that the side not chosen does not overflow
    return backend.where(z > 0, z, alpha * backend.expm1(negative))


def _softplus(backend: Backend, z: Array) -> Array:
    size = backend.where(z > 0, z, -z)
    return backend.where(z > 0, z, 0.0) + backend.log1p(backend.exp(-size))


def _gelu(backend: Backend, z: Array) -> Array:
    scaled = z * math.sqrt(0.5)
    erf = _erf(scaled).astype(float) if backend is np else graph.erf(scaled)
    return z * (0.5 * (1.0 + erf))


def _silu(backend: Backend, z: Array) -> Array:
    return z * _sigmoid(backend, z)


def _rest(name: str) -> Callable[..., Array]:
    return lambda backend, *arguments: getattr(backend, name)(*arguments)


_PLAIN = "exp log sqrt abs sin cos tan tanh sinh cosh sign square"

#: ``(backend, *arguments)`` → value, for every function that works element by element.
ELEMENTWISE: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {name: _rest(name) for name in _PLAIN.split()}
    | {
        "maximum": _rest("maximum"),
        "minimum": _rest("minimum"),
        "pow": _rest("power"),
        "identity": lambda backend, z: 1.0 * z,
        "indicator": lambda backend, z: 1.0 * z,
        "sigmoid": _sigmoid,
        "relu": _relu,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "softplus": _softplus,
        "gelu": _gelu,
        "silu": _silu,
    }
)

#: First derivatives by the first argument, for NumPy; every other one is found by ``grad``.
SLOPES: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {
        "exp": np.exp,
        "log": lambda z: 1 / z,
        "sqrt": lambda z: 0.5 / np.sqrt(z),
        "abs": np.sign,
        "sin": np.cos,
        "cos": lambda z: -np.sin(z),
        "tan": lambda z: 1 + np.tan(z) ** 2,
        "tanh": lambda z: 1 - np.tanh(z) ** 2,
        "sinh": np.cosh,
        "cosh": np.sinh,
        "sign": np.zeros_like,
        "square": lambda z: 2 * z,
        "identity": np.ones_like,
        "sigmoid": lambda z: _sigmoid(np, z) * _sigmoid(np, -z),
        "relu": lambda z: np.where(z > 0, 1.0, 0.0),
        "leaky_relu": lambda z, slope=0.01: np.where(z > 0, 1.0, slope),
        "elu": lambda z, alpha=1.0: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
        "softplus": lambda z: _sigmoid(np, z),
        "silu": lambda z: _sigmoid(np, z) * (1 + z * _sigmoid(np, -z)),
    }
)


def apply_elementwise(
    backend: Backend, function: Callable[..., Array], slope: Any, primes: int, arguments: Any
) -> Array:
    """The value of a function, or of its derivative of order ``primes`` by the first argument.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.claims.elementwise import ELEMENTWISE, apply_elementwise
    >>> apply_elementwise(np, ELEMENTWISE["exp"], None, 2, [np.array([0.0])])
    array([1.])
    """
    if primes == 0:
        return function(backend, *arguments)
    if primes == 1 and backend is np and slope is not None:
        return slope(*arguments)

    def total(z: Array) -> Array:
        return graph.sum(apply_elementwise(graph, function, None, primes - 1, (z, *arguments[1:])))

    # An argument that is smaller than another one would gather the slopes of several elements.
    whole = arguments[0] + 0.0 * sum(arguments[1:], 0.0)
    derivative = grad(total)(graph.asarray(whole))
    return derivative.numpy() if backend is np else derivative
