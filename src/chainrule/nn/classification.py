"""From logits to classes and probabilities, and back to one-hot targets."""

import math
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph.ops.reductions import argmax
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.activations import sigmoid, softmax
from chainrule.nn.checks import check_range, check_sizes

__all__ = ["one_hot", "predict_class", "predict_probability"]


def predict_class(logits: ArrayLike, *, binary: bool = False, threshold: float = 0.5) -> Tensor:
    """The most likely class, by the arg max of the logits: softmax does not change their order.

    Parameters
    ----------
    logits
        ``[..., C]``; with ``binary`` any shape.
    binary
        Each logit is a question of its own: class 1 where ``σ(z) > threshold``, else class 0.
    threshold
        Between 0 and 1, for ``binary`` only.

    Returns
    -------
    Tensor
        Class indices (int64) of shape ``[...]``; with ``binary`` of the shape of the logits.

    Raises
    ------
    ShapeError
        If there are fewer than two classes.
    OptionError
        If the threshold is not between 0 and 1.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.predict_class([[0.1, 2.0, -1.0], [3.0, 0.0, 0.0]])
    Tensor i64[2] [1 0]
    >>> nn.predict_class([-0.5, 2.0], binary=True)
    Tensor i64[2] [0 1]
    """
    if not 0 < threshold < 1:
        raise OptionError("nn.threshold", got=threshold)
    if binary:
        # On the side of the logits: σ(z) rounds to 1/2 for small z.
        return (asarray(logits) > math.log(threshold / (1 - threshold))).astype(np.int64)
    return argmax(_classes(logits), axis=-1)


def predict_probability(logits: ArrayLike, *, binary: bool = False) -> Tensor:
    """Probabilities: the softmax over the last axis, or with ``binary`` the sigmoid of each logit.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.predict_probability([[0.0, 0.0], [0.0, 1000.0]])
    Tensor f32[2, 2]
    [[0.5 0.5]
     [0.  1. ]]
    >>> nn.predict_probability(0.0, binary=True).item()
    0.5
    """
    return sigmoid(logits) if binary else softmax(_classes(logits))


def _classes(logits: ArrayLike) -> Tensor:
    logits = asarray(logits)
    if not logits.shape or logits.shape[-1] < 2:
        raise ShapeError("nn.one_logit", shape=logits.shape)
    return logits


def one_hot(t: ArrayLike, classes: int, dtype: Any = np.float32) -> Tensor:
    """A row with a 1 at the place of the class and 0 elsewhere, for every class index.

    Parameters
    ----------
    t
        Integers from 0 to ``classes - 1``, any shape.
    classes
        ``C``, how many classes there are.
    dtype
        The number type of the rows.

    Returns
    -------
    Tensor
        ``[*t.shape, C]``.

    Raises
    ------
    DtypeError
        If ``t`` is not of an integer type.
    DataError
        If an index is out of range.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.one_hot([0, 2], 3)
    Tensor f32[2, 3]
    [[1. 0. 0.]
     [0. 0. 1.]]
    """
    check_sizes("one_hot", classes)
    t = asarray(t)
    if t.dtype.kind not in "iu":
        raise DtypeError("nn.float_classes", who="one_hot", got=t.dtype)
    check_range("one_hot", "t", t, 0, classes - 1)
    return (t.reshape(*t.shape, 1) == np.arange(classes)).astype(dtype)
