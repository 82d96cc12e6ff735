"""AdaGrad: a step size per parameter from the sum of its squared gradients."""

from typing import Any

from chainrule.graph.functions import full_like
from chainrule.graph.ops.elementwise import sqrt, square
from chainrule.graph.tensor import Tensor
from chainrule.optim.protocol import Optimizer, Tree, chain, link
from chainrule.optim.recipe import NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["adagrad", "scale_by_adagrad"]


@recipe(epsilon=POSITIVE, initial=NON_NEGATIVE)
def scale_by_adagrad(epsilon: float = 1e-10, initial: float = 0.0) -> Optimizer:
    """Divide by the root of the summed squares: ``s ← s + g²``, ``u = g / (√s + ε)``.

    The link of :func:`adagrad`, where the parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_adagrad()
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 1. -1.]

    References
    ----------
    Duchi, Hazan & Singer (2011), see :func:`adagrad`.
    """

    def memory(params: Tree) -> dict[str, Any]:
        return {"squares": tree_map(lambda w: full_like(w, initial), params)}

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, epsilon: Tensor
    ) -> tuple[Tree, dict[str, Any]]:
        squares = tree_map(lambda s, g: s + square(g), memory["squares"], grads)
        updates = tree_map(lambda g, s: g / (sqrt(s) + epsilon), grads, squares)
        return updates, {"squares": squares}

    return link({"epsilon": epsilon}, memory, rule)


@recipe(
    learning_rate=NON_NEGATIVE, epsilon=POSITIVE, initial=NON_NEGATIVE, weight_decay=NON_NEGATIVE
)
def adagrad(
    learning_rate: float = 1e-2,
    epsilon: float = 1e-10,
    initial: float = 0.0,
    weight_decay: float | None = None,
) -> Optimizer:
    r"""AdaGrad: parameters with rare gradients take larger steps.

    .. math::
        s \leftarrow s + g^2, \qquad w \leftarrow w - \frac{α g}{\sqrt{s} + ε}

    The sum only grows, so the steps shrink like ``1/√t``.

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    epsilon
        ``ε``, above 0; outside of the root.
    initial
        The sum at the start, not negative.
    weight_decay
        ``λ`` of the L2 term ``g ← g + λ w``, not negative; ``None``: no such term.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    PyTorch's ``lr_decay`` is the schedule ``inverse_time``:
    ``chain(adagrad(0.01), inverse_time(lr_decay))``.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.adagrad(0.1)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.9 -1.9]

    References
    ----------
    Duchi, Hazan & Singer (2011), *Adaptive subgradient methods for online learning and stochastic
    optimization*, Figure 1, where ``ε`` is called ``δ``.
    """
    return chain(
        *l2(weight_decay),
        scale_by_adagrad(epsilon, initial),
        scale_by_learning_rate(learning_rate),
    )
