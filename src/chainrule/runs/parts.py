"""What stands around a model: preprocessing before it, the meaning of its outputs after it.

Such a part is stored as plain data under the name of its class, and made again by that class. It
has to be registered: a file can name no other class, and nothing is unpickled.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from chainrule.data import Map
from chainrule.data.tables import TableEncoder, Target
from chainrule.errors import OptionError, StorageError, suggest

__all__ = ["Part", "from_entry", "register", "to_entry"]


class Part(Protocol):
    """What can be stored beside a model. There is a class method ``from_dict``, too."""

    def to_dict(self) -> Mapping[str, Any]:
        """All that makes it: nested dicts and lists of text, numbers and arrays."""


Kind = TypeVar("Kind", bound=type)

_kinds: dict[str, Any] = {}


def register(kind: Kind) -> Kind:
    """Let runs store objects of a class; usable as a decorator.

    Parameters
    ----------
    kind
        A class with a method ``to_dict`` and a class or static method ``from_dict``. As
        preprocessing its objects are called with rows and return rows. Objects of its subclasses
        are stored by it, too.

    Raises
    ------
    OptionError
        If it lacks a method, or another class of this name is registered.

    Examples
    --------
    >>> from chainrule import runs
    >>> @runs.register
    ... class Doubled:
    ...     def __call__(self, rows):
    ...         return rows * 2
    ...
    ...     def to_dict(self):
    ...         return {}
    ...
    ...     @classmethod
    ...     def from_dict(cls, values):
    ...         return cls()
    """
    name = kind.__name__
    if not all(callable(getattr(kind, method, None)) for method in ("to_dict", "from_dict")):
        raise OptionError("runs.no_methods", kind=name)
    known = _kinds.setdefault(name, kind)
    if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise OptionError("runs.kind_twice", kind=name, module=known.__module__)
    _kinds[name] = kind  # the module may have been loaded anew
    return kind


for _kind in (Map, TableEncoder, Target):
    register(_kind)


def to_entry(part: Part) -> dict[str, Any]:
    """A part as plain data that names its class.

    Raises
    ------
    OptionError
        If its class is not registered.
    """
    for base in type(part).__mro__:
        if _kinds.get(base.__name__) is base:
            return {"kind": base.__name__, "values": part.to_dict()}
    raise OptionError("runs.no_part", kind=type(part).__name__, known=", ".join(_kinds))


def from_entry(entry: Mapping[str, Any]) -> Any:
    """The part that :func:`to_entry` wrote.

    Raises
    ------
    StorageError
        If its class is not registered here.
    """
    name = str(entry["kind"])
    if name not in _kinds:
        raise StorageError("runs.unknown_part", kind=name, hint=suggest(name, _kinds))
    return _kinds[name].from_dict(entry["values"])
