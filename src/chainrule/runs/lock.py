"""A lock that says that somebody is training: the system takes it back however a process ends."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chainrule.errors import StorageError
from chainrule.storage.files import reporting

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["is_locked", "locked"]

NAME = ".lock"
#: Seconds for which a lock is asked for again: who looks whether it is held, holds it meanwhile.
PATIENCE = 0.5


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory.

    Raises
    ------
    StorageError
        If another process holds it, or the directory cannot be written to.
    """
    with reporting("storage.write", directory):
        file = (directory / NAME).open("ab")
    with file:
        deadline = time.monotonic() + PATIENCE
        while not _taken(file, alone=True):
            if time.monotonic() > deadline:
                raise StorageError("runs.locked", path=str(directory))
            time.sleep(PATIENCE / 20)
        yield


def is_locked(directory: Path) -> bool:
    """Whether some process holds the lock of a directory."""
    try:
        with (directory / NAME).open("rb") as file:
            return not _taken(file, alone=False)
    except OSError:  # there is none, or it is not for us to see
        return False


def _taken(file: IO[bytes], *, alone: bool) -> bool:
    """Take the lock on an open file, which has it until it is closed, if nobody else does.

    ``alone``: nobody else may have it then; otherwise many may who only look. Windows has no such
    difference here.
    """
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
