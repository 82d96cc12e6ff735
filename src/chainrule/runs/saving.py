"""From a trained model to the file of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chainrule.data import Map
from chainrule.data.tables.source import silent
from chainrule.errors import OptionError, StorageError
from chainrule.graph import Tensor, asarray
from chainrule.runs.directory import MODEL_FILE, now
from chainrule.runs.document import decoded, encoded, plain
from chainrule.runs.inputs import column_names, preprocessed
from chainrule.runs.model import check_rows, traced_model
from chainrule.runs.targets import meaning_of
from chainrule.runs.trained import TrainedRun
from chainrule.storage import save_safetensors
from chainrule.storage.files import reporting
from chainrule.train import History
from chainrule.trees import tree_leaves

__all__ = ["save"]

#: So many rows of an example are looked at.
EXAMPLE_ROWS = 64


def save(
    directory: str | Path,
    model: Any,
    example: Any,
    *,
    preprocessing: Any = None,
    target: Any = None,
    history: History | None = None,
    facts: Mapping[str, Any] | None = None,
    status: Literal["finished", "interrupted"] = "finished",
) -> Path:
    """Store a trained model, so that :func:`chainrule.load` gives something that predicts.

    What is written is one file, whole or not at all. It holds the graph of the model for one row,
    the weights, the preprocessing and what else is given, and nothing that would be executed.
    Before it is written it is read again, and has to predict for the example what it predicted
    before.

    Parameters
    ----------
    directory
        Where the run is; it is made if it is missing.
    model
        A module, or another function of rows.
    example
        Some rows as they will be predicted for, before preprocessing: what
        :meth:`TrainedRun.predict` takes. They tell the shape and the names of what comes in. Take
        two different rows or more, so that it can be seen whether rows matter to each other.
    preprocessing
        What stands in front of the model: the encoder of a table, a map such as ``data.Scaling`` or
        a fitted transformer of :mod:`chainrule.data.transformers`, something else that is
        registered (:func:`register`), or several in a row.
    target
        What the outputs mean: :class:`Classes`, :class:`Labels` or :class:`Values`, or the target
        of a table that was loaded.
    history
        What :func:`chainrule.fit` returned beside the model.
    facts
        What else shall be known of the run: text, numbers, lists, dicts. ``"task"`` and ``"score"``
        (a dict of numbers) are shown in lists of runs.
    status
        ``"interrupted"`` for a model whose training did not come to its end.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OptionError
        If what the model does to a row depends on the rows beside it, if it puts out something else
        than one tensor with a row for each row, or if a part cannot be stored.
    StorageError
        If the file cannot be written, or something in it does not come back as it was.

    Examples
    --------
    >>> import tempfile, chainrule as cr
    >>> from chainrule import data, nn, runs
    >>> iris = data.datasets.load("iris")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = runs.save(
    ...         folder,
    ...         nn.MLP(4, [8], 3, rng=0),
    ...         dict(zip(iris.feature_names, iris.x.T)),
    ...         preprocessing=data.Scaling.standard(iris.x),
    ...         target=runs.Classes(iris.class_names),
    ...         facts={"task": "classification"},
    ...     )
    ...     cr.load(folder).columns[:2]
    ('sepal length (cm)', 'sepal width (cm)')
    """
    parts = _listed(preprocessing)
    rows = _as_taken(model, _first(example, parts))
    stored = traced_model(model, rows)
    check_rows(model, stored, rows)
    if target is not None:
        meaning_of(target).check(stored.graph.output_specs[0])
    path = Path(directory) / MODEL_FILE
    run = TrainedRun(
        model=stored,
        preprocessing=parts,
        target=target,
        columns=None if _reads_itself(parts) else column_names(example),
        history=History() if history is None else history,
        facts={"versions": _versions(), **plain(facts or {}, "facts")},
        status=status,
        saved=now(),
        path=path,
    )
    arrays, metadata = encoded(run)
    _expect_same(run, decoded(arrays, metadata, path), example)
    with reporting("storage.write", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    save_safetensors(path, arrays, metadata)
    return path


def _listed(preprocessing: Any) -> tuple[Any, ...]:
    if preprocessing is None:
        return ()
    parts = preprocessing if isinstance(preprocessing, Sequence) else (preprocessing,)
    return tuple(getattr(part, "map_", part) for part in parts)  # of a transformer its map


def _first(example: Any, parts: Sequence[Any]) -> np.ndarray:
    """The first rows of an example, preprocessed."""
    _, blocks = preprocessed(example, parts, None, EXAMPLE_ROWS, silent)
    return next(blocks, np.zeros(0))[:EXAMPLE_ROWS]


def _reads_itself(parts: Sequence[Any]) -> bool:
    """Whether preprocessing begins with something that knows its columns."""
    return bool(parts) and not isinstance(parts[0], Map)


def _as_taken(model: Any, x: np.ndarray) -> Tensor:
    """Rows in the model's number type, as in training."""
    if x.ndim < 1 or not len(x):
        raise OptionError("runs.example", shape=x.shape)
    found = asarray(x)
    leaves = [leaf for leaf in tree_leaves(model) if isinstance(leaf, Tensor)]
    floats = {leaf.dtype for leaf in leaves if leaf.spec.is_float}
    return found.astype(floats.pop()) if found.spec.is_float and len(floats) == 1 else found


def _expect_same(run: TrainedRun, again: TrainedRun, example: Any) -> None:
    """Raise unless a run that was read again does what it did."""
    x, x_again = (next(one.inputs(example))[:EXAMPLE_ROWS] for one in (run, again))
    y, y_again = (replace(one, preprocessing=(), columns=None).predict(x) for one in (run, again))
    if not (np.array_equal(x, x_again) and np.array_equal(y, y_again)):
        raise StorageError("runs.not_restored", path=str(run.path))


def _versions() -> dict[str, str]:
    found = {"numpy": np.__version__}
    try:
        found["chainrule"] = version("chainrule")
    except PackageNotFoundError:  # used from its sources
        found["chainrule"] = "?"
    return found
