"""Check a gradient against finite differences, and name the entry that is wrong."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import words
from chainrule.autodiff.differences import Slope, rounding, slope
from chainrule.autodiff.transforms import floating_leaves, grad, place_of
from chainrule.errors import GradientError, ShapeError
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import Tensor, asarray
from chainrule.trees import TreeDef, tree_flatten, tree_map, tree_unflatten

__all__ = ["Entry", "GradientCheck", "check_gradient"]

VERDICTS = {
    "right": "autodiff.check_right",
    "wrong": "autodiff.check_wrong",
    "kink": "autodiff.check_kink",
    "not finite": "autodiff.check_not_finite",
    "unsure": "autodiff.check_unsure",
}
#: A slope below this fraction of the function's values drowns in their rounding errors.
RESOLUTION = 1e-3
#: So many entries are measured one by one to find the worst.
CANDIDATES = 200


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient: where it stands, its claimed value, and the measured slope.

    ``path`` names the leaf of the argument, ``index`` the place in it.
    """

    path: str
    index: tuple[int, ...]
    claimed: float
    measured: Slope

    @property
    def place(self) -> str:
        """The entry as code: ``arguments[0].hidden.weight[3, 1]``."""
        index = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return place_of(0, self.path) + index


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """What :func:`check_gradient` found: prints as a sentence, true if the gradient is right.

    Attributes
    ----------
    verdict
        ``"right"``, ``"wrong"``, ``"kink"`` (there is no derivative), ``"not finite"``, or
        ``"unsure"`` (finite differences do not settle).
    error
        The largest difference between claimed and measured slopes, relative to these.
    tolerance
        What was allowed.
    directions
        Along how many random directions.
    worst
        The entry that is farthest off, unless the gradient is right.
    """

    verdict: str
    error: float
    tolerance: float
    directions: int
    worst: Entry | None = None

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __repr__(self) -> str:
        return words.text(VERDICTS[self.verdict], check=self, worst=self.worst)


def check_gradient(
    function: Callable[..., Any],
    *arguments: Any,
    gradient: Callable[..., Any] | None = None,
    directions: int = 5,
    tolerance: float = 1e-6,
    rng: Any = 0,
    **keywords: Any,
) -> GradientCheck:
    """Compare the gradient of ``function`` with finite differences, in float64.

    Along a random direction ``v`` the gradient claims the slope ``∇f · v``; that is compared with
    the measured one. If they differ, the entry that is farthest off is looked up.

    Parameters
    ----------
    function
        Returns one number; the first argument is differentiated.
    *arguments, **keywords
        Its arguments. Floating leaves are converted to float64.
    gradient
        The gradient to check, a function of the same arguments; by default :func:`grad`'s.
    directions
        How many random directions.
    tolerance
        Allowed difference, relative to the slopes.
    rng
        Seed or generator, as SPEC 7.

    Returns
    -------
    GradientCheck
        True if the gradient is right.

    Raises
    ------
    GradientError
        If the function is not finite at the arguments, or the first one has leaves that are not
        floating.
    ShapeError
        If the gradient is not like the first argument.

    Examples
    --------
    >>> import chainrule as cr
    >>> w = {"scale": cr.tensor([1.0, 2.0])}
    >>> def cost(w):
    ...     return cr.sum(w["scale"] ** 3)
    >>> bool(cr.check_gradient(cost, w))
    True
    >>> cr.check_gradient(cost, w, gradient=lambda w: {"scale": w["scale"] ** 2})
    ... # doctest: +ELLIPSIS
    The gradient is wrong at arguments[0].scale[1]: it is 4, but finite differences give 12. ...
    """
    first, *rest = (tree_map(_in_float64, argument) for argument in arguments)
    leaves, definition = floating_leaves("check_gradient", first, 0)
    claimed = (gradient or grad(function))(first, *rest, **keywords)

    def value(point: np.ndarray) -> float:
        at = tree_unflatten(definition, _cut_like(leaves, point))
        return float(function(at, *rest, **keywords))

    start = _joined([leaf.numpy() for leaf in leaves])
    if not math.isfinite(here := value(start)):
        raise GradientError("autodiff.check_value", value=here)
    flat = _joined(_arrays_like(leaves, definition, claimed))
    comparison = _Comparison(value, start, flat, checked_rng(rng))
    misfits = [comparison.in_a_random_direction() for _ in range(directions)]
    error = max((misfit.relative for misfit in misfits), default=0.0)
    if error <= tolerance and not any(misfit.slope.is_kink for misfit in misfits):
        return GradientCheck("right", error, tolerance, directions)
    place, misfit = comparison.worst()
    entry = Entry(*_located(place, leaves, definition), misfit.claimed, misfit.slope)
    verdict = comparison.verdict(place, misfit, tolerance)
    return GradientCheck(verdict, error, tolerance, directions, entry)


