"""The schedules: factors of the learning rate, from the first step (``t = 0``) on.

Each is a link behind an optimizer: ``chain(sgd(0.1), cosine(1000))``. After the last step of
a schedule that has one, its final factor stays.
"""

import math
from collections.abc import Sequence

from chainrule.errors import OptionError
from chainrule.graph.ops.elementwise import floor, maximum, minimum, sin, square, where
from chainrule.graph.tensor import Tensor
from chainrule.optim.recipe import FRACTION, NON_NEGATIVE, POSITIVE, check_number, recipe, written
from chainrule.optim.schedule import Schedule, check_boundaries, schedule

__all__ = [
    "constant",
    "cosine",
    "exponential",
    "inverse_time",
    "linear",
    "one_cycle",
    "piecewise",
    "polynomial",
    "step_decay",
    "warmup",
]


@recipe(factor=NON_NEGATIVE)
def constant(factor: float = 1.0) -> Schedule:
    """The same factor at every step: ``f(t) = factor``.

    Parameters
    ----------
    factor
        Not negative.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.constant(0.5)(7)
    Tensor f64[] 0.5

    References
    ----------
    PyTorch's ``ConstantLR`` ends: it is ``piecewise([total_iters], [factor, 1])``.
    """
    return schedule({"factor": factor}, lambda step, factor: factor)


@recipe(every=POSITIVE, factor=POSITIVE)
def step_decay(every: float, factor: float = 0.1) -> Schedule:
    """Multiply by ``factor`` every so many steps: ``f(t) = factor^⌊t / every⌋``.

    Parameters
    ----------
    every
        Steps on one level, above 0.
    factor
        Above 0.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.step_decay(every=2, factor=0.5)([0, 1, 2, 3, 4])
    Tensor f64[5] [1.   1.   0.5  0.5  0.25]

    References
    ----------
    The same as PyTorch's ``StepLR``.
    """

    def formula(step: Tensor, every: Tensor, factor: Tensor) -> Tensor:
        return factor ** floor(step / every)

    return schedule({"every": every, "factor": factor}, formula)


@recipe()
def piecewise(boundaries: Sequence[float], factors: Sequence[float]) -> Schedule:
    """Given factors on given intervals: ``f(t) = factor_i`` for ``b_i ≤ t < b_{i+1}``, ``b_0 = 0``.

    Parameters
    ----------
    boundaries
        The steps at which each factor but the first begins, increasing.
    factors
        One more than boundaries; not negative.

    Raises
    ------
    OptionError
        If the boundaries do not increase, or are not one fewer than the factors.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.piecewise([2, 3], [1, 0.5, 0.1])([0, 1, 2, 3, 4])
    Tensor f64[5] [1.  1.  0.5 0.1 0.1]

    References
    ----------
    With powers of one factor the same as PyTorch's ``MultiStepLR``.
    """
    who = written("piecewise", {"boundaries": boundaries, "factors": factors})
    check_boundaries(who, boundaries, "factors", factors)
    for factor in factors:
        check_number(who, "factor", factor, NON_NEGATIVE)

    def formula(step: Tensor, boundaries: list[Tensor], factors: list[Tensor]) -> Tensor:
        value = factors[0]
        for begin, factor in zip(boundaries, factors[1:], strict=True):
            value = where(step >= begin, factor, value)
        return value

    return schedule({"boundaries": list(boundaries), "factors": list(factors)}, formula)


@recipe(factor=POSITIVE, every=POSITIVE)
def exponential(factor: float, every: float = 1) -> Schedule:
    """Multiply by ``factor`` in every so many steps, smoothly: ``f(t) = factor^(t / every)``.

    Parameters
    ----------
    factor
        Above 0; above 1 the rate grows, as a learning-rate finder needs it.
    every
        Steps in which the factor is reached once, above 0.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.exponential(0.25, every=2)([0, 1, 2])
    Tensor f64[3] [1.   0.5  0.25]

    References
    ----------
    With ``every=1`` the same as PyTorch's ``ExponentialLR``.
    """

    def formula(step: Tensor, factor: Tensor, every: Tensor) -> Tensor:
        return factor ** (step / every)

    return schedule({"factor": factor, "every": every}, formula)


