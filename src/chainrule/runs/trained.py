"""A run that was read: it predicts, and says what it is."""

import html
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import words
from chainrule.autodiff import vectorize
from chainrule.data.tables.source import Report, silent
from chainrule.engines import compile
from chainrule.engines.choose import chosen_engine, work_of
from chainrule.errors import DataError, OptionError
from chainrule.graph import Graph, Spec, asarray
from chainrule.runs.inputs import as_inputs, preprocessed
from chainrule.runs.model import GraphModel
from chainrule.runs.targets import meaning_of
from chainrule.train import History

__all__ = ["TrainedRun"]

#: Bytes that a block of rows may move through memory, and the most rows in one.
BLOCK_BYTES, BLOCK_ROWS = 2**26, 2**14


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A trained model with its preprocessing, which predicts without the code that trained it.

    Made by :func:`chainrule.load`.

    Attributes
    ----------
    model
        From preprocessed rows to outputs: a module whose tensors are the weights. It can be
        differentiated, explained and trained further.
    preprocessing
        What is applied to rows in front of it, in this order.
    target
        What its outputs mean; ``None`` if nobody said.
    columns
        The columns of numbers that it was trained on; ``None`` if they had no names, or if the
        preprocessing knows them.
    history
        What happened in training.
    facts
        What was noted about the run: ``task``, ``score``, and whatever else.
    status
        ``"finished"``, or ``"interrupted"`` if training did not come to its end.
    saved
        When the model was written (ISO 8601).
    path
        The file that it was read from.

    Examples
    --------
    >>> import tempfile, chainrule as cr, numpy as np
    >>> from chainrule import nn, runs
    >>> x = np.random.default_rng(0).standard_normal((20, 4))
    >>> model, answer = nn.MLP(4, [8], 2, rng=0), runs.Classes(["no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = runs.save(folder, model, x, target=answer, facts={"task": "classification"})
    ...     run = cr.load(folder)
    >>> run.predict(x[:2]).tolist(), run.predict_proba(x[:2]).shape, list(run.weights)[:1]
    (['yes', 'no'], (2, 2), ['hidden.0.weight'])
    """

    model: GraphModel
    preprocessing: tuple[Any, ...] = ()
    target: Any = None
    columns: tuple[str, ...] | None = None
    history: History = field(default_factory=History)
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: str = "finished"
    saved: str = ""
    path: Path | None = None

    # ------------------------------------------------------------------ what it holds
    @property
    def graph(self) -> Graph:
        """The function of one row: its inputs are the weights and the row."""
        return self.model.graph

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """The weights by their paths in the model that was trained."""
        return {name: tensor.numpy() for name, tensor in self.model.named_weights.items()}

    # ------------------------------------------------------------------ predicting
    def predict(self, rows: Any, *, progress: Report | None = None) -> np.ndarray:
        """What is predicted for each row: a class, labels, values in the units of the targets.

        Parameters
        ----------
        rows
            A dataframe, a dict of columns, or an array ``[rows, features]``; for a run that was
            trained on a table also the path of a file. Of named columns those that the run was
            trained on are taken, whatever their order. Memory is needed for a block of the rows and
            for the result.
        progress
            Called with a :class:`chainrule.data.tables.Progress` now and then.

        Returns
        -------
        numpy.ndarray
            One entry per row; the outputs of the model where nobody said what they mean.

        Raises
        ------
        DataError
            If a column is missing (near names are suggested), rows have another number of features,
            or hold something that is no number where there must be one.

        Warns
        -----
        UnseenWarning
            If rows hold categories or gaps that training did not have.
        """
        finish = _unchanged if self.target is None else meaning_of(self.target).predictions
        return self._in_blocks(rows, finish, progress or silent)

    def predict_proba(self, rows: Any, *, progress: Report | None = None) -> np.ndarray:
        """How probable each class (or label) is for each row, ``[rows, classes]``.

        Parameters
        ----------
        rows, progress
            As for :meth:`predict`.

        Raises
        ------
        OptionError
            If the run is not one of classification.
        """
        if self.target is None:
            raise OptionError("runs.no_probabilities", who=repr(self.model))
        return self._in_blocks(rows, meaning_of(self.target).probabilities, progress or silent)

    def outputs(self, rows: Any, *, progress: Report | None = None) -> np.ndarray:
        """What the model puts out for each row, from which all predictions are made.

        Parameters
        ----------
        rows, progress
            As for :meth:`predict`.
        """
        return self._in_blocks(rows, _unchanged, progress or silent)

    def inputs(self, rows: Any, *, progress: Report | None = None) -> Iterator[np.ndarray]:
        """Rows as the model takes them, a block after the other."""
        return self._opened(rows, progress or silent)[1]

    def _opened(self, rows: Any, report: Report) -> tuple[int, Iterator[np.ndarray]]:
        count, found = preprocessed(rows, self.preprocessing, self.columns, self._block, report)
        return count, self._blocks(found)

    def _blocks(self, found: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """What was found, checked and cast, in blocks that are not too large."""
        start = 0
        for x in found:
            cast = as_inputs(x, self._row, start)
            start += len(cast)
            yield from (cast[i : i + self._block] for i in range(0, len(cast), self._block))

    @property
    def _row(self) -> Spec:
        """Shape and type of a row."""
        return self.graph.inputs[-1].spec

    @cached_property
    def _block(self) -> int:
        """Rows in a block: a power of two, so that few lengths of blocks are ever compiled."""
        one, two = (work_of(self._batch(rows)).moved for rows in (1, 2))
        most = min(BLOCK_ROWS, BLOCK_BYTES / max(1.0, two - one))
        return int(2 ** math.floor(math.log2(max(1.0, most))))

    def _batch(self, rows: int) -> Graph:
        """The graph for so many rows."""
        flags = [*[False] * len(self.graph.inputs[:-1]), True]
        return vectorize(self.graph, flags, rows)[0]

    @cached_property
    def _compiled(self) -> dict[str, Callable[..., Any]]:
        return {name: compile(lambda m, x: m(x), engine=name) for name in ("auto", "native")}

    def _engine(self, count: int) -> str:
        """Compiled at once where so many rows pay for that; else when it has been called often."""
        blocks = count // self._block
        if blocks < 2:
            return "auto"
        chosen = chosen_engine("auto", self._batch(self._block), blocks)
        return "native" if chosen == "native" else "auto"

    def _in_blocks(
        self, rows: Any, finish: Callable[[np.ndarray], np.ndarray], report: Report
    ) -> np.ndarray:
        count, blocks = self._opened(rows, report)
        if count == 0:
            none = np.zeros((0, *self._row.shape), self._row.dtype)
            return finish(self._outputs(none, "auto"))
        result, start, engine = np.empty(0), 0, self._engine(count)
        for x in blocks:
            # The rest at the end is not worth compiling for its length.
            outputs = self._outputs(x, engine if len(x) == self._block else "auto")
            _expect_finite(outputs, start)
            part = finish(outputs)
            if start == 0:
                result = np.empty((count, *part.shape[1:]), part.dtype)
            result[start : start + len(x)] = part
            start += len(x)
        return result

    def _outputs(self, x: np.ndarray, engine: str) -> np.ndarray:
        """The outputs for a block of rows, run in one of few lengths."""
        count = len(x)
        spare = (1 << max(0, count - 1).bit_length()) - count if count else 0
        if spare:  # rows do not know of each other: any will do to fill up
            x = np.concatenate([x, np.repeat(x[-1:], spare, axis=0)])
        y: np.ndarray = self._compiled[engine](self.model, asarray(x)).numpy()
        return y[:count]

    # ------------------------------------------------------------------ what it is, in words
    def __repr__(self) -> str:
        name = "" if self.path is None else f"{name_of(self.path)}: "
        return f"TrainedRun({name}{', '.join(text for _, text in self._said())})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._said()
        )
        title = "" if self.path is None else f"<b>{html.escape(name_of(self.path))}</b>"
        return f"{title}<table>{rows}</table>"

    def _said(self) -> list[tuple[str, str]]:
        """What it is, as names and texts."""
        row, (output,) = self._row.shape, self.graph.output_specs
        size = sum(tensor.size for tensor in self.model.named_weights.values())
        said = [("task", str(self.facts["task"]))] if "task" in self.facts else []
        said.append(("input", " × ".join(map(str, row)) or "1"))
        said.append(("output", repr(meaning_of(self.target)) if self.target else repr(output)))
        said.append(("weights", words.text("runs.weights", count=size)))
        if self.history:
            said.append(("history", words.text("runs.epochs", count=len(self.history))))
        if self.status != "finished":
            said.append(("status", words.text("runs.unfinished")))
        said += [(name, f"{name} {value}") for name, value in score_of(self.facts).items()]
        return said


def name_of(path: Path) -> str:
    """How a run is called: its directory."""
    return path.parent.name or str(path)


def score_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The scores in the facts of a run, rounded for people."""
    score = facts.get("score")
    if not isinstance(score, Mapping):
        return {}
    return {str(k): f"{v:.3f}" for k, v in score.items() if isinstance(v, (int, float))}


def _unchanged(outputs: np.ndarray) -> np.ndarray:
    return outputs


def _expect_finite(outputs: np.ndarray, start: int) -> None:
    if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
        row = start + int(np.argwhere(~np.isfinite(outputs))[0][0])
        raise DataError("runs.output_not_finite", row=row)
