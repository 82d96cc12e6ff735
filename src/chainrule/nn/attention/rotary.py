"""Positions as rotations: a score then depends on how far two places are apart, and on no more."""

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.errors import DataError, DtypeError, OptionError, ShapeError
from chainrule.graph.functions import arange
from chainrule.graph.ops.elementwise import cos, sin
from chainrule.graph.ops.joining import concatenate, stack
from chainrule.graph.spec import Shape
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes, is_number

__all__ = ["angles", "check_base", "rotary", "rotate"]


def angles(positions: ArrayLike, width: int, base: float = 10000.0) -> Tensor:
    """``θ[…, i] = position / base^(2i / width)``: the angles of positions, a column per pair.

    Parameters
    ----------
    positions
        Any shape.
    width
        How many numbers are in pairs; of an odd number the last one stands alone.
    base
        The wavelengths go from 2π towards ``2π · base``.

    Returns
    -------
    Tensor
        float64 ``(…, width / 2)``: in float32 the angles of late positions would lose digits.

    Raises
    ------
    OptionError
        If ``width`` is no integer from 1 on, or ``base`` not a number above 0.

    Examples
    --------
    >>> from chainrule.nn.attention import angles
    >>> angles([0, 3], 2)
    Tensor f64[2, 1]
    [[0.]
     [3.]]
    """
    check_sizes("angles(positions, width)", width)
    check_base("angles", base)
    frequency = base ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    return asarray(positions).astype(np.float64)[..., None] * frequency


def check_base(who: str, base: Any) -> None:
    """The base of wavelengths is a number above 0."""
    if not is_number(base) or base <= 0:
        raise OptionError("nn.base", who=who, got=repr(base))


def rotary(
    x: ArrayLike,
    positions: ArrayLike | None = None,
    *,
    base: float = 10000.0,
    interleaved: bool = False,
    fraction: float = 1.0,
) -> Tensor:
    """Rotary positions: each pair of numbers is turned by the angle of its position.

    ``(x₁, x₂) → (x₁ cos θ - x₂ sin θ, x₁ sin θ + x₂ cos θ)`` with ``θ = position / base^(2i/d)``
    for pair ``i``. The product of a query at ``m`` and a key at ``n``, both turned, depends on
    ``m - n`` only.

    Parameters
    ----------
    x
        Queries or keys ``(…, T, d)``.
    positions
        Numbers that broadcast to ``(…, T)``; by default ``0 … T - 1``.
    base
        Of the wavelengths.
    interleaved
        Whether the pairs are neighbours ``(x₂ᵢ, x₂ᵢ₊₁)``, as in the paper; by default the first
        half is paired with the second, as in Llama.
    fraction
        Which part of the ``d`` numbers is turned, the first ones.

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    OptionError
        Unless an even number of numbers, at least 2, is turned; or if ``base`` is not above 0.
    DtypeError
        If ``x`` is not of a floating type.
    ShapeError, DataError
        If the positions do not broadcast to ``(…, T)``, or are not finite.

    References
    ----------
    Su, Lu, Pan, Murtadha, Wen & Liu (2021), "RoFormer: enhanced transformer with rotary position
    embedding", eq. 15.

    Examples
    --------
    >>> from chainrule import nn
    >>> x = [[1.0, 0.0], [1.0, 0.0]]
    >>> nn.rotary(x)
    Tensor f32[2, 2]
    [[1.     0.    ]
     [0.5403 0.8415]]
    """
    x = asarray(x)
    if not x.spec.is_float:
        raise DtypeError("nn.rotary_type", got=x.dtype)
    turned = x.shape[-1] * fraction if x.ndim >= 2 and is_number(fraction) else 0
    if turned < 2 or turned % 2 or not 0 < fraction <= 1:
        raise OptionError("nn.rotary_width", shape=x.shape, fraction=repr(fraction))
    check_base("rotary", base)
    if positions is None:
        cosine, sine = _from_zero(x.shape[-2], int(turned), base, x.dtype)
    else:
        places = _checked_positions(positions, x.shape[:-1])
        cosine, sine = _turns(places, int(turned), base, x.dtype)
    return rotate(x, cosine, sine, interleaved)


def _checked_positions(positions: ArrayLike, places: Shape) -> Tensor:
    positions = asarray(positions)
    if not _broadcasts(positions.shape, places):
        raise ShapeError("nn.rotary_positions", wanted=places, got=positions.shape)
    if not positions.is_symbolic:
        numbers = positions.numpy()
        wrong = numbers[~np.isfinite(numbers)]
        if wrong.size:
            raise DataError("nn.positions_finite", got=wrong[0])
    return positions


def _broadcasts(shape: Shape, wanted: Shape) -> bool:
    """Whether a shape can be stretched to the wanted one."""
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(n in (1, m) for n, m in pairs)


def _turns(
    positions: Tensor, width: int, base: float, dtype: np.dtype[Any]
) -> tuple[Tensor, Tensor]:
    theta = angles(positions, width, base)
    return cos(theta).astype(dtype), sin(theta).astype(dtype)


@lru_cache(maxsize=64)
def _from_zero(time: int, width: int, base: float, dtype: np.dtype[Any]) -> tuple[Tensor, Tensor]:
    # Always the same tensors, so that the layers of a model share them in their graph.
    return _turns(arange(time), width, base, dtype)


def rotate(x: ArrayLike, cosine: ArrayLike, sine: ArrayLike, interleaved: bool = False) -> Tensor:
    """Pairs of ``x`` ``(…, d)`` turned by angles ``(…, r / 2)``; numbers from ``r`` on stay.

    Raises
    ------
    ShapeError
        If there are more angles than pairs, or they do not broadcast to ``x``.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.nn.attention import rotate
    >>> rotate([1.0, 2.0, 5.0], cr.tensor([0.0]), cr.tensor([1.0]))
    Tensor f32[3] [-2.  1.  5.]
    """
    x, cosine, sine = asarray(x), asarray(cosine), asarray(sine)
    pairs = cosine.shape[-1] if cosine.ndim else 0
    fits = 0 < 2 * pairs <= (x.shape[-1] if x.ndim else 0) and sine.shape == cosine.shape
    if not fits or not _broadcasts(cosine.shape[:-1], x.shape[:-1]):
        raise ShapeError("nn.rotate", x=x.shape, cosine=cosine.shape, sine=sine.shape)
    turned, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., :pairs], turned[..., pairs:]
    parts: list[Any] = [first * cosine - second * sine, first * sine + second * cosine]
    if interleaved:
        parts = [stack(parts, axis=-1).reshape(turned.shape)]
    return concatenate([*parts, rest] if rest.shape[-1] else parts, axis=-1)
