"""A model's tensors to and from a safetensors file, by their paths in the tree."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage, words
from chainrule.errors import StorageError, suggest
from chainrule.graph.tensor import Tensor, asarray
from chainrule.trees import tree_flatten, tree_unflatten

__all__ = [
    "CHECKPOINT",
    "MODEL",
    "below",
    "load_model",
    "named_arrays",
    "save_model",
    "with_arrays",
]

#: The metadata of a checkpoint, and what the names of its model's tensors begin with.
CHECKPOINT = {"chainrule": "checkpoint 1"}
MODEL = "model/"
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
    storage.save_safetensors(path, named_arrays(model), metadata)


def load_model(path: str | Path, model: Any) -> Any:
    """A copy of ``model`` with the tensors that :func:`save_model` wrote to a file.

    Parameters
    ----------
    path
        The file; a checkpoint of :func:`chainrule.fit` or the model of a run will do, too.
    model
        A model of the same architecture; its own numbers do not matter.

    Raises
    ------
    StorageError
        If the file cannot be read or is damaged, or if names, shapes or number types of its tensors
        are not those of the model; the message names each difference and suggests near names.
    """
    arrays, metadata = storage.load_safetensors(path)
    if metadata.get("chainrule", "").startswith(("checkpoint ", "run ")):
        arrays = below(MODEL, arrays)
    return with_arrays(model, arrays, path)


def named_arrays(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The tensors of a tree by their paths.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.train.saving import named_arrays
    >>> named_arrays({"w": cr.tensor([1.0])}, "model/")
    {'model/w': array([1.], dtype=float32)}
    """
    leaves, definition = tree_flatten(tree)
    arrays = (asarray(leaf).numpy() for leaf in leaves)
    return {prefix + name: array for name, array in zip(definition.paths, arrays, strict=True)}


def below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}


def with_arrays(tree: Any, arrays: Mapping[str, np.ndarray], path: str | Path) -> Any:
    """A copy of a tree with the tensors that ``path`` held under their names.

    Raises
    ------
    StorageError
        If they are not those of the tree.
    """
    leaves, definition = tree_flatten(tree)
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
