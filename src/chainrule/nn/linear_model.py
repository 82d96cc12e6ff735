"""The linear model ``Y = X W + b``: its closed form, and networks that are no more than that."""

from typing import Any

import numpy as np

from chainrule.errors import DataError, OptionError, ShapeError
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.activations import identity
from chainrule.nn.dropout import Dropout
from chainrule.nn.linear import Linear
from chainrule.nn.mlp import MLP
from chainrule.nn.sequential import Sequential

__all__ = ["collapse", "least_squares_fit"]


def least_squares_fit(x: ArrayLike, t: ArrayLike, *, l2: float = 0.0, bias: bool = True) -> Linear:
    """The linear layer that minimises ``‖x W + b - t‖² + l2 ‖W‖²``, in closed form.

    Solved by the singular value decomposition in float64 on centred data, so that ``b`` carries no
    penalty. Where several ``W`` are equally good (fewer rows than columns, or columns that depend
    on each other), it is the one with the smallest norm. Gradient descent on
    :func:`chainrule.nn.mse` arrives at the same weights.

    Parameters
    ----------
    x
        ``[N, D]``, ``N >= 1``: rows are data points.
    t
        Targets ``[N, P]``, or ``[N]`` for one output.
    l2
        The penalty, at least 0; as ``alpha`` in scikit-learn's ``Ridge``.
    bias
        Whether there is a ``b``.

    Returns
    -------
    Linear
        With the floating type of ``x``.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    DataError
        If there is a NaN or an infinity in the data.
    OptionError
        If the penalty is negative.

    Examples
    --------
    >>> from chainrule import nn
    >>> line = nn.least_squares_fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> round(line.weight.item(), 4), round(line.bias.item(), 4)
    (2.0, 1.0)
    """
    given, rows, targets = asarray(x), _as_float64(x), _as_float64(t)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if rows.ndim != 2 or targets.ndim != 2 or not 1 <= len(rows) == len(targets):
        raise ShapeError("nn.fit_shapes", x=rows.shape, t=asarray(t).shape)
    if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
        raise DataError("nn.fit_finite")
    if not 0 <= l2 < np.inf:
        raise OptionError("nn.l2", got=l2)
    dtype = given.dtype if given.spec.is_float else np.dtype(np.float32)
    if not bias:
        return Linear.of(asarray(_solved(rows, targets, l2), dtype))
    x_mean, t_mean = rows.mean(axis=0), targets.mean(axis=0)
    weight = _solved(rows - x_mean, targets - t_mean, l2)
    return Linear.of(asarray(weight, dtype), asarray(t_mean - x_mean @ weight, dtype))


def _as_float64(x: ArrayLike) -> np.ndarray:
    return asarray(x).numpy().astype(np.float64)


def _solved(x: np.ndarray, t: np.ndarray, l2: float) -> Any:
    """The ``W`` of smallest norm that minimises ``‖x W - t‖² + l2 ‖W‖²``."""
    if l2:
        # The penalty is a further row for each weight: √l2 · w should be 0.
        columns = x.shape[1]
        x = np.concatenate([x, np.sqrt(l2) * np.eye(columns)])
        t = np.concatenate([t, np.zeros((columns, t.shape[1]))])
    return np.linalg.lstsq(x, t)[0]


def collapse(model: Any) -> Linear:
    """The one linear layer that does the same as a network without activations.

    ``(x W¹ + b¹) W² + b² = x (W¹ W²) + (b¹ W² + b²)``: however many layers there are, without
    activations they are a linear model.

    Parameters
    ----------
    model
        A :class:`Linear`, an :class:`MLP` or a :class:`Sequential` whose activations are all
        :func:`identity`. Dropout counts as in inference, where it does nothing.

    Raises
    ------
    OptionError
        If something in the model is not linear; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> deep = nn.MLP(3, [8, 8], 2, activation="identity", rng=0, dtype=np.float64)
    >>> x = np.ones((4, 3))
    >>> nn.collapse(deep), np.allclose(deep(x), nn.collapse(deep)(x))
    (Linear(3, 2), True)
    """
    layers = _linear_layers(model)
    if not layers:
        raise OptionError("nn.not_linear", got=repr(model))
    weight, bias = layers[0].weight, layers[0].bias
    for layer in layers[1:]:
        weight = weight @ layer.weight
        carried = None if bias is None else bias @ layer.weight
        bias = _added(carried, layer.bias)
    return Linear.of(weight, bias)


def _added(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _linear_layers(step: Any) -> list[Linear]:
    """The linear layers of a model in order; raises at the first thing that is not linear."""
    if isinstance(step, Linear):
        return [step]
    if step is identity or isinstance(step, Dropout):
        return []
    if isinstance(step, Sequential):
        steps = step.layers
    elif isinstance(step, MLP):
        steps = (*step.hidden, *step.activations, step.output)
    else:
        raise OptionError("nn.not_linear", got=getattr(step, "__name__", None) or repr(step))
    return [layer for inner in steps for layer in _linear_layers(inner)]
