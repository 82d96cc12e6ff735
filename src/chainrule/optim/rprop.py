"""Rprop: steps that follow the signs of the gradient, one size per weight."""

from typing import Any

from chainrule.graph.functions import clip, ones_like
from chainrule.graph.ops.elementwise import sign, where
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import zeros
from chainrule.optim.protocol import Optimizer, Tree, link
from chainrule.optim.recipe import NON_NEGATIVE, POSITIVE, SHRINKING, Limit, recipe
from chainrule.trees import tree_map

__all__ = ["rprop"]

GROWING = Limit("1 < {name} < inf", lambda x: 1 < x < float("inf"))


@recipe(
    learning_rate=NON_NEGATIVE, shrink=SHRINKING, grow=GROWING, smallest=POSITIVE, largest=POSITIVE
)
def rprop(
    learning_rate: float = 1e-2,
    shrink: float = 0.5,
    grow: float = 1.2,
    smallest: float = 1e-4,
    largest: float = 5e3,
) -> Optimizer:
    r"""Resilient backpropagation: the sign of the gradient says where, the past says how far.

    .. math::
        s &\leftarrow \begin{cases} η^+ s & g_t g_{t-1} > 0 \\ η^- s & g_t g_{t-1} < 0 \end{cases}\\
        w &\leftarrow w - α\, s\, \mathrm{sign}(g_t)

    where ``s`` starts at 1 for every weight. After a change of sign the weight rests for one step.
    Made for the gradient of *all* rows: on mini-batches signs change by chance.

    Parameters
    ----------
    learning_rate
        ``α``, the size of the first step, not negative.
    shrink, grow
        ``η⁻``, above 0 and below 1, and ``η⁺``, above 1.
    smallest, largest
        Limits of ``s``, that is, of a step in units of the learning rate.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    The same as PyTorch's ``Rprop``, whose limits are those of ``α s``.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.rprop(0.1)
    >>> params = grads = cr.tensor([1.0, -20.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [  0.9 -19.9]

    References
    ----------
    Riedmiller & Braun (1993), *A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm*.
    """

    def memory(params: Tree) -> dict[str, Any]:
        return {"before": zeros(params), "size": tree_map(ones_like, params)}

    def rule(
        grads: Tree,
        memory: dict[str, Any],
        params: Tree,
        learning_rate: Tensor,
        shrink: Tensor,
        grow: Tensor,
        smallest: Tensor,
        largest: Tensor,
    ) -> tuple[Tree, dict[str, Any]]:
        def resized(size: Tensor, g: Tensor, before: Tensor) -> Tensor:
            agreement = sign(g) * sign(before)  # the product of the gradients may underflow
            factor = where(agreement > 0, grow, where(agreement < 0, shrink, 1.0))
            return clip(size * factor, smallest, largest)

        sizes = tree_map(resized, memory["size"], grads, memory["before"])
        kept = tree_map(
            lambda g, before: where(sign(g) * sign(before) < 0, 0.0, g), grads, memory["before"]
        )
        updates = tree_map(lambda size, g: -learning_rate * size * sign(g), sizes, kept)
        return updates, {"before": kept, "size": sizes}

    numbers = {
        "learning_rate": learning_rate,
        "shrink": shrink,
        "grow": grow,
        "smallest": smallest,
        "largest": largest,
    }
    return link(numbers, memory, rule)
