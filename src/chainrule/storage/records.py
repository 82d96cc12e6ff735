"""JSON documents, and JSON lines: one record a line, which can be read while it grows."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import StorageError
from chainrule.storage.files import read_bytes, reporting, write_bytes

__all__ = ["append_json_line", "read_json", "read_json_lines", "write_json"]


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON document, whole or not at all.

    Parameters
    ----------
    path
        The file.
    value
        Nested mappings, sequences, strings, numbers, NumPy scalars and arrays, paths. A number
        that is not finite becomes ``null``, since JSON has none.

    Raises
    ------
    StorageError
        If the file cannot be written, or a value has no form in JSON.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.write_json(f"{folder}/config.json", {"hidden": (64,), "best": float("nan")})
    ...     storage.read_json(f"{folder}/config.json")
    {'hidden': [64], 'best': None}
    """
    write_bytes(path, _encoded(_laid_out(_plain(value, path))))


def read_json(path: str | Path) -> Any:
    """The value that a JSON document holds.

    Raises
    ------
    StorageError
        If the file cannot be read or is no JSON.
    """
    return _parsed(path, read_bytes(path))


def append_json_line(path: str | Path, record: Any) -> None:
    """Add a record to a file of JSON lines, which is made where it is missing.

    The line is handed to the operating system before this returns. What a crash left of an earlier
    line is removed first.

    Raises
    ------
    StorageError
        If the file cannot be written, or a value has no form in JSON.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epoch in range(2):
    ...         storage.append_json_line(f"{folder}/metrics.jsonl", {"epoch": epoch})
    ...     storage.read_json_lines(f"{folder}/metrics.jsonl")
    [{'epoch': 0}, {'epoch': 1}]
    """
    line = _encoded(_compact(_plain(record, path)))
    with reporting("storage.write", Path(path)), Path(path).open("ab+") as file:
        _drop_torn_line(file)
        file.write(line)


def read_json_lines(path: str | Path) -> list[Any]:
    """The records of a file of JSON lines; a last line without its end is not there yet.

    Raises
    ------
    StorageError
        If the file cannot be read or a finished line is no JSON.
    """
    *finished, _ = read_bytes(path).split(b"\n")
    return [_parsed(path, line, number) for number, line in enumerate(finished, 1)]


def _drop_torn_line(file: Any) -> None:
    """Cut a file after its last line end."""
    end = file.seek(0, os.SEEK_END)
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _parsed(path: str | Path, text: bytes, line: int = 1) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, a million brackets
        raise StorageError("storage.json", path=str(path), line=line, cause=str(error)) from None


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _laid_out(value: Any, margin: str = "") -> str:
    """JSON with one name to a line; a list stays on one, however long it is."""
    if not isinstance(value, dict) or not value:
        return _compact(value)
    inner = margin + "  "
    lines = (f"{inner}{_compact(name)}: {_laid_out(value[name], inner)}" for name in value)
    return "{\n" + ",\n".join(lines) + f"\n{margin}}}"


def _encoded(text: str) -> bytes:
    # A file name that is no UTF-8 comes as lone surrogates, whose backslash form is also JSON's.
    return f"{text}\n".encode(errors="backslashreplace")


def _plain(value: Any, path: str | Path) -> Any:
    """``value`` made of what JSON has."""
    match value:
        case None | bool() | int() | str():
            return value
        case np.generic() | np.ndarray():
            return _plain(value.tolist(), path)
        case float():
            return value if math.isfinite(value) else None
        case Path():
            return str(value)
        case Mapping():
            return {str(name): _plain(item, path) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item, path) for item in value]
    raise StorageError("storage.no_json", path=str(path), kind=type(value).__name__)
