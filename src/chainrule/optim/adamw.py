"""AdamW: Adam with decoupled weight decay."""

from chainrule.optim.adam import scale_by_adam
from chainrule.optim.protocol import Optimizer, chain
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, recipe
from chainrule.optim.scale import scale_by_learning_rate
from chainrule.optim.weight_decay import Mask, add_decayed_weights

__all__ = ["adamw"]


@recipe(
    learning_rate=NON_NEGATIVE,
    beta1=FRACTION,
    beta2=FRACTION,
    epsilon=POSITIVE,
    weight_decay=NON_NEGATIVE,
)
def adamw(
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    mask: Mask | None = None,
    amsgrad: bool = False,
) -> Optimizer:
    r"""Adam with weight decay beside the gradient statistics, not inside of them.

    .. math::
        w \leftarrow w - α \left( \frac{\hat m}{\sqrt{\hat v} + ε} + λ w \right)

    with ``m̂`` and ``v̂`` of :func:`adam`. There the L2 term enters ``m`` and ``v``, so that
    weights with large gradients hardly decay; here all decay at the same rate.

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
    weight_decay
        ``λ``, not negative.
    mask
        ``mask(path, parameter)`` says which parameters decay; :func:`is_matrix` spares biases and
        norms. By default all decay.
    amsgrad
        Divide by the largest ``v`` up to now.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    As in PyTorch the decay is multiplied by the learning rate; in the paper only by the schedule.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.adamw(0.1, weight_decay=0.5)
    >>> params = cr.tensor([1.0, -2.0])
    >>> updates, state = optimizer.update(cr.zeros(2), optimizer.init(params), params)
    >>> optim.apply_updates(params, updates)
    Tensor f32[2] [ 0.95 -1.9 ]

    References
    ----------
    Loshchilov & Hutter (2019), *Decoupled weight decay regularization*, Algorithm 2.
    """
    return chain(
        scale_by_adam(beta1, beta2, epsilon, amsgrad),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
