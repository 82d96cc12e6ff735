"""What the tests of this room share: parameters, gradients, and arguments for every factory."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

#: Two values for every parameter that a factory may have. A new name fails until it stands here.
VALUES: dict[str, tuple[Any, Any]] = {
    "absolute": (False, True),
    "amsgrad": (False, True),
    "beta1": (0.9, 0.5),
    "beta2": (0.999, 0.75),
    "boundaries": ([2, 5], [3, 4]),
    "centered": (False, True),
    "cooldown": (0, 2),
    "dampening": (0.25, 0.5),
    "decay": (0.5, 0.25),
    "epsilon": (1e-8, 1e-3),
    "every": (2, 3),
    "factor": (0.5, 0.25),
    "factors": ([1.0, 0.5, 0.25], [0.5, 1.0, 2.0]),
    "final": (0.25, 0.125),
    "grow": (1.25, 1.5),
    "initial": (0.0, 0.5),
    "largest": (50.0, 8.0),
    "learning_rate": (0.125, 0.0625),
    "limit": (1.0, 0.5),
    "mask": (optim.is_matrix, optim.is_matrix),
    "maximize": (False, True),
    "minimum": (0.0, 0.01),
    "momentum": (0.5, 0.75),
    "momentum_decay": (4e-3, 0.5),
    "nesterov": (False, True),
    "patience": (1, 2),
    "power": (1.0, 2.0),
    "rise": (0.25, 0.5),
    "schedules": (
        [optim.warmup(2), optim.constant(0.5), optim.exponential(0.5)],
        [optim.warmup(3), optim.constant(0.25), optim.exponential(0.75)],
    ),
    "shrink": (0.5, 0.25),
    "smallest": (1e-4, 1e-3),
    "start": (0.5, 0.25),
    "steps": (8, 12),
    "threshold": (1e-4, 0.5),
    "warmup": (2, 4),
    "weight_decay": (0.01, 0.25),
}


def _halving(step: cr.Tensor) -> cr.Tensor:
    return 0.5**step


#: Where a name means something else.
SPECIAL: dict[tuple[str, str], tuple[Any, Any]] = {
    ("scale_by_schedule", "factor"): (_halving, _halving),
}


def factories(kind: type) -> list[str]:
    """The exported functions that ``recipe`` decorates and that make a ``kind``."""
    found = []
    for name in optim.__all__:
        made = getattr(optim, name)
        is_factory = inspect.isfunction(made) and hasattr(made, "__wrapped__")
        if is_factory and issubclass(get_type_hints(made)["return"], kind):
            found.append(name)
    return found


LINKS = factories(optim.Optimizer)
SCHEDULES = factories(optim.Schedule)
OPTIMIZERS = [
    name for name in LINKS if "learning_rate" in inspect.signature(getattr(optim, name)).parameters
]
FACTORIES = [*LINKS, *factories(optim.Plateau)]


def arguments(name: str, which: int) -> dict[str, Any]:
    """Arguments for all parameters of a factory: the first or the second value of each number."""
    parameters = inspect.signature(getattr(optim, name)).parameters
    return {key: (SPECIAL.get((name, key)) or VALUES[key])[which] for key in parameters}


def options(name: str) -> Iterator[dict[str, Any]]:
    """Every combination of a factory's yes/no options and of leaving optional terms out."""
    parameters = inspect.signature(getattr(optim, name)).parameters
    switches = {key: (False, True) for key, p in parameters.items() if p.default is False}
    terms = {key: (None, ...) for key, p in parameters.items() if p.default is None}
    for values in itertools.product(*switches.values(), *terms.values()):
        chosen = dict(zip([*switches, *terms], values, strict=True))
        if chosen.get("momentum", ...) is None and (
            chosen.get("dampening") or chosen.get("nesterov")
        ):
            continue  # sgd refuses these
        yield {key: value for key, value in chosen.items() if value is not ...}


CONFIGURATIONS = [(name, chosen) for name in LINKS for chosen in options(name)]


def label(configuration: tuple[str, dict[str, Any]]) -> str:
    name, chosen = configuration
    return "-".join([name, *(f"{key}={value}" for key, value in chosen.items())])


@pytest.fixture(params=CONFIGURATIONS, ids=label)
def make(request: pytest.FixtureRequest) -> Callable[[int], optim.Optimizer]:
    """A link in one of its configurations, with the first or the second set of numbers."""
    name, chosen = request.param
    return lambda which=0: getattr(optim, name)(**{**arguments(name, which), **chosen})


@pytest.fixture(params=["float32", "float64"])
def params(request: pytest.FixtureRequest) -> Any:
    return tree(0, request.param)


@pytest.fixture
def grads(params: Any) -> Any:
    return tree(1, params["scale"].dtype)


def tree(seed: int, dtype: Any = "float64") -> Any:
    """A nested tree of random tensors, a scalar and an empty one among them."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> cr.Tensor:
        return cr.asarray(np.asarray(rng.normal(size=shape), dtype))

    return {
        "hidden": [{"weight": draw(3, 4), "bias": draw(4)}, {"weight": draw(4, 2), "bias": None}],
        "scale": draw(),
        "extra": (draw(2, 1, 3), draw(0)),
    }


def assert_same(actual: Any, expected: Any, **tolerance: float) -> None:
    """Two trees of one shape with the same specs and, within a tolerance, the same numbers."""
    leaves, definition = cr.tree_flatten(actual)
    wanted, expected_definition = cr.tree_flatten(expected)
    assert definition == expected_definition
    assert [x.spec for x in leaves] == [y.spec for y in wanted]
    for path, x, y in zip(definition.paths, leaves, wanted, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), **{"rtol": 0, **tolerance}, err_msg=path)
