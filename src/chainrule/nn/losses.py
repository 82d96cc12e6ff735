"""Losses: how far outputs ``y`` (or logits ``z``) are from targets ``t``, as one number.

Every loss first gives an *error* ``e`` to each element (to each row for :func:`cross_entropy`) and
then reduces the errors with their weights ``w`` (1 without ``sample_weight`` and ``class_weight``):

=================  ===================================================================
``"mean"``         ``Σ w e / Σ w``, the weighted mean; 0 where all weights are 0
``"batchmean"``    the mean times the number of errors per row: ``1/N Σ e`` without weights
``"sum"``          ``Σ w e``
``"none"``         ``w e``, not reduced
=================  ===================================================================

``sample_weight`` has one weight per row, ``[N]``, or more of the leading axes of the errors. A
weight of 2 counts like a row that stands there twice.

Targets must have the shape and floating type that belong to the output; nothing broadcasts, since
``[N, 1]`` beside ``[N]`` would silently compare every row with every other.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from chainrule import words
from chainrule.errors import DtypeError, OptionError, ShapeError, suggest
from chainrule.graph.functions import mean
from chainrule.graph.ops.elementwise import abs as _abs
from chainrule.graph.ops.elementwise import square, where
from chainrule.graph.ops.gather import gather
from chainrule.graph.ops.movement import reshape
from chainrule.graph.ops.reductions import sum as _sum
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.graph.trace import call
from chainrule.nn.activations import log_softmax, softplus
from chainrule.nn.checks import adapted, check_range, check_weights

__all__ = ["binary_cross_entropy", "cross_entropy", "huber", "mae", "mse"]

REDUCTIONS = ("mean", "batchmean", "sum", "none")

#: Errors, and how much each counts in the mean (``None``: all the same).
Errors: TypeAlias = tuple[Tensor, Tensor | None]


# ---------------------------------------------------------------------- regression
def mse(
    y: ArrayLike,
    t: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean squared error: ``e = (t - y)²``, by default averaged over all elements.

    With several outputs there are two conventions. The mean over all elements (PyTorch,
    scikit-learn) is the default; the mean over rows of the squared length,
    ``J = 1/N Σ ‖t - y‖²``, is ``reduction="batchmean"``. With one output they are the same.

    Parameters
    ----------
    y
        Outputs of any shape, the first axis counts rows.
    t
        Targets of the same shape; integers are converted.
    sample_weight
        One weight per row, or per element.
    reduction
        ``"mean"``, ``"batchmean"``, ``"sum"`` or ``"none"``; see :mod:`chainrule.nn.losses`.

    Raises
    ------
    ShapeError
        If the shapes differ.
    DtypeError
        If the floating types differ.
    DataError
        If a weight is negative or not finite.
    OptionError
        If there is no such reduction.

    Examples
    --------
    >>> from chainrule import nn
    >>> y, t = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]
    >>> nn.mse(y, t).item(), nn.mse(y, t, reduction="batchmean").item()
    (3.25, 6.5)
    """
    return _regression("mse", _squared, {}, y, t, sample_weight, reduction)


def _squared(y: Tensor, t: Tensor) -> Errors:
    return square(y - t), None


