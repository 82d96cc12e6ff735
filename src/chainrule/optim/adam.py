"""Adam: momentum and RMSProp in one, both corrected for their start at zero."""

from typing import Any

from chainrule.graph.ops.elementwise import maximum, sqrt, square
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import bias_correction, counter, moving_average, zeros
from chainrule.optim.protocol import Optimizer, Tree, chain, link
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["adam", "scale_by_adam"]


@recipe(beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE)
def scale_by_adam(
    beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, amsgrad: bool = False
) -> Optimizer:
    """Divide the mean gradient by the root mean square: ``u = m̂ / (√v̂ + ε)``.

    The link of :func:`adam` and :func:`adamw`, where the parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_adam()
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 1. -1.]

    References
    ----------
    Kingma & Ba (2015), see :func:`adam`.
    """

    def memory(params: Tree) -> dict[str, Any]:
        return {
            "step": counter(),
            "mean": zeros(params),
            "square": zeros(params),
            "largest": zeros(params) if amsgrad else None,
        }

    def rule(
        grads: Tree,
        memory: dict[str, Any],
        params: Tree,
        beta1: Tensor,
        beta2: Tensor,
        epsilon: Tensor,
    ) -> tuple[Tree, dict[str, Any]]:
        step = memory["step"] + 1
        mean = moving_average(memory["mean"], grads, beta1)
        spread = moving_average(memory["square"], tree_map(square, grads), beta2)
        largest = tree_map(maximum, memory["largest"], spread) if amsgrad else None
        # m̂ / (√v̂ + ε) with both corrections drawn together: they cost nothing per parameter.
        correction = bias_correction(beta1, step)
        of_root = correction / sqrt(bias_correction(beta2, step))
        of_epsilon = epsilon * correction
        updates = tree_map(
            lambda m, v: m / (of_root * sqrt(v) + of_epsilon), mean, largest if amsgrad else spread
        )
        return updates, {"step": step, "mean": mean, "square": spread, "largest": largest}

    return link({"beta1": beta1, "beta2": beta2, "epsilon": epsilon}, memory, rule)


@recipe(
    learning_rate=NON_NEGATIVE,
    beta1=FRACTION,
    beta2=FRACTION,
    epsilon=POSITIVE,
    weight_decay=NON_NEGATIVE,
)
def adam(
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | None = None,
    amsgrad: bool = False,
) -> Optimizer:
    r"""Adam: steps of about the learning rate, whatever the scale of the gradient.

    .. math::
        m &\leftarrow β_1 m + (1 - β_1) g, & \hat m &= m / (1 - β_1^t) \\
        v &\leftarrow β_2 v + (1 - β_2) g^2, & \hat v &= v / (1 - β_2^t) \\
        w &\leftarrow w - α \hat m / (\sqrt{\hat v} + ε)

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    beta1
        ``β₁``, at least 0 and below 1: how much of the mean gradient is kept.
    beta2
        ``β₂``, at least 0 and below 1: how much of the mean square is kept.
    epsilon
        ``ε``, above 0; outside of the root, as in the paper.
    weight_decay
        ``λ`` of the L2 term ``g ← g + λ w``, not negative; ``None``: no such term. The term is
        divided by ``√v̂`` like the rest of the gradient; weight decay that is not is :func:`adamw`.
    amsgrad
        Divide by the largest ``v`` up to now, so that a step size never grows again.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    With ``amsgrad`` the largest ``v`` is corrected by ``1 − β₂ᵗ``, as in PyTorch; the paper does
    not correct it.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.adam(0.1)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.9 -1.9]

    References
    ----------
    Kingma & Ba (2015), *Adam: a method for stochastic optimization*, Algorithm 1. AMSGrad: Reddi,
    Kale & Kumar (2018), *On the convergence of Adam and beyond*, Algorithm 2.
    """
    return chain(
        *l2(weight_decay),
        scale_by_adam(beta1, beta2, epsilon, amsgrad),
        scale_by_learning_rate(learning_rate),
    )
