"""What each column holds, found by reading all of it.

The first lines of a file prove nothing: a column of numbers may hold a word in its last row. So
every chunk says what it saw, and the column is what fits all of them. All rows are looked at, those
for testing too: this decides how a column is *read*, and nothing is learned from its values.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule import words
from chainrule.data.tables.dates import DATE_FORMATS, ISO, fitting_formats
from chainrule.data.tables.source import Report, Table, silent
from chainrule.data.tables.values import MISSING, Form, distinct, number_in
from chainrule.errors import DataError

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["Scan", "scan"]


class Scan(NamedTuple):
    """What a table holds: the form of each column, and sentences about doubtful ones."""

    forms: dict[str, Form]
    notes: tuple[str, ...]


def scan(table: Table, report: Report = silent) -> Scan:
    """Read a whole table to find the form of each column.

    Raises
    ------
    DataError
        If a column holds something other than numbers, booleans, text and dates.

    Examples
    --------
    >>> from chainrule.data.tables import open_table, scan
    >>> table = open_table({"age": [31, None], "day": ["2024-01-31", "2024-02-01"]})
    >>> [(name, form.kind) for name, form in scan(table).forms.items()]
    [('age', 'number'), ('day', 'date')]
    """
    sights = {name: _Sight() for name in table.columns}
    for _, frame in table.numbered_frames(table.columns, (), "scan", report):
        for name, sight in sights.items():
            sight.add(frame[name], name)
    notes = [note for name, sight in sights.items() if (note := sight.note(name))]
    return Scan({name: sight.form() for name, sight in sights.items()}, tuple(notes))


@dataclass
class _Sight:
    """What was seen of a column so far."""

    kinds: set[str] = field(default_factory=set)
    formats: tuple[str, ...] = DATE_FORMATS  # that fit all text so far
    odd: str = ""  # the first text that is no number

    def add(self, series: "nw.Series[Any]", column: str) -> None:
        import narwhals as nw

        dtype = series.dtype
        if dtype in (nw.String, nw.Object, nw.Categorical, nw.Enum):
            if "text" not in self.kinds or self.formats:  # else it is text, whatever comes
                self._add_objects(distinct(series, column)[1])
        elif dtype.is_numeric() or dtype in (nw.Boolean, nw.Datetime, nw.Date):
            kind = "number" if dtype.is_numeric() else "boolean" if dtype == nw.Boolean else "date"
            if kind not in self.kinds and not _all_missing(series):
                self.kinds.add(kind)
        elif not _all_missing(series):
            raise DataError("tables.column_type", column=column, kind=dtype)

    def _add_objects(self, values: list[Any]) -> None:
        texts = []
        for value in values:
            if isinstance(value, str):
                if value.strip() not in MISSING:
                    texts.append(value.strip())
            elif isinstance(value, bool | np.bool):
                self.kinds.add("boolean")
            else:
                self.kinds.add("date" if hasattr(value, "isoformat") else "number")
        if not texts:
            return
        if all(text.lower() in ("true", "false") for text in texts):
            self.kinds.add("boolean")
            return
        self.kinds.add("text")
        # The same text may come alone in a chunk of numbers, or among words: both are seen alike.
        odd = [text for text in texts if number_in(text) is None]
        if len(odd) < len(texts):
            self.kinds.add("number")
        self.odd = self.odd or (odd[0] if odd else "")
        self.formats = fitting_formats(texts, self.formats) if self.formats else ()

    def form(self) -> Form:
        """What fits everything that was seen; a column without values passes for numbers."""
        if len(self.kinds) <= 1 and "text" not in self.kinds:
            kind = next(iter(self.kinds), "number")
            return Form("date", ISO) if kind == "date" else Form(kind)  # type: ignore[arg-type]
        if self.kinds == {"text"} and self.formats:
            return Form("date", self.formats[0])
        if self.kinds == {"text", "date"} and ISO in self.formats:
            return Form("date", ISO)
        return Form("text")

    def note(self, column: str) -> str:
        form = self.form()
        if form.date_format.startswith("%m/") and any(one[:3] == "%d/" for one in self.formats):
            return words.text("tables.month_first", column=column)
        if form.kind == "text" and "number" in self.kinds and self.odd:
            return words.text("tables.mixed", column=column, value=self.odd)
        return ""


def _all_missing(series: "nw.Series[Any]") -> bool:
    import narwhals as nw

    if series.dtype.is_float():
        return bool(np.isnan(series.cast(nw.Float64()).to_numpy()).all())
    return bool(series.is_null().all())
