"""Calls that shall not be merged with the rest of a graph, as loops of one step.

What backpropagation computes again (:func:`chainrule.recompute`) equals what forward has computed.
Merged with that, it would have to be kept, which is what somebody wanted to avoid. The body of a
loop is a schedule of its own, and its memory is free again when the loop is over.
"""

from chainrule.graph.apply import apply_many
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.movement import reshape
from chainrule.graph.ops.structure import CALL, PICK, SCAN
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["calls_as_loops"]


def calls_as_loops(graph: Graph) -> Graph:
    """The graph with a scan of one step for every call, at any depth."""
    new: dict[Node, Node] = {node: node for node in graph.inputs}
    results: dict[Node, list[Tensor]] = {}
    for node in graph.nodes:
        inputs = [new[child] for child in node.inputs if child not in results]
        if node.op is CALL:
            results[node] = _looped(node, inputs)
        elif node.op is PICK and node.inputs[0] in results:
            new[node] = node_of(results[node.inputs[0]][node.attributes["index"]])
        else:
            attributes = {
                key: calls_as_loops(item) if isinstance(item, Graph) else item
                for key, item in node.attributes.items()
            }
            new[node] = remade(node, inputs, attributes)
    return Graph(graph.inputs, [new[node] for node in graph.outputs], graph.names)


def _looped(call: Node, inputs: list[Node]) -> list[Tensor]:
    """The outputs of a call, as those of a scan whose only step captures all that it reads."""
    outputs = apply_many(
        SCAN,
        *(Tensor(None, node) for node in inputs),
        body=calls_as_loops(call.attributes["body"]),
        captured=len(inputs),
        carried=0,
        length=1,
        reverse=False,
    )
    return [reshape(y, spec.shape) for y, spec in zip(outputs, call.specs, strict=True)]
