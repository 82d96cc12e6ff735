"""The link that takes the step: the learning rate."""

from typing import Any

from chainrule.optim.protocol import Optimizer, Tree, link
from chainrule.optim.recipe import NON_NEGATIVE, recipe
from chainrule.trees import tree_map

__all__ = ["scale_by_learning_rate"]


@recipe(learning_rate=NON_NEGATIVE)
def scale_by_learning_rate(learning_rate: float) -> Optimizer:
    """Go downhill: ``u = −α g``.

    The last link of every optimizer. Alone it is plain gradient descent.

    Parameters
    ----------
    learning_rate
        ``α``, not negative.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_learning_rate(0.5)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [-0.5  1. ]

    References
    ----------
    Cauchy (1847), *Méthode générale pour la résolution des systèmes d'équations simultanées*.
    """

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, learning_rate: Any
    ) -> tuple[Tree, dict[str, Any]]:
        step = -learning_rate
        return tree_map(lambda g: step * g, grads), memory

    return link({"learning_rate": learning_rate}, lambda params: {}, rule)
