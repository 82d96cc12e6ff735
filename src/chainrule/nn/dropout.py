"""Dropout."""

from chainrule.errors import OptionError
from chainrule.graph import keys as random
from chainrule.graph.ops.elementwise import stop_gradient, where
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.module import Module
from chainrule.nn.text import number

__all__ = ["Dropout"]


class Dropout(Module):
    """Sets each number to 0 with probability ``rate`` in training, and does nothing at inference.

    With ``m`` a mask that is 1 with probability ``1 - rate``: ``y = m x / (1 - rate)``, so the
    expected value of ``y`` is ``x`` (inverted dropout). Without a key the layer is in inference
    mode: ``y = x``.

    Parameters
    ----------
    rate
        ``0 <= rate < 1``. It is a tensor that is not trained, not an option: another rate does not
        compile the model anew.

    Raises
    ------
    OptionError
        If ``rate`` is out of range.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov (2014), "Dropout: a simple way to
    prevent neural networks from overfitting".

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.Dropout(0.5)
    >>> layer([1.0, 2.0]), sorted(set(layer(cr.ones(100), key=cr.random.key(0)).tolist()))
    (Tensor f32[2] [1. 2.], [0.0, 2.0])
    """

    random = True
    fixed = ("rate",)

    rate: Tensor

    def __init__(self, rate: ArrayLike = 0.5) -> None:
        self.rate = asarray(rate).astype("float32")
        if not self.rate.is_symbolic and not 0 <= self.rate.item() < 1:
            raise OptionError("nn.rate", got=self.rate.item())

    def __call__(self, x: ArrayLike, key: Tensor | None = None) -> Tensor:
        """``m x / (1 - rate)`` with a mask drawn from ``key``; ``x`` without one."""
        x = asarray(x)
        if key is None:
            return x
        kept = 1.0 - stop_gradient(self.rate)
        return where(random.bernoulli(key, kept, x.shape), x / kept.astype(x.dtype), 0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({number(self.rate, 'rate')})"
