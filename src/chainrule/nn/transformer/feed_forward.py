"""The feed-forward layer of a transformer: the same small network at every position."""

from typing import Any

import numpy as np

from chainrule.graph.ops.joining import concatenate
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor
from chainrule.nn.activations import Activation, gelu, relu, silu
from chainrule.nn.activations import activation as activation_named
from chainrule.nn.checks import check_sizes
from chainrule.nn.dropout import Dropout
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.text import constructor_form, number, short

__all__ = ["FeedForward"]

#: Gated activations: φ of one half of the columns, times the other half.
GATED: dict[str, Activation] = {"geglu": gelu, "reglu": relu, "swiglu": silu}


class FeedForward(Module):
    """Two linear layers with an activation between them, for each position by itself.

    ``y = φ(x W¹ + b¹) W² + b²``; gated ``y = (φ(x Wᵍ + bᵍ) · (x W¹ + b¹)) W² + b²``, where one
    product makes both factors.

    Parameters
    ----------
    width
        How many numbers come in and go out.
    hidden
        How many are between; by default ``4 · width``.
    activation
        A name or a function (:func:`chainrule.nn.activation`); gated ``"swiglu"``, ``"geglu"``,
        ``"reglu"``.
    bias
        Whether the linear layers have biases.
    dropout
        Rate of the dropout after the activation.
    init, output_init
        How ``W¹`` (and ``Wᵍ``), and ``W²`` begin (:func:`chainrule.nn.initializer`); by default by
        what follows, ``"auto"``.
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Attributes
    ----------
    up
        The :class:`Linear` ``W¹``; gated, the columns of ``Wᵍ`` come before those of ``W¹``.
    down
        The :class:`Linear` ``W²``.
    dropout
        The :class:`Dropout`, or ``None``.

    Raises
    ------
    ShapeError, DtypeError
        If ``x`` does not fit.
    OptionError
        If a size is below 1, or a name is unknown.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", eq. 2; gated: Shazeer (2020), "GLU variants
    improve transformer".

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.FeedForward(8, 16, activation="swiglu", bias=False, rng=0)
    >>> layer(cr.ones((2, 5, 8))).shape, layer.up, layer.down
    ((2, 5, 8), Linear(8, 32, bias=False), Linear(16, 8, bias=False))
    """

    up: Linear
    down: Linear
    activation: Activation
    gated: bool
    dropout: Dropout | None

    def __init__(
        self,
        width: int,
        hidden: int | None = None,
        activation: str | Activation = "gelu",
        *,
        bias: bool = True,
        dropout: float = 0.0,
        init: str | Initializer = "auto",
        output_init: str | Initializer = "auto",
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        hidden = 4 * width if hidden is None else hidden
        check_sizes(f"FeedForward({width}, {hidden})", width, hidden)
        gated = GATED.get(activation) if isinstance(activation, str) else None
        self.gated = gated is not None
        self.activation = activation_named(activation) if gated is None else gated
        generator, draw = checked_rng(rng), initializer(init, self.activation)

        def up() -> Linear:
            return Linear(width, hidden, bias=bias, init=draw, rng=generator, dtype=dtype)

        self.up = _beside(up(), up()) if self.gated else up()
        self.down = Linear(hidden, width, bias=bias, init=output_init, rng=generator, dtype=dtype)
        self.dropout = Dropout(dropout) if dropout else None

    @property
    def width(self) -> int:
        """How many numbers come in and go out."""
        return self.down.out_features

    @property
    def hidden(self) -> int:
        """How many numbers are between."""
        return self.down.in_features

    def __call__(self, x: ArrayLike, key: Tensor | None = None) -> Tensor:
        """``y`` ``(…, width)``; dropout is applied where there is a key."""
        z = self.up(x)
        if self.gated:
            a = self.activation(z[..., : self.hidden]) * z[..., self.hidden :]
        else:
            a = self.activation(z)
        return self.down(a if self.dropout is None else self.dropout(a, key=key))

    def __repr__(self) -> str:
        if not hasattr(self.down.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(self.width), str(self.hidden), f'"{activation_name(self)}"']
        if self.down.bias is None:
            parts.append("bias=False")
        if self.dropout is not None:
            parts.append(f"dropout={number(self.dropout.rate, 'rate')}")
        return constructor_form(type(self).__name__, parts)


def activation_name(layer: FeedForward) -> str:
    """The name by which a feed-forward layer's activation is asked for."""
    if not layer.gated:
        return short(layer.activation)
    return next(name for name, function in GATED.items() if function is layer.activation)


def _beside(left: Linear, right: Linear) -> Linear:
    """One layer with the columns of both."""
    weight = concatenate([left.weight, right.weight], axis=1)
    if left.bias is None or right.bias is None:
        return Linear.of(weight)
    return Linear.of(weight, concatenate([left.bias, right.bias]))
