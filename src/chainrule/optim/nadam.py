"""NAdam: Adam with Nesterov's look-ahead."""

from typing import Any

from chainrule.graph.functions import ones
from chainrule.graph.ops.elementwise import sqrt, square
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import bias_correction, counter, moving_average, zeros
from chainrule.optim.protocol import Optimizer, Tree, chain, link, number_type
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["nadam", "scale_by_nadam"]


@recipe(beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE, momentum_decay=NON_NEGATIVE)
def scale_by_nadam(
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    momentum_decay: float = 4e-3,
) -> Optimizer:
    """Adam's quotient with a numerator that looks one step ahead.

    The link of :func:`nadam`, where formula and parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_nadam(beta1=0.0)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 1. -1.]

    References
    ----------
    Dozat (2016), see :func:`nadam`.
    """

    def memory(params: Tree) -> dict[str, Any]:
        return {
            "step": counter(),
            "product": ones((), number_type(params)),
            "mean": zeros(params),
            "square": zeros(params),
        }

    def rule(
        grads: Tree,
        memory: dict[str, Any],
        params: Tree,
        beta1: Tensor,
        beta2: Tensor,
        epsilon: Tensor,
        momentum_decay: Tensor,
    ) -> tuple[Tree, dict[str, Any]]:
        def momentum(step: Tensor) -> Tensor:
            """``μ``, which grows from about ``β₁ / 2`` to ``β₁``."""
            age = momentum_decay * step.astype(beta1.dtype)
            return beta1 * (1.0 - 0.5 * 0.96**age)

        step = memory["step"] + 1
        now, ahead = momentum(step), momentum(step + 1)
        product = memory["product"] * now
        mean = moving_average(memory["mean"], grads, beta1)
        spread = moving_average(memory["square"], tree_map(square, grads), beta2)
        of_gradient = (1.0 - now) / (1.0 - product)
        of_mean = ahead / (1.0 - product * ahead)
        of_root = 1.0 / sqrt(bias_correction(beta2, step))
        updates = tree_map(
            lambda g, m, v: (of_gradient * g + of_mean * m) / (of_root * sqrt(v) + epsilon),
            grads,
            mean,
            spread,
        )
        return updates, {"step": step, "product": product, "mean": mean, "square": spread}

    numbers = {
        "beta1": beta1,
        "beta2": beta2,
        "epsilon": epsilon,
        "momentum_decay": momentum_decay,
    }
    return link(numbers, memory, rule)


@recipe(
    learning_rate=NON_NEGATIVE,
    beta1=FRACTION,
    beta2=FRACTION,
    epsilon=POSITIVE,
    momentum_decay=NON_NEGATIVE,
    weight_decay=NON_NEGATIVE,
)
def nadam(
    learning_rate: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    momentum_decay: float = 4e-3,
    weight_decay: float | None = None,
) -> Optimizer:
    r"""Adam with Nesterov's look-ahead and a momentum that warms up.

    .. math::
        μ_t &= β_1 \left( 1 - \tfrac12 0.96^{tψ} \right) \\
        \hat m &= \frac{(1 - μ_t) g}{1 - \prod_{i=1}^{t} μ_i}
                + \frac{μ_{t+1} m}{1 - \prod_{i=1}^{t+1} μ_i} \\
        w &\leftarrow w - α \hat m / (\sqrt{\hat v} + ε)

    with ``m`` and ``v̂`` of :func:`adam`.

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    beta1
        ``β₁``, at least 0 and below 1: how much of the mean gradient is kept.
    beta2
        ``β₂``, at least 0 and below 1: how much of the mean square is kept.
    epsilon
        ``ε``, above 0; outside of the root.
    momentum_decay
        ``ψ``, not negative: how fast the momentum warms up.
    weight_decay
        ``λ`` of the L2 term ``g ← g + λ w``, not negative; ``None``: no such term.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    As in PyTorch ``m`` is averaged with the constant ``β₁``; the paper averages it with ``μ_t``.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.nadam(0.1, beta1=0.0)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.9 -1.9]

    References
    ----------
    Dozat (2016), *Incorporating Nesterov momentum into Adam*, Algorithm 2.
    """
    return chain(
        *l2(weight_decay),
        scale_by_nadam(beta1, beta2, epsilon, momentum_decay),
        scale_by_learning_rate(learning_rate),
    )
