"""Checks that layers and losses share, and the messages that they give."""

from typing import Any

import numpy as np

from chainrule import words
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError
from chainrule.graph.spec import Shape
from chainrule.graph.spec import checked_dtype as _known_dtype
from chainrule.graph.tensor import ArrayLike, Tensor, asarray

__all__ = [
    "adapted",
    "check_range",
    "check_sizes",
    "check_weights",
    "checked_dtype",
    "checked_rows",
    "is_number",
]


def is_number(value: Any) -> bool:
    """Whether a value is one finite real number, of Python or NumPy; truth values are none."""
    real = isinstance(value, (int, float, np.integer, np.floating))
    return real and not isinstance(value, bool) and bool(np.isfinite(value))


def check_sizes(who: str, *sizes: Any) -> None:
    """Sizes of layers are integers from 1 on."""
    for size in sizes:
        integer = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if not integer or size < 1:
            raise OptionError("nn.size", who=who, got=repr(size))


def checked_dtype(who: str, dtype: Any) -> np.dtype[Any]:
    """The number type of a layer's parameters: float32 or float64."""
    resolved = _known_dtype(dtype)
    if resolved.kind != "f":
        raise DtypeError("nn.float_type", who=who, got=resolved)
    return resolved


def adapted(x: ArrayLike, dtype: np.dtype[Any]) -> Tensor:
    """``x`` as a tensor; Python numbers, which have no type of their own, take ``dtype``."""
    if hasattr(x, "dtype"):
        return asarray(x)
    made = asarray(x)
    # A sequence of tensors has brought its type along.
    return asarray(x, dtype) if made.dtype in (np.float32, np.int64) else made


def checked_rows(layer: object, x: ArrayLike, weight: Tensor) -> Tensor:
    """``x`` as rows that a layer can multiply with ``weight``; raises if they do not fit."""
    x, wanted = adapted(x, weight.dtype), weight.shape[-2]
    if x.shape[-1:] != (wanted,):
        mend = _rows_mend(x.shape, wanted)
        raise ShapeError("nn.features", who=layer, wanted=wanted, shape=x.shape, mend=mend)
    if x.dtype != weight.dtype:
        raise DtypeError("nn.input_type", who=layer, wanted=weight.dtype, got=x.dtype)
    return x


def _rows_mend(shape: Shape, wanted: int) -> str:
    """How ``x`` becomes rows of the wanted length, if it can."""
    if len(shape) > 2 and np.prod(shape[1:]) == wanted:
        return " " + words.text("nn.flatten", rows=shape[0])
    if len(shape) == 1 and wanted == 1:
        return " " + words.text("nn.column")
    return ""


def check_range(who: str, name: str, x: Tensor, low: float, high: float) -> None:
    """All numbers lie between two bounds; a symbolic tensor has no numbers yet."""
    if x.is_symbolic or x.size == 0:
        return
    smallest, largest = x.numpy().min(), x.numpy().max()
    if not low <= smallest <= largest <= high:  # false for NaN too
        found = f"{smallest} … {largest}"
        raise DataError("nn.range", who=who, name=name, low=low, high=high, got=found)


def check_weights(name: str, weight: Tensor) -> None:
    """Weights are finite and not negative."""
    if weight.is_symbolic or weight.size == 0:
        return
    smallest, largest = weight.numpy().min(), weight.numpy().max()
    if not 0 <= smallest <= largest < np.inf:
        raise DataError("nn.weight_range", name=name, got=f"{smallest} … {largest}")
