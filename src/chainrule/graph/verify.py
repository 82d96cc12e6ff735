"""The verifier: a graph that keeps the rules is safe for every reader. Tests run it everywhere."""

from chainrule.errors import GraphError
from chainrule.graph.node import Graph, Node
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import INPUT

__all__ = ["verify"]


def verify(graph: Graph) -> Graph:
    """Raise unless the graph is well formed; return it.

    Checked for every node, in sub-graphs too: its op is the table's row of that name, its specs are
    what the shape rule says, its attributes are hashable, and no input is reached that is not listed.

    Raises
    ------
    GraphError
        The message names the node and the rule that it breaks.

    Examples
    --------
    >>> import chainrule as cr
    >>> graph = cr.make_graph(cr.tanh, cr.Spec((3,)))
    >>> cr.verify(graph) is graph
    True
    """
    if len(set(graph.inputs)) != len(graph.inputs):
        raise GraphError("graph.input_twice", names=graph.names)
    if len(graph.names) != len(graph.inputs):
        raise GraphError("graph.input_names", names=graph.names, count=len(graph.inputs))
    for node in graph.nodes:
        _verify_node(node)
    return graph


def _verify_node(node: Node) -> None:
    if TABLE.get(node.op.name) is not node.op:
        raise GraphError("graph.not_in_table", op=node.op.name)
    if node.op is INPUT:
        raise GraphError("graph.open", spec=node.spec)
    for value in node.attributes.values():
        hash(value)
        if isinstance(value, Graph):
            verify(value)
    expected = node.op.rule(*_input_specs(node), **node.attributes)
    if node.specs != (expected if isinstance(expected, tuple) else (expected,)):
        raise GraphError("graph.specs", who=node.op.name, got=node.specs, wanted=expected)


def _input_specs(node: Node) -> tuple[Spec, ...]:
    if node.op is TABLE["pick"]:
        return node.inputs[0].specs
    return tuple(child.spec for child in node.inputs)
