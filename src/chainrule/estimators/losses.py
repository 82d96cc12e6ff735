"""What training makes small: losses of outputs ``z``, by scikit-learn's names.

Every loss is ``loss(z, t, weight)``: the mean over rows, with their weights, of what one row costs,
summed over the outputs. ``z`` are the outputs of the last layer before an activation, ``[N, K]``;
``weight`` is ``[N]`` or ``None``. The cost of a training adds scikit-learn's penalty, ``α/2 Σ W²``
over the weights (not the biases), divided by the rows of the batch or by their weight together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from chainrule import nn
from chainrule.graph import Tensor, asarray, exp, log, mean, square, sum, where
from chainrule.trees import tree_leaves

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "Loss",
    "OwnLoss",
    "binary_log_loss",
    "log_loss",
    "penalized",
    "poisson",
]

Loss: TypeAlias = Callable[[Any, Any, Any], Tensor]


def log_loss(z: Any, t: Any, weight: Any = None) -> Tensor:
    """Cross-entropy of the softmax; ``t`` holds one class number per row.

    Examples
    --------
    >>> from chainrule.estimators.losses import log_loss
    >>> round(log_loss([[0.0, 0.0]], [1]).item(), 4)
    0.6931
    """
    return nn.cross_entropy(z, t, sample_weight=weight)


def binary_log_loss(z: Any, t: Any, weight: Any = None) -> Tensor:
    """Cross-entropy of a sigmoid for each output; ``t`` is 0 or 1, ``[N, K]``.

    Examples
    --------
    >>> from chainrule.estimators.losses import binary_log_loss
    >>> round(binary_log_loss([[0.0, 0.0]], [[1, 0]]).item(), 4)
    1.3863
    """
    return nn.binary_cross_entropy(z, t, sample_weight=weight, reduction="batchmean")


def squared_error(z: Any, t: Any, weight: Any = None) -> Tensor:
    """Half of the squared error: ``½ ‖t - z‖²``.

    Examples
    --------
    >>> from chainrule.estimators.losses import squared_error
    >>> squared_error([[1.0, 2.0]], [[3.0, 2.0]]).item()
    2.0
    """
    return 0.5 * nn.mse(z, t, sample_weight=weight, reduction="batchmean")


def absolute_error(z: Any, t: Any, weight: Any = None) -> Tensor:
    """``Σ |t - z|``: outliers count no more than in proportion; the optimum is the median.

    Examples
    --------
    >>> from chainrule.estimators.losses import absolute_error
    >>> absolute_error([[1.0, 2.0]], [[3.0, 2.0]]).item()
    2.0
    """
    return nn.mae(z, t, sample_weight=weight, reduction="batchmean")


def huber(z: Any, t: Any, weight: Any = None) -> Tensor:
    """Huber's loss with ``δ = 1``: squared for small errors, absolute for large ones.

    Examples
    --------
    >>> from chainrule.estimators.losses import huber
    >>> huber([[1.0, 2.0]], [[3.0, 2.0]]).item()
    1.5
    """
    return nn.huber(z, t, sample_weight=weight, reduction="batchmean")


def poisson(z: Any, t: Any, weight: Any = None) -> Tensor:
    """Half of Poisson's deviance with ``y = eᶻ``: ``t log(t / y) - t + y``.

    Examples
    --------
    >>> from chainrule.estimators.losses import poisson
    >>> round(poisson([[0.0]], [[2.0]]).item(), 4)
    0.3863
    """
    z, t = asarray(z), asarray(t)
    counted = t > 0
    surprise = where(counted, t * log(where(counted, t, 1.0)), 0.0)
    errors: Tensor = (surprise - t * z - t + exp(z)).sum(axis=1)
    if weight is None:
        return mean(errors)
    total = sum(weight)
    return asarray(sum(weight * errors) / where(total == 0, 1.0, total))


@dataclass(frozen=True)
class OwnLoss:
    """A loss that a user has written: ``function(z, t)``, or with ``sample_weight`` as a keyword.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.estimators.losses import OwnLoss
    >>> OwnLoss(nn.mae)([[1.0]], [[3.0]], None).item()
    2.0
    """

    function: Callable[..., Any]

    def __call__(self, z: Any, t: Any, weight: Any = None) -> Tensor:
        """The loss; rows without weights are handed over without the keyword."""
        options = {} if weight is None else {"sample_weight": weight}
        return asarray(self.function(z, t, **options))


CLASSIFICATION: dict[str, Loss] = {"log_loss": log_loss}
REGRESSION: dict[str, Loss] = {
    "squared_error": squared_error,
    "absolute_error": absolute_error,
    "huber": huber,
    "poisson": poisson,
}


def penalized(loss: Any, model: Any, alpha: Any, rows: int, weight: Any) -> Tensor:
    """``loss + α/2 Σ W² / n``, ``n`` being the rows of the batch, or their weight together.

    ``W`` are the parameters that are matrices; biases and the like are vectors.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.estimators.losses import penalized
    >>> model = nn.MLP(2, [], 1, init=lambda rng, shape, dtype: [[3.0], [1.0]])
    >>> penalized(1.0, model, 0.5, rows=5, weight=None).item()
    1.5
    """
    half: Any = 0.0
    for leaf in tree_leaves(model):
        if leaf.ndim > 1:
            half = half + 0.5 * alpha * sum(square(leaf))
    if weight is None:
        return asarray(loss + half * (1.0 / rows))
    count = sum(weight)
    return asarray(loss + half / where(count == 0, 1.0, count))
