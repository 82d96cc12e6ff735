"""A table's columns as features: learned from training rows, kept with the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from chainrule import words
from chainrule.data.tables.columns import (
    REASONS,
    Categories,
    Column,
    Dropped,
    Features,
    Measured,
    Strange,
    column_from_record,
)
from chainrule.data.tables.records import Record
from chainrule.data.tables.source import Chunk
from chainrule.data.tables.values import Form
from chainrule.errors import DataError

__all__ = ["TableEncoder"]

VERSION = 1


@dataclass(frozen=True)
class TableEncoder:
    """How the columns of a table become features.

    It is made by :func:`fit_encoder` or :func:`load_table`, and applied by :func:`encode_table`.

    Attributes
    ----------
    encoded
        What is remembered of each column that is used, in order.
    dropped
        The columns that are not, and why.

    Examples
    --------
    >>> from chainrule.data.tables import encode_table, fit_encoder
    >>> people = {"age": [31, 45, None, 38], "city": ["Seoul", "Busan", "Seoul", "Busan"]}
    >>> encoder = fit_encoder(people)
    >>> encoder.feature_names
    ('age', 'age=?', 'city=Busan', 'city=Seoul')
    >>> encode_table({"age": [38], "city": ["Seoul"]}, encoder).x
    array([[0., 0., 0., 1.]], dtype=float32)
    """

    encoded: tuple[Column, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that a table must have."""
        return tuple(column.name for column in self.encoded)

    @property
    def forms(self) -> dict[str, Form]:
        """How each of these columns is read."""
        return {column.name: column.form for column in self.encoded}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name per feature: ``age``, ``age=?`` (missing), ``city=Seoul``, ``city=…`` (rare)."""
        return tuple(name for column in self.encoded for name in column.features)

    def write(self, chunk: Chunk, out: Features, strange: Strange) -> None:
        """Put the features of a chunk into ``out``, float32 ``[rows, features]``.

        Raises
        ------
        DataError
            If a feature is too large for float32.
        """
        owners: list[str] = []  # the column of each feature
        for column in self.encoded:
            start = len(owners)
            owners += [column.name] * len(column.features)
            column.write(chunk.columns[column.name], out[:, start : len(owners)], strange)
        finite = np.isfinite(out)
        if not finite.all():
            row, place = np.argwhere(~finite)[0].tolist()
            raise DataError("tables.too_far", column=owners[place], row=chunk.start + row + 1)

    # ------------------------------------------------------------------ plain data
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, which keeps every digit; :meth:`from_dict` is the way back."""
        return {
            "version": VERSION,
            "encoded": [column.to_dict() for column in self.encoded],
            "dropped": [column._asdict() for column in self.dropped],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The encoder that :meth:`to_dict` wrote.

        Raises
        ------
        DataError
            If the data are damaged, or come from a newer version.
        """
        record = Record(values, cls.__name__)
        record.expect_version(VERSION)
        encoded = tuple(map(column_from_record, record.parts("encoded")))
        dropped = tuple(
            Dropped(part.entry("name", str), part.choice("reason", REASONS))
            for part in record.parts("dropped")
        )
        names = [column.name for column in (*encoded, *dropped)]
        if len({*names}) < len(names) or not any(column.features for column in encoded):
            raise record.refused("encoded")
        return cls(encoded, dropped)

    # ------------------------------------------------------------------ in words
    def describe(self) -> list[str]:
        """Sentences that say what is done with each column."""
        measured = [column for column in self.encoded if isinstance(column, Measured)]
        numbers = [column.name for column in measured if column.form.kind != "date"]
        dates = [column.name for column in measured if column.form.kind == "date"]
        categories = [column for column in self.encoded if isinstance(column, Categories)]
        told = {
            "tables.said_numbers": numbers,
            "tables.said_dates": dates,
            "tables.said_missing": [column.name for column in measured if column.indicator],
            "tables.said_categories": [f"{one.name} ({len(one.known)})" for one in categories],
            "tables.said_missing_category": [one.name for one in categories if one.missing],
            "tables.said_rare": [one.name for one in categories if one.other],
        }
        sentences = [
            words.text(key, columns=", ".join(names)) for key, names in told.items() if names
        ]
        return [*sentences, *(column.note() for column in self.dropped)]
