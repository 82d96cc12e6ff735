"""Stochastic gradient descent, with momentum."""

from typing import Any

from chainrule.errors import OptionError
from chainrule.graph.ops.elementwise import where
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import counter, zeros
from chainrule.optim.protocol import Optimizer, Tree, chain, link
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["accumulate_momentum", "sgd"]


@recipe(momentum=FRACTION, dampening=FRACTION)
def accumulate_momentum(
    momentum: float = 0.9, dampening: float | None = None, nesterov: bool = False
) -> Optimizer:
    """Accumulate gradients into a velocity: ``b ← μ b + (1 − τ) g``, ``u = b``.

    With ``nesterov`` the update looks one step ahead: ``u = g + μ b``.

    The link of :func:`sgd`, where the parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.accumulate_momentum(0.5)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> _, state = link.update(grads, link.init(params), params)
    >>> link.update(grads, state, params)[0]
    Tensor f32[2] [ 1.5 -3. ]

    References
    ----------
    Polyak (1964), *Some methods of speeding up the convergence of iteration methods*.
    """

    def memory(params: Tree) -> dict[str, Any]:
        step = None if dampening is None else counter()
        return {"velocity": zeros(params), "step": step}

    def rule(
        grads: Tree,
        memory: dict[str, Any],
        params: Tree,
        momentum: Tensor,
        dampening: Tensor | None,
    ) -> tuple[Tree, dict[str, Any]]:
        step, added = memory["step"], grads
        if dampening is not None:
            weight = where(step == 0, 1.0, 1.0 - dampening)  # as PyTorch: the first is not damped
            added = tree_map(lambda g: weight * g, grads)
            step = step + 1
        velocity = tree_map(lambda b, g: momentum * b + g, memory["velocity"], added)
        updates = velocity
        if nesterov:
            updates = tree_map(lambda g, b: g + momentum * b, grads, velocity)
        return updates, {"velocity": velocity, "step": step}

    return link({"momentum": momentum, "dampening": dampening}, memory, rule)


@recipe(
    learning_rate=NON_NEGATIVE, momentum=FRACTION, dampening=FRACTION, weight_decay=NON_NEGATIVE
)
def sgd(
    learning_rate: float = 1e-3,
    momentum: float | None = None,
    dampening: float | None = None,
    weight_decay: float | None = None,
    nesterov: bool = False,
) -> Optimizer:
    r"""Stochastic gradient descent, as in PyTorch.

    .. math::
        g \leftarrow g + λ w, \qquad b \leftarrow μ b + (1 - τ) g, \qquad w \leftarrow w - α b

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    momentum
        ``μ``, at least 0 and below 1; ``None``: no velocity, ``b = g``.
    dampening
        ``τ``, at least 0 and below 1; ``None``: 0. As in PyTorch the first gradient is not damped.
    weight_decay
        ``λ`` of the L2 term, not negative; ``None``: no such term.
    nesterov
        Step by ``g + μ b`` in place of ``b``; needs ``momentum``.

    Raises
    ------
    OptionError
        If a number is out of its limits, or an option needs ``momentum`` and there is none.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.sgd(0.1)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.9 -1.8]

    References
    ----------
    Robbins & Monro (1951), *A stochastic approximation method*. Sutskever, Martens, Dahl & Hinton
    (2013), *On the importance of initialization and momentum in deep learning*; there, ``α`` stands
    inside of the velocity, which differs only when ``α`` changes.
    """
    descent = scale_by_learning_rate(learning_rate)
    if momentum is not None:
        velocity = accumulate_momentum(momentum, dampening, nesterov)
        return chain(*l2(weight_decay), velocity, descent)
    if dampening is not None or nesterov:
        option = "nesterov" if nesterov else "dampening"
        raise OptionError("optim.needs_momentum", option=option)
    return chain(*l2(weight_decay), descent)
