"""Errors that teach: who, the failed condition as code, what arrived, and the mend.

Each class also derives from the built-in error that Python users would catch. A message comes from
the catalogue (:mod:`chainrule.words`); an error that passes through a module's ``__call__`` gains
the path of that module in the model (``hidden.0``), so that the reader knows *which* ``Linear``.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from chainrule import words

__all__ = [
    "ChainruleError",
    "DataError",
    "DivergedError",
    "DtypeError",
    "EngineWarning",
    "FormulaError",
    "GradientError",
    "GraphError",
    "KeyNeeded",
    "NonFiniteError",
    "OptionError",
    "PathError",
    "ShapeError",
    "StorageError",
    "SymbolicError",
    "suggest",
]


class ChainruleError(Exception):
    """Base of all errors of this library; ``key`` names the message in the catalogue."""

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values = values
        self.path: tuple[str, ...] = ()
        self.raised_in: object = None  # the module whose call raised, while it passes upward
        super().__init__(key)

    def __reduce__(self) -> tuple[Any, ...]:
        # Between processes without the module, which may hold values that are still symbolic.
        return type(self), (self.key,), {**self.__dict__, "raised_in": None}

    def __str__(self) -> str:
        message = words.text(self.key, **self.values)
        return f"{'.'.join(self.path)}: {message}" if self.path else message


class ShapeError(ChainruleError, ValueError):
    """Shapes do not fit."""


class DtypeError(ChainruleError, TypeError):
    """A number has the wrong type: mixed floating types, or an integer where a float must be."""


class SymbolicError(ChainruleError, TypeError):
    """A symbolic value was asked for the number that it does not have yet."""


class GradientError(ChainruleError, ValueError):
    """A derivative was asked for that does not exist."""


class GraphError(ChainruleError, ValueError):
    """A graph breaks its own rules; raised by the verifier."""


class KeyNeeded(ChainruleError, ValueError):
    """Random layers are trained without a key."""


class NonFiniteError(ChainruleError, ArithmeticError):
    """A NaN or an infinity turned up in training.

    Attributes
    ----------
    model, history
        The last good model, and what was recorded until then.
    found
        Where the first such value was made, if it could be found.
    """

    model: object = None
    history: object = None
    found: object = None


class DivergedError(NonFiniteError):
    """The error grew beyond all bounds in training, though it is still a number."""


class OptionError(ChainruleError, ValueError):
    """An argument has a value outside of what is allowed."""


class PathError(ChainruleError, LookupError):
    """No parameter has this path."""


class FormulaError(ChainruleError, ValueError):
    """A formula that cannot be read, or that says nothing that could be checked."""


class DataError(ChainruleError, ValueError):
    """Data that cannot be used as they are."""


class StorageError(ChainruleError, OSError):
    """A file could not be read or written."""


def suggest(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'a' or 'b'?"`` for the names nearest to ``name``, or nothing.

    Examples
    --------
    >>> from chainrule.errors import suggest
    >>> suggest("hiden.0.weight", ["hidden.0.weight", "output.bias"])
    " Did you mean 'hidden.0.weight'?"
    """
    spelled = {text.casefold(): text for text in known}
    near = [spelled[text] for text in get_close_matches(name.casefold(), spelled, 3, 0.5)]
    if not near:
        return ""
    return " " + words.text("errors.did_you_mean", names=" / ".join(map(repr, near)))


class EngineWarning(UserWarning):
    """Something runs, but slower than it could."""
