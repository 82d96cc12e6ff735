"""Initialisers: the random weights that a layer begins with.

If the weights of a layer are too small, signals and gradients die out from layer to layer; if they
are too large, they explode. For independent weights of mean 0, a sum ``z = Σ xᵢ wᵢ`` over ``n_in``
inputs has the variance ``n_in · Var w · E x²``, so ``Var w`` decides:

====================  =========================  ==================================================
LeCun                 ``1 / n_in``               keeps the variance forward
Xavier (Glorot)       ``2 / (n_in + n_out)``     a compromise between forward and backward
He                    ``2 / n_in``               makes up for the half that a ReLU sets to 0
====================  =========================  ==================================================

An initialiser is a function of a random generator (or seed), the shape ``(n_in, n_out)`` and the
number type. Numbers are drawn in float64, so a seed gives the same weights in both types.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import OptionError, ShapeError, suggest
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import Tensor, asarray
from chainrule.nn.activations import Activation

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "he_normal",
    "he_uniform",
    "initializer",
    "large_normal",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "small_normal",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Initializer: TypeAlias = Callable[[Any, Sequence[int], Any], Tensor]


def _fans(who: str, shape: Sequence[int]) -> tuple[int, int]:
    """``(n_in, n_out)`` of a matrix of weights, or of a stack of them."""
    if len(shape) < 2 or min(shape[-2:]) < 1:
        raise ShapeError("nn.fans", who=who, shape=tuple(shape))
    return shape[-2], shape[-1]


def _normal(rng: Any, shape: Sequence[int], dtype: Any, variance: float) -> Tensor:
    drawn = checked_rng(rng).standard_normal(shape)
    return asarray(drawn * math.sqrt(variance), dtype)


def _uniform(rng: Any, shape: Sequence[int], dtype: Any, variance: float) -> Tensor:
    # A uniform number between -a and a has the variance a² / 3.
    bound = math.sqrt(3 * variance)
    return asarray(checked_rng(rng).uniform(-bound, bound, shape), dtype)


def zeros(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """All zero: then the units of a layer stay equal to each other, and learn nothing of their own.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.init.zeros(0, (1, 2))
    Tensor f32[1, 2]
    [[0. 0.]]
    """
    return asarray(np.zeros(shape), dtype)


def small_normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Normal with the standard deviation 0.01, whatever the layer: in deep nets signals die out.

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.small_normal(0, (100, 100)).numpy().std().item(), 3)
    0.01
    """
    return _normal(rng, shape, dtype, 0.01**2)


def large_normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Normal with the standard deviation 0.5, whatever the layer: wide layers saturate or explode.

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.large_normal(0, (100, 100)).numpy().std().item(), 2)
    0.5
    """
    return _normal(rng, shape, dtype, 0.5**2)


def lecun_normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Normal with the variance ``1 / n_in`` (LeCun, Bottou, Orr & Müller 1998, eq. 16).

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.lecun_normal(0, (100, 300)).numpy().std().item(), 2)
    0.1
    """
    n_in, _ = _fans("lecun_normal", shape)
    return _normal(rng, shape, dtype, 1 / n_in)


def lecun_uniform(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Uniform with the variance ``1 / n_in``: between ``±√(3 / n_in)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.lecun_uniform(0, (100, 300)).numpy().std().item(), 2)
    0.1
    """
    n_in, _ = _fans("lecun_uniform", shape)
    return _uniform(rng, shape, dtype, 1 / n_in)


def xavier_normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Normal with the variance ``2 / (n_in + n_out)`` (Glorot & Bengio 2010, eq. 12).

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.xavier_normal(0, (50, 150)).numpy().std().item(), 2)
    0.1
    """
    n_in, n_out = _fans("xavier_normal", shape)
    return _normal(rng, shape, dtype, 2 / (n_in + n_out))


