"""Adamax: Adam with the infinity norm."""

from typing import Any

from chainrule.graph.ops.elementwise import maximum
from chainrule.graph.tensor import Tensor
from chainrule.optim.averages import bias_correction, counter, moving_average, zeros
from chainrule.optim.protocol import Optimizer, Tree, chain, link
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import l2
from chainrule.trees import tree_map

__all__ = ["adamax", "scale_by_adamax"]


@recipe(beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE)
def scale_by_adamax(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Divide the mean gradient by its decaying maximum: ``u = m̂ / n``.

    The link of :func:`adamax`, where the parameters are described.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> link = optim.scale_by_adamax()
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> link.update(grads, link.init(params), params)[0]
    Tensor f32[2] [ 1. -1.]

    References
    ----------
    Kingma & Ba (2015), see :func:`adamax`.
    """

    def memory(params: Tree) -> dict[str, Any]:
        return {"step": counter(), "mean": zeros(params), "largest": zeros(params)}

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
        largest = tree_map(
            lambda n, g: maximum(beta2 * n, abs(g) + epsilon), memory["largest"], grads
        )
        correction = bias_correction(beta1, step)
        updates = tree_map(lambda m, n: m / (correction * n), mean, largest)
        return updates, {"step": step, "mean": mean, "largest": largest}

    return link({"beta1": beta1, "beta2": beta2, "epsilon": epsilon}, memory, rule)


@recipe(
    learning_rate=NON_NEGATIVE,
    beta1=FRACTION,
    beta2=FRACTION,
    epsilon=POSITIVE,
    weight_decay=NON_NEGATIVE,
)
def adamax(
    learning_rate: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | None = None,
) -> Optimizer:
    r"""Adam with the decaying maximum of ``|g|`` in place of the root mean square.

    .. math::
        m &\leftarrow β_1 m + (1 - β_1) g \\
        n &\leftarrow \max(β_2 n, |g| + ε) \\
        w &\leftarrow w - \frac{α}{1 - β_1^t} \frac{m}{n}

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    beta1
        ``β₁``, at least 0 and below 1: how much of the mean gradient is kept.
    beta2
        ``β₂``, at least 0 and below 1: how much of the maximum is kept.
    epsilon
        ``ε``, above 0.
    weight_decay
        ``λ`` of the L2 term ``g ← g + λ w``, not negative; ``None``: no such term.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    ``ε`` is PyTorch's; the paper has none and divides by zero where all gradients were zero.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.adamax(0.1)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(grads, optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.9 -1.9]

    References
    ----------
    Kingma & Ba (2015), *Adam: a method for stochastic optimization*, Algorithm 2.
    """
    return chain(
        *l2(weight_decay),
        scale_by_adamax(beta1, beta2, epsilon),
        scale_by_learning_rate(learning_rate),
    )
