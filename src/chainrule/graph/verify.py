"""The verifier: a graph that keeps the rules is safe for every reader. Tests run it everywhere."""

from chainrule.errors import ChainruleError, GraphError
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import PICK
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import INPUT

__all__ = ["verify"]


def verify(graph: Graph) -> Graph:
    """Raise unless the graph is well formed; return it.

    Checked for every node, in sub-graphs too: its op is the table's row of that name, its specs are
    what the shape rule says, its attributes can be hashed, and every placeholder that it reaches is
    among the inputs.

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
    for name, value in node.attributes.items():
        _verify_attribute(node, name, value)
    wanted = _wanted_specs(node)
    if node.specs != wanted:
        raise GraphError("graph.specs", who=node.op.name, got=node.specs, wanted=wanted)


def _verify_attribute(node: Node, name: str, value: object) -> None:
    if isinstance(value, Graph):
        verify(value)
    try:
        hash(value)
    except TypeError:
        raise GraphError("graph.attribute", op=node.op.name, name=name, value=value) from None


def _wanted_specs(node: Node) -> tuple[Spec, ...]:
    """What the shape rule says about a node's inputs and attributes."""
    specs = node.inputs[0].specs if node.op is PICK else tuple(x.spec for x in node.inputs)
    try:
        wanted = node.op.rule(*specs, **node.attributes)
    except GraphError:
        raise
    except (ChainruleError, LookupError, TypeError, ValueError) as error:
        raise GraphError("graph.rule", node=node, reason=error) from error
    return (wanted,) if isinstance(wanted, Spec) else wanted
