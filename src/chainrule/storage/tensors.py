"""Named arrays in safetensors files: a JSON header with shapes and offsets, then plain numbers.

The format (https://github.com/huggingface/safetensors#format) holds nothing that can be executed,
and a file is refused unless its offsets fit its shapes and cover it without gap or overlap. What we
write carries a checksum of all its bytes in the metadata, since a changed bit in a number is a
number, too; files of others need none.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from chainrule import words
from chainrule.errors import StorageError
from chainrule.storage.files import open_file, read_bytes, write_bytes

__all__ = ["load_metadata", "load_safetensors", "save_safetensors"]

METADATA = "__metadata__"
CHECKSUM = "chainrule.checksum"  # CRC-32 of the file in which this is CHECKSUM's text
UNKNOWN = "00000000"
MOST_HEADER = 100_000_000  # bytes, by the format
LENGTH_BYTES = 8  # of the number in front of the header; also what the header is aligned to


def save_safetensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays, whole or not at all; the same arrays always give the same bytes.

    Parameters
    ----------
    path
        The file, by custom ``*.safetensors``.
    arrays
        Arrays of booleans, integers or floats, of any memory layout.
    metadata
        Text to store beside them; ``"chainrule.checksum"`` is ours.

    Raises
    ------
    StorageError
        If the file cannot be written, or an array has a type that the format lacks.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/model.safetensors"
    ...     storage.save_safetensors(path, {"bias": np.zeros(2)}, {"made by": "me"})
    ...     storage.load_safetensors(path)
    ({'bias': array([0., 0.])}, {'made by': 'me'})
    """
    if METADATA in arrays:
        raise StorageError("storage.save_arrays", path=str(path), cause=repr(METADATA))
    # The package takes the memory as it lies: a transposed array would come back scrambled.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        content = _with_metadata(save(contiguous), {**(metadata or {}), CHECKSUM: UNKNOWN})
    except (SafetensorError, ValueError) as error:
        raise StorageError("storage.save_arrays", path=str(path), cause=str(error)) from None
    place = _place_of_checksum(content)
    content[place] = _checksum(content, place)
    write_bytes(path, content)


def load_safetensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays in a file, and the text stored beside them.

    Raises
    ------
    StorageError
        If the file cannot be read, is truncated or damaged, or is of another type.
    """
    content = read_bytes(path)
    try:
        arrays = load(content)
        metadata = dict(_header(content)[0].get(METADATA) or {})
        if metadata.pop(CHECKSUM, None) is not None:
            _check(content)
        return arrays, metadata
    except KeyError as error:  # a number type that NumPy lacks
        raise StorageError("storage.number_type", path=str(path), dtype=error.args[0]) from None
    except (SafetensorError, ValueError, MemoryError) as error:
        raise StorageError("storage.safetensors", path=str(path), cause=str(error)) from None


def load_metadata(path: str | Path) -> dict[str, str]:
    """The text stored in a file, without reading its arrays; so nothing is known of these.

    Raises
    ------
    StorageError
        If the file cannot be read, or is of another type.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from chainrule import storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/model.safetensors"
    ...     storage.save_safetensors(path, {"bias": np.zeros(2)}, {"made by": "me"})
    ...     storage.load_metadata(path)
    {'made by': 'me'}
    """
    with open_file(path) as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        text = file.read(min(length, MOST_HEADER))
    try:
        found = json.loads(text)[METADATA]
        metadata = {name: str(text) for name, text in found.items() if name != CHECKSUM}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise StorageError("storage.safetensors", path=str(path), cause=str(error)) from None
    return metadata


def _header(content: bytes | bytearray) -> tuple[dict[str, Any], int]:
    """The header of a valid file, and where it ends."""
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    return json.loads(content[LENGTH_BYTES:end]), end


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytearray:
    """Put metadata into a header that has none, sorted: the package's own order is random."""
    header, end = _header(content)
    header = {METADATA: {name: str(metadata[name]) for name in sorted(metadata)}, **header}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    front = len(text).to_bytes(LENGTH_BYTES, "little") + text
    return bytearray().join((front, memoryview(content)[end:]))


def _place_of_checksum(content: bytes | bytearray) -> slice:
    """Where the checksum stands; within a name or a text its quotes would be escaped."""
    before = f'"{CHECKSUM}":"'.encode()
    start = content.index(before) + len(before)
    return slice(start, start + len(UNKNOWN))


def _check(content: bytes) -> None:
    """Raise unless the checksum is that of the content."""
    place = _place_of_checksum(content)
    if content[place] != _checksum(content, place):
        raise ValueError(words.text("storage.checksum"))


def _checksum(content: bytes | bytearray, place: slice) -> bytes:
    """The checksum of a file, whatever stands in its place."""
    view = memoryview(content)
    value = zlib.crc32(view[: place.start])
    value = zlib.crc32(UNKNOWN.encode(), value)
    return f"{zlib.crc32(view[place.stop :], value):08x}".encode()
