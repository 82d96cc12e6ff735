"""Maps along the principal axes of the rows: PCA, and whitening in both forms."""

import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from chainrule.data.maps import Map, along
from chainrule.data.moments import Axes, Numbers, principal_axes
from chainrule.errors import OptionError

__all__ = ["ZCA", "Projection"]


def _scale(axes: Axes, epsilon: float, who: str) -> Numbers:
    """What whitening divides by along each axis: ``√(λ + ε)``.

    Where the rows do not vary there is nothing to make 1, only noise to blow up; such an axis is
    divided by the largest deviation of all.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise OptionError("preprocessing.epsilon", who=who, epsilon=epsilon)
    whitening = np.hypot(axes.deviation, math.sqrt(epsilon))
    varies = np.arange(len(whitening)) < axes.rank
    return np.where(varies, whitening, axes.deviation[0])


def _count(axes: Axes, wanted: Any, who: str) -> int:
    """How many axes are kept: a number, those with a share of the variance, or all that vary."""
    most = len(axes.deviation)
    match wanted:
        case None:
            return axes.rank
        case int() | np.integer() if 1 <= wanted <= most and wanted is not True:
            return int(wanted)
        case float() | np.floating() if 0 < wanted < 1:
            reached = np.cumsum(_shares(axes)) >= wanted
            return int(reached.argmax()) + 1 if reached.any() else axes.rank
    raise OptionError("preprocessing.components", who=who, most=most, wanted=wanted)


def _shares(axes: Axes) -> Numbers:
    """The share of the variance along each axis."""
    relative = np.square(axes.deviation / axes.deviation[0])
    shares: Numbers = relative / relative.sum()
    return shares


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Map):
    """Coordinates along principal axes: ``z = (x − mean) axesᵀ / scale``.

    The inverse is exact for rows that lie in the space which the axes span, and gives the nearest
    such row otherwise. With as many axes as features it is exact for all.

    Attributes
    ----------
    mean
        float64 ``[features]``.
    axes
        Orthonormal rows, ``[components, features]``, those of the largest variance first. The
        largest entry of each is positive, so that the same rows always give the same signs.
    scale
        What each coordinate is divided by, ``[components]``.
    deviation
        The standard deviation (divided by ``n − 1``) along each axis before scaling: the square
        root of an eigenvalue of the covariance matrix, ``[components]``.
    share
        The share of the variance along each axis, ``[components]``.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> x = data.datasets.load("iris").x
    >>> pca = data.Projection.pca(x, 2)
    >>> pca
    Projection(4 → 2)
    >>> pca.share
    array([0.925, 0.053])
    >>> np.allclose(np.cov(data.Projection.whitening(x)(x).T), np.eye(4))
    True
    """

    mean: Numbers = field(metadata=along("features"))
    axes: Numbers = field(metadata=along("components", "features"))
    scale: Numbers = field(metadata=along("components", positive=True))
    deviation: Numbers = field(metadata=along("components"))
    share: Numbers = field(metadata=along("components"))

    @classmethod
    def pca(cls, x: Any, n_components: float | None = None) -> Self:
        """Principal component analysis: rotated so that the coordinates are not correlated.

        Parameters
        ----------
        x
            The training rows, ``[rows, features]``.
        n_components
            How many axes are kept: a number of them, the share of the variance that they must
            carry (between 0 and 1), or ``None`` for all along which the rows vary.

        Raises
        ------
        DataError
            If ``x`` is not a table of at least two finite rows, or all rows are equal.
        OptionError
            If there are not so many axes.

        References
        ----------
        Pearson (1901), "On lines and planes of closest fit to systems of points in space".
        """
        who = f"Projection.pca(x, {n_components})"
        axes = principal_axes(who, x)
        return cls._of(axes, np.ones_like(axes.deviation), _count(axes, n_components, who))

    @classmethod
    def whitening(cls, x: Any, n_components: float | None = None, epsilon: float = 0.0) -> Self:
        """PCA whitening: divided by ``√(λ + ε)``, so that the covariance is the identity.

        Parameters
        ----------
        x, n_components
            As for :meth:`pca`.
        epsilon
            ``ε`` is added to each eigenvalue ``λ``, a variance in the units of ``x²``. With 0 the
            covariance of ``z`` is the identity up to rounding errors; with more, directions of a
            variance below ``ε``, often noise, are blown up less.

        Raises
        ------
        DataError
            If ``x`` is not a table of at least two finite rows, or all rows are equal.
        OptionError
            If there are not so many axes, or ``epsilon`` is negative.

        References
        ----------
        Kessy, Lewin & Strimmer (2018), "Optimal whitening and decorrelation", Table 1.
        """
        who = f"Projection.whitening(x, {n_components}, epsilon={epsilon})"
        axes = principal_axes(who, x)
        return cls._of(axes, _scale(axes, epsilon, who), _count(axes, n_components, who))

    @classmethod
    def _of(cls, axes: Axes, scale: Numbers, count: int) -> Self:
        kept = slice(count)
        deviation, share = axes.deviation[kept], _shares(axes)[kept]
        return cls(axes.mean, axes.directions[kept], scale[kept], deviation, share)

    @property
    def shape(self) -> tuple[int, int]:
        """``(features, components)``."""
        components, features = self.axes.shape
        return features, components

    def _forward(self, x: Numbers) -> Numbers:
        return (x - self.mean) @ self.axes.T / self.scale

    def _backward(self, z: Numbers) -> Numbers:
        return (z * self.scale) @ self.axes + self.mean


@dataclass(frozen=True, eq=False, repr=False)
class ZCA(Map):
    """Whitening that turns nothing: ``z = (x − mean) axesᵀ / scale · axes``.

    Of all linear maps that make the covariance the identity this is the one whose ``z`` is nearest
    to the centred ``x`` (Mahalanobis whitening): ``z`` has the features of ``x``, and a whitened
    image still looks like the image.

    What lies outside of the space that the axes span, where the training rows do not vary, is
    divided by ``rest``, so that the map can be inverted for all rows.

    Attributes
    ----------
    mean
        float64 ``[features]``.
    axes
        The principal axes along which the training rows vary, ``[components, features]``.
    scale
        ``√(λ + ε)`` along each, ``[components]``.
    rest
        The largest deviation, ``[]``.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> x = data.datasets.load("iris").x
    >>> zca = data.ZCA.whitening(x)
    >>> np.allclose(np.cov(zca(x).T), np.eye(4))
    True
    >>> np.allclose(zca.inverse(zca(x)), x)
    True
    """

    mean: Numbers = field(metadata=along("features"))
    axes: Numbers = field(metadata=along("components", "features"))
    scale: Numbers = field(metadata=along("components", positive=True))
    rest: Numbers = field(metadata=along(positive=True))

    @classmethod
    def whitening(cls, x: Any, epsilon: float = 0.0) -> Self:
        """Zero-phase whitening of the rows of ``x``.

        Parameters
        ----------
        x
            The training rows, ``[rows, features]``.
        epsilon
            ``ε`` is added to each eigenvalue, as for :meth:`Projection.whitening`.

        Raises
        ------
        DataError
            If ``x`` is not a table of at least two finite rows, or all rows are equal.
        OptionError
            If ``epsilon`` is negative.

        References
        ----------
        Bell & Sejnowski (1997), "The 'independent components' of natural scenes are edge filters";
        Kessy, Lewin & Strimmer (2018), "Optimal whitening and decorrelation", eq. 8.
        """
        who = f"ZCA.whitening(x, epsilon={epsilon})"
        axes = principal_axes(who, x)
        kept = slice(axes.rank)
        scale = _scale(axes, epsilon, who)[kept]
        return cls(axes.mean, axes.directions[kept], scale, axes.deviation[0])

    @property
    def shape(self) -> tuple[int, int]:
        """``(features, features)``."""
        return len(self.mean), len(self.mean)

    # The matrix axesᵀ · 1/scale · axes + 1/rest · (1 − axesᵀ · axes) is never formed: with fewer
    # rows than features it would be the largest array of all.
    def _forward(self, x: Numbers) -> Numbers:
        centred = x - self.mean
        return (
            centred @ self.axes.T * (1 / self.scale - 1 / self.rest)
        ) @ self.axes + centred / self.rest

    def _backward(self, z: Numbers) -> Numbers:
        return (z @ self.axes.T * (self.scale - self.rest)) @ self.axes + z * self.rest + self.mean
