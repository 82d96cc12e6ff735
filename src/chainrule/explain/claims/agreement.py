"""Whether two values are the same, point by point, and in which sense."""

from dataclasses import dataclass

import numpy as np

from chainrule.explain.claims.values import FRONT, POINTS, Layout, Value

__all__ = ["ABSOLUTE", "RELATIVE", "Agreement", "agreement", "close"]

#: Two numbers are the same if they differ by less than this part of the largest one beside them.
RELATIVE = 1e-9
#: What is smaller than this is 0 up to rounding.
ABSOLUTE = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How a claimed value compares to the true one.

    Attributes
    ----------
    same
        For every point, whether they are equal.
    defined
        For every point, whether the claimed value is a number.
    form
        ``"same"``; ``"row"`` if the claim is a row where the truth is a vector, ``"column"`` if
        it has an axis of length 1 more or less, ``"constant"`` if one number stands for all
        elements; ``"shape"`` if shapes differ.
    """

    same: np.ndarray
    defined: np.ndarray
    form: str


def agreement(
    layout: Layout, claim: Value, truth: Value, wanted: frozenset[str], relative: float = RELATIVE
) -> Agreement:
    """Compare a claimed value with the true one at every point."""
    points = max(claim.array.shape[POINTS], truth.array.shape[POINTS])
    defined = _finite(claim.array, points)
    claimed, form = _shaped(claim, truth, layout)
    if claimed is None or layout.depends(claim) - wanted - layout.depends(truth):
        return Agreement(np.zeros(points, bool), defined, "shape")
    return Agreement(close(claimed, truth.array, relative), defined, form)


def close(
    claimed: np.ndarray,
    true: np.ndarray,
    relative: float = RELATIVE,
    absolute: float = ABSOLUTE,
) -> np.ndarray:
    """For every point, whether two arrays are equal up to rounding."""
    with np.errstate(all="ignore"):
        claimed, true = np.broadcast_arrays(claimed, true)
        axes = tuple(axis for axis in range(true.ndim) if axis != POINTS)
        scale = np.maximum(np.abs(claimed), np.abs(true)).max(axis=axes)
        error = np.abs(claimed - true).max(axis=axes)
        # An infinite scale would let everything pass.
        return np.asarray(np.isfinite(error) & (error <= relative * scale + absolute))


def _finite(array: np.ndarray, points: int) -> np.ndarray:
    axes = tuple(axis for axis in range(array.ndim) if axis != POINTS)
    return np.broadcast_to(np.isfinite(array).all(axis=axes), (points,))


def _shaped(claim: Value, truth: Value, layout: Layout) -> tuple[np.ndarray | None, str]:
    """The claimed array in the shape of the true one, and what had to be done for that."""
    lead = layout.lead
    ours, theirs = claim.array.shape[lead:], truth.array.shape[lead:]
    if not _fit(claim.array.shape[FRONT:lead], truth.array.shape[FRONT:lead]):
        return None, "shape"
    if ours == theirs:
        lies = claim.rank == 1 and claim.row != truth.row
        return claim.array, "row" if lies else "same"
    if claim.rank == 0:
        return claim.array.reshape(claim.array.shape + (1,) * truth.rank), "constant"
    if tuple(size for size in ours if size != 1) == tuple(size for size in theirs if size != 1):
        return claim.array.reshape(claim.array.shape[:lead] + theirs), "column"
    return None, "shape"


def _fit(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(ours, theirs, strict=True))