@recipe(decay=NON_NEGATIVE)
def inverse_time(decay: float) -> Schedule:
    """Decrease like the harmonic series: ``f(t) = 1 / (1 + decay · t)``.

    Its sum is infinite and the sum of its squares is not: with it stochastic gradient descent
    converges.

    Parameters
    ----------
    decay
        Not negative.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.inverse_time(0.5)([0, 2, 6])
    Tensor f64[3] [1.   0.5  0.25]

    References
    ----------
    Robbins & Monro (1951), *A stochastic approximation method*.
    """
    return schedule({"decay": decay}, lambda step, decay: 1.0 / (1.0 + decay * step))


@recipe(steps=POSITIVE, start=NON_NEGATIVE, final=NON_NEGATIVE)
def linear(steps: float, start: float = 1.0, final: float = 0.0) -> Schedule:
    """Go from one factor to another on a line.

    ``f(t) = start + (final − start) · min(t / steps, 1)``

    Parameters
    ----------
    steps
        Steps until ``final`` is reached, above 0.
    start, final
        The factors, not negative.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.linear(4, start=1.0, final=0.5)([0, 2, 4, 6])
    Tensor f64[4] [1.   0.75 0.5  0.5 ]

    References
    ----------
    The same as PyTorch's ``LinearLR``, whose start and final factors are 1/3 and 1.
    """

    def formula(step: Tensor, steps: Tensor, start: Tensor, final: Tensor) -> Tensor:
        gone, left = minimum(step, steps), maximum(steps - step, 0.0)
        return (start * left + final * gone) / steps  # no digit is lost at either end

    return schedule({"steps": steps, "start": start, "final": final}, formula)


@recipe(steps=POSITIVE, start=NON_NEGATIVE)
def warmup(steps: float, start: float = 0.0) -> Schedule:
    """Go up to the learning rate on a line: ``f(t) = start + (1 − start) · min(t / steps, 1)``.

    Parameters
    ----------
    steps
        Steps until the factor is 1, above 0.
    start
        The first factor, not negative; with 0 the first update changes nothing.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.warmup(4)([0, 1, 2, 4, 8])
    Tensor f64[5] [0.   0.25 0.5  1.   1.  ]

    References
    ----------
    Goyal et al. (2017), *Accurate, large minibatch SGD: training ImageNet in 1 hour*, section 2.2.
    """
    return linear(steps, start, 1.0)


@recipe(steps=POSITIVE, power=POSITIVE, final=NON_NEGATIVE)
def polynomial(steps: float, power: float = 1.0, final: float = 0.0) -> Schedule:
    """Decrease as a power: ``f(t) = final + (1 − final) (1 − min(t / steps, 1))^power``.

    Parameters
    ----------
    steps
        Steps until ``final`` is reached, above 0.
    power
        Above 0.
    final
        The last factor, not negative.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.polynomial(4, power=2)([0, 2, 3, 4])
    Tensor f64[4] [1.     0.25   0.0625 0.    ]

    References
    ----------
    With ``final=0`` the same as PyTorch's ``PolynomialLR``.
    """

    def formula(step: Tensor, steps: Tensor, power: Tensor, final: Tensor) -> Tensor:
        return final + (1.0 - final) * (maximum(steps - step, 0.0) / steps) ** power

    return schedule({"steps": steps, "power": power, "final": final}, formula)


