"""Pickling and copying what the factories of this room make, though it is made of closures."""

from collections.abc import Callable
from typing import Any, SupportsIndex, TypeVar

__all__ = ["Remade", "remade"]


class Remade:
    """Is pickled and copied as the call that made it: a factory and its arguments.

    Python cannot pickle functions that were made inside of others, and those of an optimizer were.
    What no factory made is pickled as Python does it, and so is what
    :func:`dataclasses.replace` made: it is no longer what the factory gives.
    """

    _call: tuple[Callable[..., Any], tuple[Any, ...]] | None = None  # no field: not for replace

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self._call or super().__reduce_ex__(protocol)


Made = TypeVar("Made", bound=Remade)


def remade(made: Made, factory: Callable[..., Any], *arguments: Any) -> Made:
    """``made``, which ``factory(*arguments)`` makes again."""
    object.__setattr__(made, "_call", (factory, arguments))
    return made
