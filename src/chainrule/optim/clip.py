"""Links that bound gradients that explode."""

from functools import reduce
from typing import Any

from chainrule.graph.functions import clip
from chainrule.graph.ops.elementwise import add, maximum, minimum, sqrt, square, where
from chainrule.graph.tensor import Tensor, asarray
from chainrule.optim.protocol import Optimizer, Tree, link
from chainrule.optim.recipe import POSITIVE, recipe
from chainrule.trees import tree_leaves, tree_map

__all__ = ["clip_by_global_norm", "clip_by_value", "global_norm"]


def global_norm(tree: Tree) -> Tensor:
    """The Euclidean norm of all elements of all leaves together: ``√Σ x²``.

    Parameters
    ----------
    tree
        Floating tensors of one type.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optim.global_norm({"w": cr.tensor([3.0, 0.0]), "b": cr.tensor(4.0)})
    Tensor f32[] 5.0
    """
    leaves = [asarray(leaf) for leaf in tree_leaves(tree)]
    leaves = [leaf for leaf in leaves if leaf.size]
    if not leaves:
        return asarray(0.0)
    # Gradients that explode are what this is for: in float32 the square of 1e20 is infinite, so
    # the largest element is divided out first.
    largest = reduce(maximum, (abs(leaf).max() for leaf in leaves))
    unit = where(largest > 0, largest, 1.0)
    total = reduce(add, (square(leaf / unit).sum() for leaf in leaves))
    return unit * sqrt(total)


@recipe(limit=POSITIVE)
def clip_by_global_norm(limit: float) -> Optimizer:
    """Shorten the whole gradient to a given length: ``u = g · min(1, limit / ‖g‖)``.

    The direction stays. A gradient that holds NaN or infinity becomes NaN: it does not pass unseen.

    Parameters
    ----------
    limit
        The largest norm over all leaves together, above 0.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    PyTorch's ``clip_grad_norm_`` divides by ``‖g‖ + 1e-6``, which is not in the paper.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.clip_by_global_norm(1.0)
    >>> params = grads = cr.tensor([3.0, 4.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [0.6 0.8]

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), *On the difficulty of training recurrent neural networks*,
    Algorithm 1.
    """

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, limit: Tensor
    ) -> tuple[Tree, dict[str, Any]]:
        factor = minimum(limit / global_norm(grads), 1.0)  # a zero norm gives infinity, hence 1
        return tree_map(lambda g: factor * g, grads), memory

    return link({"limit": limit}, lambda params: {}, rule)


@recipe(limit=POSITIVE)
def clip_by_value(limit: float) -> Optimizer:
    """Clip every element by itself: ``u = min(max(g, −limit), limit)``.

    It changes the direction of the gradient, too; see :func:`clip_by_global_norm`.

    Parameters
    ----------
    limit
        The largest absolute value of an element, above 0.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.clip_by_value(1.0)
    >>> params = grads = cr.tensor([3.0, -0.5])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 1.  -0.5]

    References
    ----------
    Mikolov (2012), *Statistical language models based on neural networks*.
    """

    def rule(
        grads: Tree, memory: dict[str, Any], params: Tree, limit: Tensor
    ) -> tuple[Tree, dict[str, Any]]:
        return tree_map(lambda g: clip(g, -limit, limit), grads), memory

    return link({"limit": limit}, lambda params: {}, rule)
