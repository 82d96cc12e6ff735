"""Where a table comes from: something with columns that is read a chunk of rows at a time."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule import words
from chainrule.data.tables.values import Form, Place, Values, values_of
from chainrule.errors import DataError, suggest

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["Chunk", "Progress", "Report", "Table", "checked_names", "expect_columns", "silent"]

#: So many cells are in work at a time: some 50 MB with what the parser needs for them.
CELLS = 2**21


class Progress(NamedTuple):
    """How far reading has come.

    Attributes
    ----------
    stage
        ``"check"``, ``"scan"``, ``"target"``, ``"fit"`` or ``"fill"``: files are read several
        times.
    rows
        Rows read in this stage.
    bytes
        Bytes of the file read in this stage; 0 for what lies in memory.
    share
        The share of the stage that is done, from 0 to 1.
    """

    stage: str
    rows: int
    bytes: int
    share: float

    def __str__(self) -> str:
        titles = {
            "check": words.text("tables.stage_check"),
            "scan": words.text("tables.stage_scan"),
            "target": words.text("tables.stage_target"),
            "fit": words.text("tables.stage_fit"),
            "fill": words.text("tables.stage_fill"),
        }
        return titles[self.stage]


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Tell nobody."""


class Chunk(NamedTuple):
    """Some rows of a table: where they begin, how many they are, and their columns."""

    start: int
    rows: int
    columns: dict[str, Values]

    @property
    def span(self) -> slice:
        """The row numbers."""
        return slice(self.start, self.start + self.rows)


class Table(ABC):
    """A table that can be read as often as needed, a chunk of rows at a time.

    Attributes
    ----------
    name
        What messages call it.
    columns
        The names of its columns, which all differ.
    rows
        How many rows it has, at least one.
    size
        Bytes of the file; 0 for what lies in memory.
    decimal
        The decimal mark of numbers that are written as text.
    notes
        Sentences about how it is read.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    size: int = 0
    decimal: str = "."
    notes: tuple[str, ...] = ()

    @abstractmethod
    def frames(
        self, columns: Sequence[str], text: Container[str], rows: int
    ) -> "Iterator[nw.DataFrame[Any]]":
        """Dataframes of ``rows`` rows or fewer with these columns.

        Columns in ``text`` keep the text that they were written in, where they were written.
        """

    def chunks(
        self, forms: Mapping[str, Form], stage: str, report: Report = silent
    ) -> Iterator[Chunk]:
        """The values of some columns, a chunk of rows at a time.

        Raises
        ------
        DataError
            If a value does not fit its form, or the file has changed since it was opened.
        """
        text = {name for name, form in forms.items() if form.kind in ("date", "text")}
        for start, frame in self.numbered_frames(list(forms), text, stage, report):
            columns = {
                name: values_of(frame[name], form, Place(name, start, self.decimal))
                for name, form in forms.items()
            }
            yield Chunk(start, len(frame), columns)

    def numbered_frames(
        self, columns: Sequence[str], text: Container[str], stage: str, report: Report
    ) -> "Iterator[tuple[int, nw.DataFrame[Any]]]":
        """Dataframes with the number of their first row; progress is reported after each."""
        start = 0
        for frame in self.frames(columns, text, max(1024, CELLS // len(self.columns))):
            if start + len(frame) > self.rows:
                raise DataError("tables.changed", name=self.name)
            yield start, frame
            start += len(frame)
            share = start / self.rows
            report(Progress(stage, start, round(share * self.size), share))
        if start != self.rows:
            raise DataError("tables.changed", name=self.name)


def checked_names(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, if all differ.

    Raises
    ------
    DataError
        If there is no column, or two have one name.
    """
    if not columns:
        raise DataError("tables.empty", name=name)
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise DataError("tables.duplicates", name=name, columns=", ".join(map(repr, repeated)))
    return tuple(columns)


def expect_columns(table: Table, wanted: Sequence[str]) -> None:
    """Raise unless the table has all these columns; the message suggests near names.

    Raises
    ------
    DataError
        If one is missing.
    """
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise DataError(
            "tables.no_column",
            name=table.name,
            columns=_listed(absent, 8),
            hint=suggest(absent[0], [name for name in table.columns if name not in wanted])
            or suggest(absent[0], table.columns),
            known=_listed(table.columns),
        )


def _listed(names: Sequence[str], most: int = 20) -> str:
    """Names with commas; a wide table shows its first."""
    rest = ["…"] if len(names) > most else []
    return ", ".join([*map(repr, names[:most]), *rest])
