"""Where the first NaN or infinity comes from: a run of the graph that looks at every value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import words
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL, SCAN, evaluate
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE

__all__ = ["NonFinite", "first_nonfinite"]

#: Ops that say infinity or pass it on by design: a mask, a comparison, a choice.
EXCUSED = {"constant"}


@dataclass(frozen=True)
class NonFinite:
    """The first value that is not finite.

    Attributes
    ----------
    op
        The operation that made it (or ``input``).
    place
        The calls around it, outermost first, in the user's words: ``("MLP(…)", "Linear(3, 1)")``.
    spec
        Shape and type of the value.
    bad
        How many of its elements are not finite.
    ranges
        Smallest and largest element of each input.
    """

    op: str
    place: tuple[str, ...]
    spec: Spec
    bad: int
    ranges: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        place = " › ".join(self.place) or words.text("engines.top_level")
        ranges = ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in self.ranges)
        if self.op == "input":
            cause = words.text("engines.nonfinite_given")
        else:
            cause = words.text("engines.nonfinite_inputs", ranges=ranges)
        return words.text(
            "engines.nonfinite",
            op=self.op,
            place=place,
            spec=self.spec,
            bad=self.bad,
            count=self.spec.size,
            cause=cause,
        )


def first_nonfinite(graph: Graph, arrays: Sequence[Any]) -> NonFinite | None:
    """Run a graph and find the first node that turns finite inputs into a NaN or an infinity.

    Calls are not inlined, so that the answer names the layer.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> graph = cr.make_graph(lambda x: cr.log(x - 1).sum(), cr.Spec((2,)))
    >>> found = cr.engines.first_nonfinite(graph, [np.array([2, 0], np.float32)])
    >>> found.op, found.bad, found.ranges
    ('log', 1, ((-1.0, 1.0),))
    """
    for name, node, array in zip(graph.names, graph.inputs, arrays, strict=True):
        if _bad_count(array):
            return NonFinite("input", (name,), node.spec, _bad_count(array), ())
    with np.errstate(all="ignore"):
        return _search(graph, list(arrays), ())


def _search(graph: Graph, arrays: list[Any], place: tuple[str, ...]) -> NonFinite | None:
    value: dict[Node, Any] = dict(zip(graph.inputs, arrays, strict=True))
    for node in graph.nodes:
        operands = [value[child] for child in node.inputs]
        value[node] = node.op.value(*operands, **node.attributes)
        if node.op is TABLE["pick"] or node.op.name in EXCUSED:
            continue
        results = value[node] if isinstance(value[node], tuple) else (value[node],)
        bad = [_bad_count(result) for result in results]
        if any(bad) and not any(_bad_count(x) for x in operands):
            inner = _descend(node, operands, place)
            which = next(i for i, count in enumerate(bad) if count)
            ranges = tuple(_range(x) for x in operands if np.size(x))
            return inner or NonFinite(node.op.name, place, node.specs[which], bad[which], ranges)
    return None


def _descend(node: Node, operands: list[Any], place: tuple[str, ...]) -> NonFinite | None:
    """Look inside a call or a scan for the node that is to blame."""
    if node.op is CALL:
        return _search(node.attributes["body"], operands, (*place, node.attributes["label"]))
    if node.op is not SCAN:
        return None
    body: Graph = node.attributes["body"]
    captured, carried = node.attributes["captured"], node.attributes["carried"]
    fixed, state = operands[:captured], operands[captured : captured + carried]
    steps = range(node.attributes["length"])
    for step in reversed(steps) if node.attributes["reverse"] else steps:
        inputs = [*fixed, *state, *(row[step] for row in operands[captured + carried :])]
        found = _search(body, inputs, (*place, f"scan[{step}]"))
        if found is not None:
            return found
        state = list(evaluate(body, inputs)[:carried])
    return None


def _bad_count(array: Any) -> int:
    array = np.asarray(array)
    return int(array.size - np.isfinite(array).sum()) if array.dtype.kind == "f" else 0


def _range(array: Any) -> tuple[float, float]:
    array = np.asarray(array)
    return float(array.min()), float(array.max())
