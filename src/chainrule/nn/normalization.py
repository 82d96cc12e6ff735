"""Normalisation over the last axis: each position is scaled by itself, so nothing leaks in time."""

from typing import Any

import numpy as np

from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph.functions import mean, ones, zeros
from chainrule.graph.ops.elementwise import sqrt
from chainrule.graph.tensor import ArrayLike, Tensor
from chainrule.nn.checks import adapted, check_sizes, checked_dtype
from chainrule.nn.module import Module

__all__ = ["LayerNorm", "RMSNorm"]


class LayerNorm(Module):
    """Layer normalisation: mean 0 and variance 1 over the last axis, then a scale and a shift.

    ``y = (x - μ) / √(σ² + ε) · w + b`` with ``μ = 1/d Σ xᵢ`` and ``σ² = 1/d Σ (xᵢ - μ)²``.

    Parameters
    ----------
    width
        ``d``, the length of the last axis.
    eps
        ``ε``, by default 1e-5 as in PyTorch.
    bias
        Whether there is a ``b``.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight, bias
        ``w`` and ``b``, of shape ``(width,)``; they begin at 1 and 0.

    Raises
    ------
    ShapeError, DtypeError
        If ``x`` does not fit.
    OptionError
        If ``width`` is below 1, or ``eps`` is not positive.

    References
    ----------
    Ba, Kiros & Hinton (2016), "Layer normalization".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LayerNorm(2)([[1.0, 3.0]])
    Tensor f32[1, 2]
    [[-1.  1.]]
    """

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __init__(
        self, width: int, *, eps: float = 1e-5, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        self.weight, self.eps = _scale_and_eps(f"LayerNorm({width})", width, eps, dtype)
        self.bias = zeros(width, self.weight.dtype) if bias else None

    @property
    def width(self) -> int:
        """The length of the last axis."""
        return self.weight.shape[-1]

    def __call__(self, x: ArrayLike) -> Tensor:
        """``(x - μ) / √(σ² + ε) · w + b``."""
        x = _checked(self, x, self.weight)
        centred = x - mean(x, axis=-1, keepdims=True)
        variance = mean(centred * centred, axis=-1, keepdims=True)
        y = centred / sqrt(variance + self.eps) * self.weight
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        eps = "" if self.eps == 1e-5 else f", eps={self.eps:g}"
        bias = "" if self.bias is not None else ", bias=False"
        return f"{type(self).__name__}({self.width}{eps}{bias})"


class RMSNorm(Module):
    """Root-mean-square normalisation: layer normalisation without the mean and the shift.

    ``y = x / √(1/d Σ xᵢ² + ε) · w``.

    Parameters
    ----------
    width
        ``d``, the length of the last axis.
    eps
        ``ε``, by default 1e-6. PyTorch's default is the spacing of the number type.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight
        ``w``, of shape ``(width,)``; it begins at 1.

    Raises
    ------
    ShapeError, DtypeError
        If ``x`` does not fit.
    OptionError
        If ``width`` is below 1, or ``eps`` is not positive.

    References
    ----------
    Zhang & Sennrich (2019), "Root mean square layer normalization".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.RMSNorm(2)([[1.0, 7.0]])
    Tensor f32[1, 2]
    [[0.2 1.4]]
    """

    weight: Tensor
    eps: float

    def __init__(self, width: int, *, eps: float = 1e-6, dtype: Any = np.float32) -> None:
        self.weight, self.eps = _scale_and_eps(f"RMSNorm({width})", width, eps, dtype)

    @property
    def width(self) -> int:
        """The length of the last axis."""
        return self.weight.shape[-1]

    def __call__(self, x: ArrayLike) -> Tensor:
        """``x / √(mean x² + ε) · w``."""
        x = _checked(self, x, self.weight)
        return x / sqrt(mean(x * x, axis=-1, keepdims=True) + self.eps) * self.weight

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()
        eps = "" if self.eps == 1e-6 else f", eps={self.eps:g}"
        return f"{type(self).__name__}({self.width}{eps})"


def _scale_and_eps(who: str, width: int, eps: float, dtype: Any) -> tuple[Tensor, float]:
    check_sizes(who, width)
    if not 0 < eps < np.inf:  # without it a constant row would be 0 / 0
        raise OptionError("nn.eps", who=who, got=eps)
    return ones(width, checked_dtype(who, dtype)), float(eps)


def _checked(layer: object, x: ArrayLike, weight: Tensor) -> Tensor:
    x = adapted(x, weight.dtype)
    if x.shape[-1:] != weight.shape[-1:]:
        raise ShapeError("nn.features", who=layer, wanted=weight.shape[-1], shape=x.shape, mend="")
    if x.dtype != weight.dtype:
        raise DtypeError("nn.input_type", who=layer, wanted=weight.dtype, got=x.dtype)
    return x