@recipe(steps=POSITIVE, warmup=NON_NEGATIVE, final=NON_NEGATIVE)
def cosine(steps: float, warmup: float = 0, final: float = 0.0) -> Schedule:
    r"""Half a cosine from 1 to ``final``, behind an optional linear warm-up.

    .. math::
        f(t) = \text{final} + (1 - \text{final})
               \tfrac12 \left( 1 + \cos π p \right), \qquad
        p = \frac{t - \text{warmup}}{\text{steps} - \text{warmup}}

    and ``f(t) = t / warmup`` before ``t = warmup``.

    Parameters
    ----------
    steps
        Steps until ``final`` is reached, warm-up included; above 0.
    warmup
        Steps of the warm-up, not negative and fewer than ``steps``.
    final
        The last factor, not negative.

    Raises
    ------
    OptionError
        If a number is out of its limits, or the warm-up takes all steps.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.cosine(6, warmup=2)([0, 1, 2, 4, 6, 9])
    Tensor f64[6] [0.  0.5 1.  0.5 0.  0. ]

    References
    ----------
    Loshchilov & Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*, equation 5.
    The same as PyTorch's ``CosineAnnealingLR``, which goes up again after ``T_max``.
    """
    if not warmup < steps:
        raise OptionError(
            "optim.limit",
            who=written("cosine", {"steps": steps, "warmup": warmup}),
            condition="warmup < steps",
            name="warmup",
            got=warmup,
        )

    def formula(step: Tensor, steps: Tensor, warmup: Tensor, final: Tensor) -> Tensor:
        falling = _between(1.0, final, (steps - step) / (steps - warmup))
        return where(step < warmup, step / warmup, falling)

    return schedule({"steps": steps, "warmup": warmup, "final": final}, formula)


@recipe(steps=POSITIVE, rise=FRACTION, start=NON_NEGATIVE, final=NON_NEGATIVE)
def one_cycle(
    steps: float, rise: float = 0.3, start: float = 1 / 25, final: float = 1 / 25e4
) -> Schedule:
    r"""Up from ``start`` to 1 and down to ``final``, both along half a cosine.

    .. math::
        f(t) = b + (a - b) \tfrac12 (1 + \cos π p)

    with ``a = start``, ``b = 1``, ``p = t / T`` before the top ``T = rise · steps − 1``, and with
    ``a = 1``, ``b = final``, ``p = (t − T) / (steps − 1 − T)`` behind it.

    Parameters
    ----------
    steps
        Number of steps, above 0; the last is ``t = steps − 1``.
    rise
        The part of the steps in which the rate goes up, at least 0 and below 1.
    start, final
        The first and the last factor, not negative.

    Raises
    ------
    OptionError
        If a number is out of its limits.

    Notes
    -----
    The learning rate of the optimizer is the largest one. As PyTorch's ``OneCycleLR``, but
    with ``start = 1 / div_factor`` and ``final = start / final_div_factor``, and without cycling
    the momentum. The paper goes up and down on lines.

    Examples
    --------
    >>> from chainrule import optim
    >>> optim.one_cycle(10, rise=0.5, start=0.2, final=0.0)([0, 2, 4, 9])
    Tensor f64[4] [0.2 0.6 1.  0. ]

    References
    ----------
    Smith & Topin (2019), *Super-convergence: very fast training of neural networks using large
    learning rates*.
    """

    def formula(step: Tensor, steps: Tensor, rise: Tensor, start: Tensor, final: Tensor) -> Tensor:
        top = rise * steps - 1.0
        up = _between(start, 1.0, (top - step) / top)
        down = _between(1.0, final, (steps - 1.0 - step) / (steps - 1.0 - top))
        return where(step < top, up, down)

    numbers = {"steps": steps, "rise": rise, "start": start, "final": final}
    return schedule(numbers, formula)


def _between(start: float | Tensor, end: float | Tensor, left: Tensor) -> Tensor:
    """From ``start`` to ``end`` along half a cosine, as the part that is left goes from 1 to 0.

    ``(1 + cos πp) / 2`` cancels near the end; ``sin²(π/2 (1 − p))`` is the same and does not.
    """
    left = minimum(maximum(left, 0.0), 1.0)
    return end + (start - end) * square(sin(math.pi / 2 * left))