def mae(
    y: ArrayLike,
    t: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean absolute error: ``e = |t - y|``; the derivative where ``y = t`` is 0.

    Parameters and errors are those of :func:`mse`.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.mae([1.0, 2.0], [1.0, 5.0]).item()
    1.5
    """
    return _regression("mae", _absolute, {}, y, t, sample_weight, reduction)


def _absolute(y: Tensor, t: Tensor) -> Errors:
    return _abs(y - t), None


def huber(
    y: ArrayLike,
    t: ArrayLike,
    *,
    delta: float | Tensor = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Huber's loss: squared for small differences, absolute for large ones.

    With ``d = |t - y|``: ``e = d²/2`` where ``d <= δ``, else ``δ (d - δ/2)``. Parameters and errors
    are those of :func:`mse`, and one more:

    Parameters
    ----------
    delta
        ``δ > 0``, where the one becomes the other; a number, or a tensor to differentiate by.

    References
    ----------
    Huber (1964), "Robust estimation of a location parameter".

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.huber([0.0, 0.0], [0.5, 3.0], reduction="none")
    Tensor f32[2] [0.125 2.5  ]
    """
    if isinstance(delta, (int, float)) and not delta > 0:
        raise OptionError("nn.delta", got=delta)
    return _regression("huber", _huber, {"delta": delta}, y, t, sample_weight, reduction)


def _huber(y: Tensor, t: Tensor, delta: Any) -> Errors:
    d = _abs(y - t)
    return where(d <= delta, 0.5 * square(y - t), delta * (d - 0.5 * delta)), None


def _regression(
    name: str,
    errors: Callable[..., Errors],
    options: Mapping[str, Any],
    y: ArrayLike,
    t: ArrayLike,
    sample_weight: ArrayLike | None,
    reduction: str,
) -> Tensor:
    y, t = _alike(name, "y", y, t)
    return _loss(name, errors, {"y": y, "t": t, **options}, y.spec, sample_weight, reduction)


# ---------------------------------------------------------------------- classification
def cross_entropy(
    logits: ArrayLike,
    t: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: float | Tensor = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of ``p = softmax(logits)``: ``e = -Σ_c t_c log p_c``, computed stably.

    With a class index ``t`` this is ``e = -log p_t``. The gradient for the logits is ``p - t``.

    Parameters
    ----------
    logits
        ``[..., C]`` with ``C >= 2``, not probabilities.
    t
        Class indices ``[...]`` (integers from 0 on), or probabilities ``[..., C]`` (floating),
        such as :func:`chainrule.nn.one_hot` gives.
    sample_weight
        One weight per row.
    class_weight
        One weight ``ω_c`` per class: ``e = -Σ_c ω_c t_c log p_c``. In the mean a row then counts
        with ``Σ_c ω_c t_c``, which is ``ω_t`` for a class index.
    label_smoothing
        ``0 <= ε <= 1``: the target becomes ``(1 - ε) t + ε/C``.
    reduction
        ``"mean"``, ``"batchmean"``, ``"sum"`` or ``"none"``; see :mod:`chainrule.nn.losses`.

    Raises
    ------
    ShapeError
        If the shapes do not belong together.
    DtypeError
        If class indices are floating, or floating types differ.
    DataError
        If a class index is not in ``0 … C - 1``, or a weight is negative or not finite.
    OptionError
        If an option is out of range.

    Notes
    -----
    As in PyTorch, with one deviation: with class weights *and* probabilities, PyTorch divides by
    the number of rows; here one-hot targets and class indices give the same.

    Examples
    --------
    >>> from chainrule import nn
    >>> logits = [[2.0, 0.0], [0.0, 0.0]]
    >>> nn.cross_entropy(logits, [0, 1], reduction="none")
    Tensor f32[2] [0.1269 0.6931]
    >>> round(nn.cross_entropy(logits, [0, 1], class_weight=[1.0, 3.0]).item(), 4)
    0.5516
    """
    logits = _floating("cross_entropy", "logits", logits)
    if not logits.shape or logits.shape[-1] < 2:
        raise ShapeError("nn.one_class", shape=logits.shape)
    if isinstance(label_smoothing, (int, float)) and not 0 <= label_smoothing <= 1:
        raise OptionError("nn.smoothing", got=label_smoothing)
    inputs = {
        "logits": logits,
        "t": _class_target(logits, t),
        "class_weight": _class_weight("cross_entropy", class_weight, logits, logits.shape[-1]),
        "label_smoothing": label_smoothing,
    }
    rows = logits.spec.with_shape(logits.shape[:-1])
    return _loss("cross_entropy", _surprise, inputs, rows, sample_weight, reduction)


def _surprise(
    logits: Tensor, t: Tensor, class_weight: Tensor | None, label_smoothing: Any
) -> Errors:
    by_class = -log_softmax(logits)
    counts = None
    if class_weight is not None:
        by_class = class_weight * by_class
    if t.spec.is_float:
        # A class of probability 0 adds nothing, even where its logit is -inf.
        errors = _sum(where(t == 0, 0, t * by_class), axis=-1)
        if class_weight is not None:
            counts = _sum(t * class_weight, axis=-1)
    else:
        place = reshape(t, (*t.shape, 1))
        errors = gather(by_class, place, batch=t.ndim)
        if class_weight is not None:
            counts = gather(class_weight, place)
    if isinstance(label_smoothing, Tensor) or label_smoothing:
        errors = (1.0 - label_smoothing) * errors + label_smoothing * mean(by_class, axis=-1)
    return errors, counts


def binary_cross_entropy(
    logits: ArrayLike,
    t: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of ``p = σ(logits)`` for two classes, computed stably.

    ``e = -t log p - (1 - t) log (1 - p)``; the gradient for a logit is ``p - t``.

    Parameters
    ----------
    logits
        Any shape, not probabilities; several outputs are several questions with yes or no.
    t
        Targets of the same shape: 0 and 1, or probabilities; integers and booleans are converted.
    sample_weight
        One weight per row, or per element.
    class_weight
        Two weights ``(ω₀, ω₁)``: ``e = -ω₁ t log p - ω₀ (1 - t) log (1 - p)``. In the mean an
        element then counts with ``ω₁ t + ω₀ (1 - t)``.
    reduction
        ``"mean"``, ``"batchmean"``, ``"sum"`` or ``"none"``; see :mod:`chainrule.nn.losses`.

    Raises
    ------
    ShapeError
        If the shapes differ.
    DtypeError
        If the floating types differ.
    DataError
        If a target is not in ``0 … 1``, or a weight is negative or not finite.
    OptionError
        If there is no such reduction.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.binary_cross_entropy([0.0, 2.0], [1, 1], reduction="none")
    Tensor f32[2] [0.6931 0.1269]
    """
    logits, t = _alike("binary_cross_entropy", "logits", logits, t)
    check_range("binary_cross_entropy", "t", t, 0, 1)
    weights = _class_weight("binary_cross_entropy", class_weight, logits, 2)
    inputs = {"logits": logits, "t": t, "class_weight": weights}
    name = "binary_cross_entropy"
    return _loss(name, _binary_surprise, inputs, logits.spec, sample_weight, reduction)


def _binary_surprise(logits: Tensor, t: Tensor, class_weight: Tensor | None) -> Errors:
    # log σ(z) = -softplus(-z) and log (1 - σ(z)) = -softplus(z) keep their digits far out.
    of_one, of_zero = t * softplus(-logits), (1.0 - t) * softplus(logits)
    if class_weight is None:
        return of_one + of_zero, None
    zero, one = class_weight
    return one * of_one + zero * of_zero, one * t + zero * (1.0 - t)


# ---------------------------------------------------------------------- what all losses share
def _loss(
    name: str,
    errors_of: Callable[..., Errors],
    inputs: Mapping[str, Any],
    errors_spec: Spec,
    sample_weight: ArrayLike | None,
    reduction: str,
) -> Tensor:
    """One named step in graphs: errors, weighted and reduced."""
    if reduction not in REDUCTIONS:
        hint = suggest(reduction, REDUCTIONS)
        raise OptionError("nn.reduction", who=name, got=reduction, hint=hint, known=REDUCTIONS)
    weight = _sample_weight(name, sample_weight, errors_spec)

    def compute(inputs: Mapping[str, Any], weight: Tensor | None) -> Tensor:
        errors, counts = errors_of(**inputs)
        if weight is not None:
            errors, counts = errors * weight, weight if counts is None else counts * weight
        return _reduced(errors, counts, reduction)

    return call(name, name, compute, dict(inputs), weight)  # type: ignore[no-any-return]


def _reduced(errors: Tensor, counts: Tensor | None, reduction: str) -> Tensor:
    """Weighted errors as one number; ``counts`` says how much each stands for in the mean."""
    if reduction == "none":
        return errors
    if reduction == "sum":
        return _sum(errors)
    if counts is None or errors.size == 0:
        average = mean(errors)
    else:
        total = _sum(counts) * (errors.size // counts.size)
        average = _sum(errors) / where(total == 0, 1, total)
    per_row = math.prod(errors.shape[1:]) if reduction == "batchmean" else 1
    return average * per_row if per_row != 1 else average


def _sample_weight(who: str, weight: ArrayLike | None, errors: Spec) -> Tensor | None:
    """Weights with axes of length 1 at the end, so that they fit the errors."""
    if weight is None:
        return None
    weight = asarray(weight, errors.dtype)
    if weight.shape != errors.shape[: weight.ndim]:
        raise ShapeError("nn.sample_weight", who=who, errors=errors.shape, got=weight.shape)
    check_weights("sample_weight", weight)
    return reshape(weight, (*weight.shape, *(1,) * (errors.ndim - weight.ndim)))


def _class_weight(
    who: str, weight: ArrayLike | None, logits: Tensor, classes: int
) -> Tensor | None:
    if weight is None:
        return None
    weight = asarray(weight, logits.dtype)
    if weight.shape != (classes,):
        raise ShapeError("nn.class_weight", who=who, wanted=classes, got=weight.shape)
    check_weights("class_weight", weight)
    return weight


def _floating(who: str, name: str, y: ArrayLike) -> Tensor:
    y = asarray(y)
    if not y.spec.is_float:
        raise DtypeError("nn.output_type", who=who, name=name, got=y.dtype)
    return y


def _alike(who: str, name: str, y: ArrayLike, t: ArrayLike) -> tuple[Tensor, Tensor]:
    """Outputs, and targets of the same shape and type."""
    y = _floating(who, name, y)
    t = adapted(t, y.dtype)
    if t.shape != y.shape:
        mend = " " + words.text("nn.reshape_target", shape=y.shape) if t.size == y.size else ""
        shapes = {"y": y.shape, "t": t.shape}
        raise ShapeError("nn.target_shape", who=who, name=name, **shapes, mend=mend)
    if t.spec.is_float and t.dtype != y.dtype:
        raise DtypeError("nn.target_type", who=who, name=name, wanted=y.dtype, got=t.dtype)
    return y, t.astype(y.dtype)


def _class_target(logits: Tensor, t: ArrayLike) -> Tensor:
    """Class indices for every row, or probabilities for every class."""
    who, rows = "cross_entropy", logits.shape[:-1]
    target = asarray(t)
    if target.spec.is_float:
        target = adapted(t, logits.dtype)
        if target.shape == rows:
            raise DtypeError("nn.float_classes", who=who, got=target.dtype)
    wanted = logits.shape if target.spec.is_float else rows
    if target.shape != wanted:
        mend = _class_mend(target, logits)
        shapes = {"rows": rows, "all": logits.shape, "got": target.shape}
        raise ShapeError("nn.class_target", **shapes, mend=mend)
    if target.spec.is_float:
        if target.dtype != logits.dtype:
            names = {"who": who, "name": "logits"}
            raise DtypeError("nn.target_type", **names, wanted=logits.dtype, got=target.dtype)
        return target
    check_range(who, "t", target, 0, logits.shape[-1] - 1)
    # Unsigned, so that in compiled code too a negative number is out of range, not from the end.
    return target.astype(np.uint64)


def _class_mend(target: Tensor, logits: Tensor) -> str:
    """What to do with targets of the wrong shape, if that is clear."""
    if target.shape == logits.shape:
        return " " + words.text("nn.one_hot_floats", dtype=logits.dtype)
    if target.shape == (*logits.shape[:-1], 1):
        return " " + words.text("nn.reshape_target", shape=logits.shape[:-1])
    return ""