def _in_float64(leaf: Any) -> Any:
    value = asarray(leaf) if isinstance(leaf, (Tensor, np.ndarray, np.generic, float)) else leaf
    return value.astype(np.float64) if isinstance(value, Tensor) and value.spec.is_float else leaf


# ---------------------------------------------------------------------- trees as long vectors
def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])


def _cut_like(leaves: list[Tensor], vector: np.ndarray) -> list[Tensor]:
    parts = np.split(vector, np.cumsum([leaf.size for leaf in leaves], dtype=int)[:-1])
    return [asarray(p.reshape(x.shape)) for p, x in zip(parts, leaves, strict=False)]


def _arrays_like(leaves: list[Tensor], definition: TreeDef, gradient: Any) -> list[np.ndarray]:
    """The leaves of a gradient, which must be a tree like the argument."""
    own, shape = tree_flatten(gradient)
    if shape != definition:
        wanted, got = definition.paths, shape.paths
        raise ShapeError("autodiff.tree", who="check_gradient", wanted=wanted, got=got)
    arrays = [asarray(g).numpy() for g in own]
    for path, array, leaf in zip(definition.paths, arrays, leaves, strict=True):
        if array.shape != leaf.shape:
            shapes = {"wanted": leaf.shape, "got": array.shape}
            raise ShapeError("autodiff.check_shape", place=place_of(0, path), **shapes)
    return arrays


def _located(place: int, leaves: list[Tensor], definition: TreeDef) -> tuple[str, tuple[int, ...]]:
    """The leaf, and the index in it, of an entry of the long vector."""
    for path, leaf in zip(definition.paths, leaves, strict=True):
        if place < leaf.size:
            return path, tuple(map(int, np.unravel_index(place, leaf.shape)))
        place -= leaf.size
    raise AssertionError(place)


# ---------------------------------------------------------------------- the comparison
@dataclass(frozen=True)
class _Misfit:
    """A claimed and a measured slope in one direction."""

    claimed: float
    slope: Slope

    @property
    def absolute(self) -> float:
        """How far off the claim is; a jump of the slope counts as well."""
        off = abs(self.claimed - self.slope.value)
        jump = abs(self.slope.right - self.slope.left) if self.slope.is_kink else 0.0
        return math.inf if math.isnan(off) else max(off, jump)

    @property
    def size(self) -> float:
        """The slope that a difference is relative to."""
        return max(abs(self.claimed), abs(self.slope.value), RESOLUTION * self.slope.size)

    @property
    def relative(self) -> float:
        return 0.0 if self.absolute == 0.0 else self.absolute / self.size


@dataclass(frozen=True)
class _Comparison:
    """Claimed against measured slopes of a function of a long vector."""

    value: Callable[[np.ndarray], float]
    start: np.ndarray
    claimed: np.ndarray
    rng: np.random.Generator

    def in_a_random_direction(self, places: np.ndarray | slice = slice(None)) -> _Misfit:
        """The misfit in a random direction that moves the given entries."""
        scale = np.maximum(1.0, np.abs(self.start[places]))
        return self._along(self._direction(places, self.rng.standard_normal(scale.size) * scale))

    def worst(self) -> tuple[int, _Misfit]:
        """The entry that is farthest off, found by halving until few enough are left."""
        finite = np.isfinite(self.claimed)
        places = np.arange(self.start.size) if finite.all() else np.flatnonzero(~finite)
        while len(places) > CANDIDATES:
            halves = np.array_split(places, 2)
            places = max(halves, key=lambda half: self.in_a_random_direction(half).absolute)
        misfits = {int(place): self._along(self._direction(place, 1.0)) for place in places}
        return max(misfits.items(), key=lambda item: item[1].absolute)

    def verdict(self, place: int, misfit: _Misfit, tolerance: float) -> str:
        """What is wrong with an entry."""
        if not math.isfinite(misfit.claimed):
            return "not finite"
        if misfit.slope.is_kink:
            return "kink"
        line = self._line(self._direction(place, 1.0))
        uncertainty = max(misfit.slope.uncertainty, rounding(line))
        return "wrong" if uncertainty <= tolerance * misfit.size else "unsure"

    def _direction(self, places: Any, weights: Any) -> np.ndarray:
        direction = np.zeros(self.start.size)
        direction[places] = weights
        return direction

    def _along(self, direction: np.ndarray) -> _Misfit:
        moved = direction != 0.0  # so that 0 times an infinite claim is 0
        claimed = float(self.claimed[moved] @ direction[moved])
        return _Misfit(claimed, slope(self._line(direction)))

    def _line(self, direction: np.ndarray) -> Callable[[float], float]:
        """The function along a line through the arguments."""
        return lambda step: self.value(self.start + step * direction)
