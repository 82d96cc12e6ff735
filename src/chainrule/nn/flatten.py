"""Rows from images and other tensors."""

import math

from chainrule.graph.ops.movement import reshape
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.graph.trace import named

__all__ = ["flatten"]


@named
def flatten(x: ArrayLike) -> Tensor:
    """Every example as one row: ``[N, …]`` becomes ``[N, D]``; a step in ``Sequential``.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> nn.flatten(cr.zeros((64, 28, 28))).shape
    (64, 784)
    """
    x = asarray(x)
    return reshape(x, (*x.shape[:1], math.prod(x.shape[1:])))
