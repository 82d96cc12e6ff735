"""The model of a run: the graph of one row, applied to any number of rows.

A graph has fixed shapes, and a stored model must take any number of rows. So what is stored is the
graph of *one* row, which :func:`chainrule.vectorize` turns into that of a batch. It follows that no
row can depend on those beside it; whether that is also true of the model that was traced is checked
when it is stored.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff import vectorize
from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph import Graph, Tensor, asarray, broadcast_to, reshape
from chainrule.graph.trace import merged, replay, trace
from chainrule.nn import Module, freeze, partition
from chainrule.trees import tree_flatten, tree_unflatten

__all__ = ["GraphModel", "check_rows", "traced_model"]

#: How many of an example's rows the check looks at.
CHECKED = 8


class GraphModel(Module):
    """A model that is a graph, and so needs no code but the op table.

    It is a module like others: its weights are its leaves, derivatives go through it, and it can be
    trained further. The graph is that of inference, without dropout.

    Parameters
    ----------
    weights
        Tensors by name. As a field ``None`` where there are none.
    graph
        The function of one row: its inputs are the weights, in the order of their names there, and
        the row; its output is what the model puts out for that row.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.runs import GraphModel
    >>> double = cr.make_graph(lambda w, x: w * x, cr.Spec(()), cr.Spec((3,)))
    >>> model = GraphModel({"in0": cr.tensor(2.0)}, double)
    >>> model, model(cr.ones((2, 3))).tolist()
    (GraphModel(f32[3] → f32[3]), [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]])
    """

    weights: dict[str, Tensor] | None
    graph: Graph

    def __init__(self, weights: Mapping[str, Tensor], graph: Graph) -> None:
        self.weights = dict(weights) or None  # an empty dict would be an option, not a child
        self.graph = graph

    @property
    def named_weights(self) -> dict[str, Tensor]:
        """The weights in the order in which the graph takes them."""
        weights = self.weights or {}
        return {name: weights[name] for name in self.graph.names[:-1]}

    def __call__(self, x: Any, key: Tensor | None = None) -> Tensor:
        """The outputs ``[rows, …]`` for ``x[rows, …]``; ``key`` is ignored.

        Raises
        ------
        ShapeError, DtypeError
            If ``x`` does not hold such rows.
        """
        x, row = asarray(x), self.graph.inputs[-1].spec
        if x.ndim == 0 or x.shape[1:] != row.shape:
            wanted = ", ".join(map(str, row.shape))
            raise ShapeError("runs.rows", who=repr(self), wanted=wanted, got=x.shape)
        if x.dtype != row.dtype:
            raise DtypeError("runs.number", who=repr(self), wanted=row.dtype, got=x.dtype)
        weights = self.named_weights.values()
        batch, (varies,) = vectorize(self.graph, [*[False] * len(weights), True], len(x))
        (y,) = replay(batch, [*weights, x])
        return y if varies else broadcast_to(y, (len(x), *y.shape))

    def __repr__(self) -> str:
        row, (output,) = self.graph.inputs[-1].spec, self.graph.output_specs
        return f"GraphModel({row!r} → {output!r})"


def traced_model(model: Any, x: Tensor) -> GraphModel:
    """A model as its graph.

    Parameters
    ----------
    model
        A function of rows; its tensors, and large arrays that it captures, become weights.
    x
        Some rows ``[n, …]`` of what it takes, n ≥ 1.

    Raises
    ------
    OptionError
        If it puts out something else than one tensor with a row for each row.
    """
    outputs = model(x)
    if not isinstance(outputs, Tensor) or outputs.shape[:1] != x.shape[:1]:
        got = outputs.spec if isinstance(outputs, Tensor) else type(outputs).__name__
        raise OptionError("runs.output", rows=len(x), got=got)
    leaves, definition = tree_flatten(model)
    chosen = [isinstance(leaf, Tensor) for leaf in leaves]
    weights = [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    def of_row(*tensors: Tensor) -> Tensor:
        *values, row = tensors
        made = tree_unflatten(definition, merged(leaves, chosen, values))
        y = made(reshape(row, (1, *row.shape)))
        if y.size != math.prod(outputs.shape[1:]):
            raise OptionError("runs.output", rows=1, got=y.spec)
        return reshape(y, outputs.shape[1:])

    row = x.spec.with_shape(x.shape[1:])
    names = [p for p, is_one in zip(definition.paths, chosen, strict=True) if is_one]
    traced = trace(of_row, [*(w.spec for w in weights), row], [*names, "x"])
    graph, own = traced.graph, len(weights)
    graph = Graph(_last(graph.inputs, own), graph.outputs, _last(graph.names, own))
    stored = dict(zip(graph.names, [*weights, *traced.captured], strict=False))
    trained = partition(model)[0] if weights else {}
    return with_frozen(GraphModel(stored, graph), [n for n in stored if n not in trained])


def _last(items: Sequence[Any], place: int) -> list[Any]:
    """The item at a place moved to the end."""
    return [*items[:place], *items[place + 1 :], items[place]]


def with_frozen(model: GraphModel, names: Sequence[str]) -> GraphModel:
    """The model with these weights marked as not trained."""
    made: GraphModel = freeze(model, *(f"weights.{name}" for name in names)) if names else model
    return made


def frozen_names(model: GraphModel) -> list[str]:
    """The weights that are not trained."""
    trained = partition(model)[0]
    return [name for name in model.named_weights if f"weights.{name}" not in trained]


# ---------------------------------------------------------------------- row by row?
def check_rows(model: Any, stored: GraphModel, x: Tensor) -> None:
    """Raise unless a model does to a row what its graph of one row does, whatever stands beside.

    Raises
    ------
    OptionError
        If the outputs differ by more than rounding.
    """
    rows = asarray(_distinct(x.numpy()[:CHECKED]))
    wanted, got = np.asarray(model(rows)), np.asarray(stored(rows))
    rounding = 1e3 * float(np.finfo(wanted.dtype).eps) if wanted.dtype.kind == "f" else 0.0
    size = np.abs(wanted[np.isfinite(wanted)].astype(np.float64)).max(initial=0.0)
    same = got.shape == wanted.shape and np.allclose(
        got, wanted, rtol=rounding, atol=rounding * size, equal_nan=True
    )
    if not same:
        raise OptionError("runs.not_row_wise", who=repr(model).partition("\n")[0])


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Rows that differ, where that is possible: among equal ones no row could be told to matter."""
    return np.concatenate([rows, rows[::-1] * 0.5 + 0.25]) if rows.dtype.kind == "f" else rows
