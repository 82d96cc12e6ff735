"""Gradient descent with momentum (the heavy ball)."""

from chainrule.optim.protocol import Optimizer
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, recipe
from chainrule.optim.sgd import sgd

__all__ = ["momentum"]


@recipe(learning_rate=NON_NEGATIVE, momentum=FRACTION)
def momentum(learning_rate: float = 1e-3, momentum: float = 0.9) -> Optimizer:
    r"""Gradient descent with a velocity that remembers earlier gradients.

    .. math::
        b \leftarrow μ b + g, \qquad w \leftarrow w - α b

    Along a direction in which the gradient keeps its sign the steps grow to ``α / (1 − μ)``
    times it; where it alternates they cancel.

    Parameters
    ----------
    learning_rate
        ``α``, not negative.
    momentum
        ``μ``, at least 0 and below 1.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    See Also
    --------
    sgd : the same with dampening and weight decay.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.momentum(0.1, 0.5)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     updates, state = optimizer.update(grads, state, params)
    >>> updates
    Tensor f32[2] [-0.15  0.3 ]

    References
    ----------
    Polyak (1964), *Some methods of speeding up the convergence of iteration methods*; there,
    ``α`` stands inside of the velocity, which differs only when ``α`` changes.
    """
    return sgd(learning_rate, momentum)
