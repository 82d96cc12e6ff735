"""How a text file with a table is written: encoding, separator, columns, rows.

One pass over the whole file decodes every byte strictly and counts the fields of every line. A
guess from the first lines would let the last ones become NaN or nonsense: pandas fills rows that
are too short without a word, and an encoding is wrong only where a letter outside of ASCII stands.
"""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chainrule.data.tables.source import Progress, Report
from chainrule.errors import DataError, OptionError, StorageError

__all__ = ["ENCODINGS", "SEPARATORS", "Layout", "is_gzip", "lay_out", "reading"]

SEPARATORS = (",", ";", "\t", "|")
#: Tried in this order: text in another encoding is hardly ever UTF-8 by chance. A byte-order mark
#: is skipped. cp949 is what Windows in Korea writes; it contains EUC-KR.
ENCODINGS = ("utf-8", "cp949")

SAMPLE = 100  # lines that tell the separator
GZIP = b"\x1f\x8b"
REPORT_EVERY = 2**16  # rows


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Attributes
    ----------
    encoding
        As Python calls it.
    separator
        What stands between two fields.
    columns
        The header; empty where a column has no name.
    rows
        Rows below the header, without blank lines.
    spaced
        Whether a blank follows some separator: then fields are stripped, which costs time.
    """

    encoding: str
    separator: str
    columns: tuple[str, ...]
    rows: int
    spaced: bool


def lay_out(
    path: Path, encoding: str | None, separator: str | None, header: bool, report: Report
) -> Layout:
    """Read a file to find how it is written.

    Raises
    ------
    DataError
        If it is empty, no text, or has rows of unequal length.
    OptionError
        If there is no such encoding, or the separator is not one character.
    StorageError
        If it cannot be read.
    """
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        raise OptionError("tables.separator", separator=separator)
    candidates = ENCODINGS if encoding is None else (encoding,)
    for candidate in candidates:
        try:
            return _examined(path, candidate, separator, header, report)
        except UnicodeError:
            continue
    line, sample = _undecodable(path, candidates[0])
    raise DataError(
        "tables.encoding",
        path=str(path),
        encodings=" / ".join(candidates),
        line=line,
        sample=repr(sample)[2:-1],
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system or a decompressor reports into a :class:`StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StorageError("storage.read", path=str(path), cause=cause) from None


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed; its name may say anything."""
    with reading(path), path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[tuple[IO[bytes], IO[str]]]:
    """The bytes of a file, whose position says how far reading has come, and its text."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    with reading(path), path.open("rb") as raw:
        plain = gzip.GzipFile(fileobj=raw) if is_gzip(path) else raw
        try:
            text = io.TextIOWrapper(plain, encoding, errors="strict", newline="")
        except LookupError:
            raise OptionError("tables.no_encoding", encoding=encoding) from None
        with text:
            yield raw, text


def _examined(
    path: Path, encoding: str, separator: str | None, header: bool, report: Report
) -> Layout:
    """How a file is written, if it is in this encoding."""
    with _opened(path, encoding) as (_, text):
        sample = list(itertools.islice(text, SAMPLE))
    separator = separator or _sniffed(sample)
    first = next(iter(_records(sample, separator)), None)
    if first is None:
        raise DataError("tables.empty", name=str(path))
    columns = [name.strip() for name in first]
    if not header:
        columns = [f"column_{number}" for number in range(1, len(columns) + 1)]
    with _opened(path, encoding) as (raw, text):
        size = max(1, path.stat().st_size)

        def tell(rows: int) -> None:
            done = raw.tell()
            report(Progress("check", rows, done, min(1.0, done / size)))

        records, spaced = _counted(path, text, separator, len(columns), tell)
    if records == header:
        raise DataError("tables.no_rows", name=str(path))
    return Layout(encoding, separator, tuple(columns), records - header, spaced)


def _sniffed(sample: Sequence[str]) -> str:
    """The separator that splits the header, and the lines below it likewise, into most fields."""

    def merit(separator: str) -> tuple[bool, bool, int]:
        widths = [len(record) for record in _records(sample, separator)] or [0]
        return widths[0] > 1, len(set(widths)) == 1, widths[0]

    return max(SEPARATORS, key=merit)


def _records(sample: Sequence[str], separator: str) -> list[list[str]]:
    """The records in some lines, without the last one if it may go on below them."""
    try:
        reader = csv.reader(sample, delimiter=separator, skipinitialspace=True)
        records = [record for record in reader if any(record) or len(record) > 1]
    except csv.Error:  # a field without end
        return []
    return records[:-1] if len(sample) == SAMPLE and len(records) > 1 else records


def _counted(
    path: Path, lines: Iterator[str], separator: str, expected: int, tell: Callable[[int], None]
) -> tuple[int, bool]:
    """The number of records, each of which has ``expected`` fields; whether fields are spaced.

    This loop looks at every line of every file: what it does to a line costs.
    """
    blanks = " \t\r\n".replace(separator, "")
    blank_after = f"{separator} "
    records = number = 0
    spaced = False
    for line in lines:
        number += 1
        more = 0
        if '"' in line:
            found, more = _quoted_fields(path, number, line, lines, separator)
        else:
            found = line.count(separator) + 1
        if found != expected or line.isspace():
            if not line.strip(blanks):
                continue  # so does pandas
            if found != expected:
                raise DataError(
                    "tables.ragged", path=str(path), line=number, expected=expected, found=found
                )
        if "\0" in line:
            raise DataError("tables.zero_byte", path=str(path), line=number)
        if " " in line:  # a search for one character is much faster
            spaced = spaced or blank_after in line
        number += more
        records += 1
        if records % REPORT_EVERY == 0:
            tell(records)
    tell(records)
    return records, spaced


def _quoted_fields(
    path: Path, number: int, line: str, lines: Iterator[str], separator: str
) -> tuple[int, int]:
    """The fields of a record with quotes, and how many further lines it takes."""
    whole = itertools.chain((line,), lines)
    reader = csv.reader(whole, delimiter=separator, skipinitialspace=True)
    try:
        return len(next(reader)), reader.line_num - 1
    except csv.Error:
        raise DataError("tables.open_quote", path=str(path), line=number) from None


def _undecodable(path: Path, encoding: str) -> tuple[int, bytes]:
    """The first line that is not in this encoding, and some bytes around the place."""
    with reading(path), path.open("rb") as raw:
        plain = gzip.GzipFile(fileobj=raw) if is_gzip(path) else raw
        for number, line in enumerate(plain, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return number, line[error.start : error.start + 4]
            except UnicodeError:
                return number, line[:4]
    return 1, b""
