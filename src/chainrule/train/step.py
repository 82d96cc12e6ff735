"""The four steps of learning, as one function that engines compile.

1. Start from random weights: the model.
2. Predict, and measure the error: the cost.
3. The gradient of the error for every weight.
4. Update: ``w ← w − α ∂J/∂w``, or what the optimizer makes of it.

:func:`training_step` does 2 to 4; training repeats it.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.autodiff import value_and_grad
from chainrule.errors import GradientError, KeyNeeded
from chainrule.nn import has_random_layers, partition, submodules
from chainrule.optim import Optimizer, apply_updates

__all__ = ["Cost", "training_step"]


@dataclass(frozen=True)
class Cost:
    """A cost function ``cost(model, *batch)`` and what it declares besides.

    Attributes
    ----------
    function
        Returns the error as one number, or ``(error, new state)`` if it declares ``state``.
    takes_key
        It declares ``key``, for dropout: it gets a fresh one in every training step, ``None`` else.
    takes_state
        It declares ``state``: what it returns goes into the next step.
    """

    function: Callable[..., Any]
    takes_key: bool
    takes_state: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Cost":
        """Read from the signature what a cost declares."""
        names = inspect.signature(function).parameters
        return cls(function, "key" in names, "state" in names)

    def check(self, model: Any) -> None:
        """Raise if the model draws random numbers in training and the cost has no key for it."""
        if has_random_layers(model) and not self.takes_key:
            random = [f"{path}: {layer!r}" for path, layer in submodules(model) if layer.random]
            name = getattr(self.function, "__name__", "cost")
            raise KeyNeeded("train.key", cost=name, layers=", ".join(random[:3]))

    def __call__(self, model: Any, batch: tuple[Any, ...], key: Any, state: Any) -> tuple[Any, Any]:
        """The error and the new state."""
        options = {"key": key} if self.takes_key else {}
        if not self.takes_state:
            return self.function(model, *batch, **options), None
        result = self.function(model, *batch, state=state, **options)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise GradientError("train.state", got=type(result).__name__)
        return result


def training_step(cost: Cost, optimizer: Optimizer) -> Callable[..., Any]:
    """The function of one step.

    Returns
    -------
    callable
        ``(model, optimizer_state, batch, key, state)`` → the same after the step, without batch and
        key, and the error before it: ``(model, optimizer_state, state, error)``.
    """

    def step(model: Any, optimizer_state: Any, batch: Any, key: Any, state: Any) -> Any:
        weights, rebuild = partition(model)

        def error_of(weights: Any) -> tuple[Any, Any]:
            return cost(rebuild(weights), batch, key, state)

        (error, new_state), gradient = value_and_grad(error_of, has_aux=True)(weights)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, weights)
        return rebuild(apply_updates(weights, updates)), optimizer_state, new_state, error

    return step
