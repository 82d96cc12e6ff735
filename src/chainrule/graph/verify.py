"""The verifier: a graph that keeps the rules is safe for every reader. Tests run it everywhere."""

from chainrule.errors import ChainruleError, GraphError
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL, PICK, SCAN, WHILE
from chainrule.graph.spec import SHORT_NAMES, Spec
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import INPUT

__all__ = ["verify", "wanted_specs"]


def verify(graph: Graph) -> Graph:
    """Raise unless the graph is well formed; return it.

    Checked for every node, in sub-graphs too: its op is the table's row of that name and takes such
    numbers, its specs are what the shape rule says, its attributes can be hashed, and every
    placeholder that it reaches is among the inputs. What puts out a tuple (``call``, ``scan``,
    ``while``) is read by ``pick``, and nothing else is.

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
    _verify_tuples(graph)
    return graph


def _verify_node(node: Node) -> None:
    if TABLE.get(node.op.name) is not node.op:
        raise GraphError("graph.not_in_table", op=node.op.name)
    if node.op is INPUT:
        raise GraphError("graph.open", spec=node.spec)
    for name, value in node.attributes.items():
        _verify_attribute(node, name, value)
    wanted = wanted_specs(node)
    if node.specs != wanted:
        raise GraphError("graph.specs", who=node.op.name, got=node.specs, wanted=wanted)
    if node.op.family == "elementwise":
        _verify_numbers(node)


def _verify_numbers(node: Node) -> None:
    """Shape rules of elementwise rows leave it to the functions which numbers a row takes."""
    dtype = node.inputs[-1].spec.dtype  # of ``where`` not the condition
    if ("i" if dtype.kind == "u" else dtype.kind) not in node.op.check.kinds:
        raise GraphError("graph.op_dtype", op=node.op.name, dtype=SHORT_NAMES[dtype])


def _verify_tuples(graph: Graph) -> None:
    tuples = {node for node in graph.nodes if node.op in (CALL, SCAN, WHILE)}
    reads = [(child, node.op is PICK) for node in graph.nodes for child in node.inputs]
    reads += [(node, False) for node in graph.outputs]
    for node, picked in reads:
        if (node in tuples) != picked:
            raise GraphError("graph.tuple", node=node)


def _verify_attribute(node: Node, name: str, value: object) -> None:
    if isinstance(value, Graph):
        verify(value)
    try:
        hash(value)
    except TypeError:
        raise GraphError("graph.attribute", op=node.op.name, name=name, value=value) from None


def wanted_specs(node: Node) -> tuple[Spec, ...]:
    """What the shape rule says about a node's inputs and attributes."""
    try:
        if node.op is PICK:
            (source,) = node.inputs
            return (source.specs[node.attributes["index"]],)
        wanted = node.op.rule(*(x.spec for x in node.inputs), **node.attributes)
    except GraphError:
        raise
    except (ChainruleError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise GraphError("graph.rule", node=node, reason=error) from error
    return (wanted,) if isinstance(wanted, Spec) else wanted
