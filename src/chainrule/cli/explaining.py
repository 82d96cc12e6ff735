"""``chainrule explain`` and ``chainrule trace``: the derivatives of a run at one of its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import runs
from chainrule.cli.options import TrainOptions, named_optimizer
from chainrule.cli.predicting import notes_told, target_of
from chainrule.cli.sources import TextFormat, find_source
from chainrule.cli.tasks import TASKS
from chainrule.cli.telling import Output, Reading, write_out
from chainrule.data.tables import encode_table
from chainrule.errors import DataError, OptionError, StorageError, suggest
from chainrule.explain import explain, trace
from chainrule.explain.document import Documented
from chainrule.graph import Graph, Tensor
from chainrule.graph.trace import replay
from chainrule.storage import write_bytes

__all__ = ["FORMATS", "Shown", "explain_weight", "trace_row"]


@dataclass(frozen=True)
class Shown:
    """How something is shown, and where.

    Attributes
    ----------
    format
        A name in :data:`FORMATS`; empty for text, or for what the file's name asks for.
    output
        A file; empty for standard output.
    """

    format: str = ""
    output: str = ""

    def show(self, found: Documented) -> None:
        """Show it.

        Raises
        ------
        OptionError
            If there is no such format, or the file's name asks for none.
        StorageError
            If the file cannot be written.
        """
        if self.format and self.format not in FORMATS:
            hint, known = suggest(self.format, FORMATS), ", ".join(FORMATS)
            raise OptionError("cli.format", got=self.format, hint=hint, known=known)
        if self.output and not self.format:
            found.save(self.output)
        elif self.output:
            write_bytes(self.output, FORMATS[self.format](found).encode())
        else:
            write_out(FORMATS[self.format or "text"](found))


#: Ways to write what is explained, by name.
FORMATS: Mapping[str, Callable[[Documented], str]] = {
    "text": lambda found: found.to_text() + "\n",
    "markdown": lambda found: found.to_markdown(),
    "latex": lambda found: found.to_latex(),
    "html": lambda found: found.to_html(complete=True),
}


def explain_weight(
    path: Path, weight: str, row: int, view: str, data: str, text_format: TextFormat, shown: Shown
) -> None:
    """Show the derivation of the run's cost for a weight, at one row.

    Parameters
    ----------
    path
        The run.
    weight
        ``hidden.0.weight[3,1]``; empty for the first one.
    row
        Which row, from 0.
    view
        ``scalar``, ``neuron`` or ``layer``; empty for the usual.
    data
        A file or a data set; empty for what the run was trained on.
    text_format
        How to read a text file.
    shown
        How, and where.

    Raises
    ------
    ChainruleError
        If the run, its data, the row or the weight are not there.
    """
    point = _point(path, row, data, text_format)
    wrt = weight or next(iter(point.weights), None)
    shown.show(explain(point.cost, point.weights, point.x, point.t, wrt=wrt, view=view or None))


def trace_row(
    path: Path, row: int, step: int | None, data: str, text_format: TextFormat, shown: Shown
) -> None:
    """Show backpropagation through the run at one row, all steps or one of them.

    Parameters
    ----------
    path, row, data, text_format, shown
        As for :func:`explain_weight`.
    step
        Which step, from 1; ``None`` for all.

    Raises
    ------
    ChainruleError
        If the run, its data, the row or the step are not there.
    """
    point = _point(path, row, data, text_format)
    options = TrainOptions.from_dict(point.facts.get("options"), path)
    optimizer = named_optimizer(options.optimizer, options.learning_rate)
    found = trace(point.cost, point.weights, point.x, point.t, optimizer=optimizer)
    shown.show(found if step is None else found[step])


# ---------------------------------------------------------------------- the cost at a row
@dataclass(frozen=True, eq=False)
class _Point:
    """The cost of a run, and where it is looked at: ``cost(weights, x, t)``."""

    cost: Callable[..., Tensor]
    weights: Mapping[str, Tensor]
    x: np.ndarray
    t: np.ndarray
    facts: Mapping[str, Any]


def _point(path: Path, row: int, data: str, text_format: TextFormat) -> _Point:
    run, messages = runs.load(path), Output(stderr=True)
    target = target_of(run, path)
    if not data:
        data, text_format = _own_data(run, path)
    with Reading(messages) as reading, notes_told(messages):
        table = find_source(data, reading.report, text_format).table
        encoded = encode_table(table, run.preprocessing[0], target, progress=reading.report)
    (found,) = np.nonzero(encoded.table_rows == row)
    if not len(found) or encoded.t is None:
        raise DataError("cli.no_row", got=row, source=data, last=table.rows - 1)
    at = slice(int(found[0]), int(found[0]) + 1)
    cost = _cost(run.graph, TASKS[target.task].cost)
    return _Point(cost, dict(run.model.named_weights), encoded.x[at], encoded.t[at], run.facts)


def _own_data(run: runs.TrainedRun, path: Path) -> tuple[str, TextFormat]:
    """What a run was trained on, if that is still there."""
    source = str(run.facts.get("source") or "")
    try:
        text_format = TrainOptions.from_dict(run.facts.get("options"), path).text_format
        find_source(source, None, text_format)
    except (DataError, StorageError) as error:
        raise DataError("cli.no_data", path=str(path), source=source, why=str(error)) from error
    return source, text_format


def _cost(graph: Graph, cost: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The cost of the training, with the stored graph as the model."""
    inner = _without_reshapes(graph)

    def of_weights(weights: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
        own = [weights[name] for name in graph.names[:-1]]
        return cost(lambda x, key=None: replay(inner, [*own, x])[0], x, t)

    return of_weights


def _without_reshapes(graph: Graph) -> Graph:
    """The graph of a batch of one row, in place of that of a row.

    It is stored with a reshape at its beginning and one at its end, which are no part of the model.
    """
    *weights, x = graph.inputs
    (output,) = graph.outputs
    first = next(node for node in graph.nodes if x in node.inputs)
    assert first.spec.shape == (1, *x.spec.shape) and output.op.name == "reshape"
    return Graph([*weights, first], [output.inputs[0]], graph.names)
