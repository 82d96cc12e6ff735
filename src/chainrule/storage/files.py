"""Bytes to and from files, and directories that two processes cannot both get.

A file is written beside its place and then moved there: a reader, a crash or a full disk meets the
old content or the new one, never a part.
"""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chainrule.errors import StorageError

__all__ = [
    "make_numbered_directory",
    "open_file",
    "read_bytes",
    "remove_leftovers",
    "reporting",
    "write_bytes",
]

#: The name of a file that is being written.
TEMPORARY = ".{}.tmp"
#: Seconds after which a temporary file that does not change is nobody's.
LEFT_BEHIND = 600.0


@contextlib.contextmanager
def reporting(key: str, path: Path) -> Iterator[None]:
    """Turn what the system reports about ``path`` into the message ``key``."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a zero byte in the name
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StorageError(key, path=str(path), cause=cause) from None


def read_bytes(path: str | Path) -> bytes:
    """The content of a regular file.

    Raises
    ------
    StorageError
        If there is no such file, it may not be read, or it is a directory or a device.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.write_bytes(f"{folder}/notes", b"chain rule")
    ...     storage.read_bytes(f"{folder}/notes")
    b'chain rule'
    """
    with open_file(path) as file:
        return file.read()


@contextlib.contextmanager
def open_file(path: str | Path) -> Iterator[BinaryIO]:
    """A regular file to read from; whatever the system says about it ends in one message.

    Raises
    ------
    StorageError
        If there is no such file, it may not be read, or it is a directory or a device.
    """
    path = Path(path)
    with reporting("storage.read", path):
        _expect_regular(path)
        with path.open("rb") as file:
            yield file


def write_bytes(path: str | Path, content: bytes | bytearray) -> None:
    """Write a file whole or not at all, and make sure that it is on the disk.

    The content goes to a temporary file in the same directory, which then takes the place of
    ``path``. On any failure the temporary file is removed and the old file is untouched. A link is
    followed; the permissions of an old file are kept.

    Raises
    ------
    StorageError
        If the directory is missing or not writable, the disk is full, or ``path`` is a directory
        or a device.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.write_bytes(f"{folder}/notes", b"first")
    ...     storage.write_bytes(f"{folder}/notes", b"second")
    ...     storage.read_bytes(f"{folder}/notes")
    b'second'
    """
    target = Path(os.path.realpath(path))
    with reporting("storage.write", Path(path)):
        _expect_regular(target)
        _replace(target, content)
        _sync_directory(target.parent)


def _expect_regular(path: Path) -> None:
    """Refuse what is there but is no file: reading a pipe waits forever, a device must stay one."""
    if path.exists() and not path.is_file():
        raise StorageError("storage.not_a_file", path=str(path))


def _replace(target: Path, content: bytes | bytearray) -> None:
    # Not named after the target: a name of the greatest length that is allowed stays writable.
    temporary = target.with_name(TEMPORARY.format(secrets.token_hex(8)))
    file = temporary.open("xb")
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    """Make a new name in ``directory`` survive a power cut, where the system can promise that."""
    # The file itself is complete by now; Windows and some network file systems offer no more.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(directory: str | Path) -> None:
    """Remove what processes that were killed while they wrote have left in a directory.

    A file that is being written changes all the time, so only what has not for ten minutes goes.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.remove_leftovers(folder)
    """
    dead = time.time() - LEFT_BEHIND
    for path in Path(directory).glob(TEMPORARY.format("[0-9a-f]" * 16)):
        with contextlib.suppress(OSError):  # it is another's, or another was faster
            if path.stat().st_mtime < dead:
                path.unlink()


def make_numbered_directory(parent: str | Path, name: str) -> Path:
    """Make ``parent/name-001``, or the first number after the highest that is taken.

    Two processes that ask at the same time get two directories. ``parent`` is made where it is
    missing.

    Raises
    ------
    StorageError
        If the directory cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as runs:
    ...     [storage.make_numbered_directory(runs, "digits").name for _ in range(2)]
    ['digits-001', 'digits-002']
    """
    parent = Path(parent)
    with reporting("storage.write", parent):
        parent.mkdir(parents=True, exist_ok=True)
        number = 1 + max(_numbers(parent, name), default=0)
        while True:
            directory = parent / f"{name}-{number:03d}"
            try:
                directory.mkdir()
                return directory
            except FileExistsError:  # another process was faster
                number += 1


def _numbers(parent: Path, name: str) -> Iterator[int]:
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    for entry in parent.iterdir():
        if match := pattern.fullmatch(entry.name):
            yield int(match[1])
