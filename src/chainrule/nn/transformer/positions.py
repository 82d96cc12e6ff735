"""Positions as vectors that are added: sines and cosines, or a table that is learned."""

from typing import Any

import numpy as np

from chainrule.errors import DataError, DtypeError, OptionError, ShapeError, suggest
from chainrule.graph.functions import arange, take
from chainrule.graph.ops.elementwise import cos, sin
from chainrule.graph.ops.joining import stack
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.attention.rotary import angles
from chainrule.nn.checks import adapted, check_sizes, checked_dtype
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.module import Module
from chainrule.nn.transformer.parts import normal

__all__ = ["PositionTable", "check_positions", "sinusoidal_positions", "with_positions"]

#: How a model may tell positions apart.
POSITIONS = ("learned", "sinusoidal", "rotary", "none")

NORMAL = normal(0.02)


def sinusoidal_positions(
    positions: ArrayLike, width: int, *, base: float = 10000.0, dtype: Any = np.float32
) -> Tensor:
    """``PE(p, 2i) = sin(p / base^(2i/d))`` and ``PE(p, 2i + 1) = cos(p / base^(2i/d))``.

    Each pair of columns is a point on a circle, which turns by a fixed angle from one position to
    the next; so ``PE(p + k)`` is a rotation of ``PE(p)`` that depends on ``k`` only.

    Parameters
    ----------
    positions
        A number of positions, for ``0 … n - 1``; or integers of any shape.
    width
        ``d``. Of an odd one the last cosine is missing.
    base
        The wavelengths go from 2π towards ``2π · base``.
    dtype
        float32 or float64.

    Returns
    -------
    Tensor
        ``(…, width)``.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.5.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.sinusoidal_positions(2, 2)
    Tensor f32[2, 2]
    [[0.     1.    ]
     [0.8415 0.5403]]
    """
    who = f"sinusoidal_positions(..., {width})"
    check_sizes(who, width)
    if isinstance(positions, (int, np.integer)):
        check_sizes(who, positions)
        positions = arange(int(positions))
    theta = angles(positions, width, base)
    pairs = stack([sin(theta), cos(theta)], axis=-1)
    flat = pairs.reshape(*theta.shape[:-1], -1)
    return flat[..., :width].astype(checked_dtype(who, dtype))


class PositionTable(Module):
    """Adds a learned vector for each position: ``y[t] = x[t] + W[t]``.

    Parameters
    ----------
    time
        For how many positions there are vectors.
    width
        How many numbers a vector has.
    init
        How the table begins (:func:`chainrule.nn.initializer`); by default normal with the standard
        deviation 0.02, as in GPT-2.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight
        ``W``, of shape ``(time, width)``.

    Raises
    ------
    ShapeError
        If a sequence is longer than the table.
    DataError
        If a position is not in the table.
    OptionError
        If a size is below 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.PositionTable(16, 4, rng=0)
    >>> layer, layer(cr.ones((2, 5, 4))).shape
    (PositionTable(16, 4), (2, 5, 4))
    """

    weight: Tensor

    def __init__(
        self,
        time: int,
        width: int,
        *,
        init: str | Initializer = NORMAL,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        who = f"PositionTable({time}, {width})"
        check_sizes(who, time, width)
        dtype = checked_dtype(who, dtype)
        shape = (time, width)
        self.weight = asarray(initializer(init)(checked_rng(rng), shape, dtype), dtype)
        if self.weight.shape != shape:
            raise ShapeError("nn.init_shape", who=who, wanted=shape, got=self.weight.shape)

    @property
    def time(self) -> int:
        """For how many positions there are vectors."""
        return self.weight.shape[-2]

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self.weight.shape[-1]

    def __call__(self, x: ArrayLike, positions: ArrayLike | None = None) -> Tensor:
        """``x`` ``(…, T, width)`` plus the vectors of ``positions``, by default ``0 … T - 1``."""
        x = adapted(x, self.weight.dtype)
        if x.shape[-1:] != (self.width,) or x.ndim < 2:
            raise ShapeError("nn.features", who=self, wanted=self.width, shape=x.shape, mend="")
        if x.dtype != self.weight.dtype:
            raise DtypeError("nn.input_type", who=self, wanted=self.weight.dtype, got=x.dtype)
        if positions is None:
            if x.shape[-2] > self.time:
                raise ShapeError("nn.beyond_table", who=self, time=self.time, got=x.shape[-2])
            return x + self.weight[: x.shape[-2]]
        positions = asarray(positions)
        if not positions.is_symbolic and positions.size:
            last = positions.numpy().max().item()
            if last >= self.time or positions.numpy().min() < 0:
                raise DataError("nn.beyond_table", who=self, time=self.time, got=last + 1)
        return x + take(self.weight, positions, axis=0)

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        return f"{type(self).__name__}({self.time}, {self.width})"


def check_positions(who: object, positions: str) -> None:
    """Raise unless positions have a known name."""
    if positions not in POSITIONS:
        hint, known = suggest(str(positions), POSITIONS), ", ".join(POSITIONS)
        raise OptionError("nn.positions", who=who, got=positions, hint=hint, known=known)


def with_positions(
    x: Tensor, positions: str, table: PositionTable | None, places: Tensor | None = None
) -> Tensor:
    """Vectors with those of their places added, if positions are vectors, too.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.nn.transformer.positions import with_positions
    >>> with_positions(cr.zeros((1, 2, 2)), "sinusoidal", None).tolist()[0][0]
    [0.0, 1.0]
    """
    if table is not None:
        return table(x, places)
    if positions == "sinusoidal":
        places = arange(x.shape[-2]) if places is None else places
        return x + sinusoidal_positions(places, x.shape[-1], dtype=x.dtype)
    return x
