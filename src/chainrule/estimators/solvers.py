"""Optimizers by name, with scikit-learn's parameters; two of them are scikit-learn's to the letter.

Adam and SGD of :mod:`chainrule.optim` follow the papers and PyTorch. Scikit-learn's Adam adds ``ε``
to the root that is not yet corrected, and in its SGD the learning rate stands inside of the
velocity, which differs where the rate changes. A program that changes one import shall get the
same network, so ``"adam"`` and ``"sgd"`` are scikit-learn's; ``optim.adam()`` as an object is ours.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from chainrule import optim
from chainrule.graph import Tensor, sqrt, square
from chainrule.optim import Optimizer, chain, link
from chainrule.optim.averages import bias_correction, counter, moving_average, zeros
from chainrule.trees import tree_map

__all__ = ["LBFGS", "SOLVERS", "Solver", "adam", "sgd", "solver_of"]

LBFGS = "lbfgs"


def adam(learning_rate: float, beta1: float, beta2: float, epsilon: float) -> Optimizer:
    r"""Adam in its "more efficient order", as scikit-learn writes it.

    .. math::
        α_t = α \sqrt{1 - β_2^t} / (1 - β_1^t), \qquad w \leftarrow w - α_t m / (\sqrt v + ε)

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.estimators import solvers
    >>> optimizer = solvers.adam(0.1, 0.9, 0.999, 1e-8)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> optimizer.update(grads, optimizer.init(params), params)[0]
    Tensor f32[2] [-0.1  0.1]

    References
    ----------
    Kingma & Ba (2015), *Adam: a method for stochastic optimization*, section 2, last paragraph.
    """

    def memory(params: Any) -> dict[str, Any]:
        return {"step": counter(), "mean": zeros(params), "square": zeros(params)}

    def rule(
        grads: Any,
        memory: dict[str, Any],
        params: Any,
        learning_rate: Tensor,
        beta1: Tensor,
        beta2: Tensor,
        epsilon: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        step = memory["step"] + 1
        mean = moving_average(memory["mean"], grads, beta1)
        spread = moving_average(memory["square"], tree_map(square, grads), beta2)
        correction = sqrt(bias_correction(beta2, step)) / bias_correction(beta1, step)
        down = -learning_rate * correction
        updates = tree_map(lambda m, v: down * m / (sqrt(v) + epsilon), mean, spread)
        return updates, {"step": step, "mean": mean, "square": spread}

    numbers = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    return link(numbers, memory, rule)


def sgd(learning_rate: float, momentum: float, nesterov: bool) -> Optimizer:
    r"""Gradient descent with a velocity that holds the learning rate, as scikit-learn writes it.

    .. math::
        v \leftarrow μ v - α g, \qquad w \leftarrow w + v \quad\text{or}\quad w + μ v - α g

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.estimators import solvers
    >>> optimizer = solvers.sgd(0.1, 0.5, nesterov=True)
    >>> params = grads = cr.tensor([1.0, -2.0])
    >>> optimizer.update(grads, optimizer.init(params), params)[0]
    Tensor f32[2] [-0.15  0.3 ]

    References
    ----------
    Sutskever, Martens, Dahl & Hinton (2013), *On the importance of initialization and momentum in
    deep learning*.
    """

    def rule(
        grads: Any, memory: dict[str, Any], params: Any, learning_rate: Tensor, momentum: Tensor
    ) -> tuple[Any, dict[str, Any]]:
        def moved(v: Tensor, g: Tensor) -> Tensor:
            return momentum * v - learning_rate * g

        velocity = tree_map(moved, memory["velocity"], grads)
        updates = tree_map(moved, velocity, grads) if nesterov else velocity
        return updates, {"velocity": velocity}

    numbers = {"learning_rate": learning_rate, "momentum": momentum}
    return link(numbers, lambda params: {"velocity": zeros(params)}, rule)


#: The factories of :mod:`chainrule.optim` by name, and which of our parameters each takes.
FACTORIES: dict[str, tuple[Callable[..., Optimizer], dict[str, str]]] = {
    "adagrad": (optim.adagrad, {}),
    "adamax": (optim.adamax, {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
    "adamw": (optim.adamw, {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
    "momentum": (optim.momentum, {"momentum": "momentum"}),
    "nadam": (optim.nadam, {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
    "nesterov": (optim.nesterov, {"momentum": "momentum"}),
    "rmsprop": (optim.rmsprop, {"epsilon": "epsilon"}),
    "rprop": (optim.rprop, {}),
}
SOLVERS = ("adam", "sgd", LBFGS, *FACTORIES)


@dataclass(frozen=True)
class Solver:
    """An optimizer, and what decides which graph its update is.

    Attributes
    ----------
    optimizer
        Its numbers are in the state that ``init`` makes.
    structure
        Equal for optimizers that differ in numbers only: they share a compiled step.
    """

    optimizer: Optimizer
    structure: Hashable


def solver_of(estimator: Any) -> Solver:
    """The solver that an estimator's parameters ask for: clipping, optimizer, schedule."""
    name = estimator.solver
    if isinstance(name, Optimizer):
        # A clone has a copy of the object, with the very same functions.
        solver = Solver(name, name.update)
    elif name == "adam":
        numbers = (estimator.beta_1, estimator.beta_2, estimator.epsilon)
        solver = Solver(adam(estimator.learning_rate_init, *numbers), name)
    elif name == "sgd":
        nesterov = bool(estimator.nesterovs_momentum)
        descent = sgd(estimator.learning_rate_init, estimator.momentum, nesterov)
        solver = Solver(descent, (name, nesterov))
    else:
        factory, taken = FACTORIES[name]
        options = {option: getattr(estimator, parameter) for option, parameter in taken.items()}
        solver = Solver(factory(learning_rate=estimator.learning_rate_init, **options), name)
    return _clipped(_scheduled(solver, estimator.learning_rate), estimator.clip_norm)


def _scheduled(solver: Solver, learning_rate: Any) -> Solver:
    if isinstance(learning_rate, str):
        return solver
    schedule = learning_rate
    if not isinstance(schedule, optim.Schedule):
        schedule = optim.scale_by_schedule(learning_rate)
        key: Hashable = learning_rate
    else:
        key = schedule.update
    return Solver(chain(solver.optimizer, schedule), (solver.structure, key))


def _clipped(solver: Solver, limit: float | None) -> Solver:
    if limit is None:
        return solver
    clip = optim.clip_by_global_norm(float(limit))
    return Solver(chain(clip, solver.optimizer), (solver.structure, "clipped"))
