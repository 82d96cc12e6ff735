"""The averages that optimizers keep."""

import numpy as np

from chainrule.graph.functions import zeros_like
from chainrule.graph.ops.elementwise import expm1, log
from chainrule.graph.tensor import Tensor, asarray
from chainrule.optim.protocol import Tree
from chainrule.trees import tree_map

__all__ = ["bias_correction", "counter", "moving_average", "zeros"]


def counter() -> Tensor:
    """A step counter at 0; 64 bits, since small models make 2³¹ steps within an hour."""
    return asarray(np.zeros((), np.int64))


def zeros(params: Tree) -> Tree:
    """Zeros shaped like the parameters."""
    return tree_map(zeros_like, params)


def moving_average(average: Tree, new: Tree, decay: Tensor) -> Tree:
    """The exponential moving average ``decay · average + (1 − decay) · new``, leaf by leaf."""
    rest = 1.0 - decay
    return tree_map(lambda old, x: decay * old + rest * x, average, new)


def bias_correction(decay: Tensor, step: Tensor) -> Tensor:
    """``1 − decayᵗ``: the weight that a moving average started at zero has gathered in ``t`` steps.

    For a decay near 1 the difference cancels in float32; ``−expm1(t log decay)`` keeps its digits.
    """
    return -expm1(step.astype(decay.dtype) * log(decay))
