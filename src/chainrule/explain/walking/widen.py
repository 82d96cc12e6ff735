"""A graph in double precision: what is printed about float32 weights should not show its rounding.

The numbers of a run are taken as they are; what follows from them is computed in float64. So a
product that a reader recomputes from printed factors agrees to the last digit that is printed, and
the derivation, its matrix form and the drawing cannot differ by rounding.
"""

from typing import Any

import numpy as np

from chainrule.graph import Graph, Spec
from chainrule.graph.node import Literal, Node
from chainrule.graph.tensor import node_of, placeholder

__all__ = ["widened", "widened_array"]


def widened(graph: Graph) -> Graph:
    """The same function with every float32 or float16 made float64, inside loops and calls too.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.explain.walking.widen import widened
    >>> print(widened(cr.make_graph(lambda x: 2 * x, cr.Spec((3,)))))
    (in0: f64[3]) ->
      %0 = constant value=2.0 : f64[]
      %1 = broadcast_to %0 shape=(3,) : f64[3]
      %2 = multiply %1 in0 : f64[3]
      return %2
    """
    inputs = [node_of(placeholder(_wide_spec(node.spec))) for node in graph.inputs]
    value: dict[Node, Node] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        operands = tuple(value[child] for child in node.inputs)
        attributes = {name: _wide(item) for name, item in node.attributes.items()}
        value[node] = Node(node.op, operands, attributes, tuple(map(_wide_spec, node.specs)))
    return Graph(inputs, [value[node] for node in graph.outputs], graph.names)


def widened_array(array: np.ndarray) -> np.ndarray:
    """The array in float64 if its numbers are floating."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _wide_spec(spec: Spec) -> Spec:
    return Spec(spec.shape, _wide_type(spec.dtype))


def _wide_type(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float64) if dtype.kind == "f" else dtype


def _wide(item: Any) -> Any:
    """An attribute of a node in double precision."""
    if isinstance(item, Graph):
        return widened(item)
    if isinstance(item, Literal):
        return Literal(widened_array(item.array))
    return _wide_type(item) if isinstance(item, np.dtype) else item
