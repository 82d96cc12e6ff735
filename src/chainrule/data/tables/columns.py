"""What is remembered of each column: how its values become numbers that a network can read.

- A number or a boolean: ``(value − mean) / scale``. A date: each of its parts likewise.
- A category: one feature for each, 1 in the rows that have it and 0 elsewhere.
- A missing value: the mean, that is 0, and 1 in a feature that says so, if any value was missing in
  training. The mean and not the median: it is found exactly in one pass over chunks, and beside
  the feature that says "missing" the network puts any constant in its place.
- What training never saw has no feature of its own, since its weights would be as they were
  initialised. It goes where rare and missing ones went, or else to no feature.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule import words
from chainrule.data.tables.dates import DATE_FORMATS, date_parts, part_names
from chainrule.data.tables.records import Record
from chainrule.data.tables.values import KINDS, Form, Labels, Values, labels_of_numbers, missing

__all__ = [
    "REASONS",
    "Categories",
    "Column",
    "Dropped",
    "Measured",
    "Part",
    "Strange",
    "column_from_record",
    "form_from_record",
]

REASONS = ("asked", "constant", "distinct", "empty")

Features: TypeAlias = npt.NDArray[np.float32]


class Strange(NamedTuple):
    """What prediction met that training did not: rows by column, and by category."""

    missing: Counter[str]
    unseen: dict[str, Counter[str]]

    @classmethod
    def nothing(cls) -> "Strange":
        """Nothing yet."""
        return cls(Counter(), {})

    def notes(self) -> Iterator[str]:
        """Sentences."""
        for column, rows in self.missing.items():
            yield words.text("tables.strange_missing", column=column, rows=rows)
        for column, counts in self.unseen.items():
            yield words.text(
                "tables.strange_categories",
                column=column,
                rows=counts.total(),
                categories=", ".join(repr(name) for name, _ in counts.most_common(5)),
                count=len(counts),
            )


@dataclass(frozen=True)
class Part:
    """One number of a value: what it is (``"value"``, or a part of a date), its mean and scale."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True)
class Measured:
    """A column of numbers, booleans or dates.

    Attributes
    ----------
    name, form
        The column, and how it is read.
    parts
        What is standardized, one feature each.
    indicator
        Whether a feature says that the value is missing.
    """

    name: str
    form: Form
    parts: tuple[Part, ...]
    indicator: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        names = [
            self.name if part.name == "value" else f"{self.name}.{part.name}" for part in self.parts
        ]
        return (*names, *([f"{self.name}=?"] if self.indicator else []))

    def write(self, values: Values, out: Features, strange: Strange) -> None:
        """Put the features of some rows into ``out``, ``[rows, features]``."""
        assert not isinstance(values, Labels)
        absent = np.isnan(values)
        some = bool(absent.any())
        numbers = date_parts(values) if self.form.kind == "date" else {"value": values}
        with np.errstate(over="ignore"):  # what is not finite is looked for by the caller
            for place, part in enumerate(self.parts):
                scaled = numbers[part.name] - part.mean
                scaled /= part.scale
                if some:
                    scaled[absent] = 0
                out[:, place] = scaled
        if self.indicator:
            out[:, -1] = absent
        elif some:
            strange.missing[self.name] += int(absent.sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.form.kind,
            "name": self.name,
            "date_format": self.form.date_format,
            "parts": [vars(part) for part in self.parts],
            "indicator": self.indicator,
        }

    @classmethod
    def from_record(cls, record: Record) -> "Measured":
        """The inverse of :meth:`to_dict`."""
        form = form_from_record(record)
        known = part_names() if form.kind == "date" else ("value",)
        parts = tuple(
            Part(part.choice("name", known), part.number("mean"), part.number("scale", True))
            for part in record.parts("parts")
        )
        if len({part.name for part in parts}) < len(parts):
            raise record.refused("parts")
        return cls(record.entry("name", str), form, parts, record.entry("indicator", bool))


@dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes
    ----------
    name, form
        The column, and how it is read.
    known
        The categories with a feature of their own.
    missing, other
        Whether there is a feature for missing values, and one for rare categories.
    """

    name: str
    form: Form
    known: tuple[str, ...]
    missing: bool
    other: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        names = [f"{self.name}={known}" for known in self.known]
        if self.missing:
            names.append(f"{self.name}=?")
        if self.other:
            names.append(f"{self.name}=…")
        return tuple(names)

    def write(self, values: Values, out: Features, strange: Strange) -> None:
        """Put the features of some rows into ``out``, ``[rows, features]``."""
        labels = values if isinstance(values, Labels) else labels_of_numbers(values)
        place_of = {name: place for place, name in enumerate(self.known)}
        places = [place_of.get(name, self._place_of_unseen) for name in labels.names]
        places.append(len(self.known) if self.missing else self._place_of_unseen)
        place = np.array(places, np.intp)[labels.codes]
        out[:] = 0
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = 1
        self._count(labels, strange)

    @property
    def _place_of_unseen(self) -> int:
        """Where rare categories went, or else missing ones, or else nowhere."""
        return len(self.features) - 1 if self.other or self.missing else -1

    def _count(self, labels: Labels, strange: Strange) -> None:
        absent = int(missing(labels).sum())
        if absent and not self.missing:
            strange.missing[self.name] += absent
        counts = np.bincount(labels.codes + 1, minlength=len(labels.names) + 1)[1:].tolist()
        met = {name: rows for name, rows in zip(labels.names, counts, strict=True) if rows}
        unseen = {name: met[name] for name in met if name not in self.known}
        if unseen:
            strange.unseen.setdefault(self.name, Counter()).update(unseen)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": "categories",
            "name": self.name,
            "read_as": self.form.kind,
            "known": list(self.known),
            "missing": self.missing,
            "other": self.other,
        }

    @classmethod
    def from_record(cls, record: Record) -> "Categories":
        """The inverse of :meth:`to_dict`."""
        kind = record.choice("read_as", ("boolean", "number", "text"))
        form = Form(kind)  # type: ignore[arg-type]
        missing, other = record.entry("missing", bool), record.entry("other", bool)
        return cls(record.entry("name", str), form, record.names("known"), missing, other)


Column: TypeAlias = Measured | Categories


def column_from_record(record: Record) -> Column:
    """A column from the plain data that its ``to_dict`` gave.

    Raises
    ------
    DataError
        If they describe no column.
    """
    kind = record.choice("kind", ("boolean", "categories", "date", "number"))
    return (Categories if kind == "categories" else Measured).from_record(record)


def form_from_record(record: Record) -> Form:
    """How a column is read; a format for dates must be one that dates can be read by."""
    kind = record.choice("kind", KINDS)
    formats = DATE_FORMATS if kind == "date" else ("",)
    return Form(kind, record.choice("date_format", formats))  # type: ignore[arg-type]


class Dropped(NamedTuple):
    """A column that is not used, and why: one of :data:`REASONS`."""

    name: str
    reason: str

    def note(self) -> str:
        """A sentence."""
        reasons = {
            "asked": words.text("tables.dropped_asked"),
            "constant": words.text("tables.dropped_constant"),
            "distinct": words.text("tables.dropped_distinct"),
            "empty": words.text("tables.dropped_empty"),
        }
        return words.text("tables.dropped", column=self.name, reason=reasons[self.reason])
