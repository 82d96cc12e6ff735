"""Files that are never half-written: bytes, JSON, JSON lines and safetensors.

Whatever is wrong with a file or a disk ends in one :class:`~chainrule.errors.StorageError`; nothing
that is read is ever executed.
"""

from chainrule.storage.files import (
    make_numbered_directory,
    read_bytes,
    remove_leftovers,
    write_bytes,
)
from chainrule.storage.records import (
    append_json_line,
    read_json,
    read_json_lines,
    write_json,
)
from chainrule.storage.tensors import load_metadata, load_safetensors, save_safetensors

__all__ = [
    "append_json_line",
    "load_metadata",
    "load_safetensors",
    "make_numbered_directory",
    "read_bytes",
    "read_json",
    "read_json_lines",
    "remove_leftovers",
    "save_safetensors",
    "write_bytes",
    "write_json",
]
