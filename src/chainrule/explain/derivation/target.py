"""Which number a derivation is about: ``hidden.0.weight[3, 1]``, a column, a whole array."""

import re
from dataclasses import dataclass

import numpy as np

from chainrule.errors import OptionError, PathError, ShapeError, suggest
from chainrule.explain.derivation.flow import Element
from chainrule.explain.walking.walkthrough import Value, Walkthrough

__all__ = ["Target", "find_target"]

WRITTEN = re.compile(r"\s*([^\[\]]*?)\s*(?:\[(.*)\])?\s*")
#: So many paths are listed where none fits.
KNOWN = 8


@dataclass(frozen=True)
class Target:
    """What the cost is differentiated by.

    Attributes
    ----------
    value
        The array.
    index
        A number or a whole axis (``None``) for each axis.
    element
        The one number that is derived step by step: of several the one with the largest derivative.
    """

    value: Value
    index: tuple[int | None, ...]
    element: Element

    @property
    def is_one(self) -> bool:
        """Whether one number was asked for."""
        return None not in self.index

    @property
    def asked(self) -> str:
        """What was asked for, as it is written in code."""
        if not any(i is not None for i in self.index):
            return self.value.path
        places = ", ".join(":" if i is None else str(i) for i in self.index)
        return f"{self.value.path}[{places}]"

    @property
    def path(self) -> str:
        """The chosen number's path, as it is written in code."""
        place = ", ".join(map(str, self.element.place))
        return f"{self.value.path}[{place}]" if place else self.value.path


def find_target(walk: Walkthrough, wrt: str | None) -> Target:
    """The target that ``wrt`` names.

    Raises
    ------
    PathError
        If no argument has this path; the message suggests near ones.
    ShapeError
        If the index does not fit the array.
    OptionError
        If it is an array without a derivative, or cannot be read.
    """
    path, index = _taken_apart(walk, wrt)
    value = _named(walk, path)
    if value.gradient is None:
        raise OptionError("explain.wrt_integer", path=path, dtype=value.array.dtype)
    places = _places(value, path, index)
    return Target(value, places, _largest(value, places))


def _taken_apart(walk: Walkthrough, wrt: str | None) -> tuple[str, str | None]:
    if wrt is None:
        known = [value.path for value in walk.inputs if value.weight and value.gradient is not None]
        if not known:
            raise OptionError("explain.wrt_nothing")
        return known[0], None
    match = WRITTEN.fullmatch(wrt) if isinstance(wrt, str) else None
    if match is None:
        raise OptionError("explain.wrt_form", got=wrt)
    return match[1], match[2]


def _named(walk: Walkthrough, path: str) -> Value:
    paths = {value.path: value for value in walk.inputs if value.path}
    for known, value in paths.items():
        if path == known or (value.weight and path.partition(".")[2] == known):
            return value
    hint, shown = suggest(path, paths), ", ".join(list(paths)[:KNOWN])
    raise PathError("explain.wrt_path", path=path, hint=hint, known=shown)


def _places(value: Value, path: str, index: str | None) -> tuple[int | None, ...]:
    if index is None:
        return (None,) * value.array.ndim
    parts = [part.strip() for part in index.split(",")] if index.strip() else []
    if len(parts) != value.array.ndim:
        raise ShapeError(
            "explain.wrt_axes", path=path, shape=value.shape, count=value.array.ndim, got=index
        )
    return tuple(
        None if part == ":" else _whole(part, size, path, value, index)
        for part, size in zip(parts, value.shape, strict=True)
    )


def _whole(part: str, size: int, path: str, value: Value, index: str) -> int:
    try:
        place = int(part)
    except ValueError:
        raise OptionError("explain.wrt_form", got=f"{path}[{index}]") from None
    if not -size <= place < size:
        raise ShapeError(
            "explain.wrt_range", path=path, shape=value.shape, got=place, last=size - 1
        )
    return place % size


def _largest(value: Value, index: tuple[int | None, ...]) -> Element:
    """Of the chosen numbers the one with the largest derivative."""
    chosen = np.full(value.shape, -1.0)
    where = tuple(slice(None) if i is None else i for i in index)
    assert value.gradient is not None
    if not chosen[where].size:
        raise OptionError("explain.wrt_empty", path=value.path, shape=value.shape)
    chosen[where] = np.nan_to_num(np.abs(value.gradient[where]), nan=np.inf)
    return Element(value, tuple(map(int, np.unravel_index(int(chosen.argmax()), chosen.shape))))
