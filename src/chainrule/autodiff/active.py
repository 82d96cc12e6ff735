"""Activity: which values of a graph a derivative reaches."""

from collections.abc import Sequence

from chainrule.autodiff.structure import PICK, states_of
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL, SCAN, WHILE

__all__ = ["Flags", "active_outputs"]

Flags = Sequence[bool]


def active_outputs(graph: Graph, wanted: Flags) -> dict[Node, tuple[bool, ...]]:
    """For every node, which of its outputs have a derivative by the wanted inputs."""
    active: dict[Node, tuple[bool, ...]] = {
        node: (want and node.spec.is_float,)
        for node, want in zip(graph.inputs, wanted, strict=True)
    }
    for node in graph.nodes:
        if node.op is PICK:
            active[node] = (active[node.inputs[0]][node.attributes["index"]],)
        else:
            active[node] = _of_node(node, [active[child][0] for child in node.inputs])
    return active


def _of_node(node: Node, flags: Flags) -> tuple[bool, ...]:
    if not any(flags):
        return (False,) * len(node.specs)
    if node.op is CALL:
        return _of_graph(node.attributes["body"], flags)
    if node.op is SCAN:
        return _of_scan(node, flags)
    differentiable = node.op is WHILE or node.op.derivative is not None
    return tuple(differentiable and spec.is_float for spec in node.specs)


def _of_graph(graph: Graph, wanted: Flags) -> tuple[bool, ...]:
    active = active_outputs(graph, wanted)
    return tuple(active[node][0] for node in graph.outputs)


def _of_scan(scan: Node, wanted: Flags) -> tuple[bool, ...]:
    states, flags = states_of(scan), list(wanted)
    while True:  # a state that starts inactive may become active in a step
        outputs = _of_graph(scan.attributes["body"], flags)
        grown = [a or b for a, b in zip(flags[states], outputs, strict=False)]
        if grown == flags[states]:
            return (*grown, *outputs[len(grown) :])
        flags[states] = grown
