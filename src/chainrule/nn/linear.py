"""The linear layer."""

from typing import Any, Self

import numpy as np

from chainrule.errors import ShapeError
from chainrule.graph.functions import zeros
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes, checked_dtype, checked_rows
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.module import Module

__all__ = ["Linear"]


class Linear(Module):
    """The linear layer ``z = x W + b``: every row of ``x`` is a data point.

    Parameters
    ----------
    in_features, out_features
        How many numbers come in and go out, both at least 1.
    bias
        Whether there is a ``b``; it begins at 0.
    init
        How the weights begin (:func:`chainrule.nn.initializer`): a name, or a function
        ``(rng, shape, dtype) -> tensor``. By default Xavier.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight
        ``W``, of shape ``(in_features, out_features)``.
    bias
        ``b``, of shape ``(out_features,)``, or ``None``.

    Notes
    -----
    ``x`` has the shape ``[..., in_features]``, ``z`` the shape ``[..., out_features]``. PyTorch
    keeps the transpose of ``W``.

    Raises
    ------
    ShapeError
        If the last axis of ``x`` does not fit.
    DtypeError
        If ``x`` has another number type than the weights.
    OptionError
        If a size is below 1, or the initialiser is unknown.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.Linear(3, 2, rng=0)
    >>> layer, layer(cr.ones((5, 3))).shape
    (Linear(3, 2), (5, 2))
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        init: str | Initializer = "auto",
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        who, shape = f"Linear({in_features}, {out_features})", (in_features, out_features)
        check_sizes(who, *shape)
        dtype = checked_dtype(who, dtype)
        self.weight = asarray(initializer(init)(checked_rng(rng), shape, dtype), dtype)
        if self.weight.shape != shape:
            raise ShapeError("nn.init_shape", who=who, wanted=shape, got=self.weight.shape)
        self.bias = zeros(out_features, dtype) if bias else None

    @classmethod
    def of(cls, weight: ArrayLike, bias: ArrayLike | None = None) -> Self:
        """The layer with these weights ``(in, out)`` and biases ``(out,)``.

        Raises
        ------
        ShapeError
            If the shapes do not fit together.

        Examples
        --------
        >>> from chainrule import nn
        >>> nn.Linear.of([[1.0], [2.0]], [3.0])([[10.0, 100.0]]).item()
        213.0
        """
        weight = asarray(weight)
        bias = None if bias is None else asarray(bias)
        if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[1:]):
            got = None if bias is None else bias.shape
            raise ShapeError("nn.weights", who=cls.__name__, weight=weight.shape, bias=got)
        return cls(1, 1, rng=0).replace(weight=weight, bias=bias)

    @property
    def in_features(self) -> int:
        """How many numbers come in."""
        return self.weight.shape[-2]

    @property
    def out_features(self) -> int:
        """How many numbers go out."""
        return self.weight.shape[-1]

    def __call__(self, x: ArrayLike) -> Tensor:
        """``x W + b``."""
        x = checked_rows(self, x, self.weight)
        z = x @ self.weight
        return z if self.bias is None else z + self.bias

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        bias = "" if self.bias is not None else ", bias=False"
        return f"{type(self).__name__}({self.in_features}, {self.out_features}{bias})"
