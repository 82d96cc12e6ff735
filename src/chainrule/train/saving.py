"""A model's tensors to and from a safetensors file, by their paths in the tree."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage, words
from chainrule.errors import StorageError, suggest
from chainrule.graph.tensor import Tensor, asarray
from chainrule.trees import tree_flatten, tree_unflatten

__all__ = ["load_model", "save_model"]

#: How many differences between a file and a model one message lists.
SHOWN = 4


def save_model(path: str | Path, model: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Write all tensors of a model to a safetensors file, trained and fixed ones.

    The file is written whole or not at all, and the same model always gives the same bytes. It
    holds numbers and names only: the model's classes and options come from your program.

    Parameters
    ----------
    path
        The file, by custom ``*.safetensors``.
    model
        A module, or any tree of tensors.
    metadata
        Text to store beside them.

    Raises
    ------
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import nn, train
    >>> model = nn.MLP(4, [8], 3, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train.save_model(f"{folder}/model.safetensors", model)
    ...     again = train.load_model(f"{folder}/model.safetensors", nn.MLP(4, [8], 3, rng=1))
    >>> bool((again.output.weight == model.output.weight).numpy().all())
    True
    """
    leaves, definition = tree_flatten(model)
    arrays = [asarray(leaf).numpy() for leaf in leaves]
    storage.save_safetensors(path, dict(zip(definition.paths, arrays, strict=True)), metadata)


def load_model(path: str | Path, model: Any) -> Any:
    """A copy of ``model`` with the tensors that :func:`save_model` wrote to a file.

    Parameters
    ----------
    path
        The file.
    model
        A model of the same architecture; its own numbers do not matter.

    Raises
    ------
    StorageError
        If the file cannot be read or is damaged, or if names, shapes or number types of its tensors
        are not those of the model; the message names each difference and suggests near names.
    """
    arrays, _ = storage.load_safetensors(path)
    leaves, definition = tree_flatten(model)
    wanted = dict(zip(definition.paths, map(asarray, leaves), strict=True))
    found = list(_differences(arrays, wanted))
    if found:
        shown = " ".join(found[:SHOWN])
        raise StorageError("storage.model", path=str(path), count=len(found), differences=shown)
    return tree_unflatten(definition, (Tensor(arrays[name]) for name in definition.paths))


def _differences(arrays: Mapping[str, np.ndarray], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    """A sentence for each tensor in which a file and a model differ."""
    unexpected = [name for name in arrays if name not in wanted]
    for name, tensor in wanted.items():
        if name not in arrays:
            yield words.text("storage.missing", name=name, hint=suggest(name, unexpected))
        elif (got := _spec(arrays[name])) != (expected := _spec(tensor)):
            yield words.text("storage.differs", name=name, got=got, wanted=expected)
    for name in unexpected:
        yield words.text("storage.unexpected", name=name)


def _spec(array: np.ndarray | Tensor) -> str:
    # Not a Spec: a file may hold number types that a tensor refuses.
    return f"{array.dtype}{list(array.shape)}"
