"""Maps that treat every feature, or every row, by itself: zero-centring, normalisation."""

import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from chainrule.data.maps import Map, along
from chainrule.data.moments import (
    Numbers,
    as_table,
    column_deviations,
    column_means,
    rounding,
)
from chainrule.errors import DataError, OptionError

__all__ = ["Scaling", "UnitNorm"]


@dataclass(frozen=True, eq=False, repr=False)
class Scaling(Map):
    """Each feature moved and scaled: ``z = (x − offset) / scale``.

    Attributes
    ----------
    offset, scale
        float64 ``[features]``; scales are positive.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> standard = data.Scaling.standard(x)
    >>> standard(x)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standard.inverse(standard(x))
    array([[1., 5.],
           [3., 5.]])
    """

    offset: Numbers = field(metadata=along("features"))
    scale: Numbers = field(metadata=along("features", positive=True))

    @classmethod
    def centred(cls, x: Any) -> Self:
        """Zero-centring: every feature gets the mean 0.

        Raises
        ------
        DataError
            If ``x`` is not a table ``[rows, features]`` of finite numbers with at least one row.
        """
        who = "Scaling.centred(x)"
        table = as_table(who, x)
        return cls(column_means(who, table), np.ones(table.shape[1]))

    @classmethod
    def standard(cls, x: Any) -> Self:
        """Every feature gets the mean 0 and the standard deviation 1 (divided by ``n``).

        A feature that varies no more than by rounding errors is centred and not scaled: its scale
        is 1.

        Raises
        ------
        DataError
            If ``x`` is not a table ``[rows, features]`` of finite numbers with at least one row.
        """
        who = "Scaling.standard(x)"
        table = as_table(who, x)
        mean = column_means(who, table)
        deviation = column_deviations(who, table, mean)
        varies = deviation > rounding(table) * np.abs(mean)
        return cls(mean, np.where(varies, deviation, 1.0))

    @classmethod
    def min_max(cls, x: Any, low: float = 0.0, high: float = 1.0) -> Self:
        """Every feature fills the interval from ``low`` to ``high``.

        Other rows may lie outside of it. A feature that does not vary becomes ``low``.

        Raises
        ------
        DataError
            If ``x`` is not a table ``[rows, features]`` of finite numbers with at least one row.
        OptionError
            If ``low < high`` does not hold.
        """
        who = f"Scaling.min_max(x, {low}, {high})"
        if not (math.isfinite(high - low) and low < high):
            raise OptionError("preprocessing.interval", who=who)
        table = as_table(who, x)
        least, most = (bound.astype(np.float64) for bound in (table.min(axis=0), table.max(axis=0)))
        with np.errstate(over="ignore"):
            span = most - least
        if not np.isfinite(span).all():
            column = int(np.argmin(np.isfinite(span)))
            raise DataError("preprocessing.too_large", who=who, column=column)
        size = np.maximum(np.abs(least), np.abs(most))
        # Without variation any scale would do that is not lost beside the numbers themselves.
        scale = np.where(span > rounding(table) * size, span, np.maximum(size, 1.0)) / (high - low)
        return cls(least - low * scale, scale)

    @property
    def shape(self) -> tuple[int, int]:
        """``(features, features)``."""
        return len(self.offset), len(self.offset)

    def _forward(self, x: Numbers) -> Numbers:
        return (x - self.offset) / self.scale

    def _backward(self, z: Numbers) -> Numbers:
        return z * self.scale + self.offset


@dataclass(frozen=True, eq=False, repr=False)
class UnitNorm(Map):
    """Each row divided by its Euclidean length: ``z = x / ‖x‖``; a row of zeros stays as it is.

    For rows whose direction alone means something: counts of words, spectra, embeddings. There is
    nothing to learn, and no inverse: the length is gone.

    Attributes
    ----------
    features
        How many numbers a row has.

    Examples
    --------
    >>> from chainrule import data
    >>> data.UnitNorm(2)([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """

    features: Numbers | int = field(metadata=along(positive=True))

    @property
    def shape(self) -> tuple[int, int]:
        """``(features, features)``."""
        return int(self.features), int(self.features)

    def _forward(self, x: Numbers) -> Numbers:
        largest = np.abs(x).max(axis=-1, keepdims=True)
        x = x / np.where(largest > 0, largest, 1.0)  # so that squares neither overflow nor vanish
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        return x / np.where(length > 0, length, 1.0)
