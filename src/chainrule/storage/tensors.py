"""Named arrays in safetensors files: a JSON header with shapes and offsets, then plain numbers.

The format (https://github.com/huggingface/safetensors#format) holds nothing that can be executed,
and a file is refused unless its offsets fit its shapes and cover it without gap or overlap.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from chainrule.errors import StorageError
from chainrule.storage.files import read_bytes, write_bytes

__all__ = ["load_safetensors", "save_safetensors"]

METADATA = "__metadata__"
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
        Text to store beside them.

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
        content = _with_metadata(save(contiguous), metadata or {})
    except (SafetensorError, ValueError) as error:
        raise StorageError("storage.save_arrays", path=str(path), cause=str(error)) from None
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
        return arrays, dict(_header(content)[0].get(METADATA) or {})
    except KeyError as error:  # a number type that NumPy lacks
        raise StorageError("storage.number_type", path=str(path), dtype=error.args[0]) from None
    except (SafetensorError, ValueError, MemoryError) as error:
        raise StorageError("storage.safetensors", path=str(path), cause=str(error)) from None


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """The header of a valid file, and where it ends."""
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    return json.loads(content[LENGTH_BYTES:end]), end


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Put metadata into a header that has none, sorted: the package's own order is random."""
    header, end = _header(content)
    if metadata:
        header = {METADATA: {name: str(metadata[name]) for name in sorted(metadata)}, **header}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text + content[end:]