def xavier_uniform(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Uniform with the variance ``2 / (n_in + n_out)`` (Glorot & Bengio 2010, eq. 16).

    The bound is ``√(6 / (n_in + n_out))``.

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.xavier_uniform(0, (50, 150)).numpy().std().item(), 2)
    0.1
    """
    n_in, n_out = _fans("xavier_uniform", shape)
    return _uniform(rng, shape, dtype, 2 / (n_in + n_out))


def he_normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Normal with the variance ``2 / n_in`` (He, Zhang, Ren & Sun 2015, eq. 10).

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.he_normal(0, (200, 50)).numpy().std().item(), 2)
    0.1
    """
    n_in, _ = _fans("he_normal", shape)
    return _normal(rng, shape, dtype, 2 / n_in)


def he_uniform(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """Uniform with the variance ``2 / n_in``: between ``±√(6 / n_in)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> round(nn.init.he_uniform(0, (200, 50)).numpy().std().item(), 2)
    0.1
    """
    n_in, _ = _fans("he_uniform", shape)
    return _uniform(rng, shape, dtype, 2 / n_in)


def orthogonal(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Tensor:
    """A random matrix with orthonormal rows or columns, whichever are fewer: it keeps lengths.

    From the QR decomposition of a normal matrix, with signs such that every orthogonal matrix is
    equally likely (Saxe, McClelland & Ganguli 2014; Mezzadri 2007).

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> w = nn.init.orthogonal(0, (4, 3), np.float64).numpy()
    >>> np.allclose(w.T @ w, np.eye(3))
    True
    """
    n_in, n_out = _fans("orthogonal", shape)
    tall = (*shape[:-2], max(n_in, n_out), min(n_in, n_out))
    q, r = np.linalg.qr(checked_rng(rng).standard_normal(tall))
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return asarray(q if n_in >= n_out else np.swapaxes(q, -1, -2), dtype)


#: Initialisers by name, with the short names of the field.
INITIALIZERS: dict[str, Initializer] = {
    **{
        function.__name__: function
        for function in (
            zeros,
            small_normal,
            large_normal,
            lecun_normal,
            lecun_uniform,
            xavier_normal,
            xavier_uniform,
            he_normal,
            he_uniform,
            orthogonal,
        )
    },
    "glorot_normal": xavier_normal,
    "glorot_uniform": xavier_uniform,
    "he": he_normal,
    "lecun": lecun_normal,
    "xavier": xavier_normal,
}

#: Activations that pass on about half of what comes in.
RELU_LIKE = {"elu", "gelu", "leaky_relu", "relu", "silu"}


def initializer(init: str | Initializer, activation: Activation | None = None) -> Initializer:
    """The initialiser of this name; a function is returned as it is.

    Parameters
    ----------
    init
        ``"auto"``: He for ReLU and its relatives (leaky ReLU, ELU, GELU, SiLU), Xavier for all
        others and where nothing follows. Or ``"zeros"``, ``"small_normal"`` (0.01),
        ``"large_normal"`` (0.5), ``"xavier_normal"``, ``"xavier_uniform"``, ``"he_normal"``,
        ``"he_uniform"``, ``"lecun_normal"``, ``"lecun_uniform"``, ``"orthogonal"``; short:
        ``"xavier"``, ``"he"``, ``"lecun"`` (normal). Or a function
        ``(rng, shape, dtype) -> tensor``.
    activation
        The activation that follows the layer.

    Raises
    ------
    OptionError
        For another name, with the nearest ones.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.initializer("auto", nn.relu) is nn.init.he_normal
    True
    """
    if callable(init):
        return init
    if init == "auto":
        relu_like = getattr(activation, "__name__", None) in RELU_LIKE
        return he_normal if relu_like else xavier_normal
    if init not in INITIALIZERS:
        known = ["auto", *INITIALIZERS]
        hint = suggest(str(init), known)
        raise OptionError("nn.initializer", got=init, hint=hint, known=", ".join(known))
    return INITIALIZERS[init]
