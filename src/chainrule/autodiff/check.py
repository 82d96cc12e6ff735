"""Check a gradient against finite differences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.autodiff.transforms import grad
from chainrule.errors import GradientError
from chainrule.graph.tensor import Tensor, asarray
from chainrule.trees import tree_flatten, tree_map, tree_unflatten

__all__ = ["GradientCheck", "check_gradient"]


@dataclass(frozen=True)
class GradientCheck:
    """What :func:`check_gradient` found.

    Attributes
    ----------
    error
        The largest relative difference along the random directions.
    tolerance
        What was allowed.
    path, index
        The entry of the gradient that is farthest off.
    claimed, measured
        Its value in the gradient, and by finite differences.
    """

    error: float
    tolerance: float
    path: str
    index: tuple[int, ...]
    claimed: float
    measured: float

    @property
    def passed(self) -> bool:
        """Whether the gradient is right within the tolerance."""
        return self.error <= self.tolerance

    def __bool__(self) -> bool:
        return self.passed


def check_gradient(
    function: Callable[..., Any],
    *arguments: Any,
    gradient: Callable[..., Any] | None = None,
    directions: int = 5,
    tolerance: float = 1e-6,
    rng: Any = 0,
) -> GradientCheck:
    """Compare the gradient of ``function`` with finite differences, in float64.

    Along a random direction ``v``, ``∇f · v`` is compared with the central difference
    ``(f(x + h v) - f(x - h v)) / 2h``; if a direction fails, the worst single entry is looked up.

    Parameters
    ----------
    function
        Returns one number; the first argument is differentiated.
    *arguments
        Its arguments. Floating leaves are converted to float64.
    gradient
        The gradient to check, a function of the same arguments; by default :func:`grad`'s.
    directions
        How many random directions.
    tolerance
        Allowed relative difference.
    rng
        Seed or generator, as SPEC 7.

    Examples
    --------
    >>> import chainrule as cr
    >>> bool(cr.check_gradient(lambda w: cr.sum(cr.tanh(w) ** 2), cr.tensor([0.5, -1.0])))
    True
    >>> wrong = cr.check_gradient(
    ...     lambda w: cr.sum(w**3), cr.tensor([1.0, 2.0]), gradient=lambda w: 3 * w**2 + [0.0, 1.0])
    >>> wrong.passed, wrong.index, round(wrong.claimed), round(wrong.measured)
    (False, (1,), 13, 12)
    """
    first, *rest = (tree_map(_in_float64, argument) for argument in arguments)
    leaves, definition = tree_flatten(first)
    claimed = [asarray(g).numpy() for g in tree_flatten((gradient or grad(function))(first, *rest))[0]]
    arrays = [asarray(leaf).numpy() for leaf in leaves]
    generator = np.random.default_rng(rng)

    def at(direction: list[np.ndarray], step: float) -> float:
        moved = [asarray(x + step * v) for x, v in zip(arrays, direction, strict=True)]
        return float(function(tree_unflatten(definition, moved), *rest))

    worst = 0.0
    for _ in range(directions):
        direction = [generator.standard_normal(x.shape) for x in arrays]
        expected = sum(float((g * v).sum()) for g, v in zip(claimed, direction, strict=True))
        measured = _central_difference(at, direction)
        worst = max(worst, _relative(expected, measured))
    path, index, value, measured = _worst_entry(at, claimed, definition.paths)
    return GradientCheck(worst, tolerance, path, index, value, measured)


def _in_float64(leaf: Any) -> Any:
    value = asarray(leaf) if isinstance(leaf, (Tensor, np.ndarray, float)) else leaf
    return value.astype(np.float64) if isinstance(value, Tensor) and value.spec.is_float else leaf


def _central_difference(at: Callable[..., float], direction: list[np.ndarray]) -> float:
    """Richardson's extrapolation of two central differences: an error of order h⁴."""
    h = 1e-3
    coarse = (at(direction, h) - at(direction, -h)) / (2 * h)
    fine = (at(direction, h / 2) - at(direction, -h / 2)) / h
    return (4 * fine - coarse) / 3


def _relative(a: float, b: float) -> float:
    if not (np.isfinite(a) and np.isfinite(b)):
        raise GradientError("autodiff.check_not_finite", claimed=a, measured=b)
    return abs(a - b) / max(1.0, abs(a), abs(b))


def _worst_entry(
    at: Callable[..., float], claimed: list[np.ndarray], paths: list[str], most: int = 2000
) -> tuple[str, tuple[int, ...], float, float]:
    """The entry that is farthest off, among at most ``most`` evenly spread ones."""
    total = sum(g.size for g in claimed)
    stride = max(1, total // most)
    found, position = (-1.0, "", (), 0.0, 0.0), 0
    for k, (g, path) in enumerate(zip(claimed, paths, strict=True)):
        for index in np.ndindex(g.shape):
            position += 1
            if position % stride:
                continue
            unit = [np.zeros(other.shape) for other in claimed]
            unit[k][index] = 1.0
            measured = _central_difference(at, unit)
            error = _relative(float(g[index]), measured)
            if error > found[0]:
                found = (error, path, index, float(g[index]), measured)
    return found[1], found[2], found[3], found[4]
