"""Containers inside modules: tuples, lists, dicts and named tuples, and the functions in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Function", "is_container", "items", "map_items", "named_items"]


def is_container(value: Any) -> bool:
    """Whether a value is one of the containers that are nodes of a tree."""
    kind = type(value)
    return kind in (tuple, list, dict) or (isinstance(value, tuple) and hasattr(kind, "_fields"))


def items(container: Any) -> Iterable[Any]:
    """The items of a container."""
    return container.values() if isinstance(container, dict) else container


def named_items(container: Any) -> list[tuple[Any, Any]]:
    """The items of a container with their names in a tree."""
    if isinstance(container, dict):
        return list(container.items())
    return list(zip(getattr(container, "_fields", range(len(container))), container, strict=True))


def map_items(function: Callable[[Any], Any], container: Any) -> Any:
    """A container with ``function`` applied to its items; a list becomes a tuple."""
    if isinstance(container, dict):
        return {name: function(item) for name, item in container.items()}
    mapped = map(function, container)
    return type(container)(*mapped) if hasattr(container, "_fields") else tuple(mapped)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that stands in a container beside modules: part of the tree's shape, not a leaf.

    It exists only while a tree is taken apart; put together again, the function is itself.
    """

    function: Callable[..., Any]

    @classmethod
    def hide(cls, value: Any) -> Any:
        """``value`` with the functions in its containers wrapped."""
        if is_container(value):
            return map_items(cls.hide, value)
        return cls(value) if callable(value) and not hasattr(value, "tree_flatten") else value

    def tree_flatten(self) -> tuple[tuple[str, ...], list[Any], Any]:
        """No children; the function is the rest."""
        return (), [], self.function

    @classmethod
    def tree_unflatten(cls, aux: Any, names: Sequence[str], children: Sequence[Any]) -> Self:
        """The function itself."""
        return aux  # type: ignore[no-any-return]
