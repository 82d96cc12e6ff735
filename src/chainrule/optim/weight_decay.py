"""Weight decay: a pull of the parameters towards zero."""

from collections.abc import Callable
from typing import Any

from chainrule.graph import Tensor
from chainrule.optim.protocol import Optimizer, Tree, link
from chainrule.optim.recipe import NON_NEGATIVE, recipe
from chainrule.trees import tree_flatten, tree_map, tree_unflatten

__all__ = ["Mask", "add_decayed_weights", "is_matrix", "l2"]

Mask = Callable[[str, Tensor], bool]


def is_matrix(path: str, parameter: Tensor) -> bool:
    """Whether a parameter has two axes or more: a mask that spares biases and norms.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optim.is_matrix("bias", cr.zeros(3)), optim.is_matrix("weight", cr.zeros((2, 3)))
    (False, True)
    """
    return parameter.ndim >= 2


@recipe(weight_decay=NON_NEGATIVE)
def add_decayed_weights(weight_decay: float, mask: Mask | None = None) -> Optimizer:
    """Add the decayed weights: ``u = g + λ w``.

    Where it stands in the chain decides what it means. Before the link that scales by gradient
    statistics it is the gradient of the penalty ``λ/2 ‖w‖²`` (L2 regularisation); behind that link
    it is decoupled weight decay, as in :func:`adamw`.

    Parameters
    ----------
    weight_decay
        ``λ``, not negative.
    mask
        ``mask(path, parameter)`` says which parameters decay, for instance :func:`is_matrix` or
        ``lambda path, w: not path.endswith("bias")``; by default all do.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.add_decayed_weights(0.5, mask=lambda path, w: path != "bias")
    >>> params = {"weight": cr.tensor([2.0]), "bias": cr.tensor([2.0])}
    >>> grads = cr.tree_map(cr.zeros_like, params)
    >>> link.update(grads, link.init(params), params)[0]
    {'bias': Tensor f32[1] [0.], 'weight': Tensor f32[1] [1.]}

    References
    ----------
    Krogh & Hertz (1991), *A simple weight decay can improve generalization*.
    """

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, weight_decay: Tensor
    ) -> tuple[Tree, dict[str, Any]]:
        def decayed(path: str, g: Tensor, w: Tensor) -> Tensor:
            return g + weight_decay * w if mask is None or mask(path, w) else g

        definition = tree_flatten(params)[1]
        paths = tree_unflatten(definition, definition.paths)
        return tree_map(decayed, paths, grads, params), memory

    return link({"weight_decay": weight_decay}, lambda params: {}, rule)


def l2(weight_decay: float | None) -> tuple[Optimizer, ...]:
    """The links of the optional L2 term that many optimizers start with: one, or none."""
    return () if weight_decay is None else (add_decayed_weights(weight_decay),)
