"""Nesterov's accelerated gradient."""

from chainrule.optim.protocol import Optimizer
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, recipe
from chainrule.optim.sgd import sgd

__all__ = ["nesterov"]


@recipe(learning_rate=NON_NEGATIVE, momentum=FRACTION)
def nesterov(learning_rate: float = 1e-3, momentum: float = 0.9) -> Optimizer:
    r"""Momentum that looks one step ahead.

    .. math::
        b \leftarrow μ b + g, \qquad w \leftarrow w - α (g + μ b)

    Nesterov takes the gradient at the point to which the velocity is about to carry the parameters.
    Here, as in PyTorch, ``w`` is that look-ahead point, so that the gradient is taken at ``w``.

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

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.nesterov(0.1, 0.5)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> optimizer.update(grads, optimizer.init(params), params)[0]
    Tensor f32[2] [-0.15  0.3 ]

    References
    ----------
    Nesterov (1983), *A method for solving the convex programming problem with convergence rate
    O(1/k²)*. Sutskever, Martens, Dahl & Hinton (2013), *On the importance of initialization and
    momentum in deep learning*, equations 3 and 4. The change of variable is that of Bengio,
    Boulanger-Lewandowski & Pascanu (2013), *Advances in optimizing recurrent networks*.
    """
    return sgd(learning_rate, momentum, nesterov=True)
