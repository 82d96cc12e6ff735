"""What the factories of this room share: checked arguments, and a label as the user wrote it."""

import copy
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ParamSpec, TypeVar

import numpy as np

from chainrule.errors import OptionError, suggest
from chainrule.optim.protocol import Optimizer
from chainrule.optim.remade import Remade, remade

__all__ = [
    "FRACTION",
    "NON_NEGATIVE",
    "POSITIVE",
    "SHRINKING",
    "Limit",
    "check_number",
    "recipe",
    "written",
]

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made", bound=Remade)


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a number must satisfy: the condition as code, and the test itself."""

    condition: str
    holds: Callable[[float], bool]


POSITIVE = Limit("0 < {name} < inf", lambda x: 0 < x < math.inf)
NON_NEGATIVE = Limit("0 <= {name} < inf", lambda x: 0 <= x < math.inf)
FRACTION = Limit("0 <= {name} < 1", lambda x: 0 <= x < 1)
SHRINKING = Limit("0 < {name} < 1", lambda x: 0 < x < 1)


def recipe(
    **limits: Limit,
) -> Callable[[Callable[Arguments, Made]], Callable[Arguments, Made]]:
    """Decorate a factory: check its numbers, label what it makes, and let it be pickled.

    Parameters
    ----------
    **limits
        The limit of each number among the factory's parameters. One whose default is ``None`` may
        be ``None``: the term is left out.
    """

    def decorate(factory: Callable[Arguments, Made]) -> Callable[Arguments, Made]:
        signature = inspect.signature(factory)
        name = factory.__name__

        @functools.wraps(factory)
        def make(*values: Arguments.args, **named: Arguments.kwargs) -> Made:
            _check_known(name, signature, named)
            bound = signature.bind(*values, **named)
            bound.apply_defaults()
            label = written(name, bound.arguments)
            for parameter, limit in limits.items():
                value = bound.arguments[parameter]
                if value is not None or signature.parameters[parameter].default is not None:
                    check_number(label, parameter, value, limit)
            made = factory(*values, **named)
            labelled = dataclasses.replace(made, label=label)  # type: ignore[type-var]
            return remade(labelled, make, *map(_kept, bound.args))

        return make

    return decorate


def _kept(value: Any) -> Any:
    """An argument that the caller cannot change any more: a list is copied."""
    return value if callable(value) else copy.copy(value)


def check_number(who: str, name: str, value: Any, limit: Limit) -> None:
    """Raise unless ``value`` is a number within ``limit``."""
    if isinstance(value, Optimizer):
        raise OptionError("optim.link_as_number", who=who, name=name, got=value)
    if not isinstance(value, Real) or isinstance(value, bool):
        raise OptionError("optim.number", who=who, name=name, got=repr(value))
    if not limit.holds(float(value)):
        condition = limit.condition.format(name=name)
        raise OptionError("optim.limit", who=who, condition=condition, name=name, got=value)


def _check_known(who: str, signature: inspect.Signature, named: Mapping[str, Any]) -> None:
    known = list(signature.parameters)
    for name in named:
        if name not in known:
            raise OptionError(
                "optim.unknown",
                who=who,
                name=name,
                known=", ".join(known),
                hint=suggest(name, known),
            )


def written(name: str, arguments: Mapping[str, Any]) -> str:
    """The call as a user would write it; options that are off are left out."""
    given = {
        key: value for key, value in arguments.items() if value is not None and value is not False
    }
    return f"{name}({', '.join(f'{key}={_word(value)}' for key, value in given.items())})"


def _word(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return getattr(value, "__name__", None) or repr(value)
