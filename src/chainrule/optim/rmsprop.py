"""RMSProp: a step size per parameter from a moving average of its squared gradients."""

from typing import Any

from chainrule.graph.ops.elementwise import sqrt, square
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import moving_average, zeros
from chainrule.optim.protocol import Optimizer, Tree, chain, link
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.sgd import accumulate_momentum
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["rmsprop", "scale_by_rms"]


@recipe(decay=FRACTION, epsilon=POSITIVE)
def scale_by_rms(decay: float = 0.99, epsilon: float = 1e-8, centered: bool = False) -> Optimizer:
    """Divide by the root mean square: ``v ← ρ v + (1 − ρ) g²``, ``u = g / (√v + ε)``.

    With ``centered``, ``v`` is the moving variance. The link of :func:`rmsprop`, where the
    parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_rms(decay=0.75)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 2. -2.]

    References
    ----------
    Tieleman & Hinton (2012), see :func:`rmsprop`.
    """

    def memory(params: Tree) -> dict[str, Any]:
        mean = zeros(params) if centered else None
        return {"mean": mean, "square": zeros(params)}

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, decay: Tensor, epsilon: Tensor
    ) -> tuple[Tree, dict[str, Any]]:
        if centered:
            mean, spread = _moving_variance(memory["mean"], memory["square"], grads, decay)
        else:
            mean = None
            spread = moving_average(memory["square"], tree_map(square, grads), decay)
        updates = tree_map(lambda g, v: g / (sqrt(v) + epsilon), grads, spread)
        return updates, {"mean": mean, "square": spread}

    return link({"decay": decay, "epsilon": epsilon}, memory, rule)


def _moving_variance(mean: Tree, variance: Tree, grads: Tree, decay: Tensor) -> tuple[Tree, Tree]:
    """The moving mean, and ``E[g²] − E[g]²`` without that difference.

    Where gradients hardly change the difference cancels, and its root may be that of a negative
    number; ``v ← ρ (v + (1 − ρ)(g − m)²)`` is the same number and never negative.
    """
    rest = 1.0 - decay
    deviation = tree_map(lambda g, m: g - m, grads, mean)
    mean = tree_map(lambda m, d: m + rest * d, mean, deviation)
    variance = tree_map(lambda v, d: decay * (v + rest * square(d)), variance, deviation)
    return mean, variance


@recipe(
    learning_rate=NON_NEGATIVE,
    decay=FRACTION,
    epsilon=POSITIVE,
    momentum=FRACTION,
    weight_decay=NON_NEGATIVE,
)
def rmsprop(
    learning_rate: float = 1e-2,
    decay: float = 0.99,
    epsilon: float = 1e-8,
    momentum: float | None = None,
    weight_decay: float | None = None,
    centered: bool = False,
) -> Optimizer:
    r"""RMSProp: AdaGrad that forgets, so that the steps do not die out.

    .. math::
        v \leftarrow ρ v + (1 - ρ) g^2, \qquad w \leftarrow w - \frac{α g}{\sqrt{v} + ε}

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    decay
        ``ρ``, at least 0 and below 1.
    epsilon
        ``ε``, above 0; outside of the root, as in PyTorch (inside of it in TensorFlow).
    momentum
        ``μ`` of a velocity ``b ← μ b + g / (√v + ε)``, at least 0 and below 1; ``None``: none.
    weight_decay
        ``λ`` of the L2 term ``g ← g + λ w``, not negative; ``None``: no such term.
    centered
        Divide by the standard deviation: ``v`` is the variance ``E[g²] − E[g]²``.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    The lecture uses ``ρ = 0.9``; the default is PyTorch's. The averages start at 0 and are not
    corrected for it, so the first steps are larger by ``1/√(1 − ρ)``. The variance is averaged
    around the moving mean, where PyTorch subtracts two averages and gives NaN if the gradient
    hardly changes.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.rmsprop(0.1, decay=0.75)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.8 -1.8]

    References
    ----------
    Tieleman & Hinton (2012), *Neural networks for machine learning*, lecture 6.5. Graves (2013),
    *Generating sequences with recurrent neural networks*, equations 38 to 41: centered, with
    momentum, and with ``ε`` inside of the root.
    """
    velocity = () if momentum is None else (accumulate_momentum(momentum),)
    return chain(
        *l2(weight_decay),
        scale_by_rms(decay, epsilon, centered),
        *velocity,
        scale_by_learning_rate(learning_rate),
    )
