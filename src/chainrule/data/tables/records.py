"""Plain data that was written and comes back, perhaps changed by somebody."""

import math
from collections.abc import Mapping
from typing import TypeVar

from chainrule.errors import DataError

__all__ = ["Record"]

T = TypeVar("T")


class Record:
    """One mapping of such data; every entry is looked at before it is believed.

    Raises
    ------
    DataError
        If it is no mapping, an entry is missing, or has another type or an impossible value.
    """

    def __init__(self, values: object, who: str) -> None:
        self.who = who
        if not isinstance(values, Mapping):
            raise self.refused(f"{type(values).__name__}")
        self.values = values

    def refused(self, what: str) -> DataError:
        """The error that says what is wrong."""
        return DataError("tables.record", who=self.who, what=what)

    def entry(self, name: str, kind: type[T]) -> T:
        """The entry ``name``, if it has this type; booleans are no numbers."""
        value = self.values.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.refused(f"{name} = {_shown(value)}")
        return value

    def expect_version(self, version: int) -> None:
        """Raise unless the data are of this version."""
        if self.entry("version", int) != version:
            raise self.refused(f"version = {self.values['version']}")

    def number(self, name: str, positive: bool = False) -> float:
        """A finite number, above 0 where asked."""
        return self._finite(name, self.values.get(name), positive)

    def numbers(self, name: str, positive: bool = False) -> list[float]:
        """A list of such numbers."""
        return [self._finite(name, value, positive) for value in self.entry(name, list)]

    def _finite(self, name: str, value: object, positive: bool) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refused(f"{name} = {_shown(value)}")
        try:
            number = float(value)
        except OverflowError:  # JSON has integers of any length
            number = math.inf
        if not math.isfinite(number) or (positive and number <= 0):
            raise self.refused(f"{name} = {_shown(value)}")
        return number

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """A text, one of those known."""
        value = self.entry(name, str)
        if value not in known:
            raise self.refused(f"{name} = {_shown(value)}")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """A list of texts which all differ."""
        values = self.entry(name, list)
        if not all(isinstance(value, str) for value in values) or len({*values}) < len(values):
            raise self.refused(f"{name} = {_shown(values)}")
        return tuple(values)

    def parts(self, name: str) -> "list[Record]":
        """A list of mappings."""
        return [Record(value, self.who) for value in self.entry(name, list)]


def _shown(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"
