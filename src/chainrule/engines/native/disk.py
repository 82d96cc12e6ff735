"""Compiled code on disk, so that the next process need not compile.

An entry is one safetensors file, named by a digest of everything that the code depends on: the
graph, the CPU, and the versions of what made it. It is written whole or not at all; two processes
that write the same entry write the same bytes. An entry is code that will be run, so only files in
a directory of the user's own are read, and one whose digest does not fit is as good as none.

``CHAINRULE_CACHE`` names the directory; empty, nothing is kept. By default it is where the system
keeps caches of the user.
"""

import gc
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from chainrule.engines.native.executable import Artifact
from chainrule.engines.native.target import Target
from chainrule.errors import StorageError
from chainrule.graph.node import Graph, Literal
from chainrule.storage import load_safetensors, save_safetensors

__all__ = ["described", "digest", "directory", "kept"]

#: How much is kept, in files and bytes; the longest unused go first.
FILES, BYTES = 512, 256 << 20
#: Of the packages whose code decides what is generated.
MAKERS = ("chainrule", "llvmlite")


def directory() -> Path | None:
    """Where entries lie; None if nothing is to be kept."""
    chosen = os.environ.get("CHAINRULE_CACHE")
    if chosen is None:
        return Path(platformdirs.user_cache_dir("chainrule", appauthor=False)) / "native"
    return Path(chosen) if chosen else None


def kept(
    graph: Graph, how: tuple[Any, ...], target: Target, make: Callable[[], Artifact]
) -> Artifact:
    """The artifact of a graph: from disk, or made and put there.

    Parameters
    ----------
    graph, how, target
        What was compiled, in what way, and for which CPU.
    make
        Compiles it.
    """
    place = directory()
    if place is None:
        return _made(make)
    name = digest(graph, how, target)
    path = place / f"{name}.safetensors"
    found = _read(path, name)
    if found is None:
        found = _made(make)
        _write(path, name, found)
    return found


def _made(make: Callable[[], Artifact]) -> Artifact:
    """Compile without collecting garbage: the many small objects all live until the end."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return make()
    finally:
        if collecting:
            gc.enable()


# ---------------------------------------------------------------------- names
def digest(graph: Graph, how: tuple[Any, ...], target: Target) -> str:
    """What tells apart what was compiled, as text of fixed length."""
    made_by = [f"{name} {version(name)}" for name in MAKERS] + [_source_digest()]
    parts = [*made_by, repr(target), repr(how), *described(graph)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_own_source: list[str] = []


def _source_digest() -> str:
    """The state of the code generator itself: in a working copy the version stays the same."""
    if not _own_source:
        room = Path(__file__).parent
        stamps = [f"{p.name} {p.stat().st_mtime_ns}" for p in sorted(room.glob("*.py"))]
        _own_source.append("\n".join(stamps))
    return _own_source[0]


def described(graph: Graph | None) -> Iterator[str]:
    """Every node of a graph, of its sub-graphs too, with all that decides what it computes."""
    if graph is None:
        return
    number = {node: i for i, node in enumerate((*graph.inputs, *graph.nodes))}
    yield f"inputs {graph.input_specs}"
    for node in graph.nodes:
        yield f"{node.op.name} {node.specs} {[number[child] for child in node.inputs]}"
        for name, value in sorted(node.attributes.items()):
            if isinstance(value, Graph):
                yield f"{name} {{"
                yield from described(value)
                yield "}"
            elif isinstance(value, Literal):
                yield f"{name} {value.array.dtype} {value.array.shape} {_hash(value.array)}"
            else:
                yield f"{name} {value!r}"
    yield f"outputs {[number[node] for node in graph.outputs]}"


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


# ---------------------------------------------------------------------- files
def _read(path: Path, name: str) -> Artifact | None:
    """An entry, if there is one that is whole, ours, and what it says it is."""
    if not _private(path.parent) or not path.is_file():
        return None
    try:
        tensors, metadata = load_safetensors(path)
        content = {key: tensors[key] for key in sorted(tensors)}
        if metadata.get("digest") != _content_digest(name, content, metadata["facts"]):
            return None
        os.utime(path)  # lately used
        code = content.pop("code").tobytes()
        constants = [content[f"constant{i:06}"] for i in range(len(content))]
        return Artifact(code, constants, json.loads(metadata["facts"]))
    except (StorageError, KeyError, ValueError, OSError):
        return None


def _write(path: Path, name: str, artifact: Artifact) -> None:
    """Put an entry on disk; where that cannot be, nothing is kept."""
    content = {f"constant{i:06}": np.asarray(a) for i, a in enumerate(artifact.constants)}
    content = {"code": np.frombuffer(artifact.code, np.uint8), **content}
    facts = json.dumps(dict(artifact.facts))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _private(path.parent):
            checked = _content_digest(name, content, facts)
            save_safetensors(path, content, {"facts": facts, "digest": checked})
            _make_room(path.parent)
    except (StorageError, OSError):
        return


def _content_digest(name: str, content: dict[str, np.ndarray], facts: str) -> str:
    parts = [name, facts, *(f"{key} {a.dtype} {a.shape} {_hash(a)}" for key, a in content.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _private(place: Path) -> bool:
    """Whether nobody but the user can write to a directory."""
    try:
        found = place.stat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return True  # the profile of a Windows user is the user's own
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _make_room(place: Path) -> None:
    """Remove the longest unused entries beyond the limits."""
    entries = sorted(
        ((path.stat().st_mtime, path.stat().st_size, path) for path in place.glob("*.safetensors")),
        reverse=True,
    )
    total = 0
    for count, (_, size, path) in enumerate(entries, 1):
        total += size
        if count > FILES or total > BYTES:
            path.unlink(missing_ok=True)
