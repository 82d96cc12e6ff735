"""Zero-centring and scaling: ``z = (x − mean) / scale``, feature by feature."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chainrule.errors import DataError

__all__ = ["Standardizer"]

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Moves every feature to mean 0 and standard deviation 1, and back.

    Fit it on the training rows only: what it learns from other rows leaks into the model.

    Attributes
    ----------
    mean, scale
        Mean and standard deviation of each feature, float64 ``[features]``. The scale of a feature
        that does not vary is 1, so that it is centred and nothing is divided by rounding errors.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> standardizer = data.Standardizer.fit(x)
    >>> standardizer(x)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standardizer.inverse(standardizer(x))
    array([[1., 5.],
           [3., 5.]])
    """

    mean: Numbers
    scale: Numbers

    @classmethod
    def fit(cls, x: Any) -> Self:
        """The mean and the standard deviation (divided by ``n``) of each column of ``x``.

        Raises
        ------
        DataError
            If ``x`` is not a table with at least one row, or a number in it is not finite.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or not len(x):
            raise DataError("data.table", shape=x.shape)
        if not np.isfinite(x).all():
            column = int(np.argmin(np.isfinite(x).all(axis=0)))
            raise DataError("data.not_finite", column=column)
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        # The mean of n equal numbers may be off by n·ε of them, and then so is the deviation.
        noise = len(x) * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(deviation > noise, deviation, 1.0))

    def __call__(self, x: Any) -> Numbers:
        """``x`` standardized."""
        return (self._checked(x) - self.mean) / self.scale

    def inverse(self, z: Any) -> Numbers:
        """The values that standardize to ``z``."""
        return self._checked(z) * self.scale + self.mean

    def to_dict(self) -> dict[str, list[float]]:
        """Mean and scale as lists, for JSON, which keeps every digit."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, list[float]]) -> Self:
        """The inverse of :meth:`to_dict`."""
        return cls(np.array(values["mean"], np.float64), np.array(values["scale"], np.float64))

    def _checked(self, x: Any) -> Numbers:
        checked: Numbers = np.asarray(x, np.float64)
        if checked.shape[-1:] != self.mean.shape:
            raise DataError("data.features", features=len(self.mean), shape=checked.shape)
        return checked

    def __repr__(self) -> str:
        return f"Standardizer({len(self.mean)} features)"
