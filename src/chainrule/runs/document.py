"""The file of a trained model: one safetensors file, so that its parts are always of one time.

It holds the weights as ``model/<path>``, arrays of preprocessing and history under names of their
own, and text beside them::

    chainrule   "run 1": what this is, and the version of the format
    summary     JSON: what a list of runs shows
    document    JSON: the graph, preprocessing, the meaning of the outputs, the history

The storage adds a checksum of everything. Whatever else is wrong with a file ends in one message.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage
from chainrule.engines.choose import work_of
from chainrule.errors import ChainruleError, StorageError
from chainrule.graph import Graph, Tensor, graph_from_dict, graph_to_dict
from chainrule.runs.model import GraphModel, frozen_names, with_frozen
from chainrule.runs.parts import from_entry, to_entry
from chainrule.runs.targets import meaning_of
from chainrule.runs.trained import TrainedRun
from chainrule.train import History
from chainrule.train.packing import packed, unpacked
from chainrule.train.saving import MODEL, below

__all__ = ["decoded", "encoded", "read_run", "read_summary", "write_run"]

VERSION = 1
#: More than any honest graph does for one row: bytes that it moves, and steps that it takes.
MOST_BYTES, MOST_STEPS = 2**33, 10**9

Arrays = dict[str, np.ndarray]


def write_run(path: str | Path, run: TrainedRun) -> None:
    """Write a run to a file, whole or not at all."""
    arrays, metadata = encoded(run)
    storage.save_safetensors(path, arrays, metadata)


def read_run(path: str | Path) -> TrainedRun:
    """The run in a file.

    Raises
    ------
    StorageError
        If the file cannot be read, is damaged, of another kind or of a newer version.
    """
    arrays, metadata = storage.load_safetensors(path)
    return decoded(arrays, metadata, Path(path))


def read_summary(path: str | Path) -> dict[str, Any]:
    """Status, time and facts of the run in a file, without reading the rest."""
    metadata = storage.load_metadata(path)
    _check_kind(metadata, path)
    with reporting_damage(path):
        return _summary(metadata)


# ---------------------------------------------------------------------- to arrays and text
def encoded(run: TrainedRun) -> tuple[Arrays, dict[str, str]]:
    """A run as named arrays and text."""
    arrays: Arrays = {f"{MODEL}{name}": array for name, array in run.weights.items()}
    document = {
        "graph": graph_to_dict(run.graph),
        "frozen": frozen_names(run.model),
        "columns": run.columns,
        "preprocessing": [to_entry(part) for part in run.preprocessing],
        "target": None if run.target is None else to_entry(run.target),
        "history": {"records": run.history.records, "stopped": run.history.stopped},
    }
    text = {
        name: packed(value, name, arrays) for name, value in document.items() if name != "graph"
    }
    summary = {"status": run.status, "saved": run.saved, "facts": plain(run.facts, "facts")}
    return arrays, {
        "chainrule": f"run {VERSION}",
        "summary": _json(summary),
        "document": _json({"graph": document["graph"], **text}),
    }


def plain(value: Any, name: str) -> Any:
    """``value`` as JSON has it; arrays are refused.

    Raises
    ------
    StorageError
        If it holds arrays or objects.
    """
    arrays: Arrays = {}
    made = packed(value, name, arrays)
    if arrays:
        raise StorageError("storage.no_json", path=next(iter(arrays)), kind="ndarray")
    return made


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


# ---------------------------------------------------------------------- and back
def decoded(
    arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], path: Path
) -> TrainedRun:
    """The run that :func:`encoded` wrote; ``path`` is where it was found.

    Raises
    ------
    StorageError
        If anything in it is not as it must be.
    """
    _check_kind(metadata, path)
    with reporting_damage(path):
        document, summary = json.loads(metadata["document"]), _summary(metadata)
        parts = unpacked({k: v for k, v in document.items() if k != "graph"}, arrays)
        model = _model(graph_from_dict(document["graph"]), below(MODEL, arrays))
        target = None if parts["target"] is None else from_entry(parts["target"])
        if target is not None:
            meaning_of(target).check(model.graph.output_specs[0])
        return TrainedRun(
            model=with_frozen(model, [str(name) for name in parts["frozen"]]),
            preprocessing=tuple(map(from_entry, parts["preprocessing"])),
            target=target,
            columns=None if parts["columns"] is None else tuple(map(str, parts["columns"])),
            history=_history(parts["history"]),
            facts=summary["facts"],
            status=summary["status"],
            saved=summary["saved"],
            path=path,
        )


def _check_kind(metadata: Mapping[str, str], path: str | Path) -> None:
    kind, _, version = metadata.get("chainrule", "").partition(" ")
    if kind != "run" or not version.isdecimal() or not version.isascii():
        raise StorageError("runs.foreign", path=str(path))
    if int(version[:9]) != VERSION:
        raise StorageError("runs.newer", path=str(path), version=version[:9], known=VERSION)


def _summary(metadata: Mapping[str, str]) -> dict[str, Any]:
    match json.loads(metadata["summary"]):
        case {
            "status": ("finished" | "interrupted") as status,
            "saved": str(saved),
            "facts": dict(facts),
        }:
            return {"status": status, "saved": saved, "facts": facts}
    raise ValueError("summary")


def _model(graph: Graph, weights: Arrays) -> GraphModel:
    """The graph with its weights, if they fit and one row does not cost hours."""
    *inputs, _ = graph.inputs
    names, work = graph.names[: len(inputs)], work_of(graph)
    found = [(array.shape, array.dtype) for array in (weights[name] for name in names)]
    wanted = [(node.spec.shape, node.spec.dtype) for node in inputs]
    if found != wanted or len(set(names)) != len(weights) or len(graph.outputs) != 1:
        raise ValueError("weights")
    if work.moved > MOST_BYTES or work.calls > MOST_STEPS:
        raise ValueError(f"{work.moved:.0f} bytes, {work.calls:.0f} steps")
    return GraphModel({name: Tensor(weights[name]) for name in names}, graph)


def _history(entry: Mapping[str, Any]) -> History:
    records = tuple(entry["records"])
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("history")
    return History(records, str(entry["stopped"]))


@contextmanager
def reporting_damage(path: str | Path) -> Iterator[None]:
    """Turn whatever content of the wrong make ends in into one message."""
    try:
        yield
    except StorageError:
        raise
    except ChainruleError as error:
        raise StorageError("runs.damaged", path=str(path), cause=str(error)) from error
    except (
        AttributeError,
        LookupError,
        MemoryError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        cause = f"{type(error).__name__}: {error}"
        raise StorageError("runs.damaged", path=str(path), cause=cause) from error
