"""Tables in files: text with separators, and Parquet."""

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule import words
from chainrule.data.tables.layout import ENCODINGS, is_gzip, lay_out, reading
from chainrule.data.tables.source import Report, Table, checked_names
from chainrule.data.tables.values import MISSING
from chainrule.errors import DataError, OptionError, StorageError
from chainrule.storage.files import reporting

if TYPE_CHECKING:
    import narwhals as nw
    from pandas.io.parsers import TextFileReader

__all__ = ["ParquetFile", "TextFile", "open_file"]

PARQUET = b"PAR1"


def open_file(
    path: Path,
    encoding: str | None,
    separator: str | None,
    decimal: str,
    header: bool,
    report: Report,
) -> Table:
    """A table in a file; its first bytes say what kind of file it is."""
    with reporting("storage.read", path):
        if path.exists() and not path.is_file():
            raise StorageError("storage.not_a_file", path=str(path))
        with path.open("rb") as file:
            start = file.read(len(PARQUET))
    if not start:
        raise DataError("tables.empty", name=str(path))
    if start == PARQUET:
        return ParquetFile(path)
    return TextFile(path, encoding, separator, decimal, header, report)


class TextFile(Table):
    """Text with one record a line, perhaps compressed by gzip.

    Columns without a name are left out: they are what remains of a row index, and nobody can ask
    for them.
    """

    def __init__(
        self,
        path: Path,
        encoding: str | None,
        separator: str | None,
        decimal: str,
        header: bool,
        report: Report,
    ) -> None:
        if decimal not in (".", ","):
            raise OptionError("tables.decimal", decimal=decimal)
        self.path, self.name, self.header, self.decimal = path, str(path), header, decimal
        self.layout = layout = lay_out(path, encoding, separator, header, report)
        if layout.separator == decimal:
            raise OptionError("tables.decimal_separates", path=str(path), separator=decimal)
        nameless = [i for i, name in enumerate(layout.columns) if not name]
        self.columns = checked_names(self.name, [name for name in layout.columns if name])
        self.rows, self.size = layout.rows, path.stat().st_size
        notes = []
        if encoding is None and layout.encoding != ENCODINGS[0]:
            notes.append(words.text("tables.read_as", encoding=layout.encoding))
        if nameless:
            numbers = ", ".join(str(i + 1) for i in nameless)
            notes.append(words.text("tables.nameless", columns=numbers))
        self.notes = tuple(notes)

    def frames(
        self, columns: Sequence[str], text: Container[str], rows: int
    ) -> "Iterator[nw.DataFrame[Any]]":
        """Dataframes of ``rows`` rows or fewer, parsed anew."""
        import narwhals as nw

        with self._parsing(), self._parser(columns, text, rows) as chunks:
            for chunk in chunks:
                yield nw.from_native(chunk, eager_only=True)

    def _parser(self, columns: Sequence[str], text: Container[str], rows: int) -> "TextFileReader":
        import pandas as pd

        layout = self.layout
        names = [name or f"\0{number}" for number, name in enumerate(layout.columns)]
        return pd.read_csv(
            # An open file would be decoded and encoded again; a path cannot pass for an address.
            str(self.path.absolute()),
            sep=layout.separator,
            encoding=layout.encoding,
            compression="gzip" if is_gzip(self.path) else None,
            decimal=self.decimal,
            header=0 if self.header else None,
            names=names,
            usecols=[names.index(name) for name in columns],
            index_col=False,
            # Numbers are not given a type: the parser is twice as fast where it may find it. Text
            # is not asked for as "category": 01 would become 1 in a chunk of nothing but numbers.
            dtype={name: str for name in columns if name in text},
            na_values=sorted(MISSING),
            keep_default_na=False,
            skipinitialspace=layout.spaced,
            low_memory=False,  # one type for a chunk
            chunksize=rows,
            engine="c",
        )

    @contextmanager
    def _parsing(self) -> Iterator[None]:
        """Turn the parser's complaints into ours; few are left after :func:`lay_out`."""
        import pandas as pd

        try:
            with reading(self.path):
                yield
        except pd.errors.ParserError as error:
            if found := re.search(r"EOF inside string starting at row (\d+)", str(error)):
                line = int(found[1]) + 1
                raise DataError("tables.open_quote", path=str(self.path), line=line) from None
            raise DataError("tables.changed", name=self.name) from None
        except (pd.errors.EmptyDataError, UnicodeError):
            raise DataError("tables.changed", name=self.name) from None


class ParquetFile(Table):
    """A Parquet file, read by pyarrow a batch of rows at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        with self._opened() as file:
            self.columns = checked_names(self.name, file.schema_arrow.names)
            self.rows, self.size = file.metadata.num_rows, path.stat().st_size
        if not self.rows:
            raise DataError("tables.no_rows", name=self.name)

    def frames(
        self, columns: Sequence[str], text: Container[str], rows: int
    ) -> "Iterator[nw.DataFrame[Any]]":
        """Dataframes of ``rows`` rows or fewer."""
        import narwhals as nw
        import pyarrow as pa

        with self._opened() as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                yield nw.from_native(pa.Table.from_batches([batch]), eager_only=True)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise OptionError("tables.needs_parquet", path=str(self.path)) from None
        try:
            with reading(self.path), pq.ParquetFile(self.path) as file:
                yield file
        except pa.ArrowException as error:
            cause = str(error).splitlines()[0]
            raise StorageError("storage.read", path=str(self.path), cause=cause) from None
