"""Ops joined into formulas: ``subtract, square, sum, divide`` is ``1/N Σ (t − y)²``.

What a user writes by hand is many small ops, each of which would be a step. Neighbours whose
result nobody else reads are joined into one call as long as they make a formula that is read at a
glance. A product with a weight matrix and what is added to it is a layer: ``z = Σᵢ xᵢ wᵢⱼ + bⱼ``.
"""

from chainrule.explain.formulas.tree import Symbol, walk
from chainrule.explain.saying import Elements, Place, letters_for
from chainrule.explain.saying.ops import ELEMENTWISE
from chainrule.explain.saying.reading import Unreadable, read
from chainrule.explain.walking.kinds import KINDS
from chainrule.graph import Graph
from chainrule.graph.node import Node
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of
from chainrule.graph.trace import call, replay

__all__ = ["FORMULA", "joined"]

#: The name of a call that was joined from ops.
FORMULA = "formula"
#: Ops that only put numbers in their places: they go into every formula that reads them.
GLUE = frozenset({"broadcast_to", "reshape", "cast", "constant"})
#: Ops that make a formula.
MAKING = frozenset(ELEMENTWISE) - set(KINDS) - GLUE | {"sum"}
#: So many ops, and parts of a formula, are read at a glance.
OPS, PARTS = 12, 40


def joined(graph: Graph, weights: int) -> Graph:
    """The graph with neighbouring ops joined into calls.

    Parameters
    ----------
    graph
        A graph whose calls are those that stay one step.
    weights
        How many of its inputs, the first ones, are weights.
    """
    layers = set(graph.inputs[:weights])
    groups = _groups(graph, layers)
    value: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes:
        group = groups.get(node)
        if group is None:
            inputs = [value.get(child, child) for child in node.inputs]
            value[node] = remade(node, inputs, node.attributes)
        elif len(_ops(group)) > 1 or _is_layer(group, layers):
            value[node] = _called(group, node, value, layers)
        else:
            inputs = [value.get(child, child) for child in node.inputs]
            value[node] = remade(node, inputs, node.attributes)
    return Graph(graph.inputs, [value[node] for node in graph.outputs], graph.names)


def _groups(graph: Graph, weights: set[Node]) -> dict[Node, set[Node]]:
    """For each op that makes something: what is joined into it."""
    readers = _readers(graph)
    groups: dict[Node, set[Node]] = {}
    for node in graph.nodes:
        if node.op.name not in MAKING and node.op.name != "matmul":
            continue
        group = {node, *_glue(node)}
        for child in _behind(node):
            alone = readers[child] == {node} and child in groups
            if alone and _fits(group | groups[child], node, weights):
                group |= groups[child]
        groups[node] = group
    return groups


def _readers(graph: Graph) -> dict[Node, set[Node | None]]:
    """Which ops read each node, glue looked through; ``None`` for the result of the graph."""
    found: dict[Node, set[Node | None]] = {node: set() for node in (*graph.inputs, *graph.nodes)}
    for node in graph.outputs:
        found[node].add(None)
    for node in graph.nodes:
        if node.op.name not in GLUE:
            for child in (*node.inputs, *_behind(node)):
                found[child].add(node)
        elif any(reader is None for reader in found[node]):
            for child in node.inputs:
                found[child].add(None)
    return found


def _glue(node: Node) -> list[Node]:
    """The glue before a node."""
    found, stack = [], [child for child in node.inputs if child.op.name in GLUE]
    while stack:
        part = stack.pop()
        if part not in found and _is_plain(part):
            found.append(part)
            stack += [child for child in part.inputs if child.op.name in GLUE]
    return found


def _is_plain(node: Node) -> bool:
    """Whether glue can stand in a formula: a constant must be one number."""
    if node.op.name != "constant":
        return True
    array = node.attributes["value"].array
    return bool(array.size and (array == array.reshape(-1)[0]).all())


def _behind(node: Node) -> list[Node]:
    """What a node reads, glue looked through."""
    found: list[Node] = []
    for child in node.inputs:
        while child.op.name in GLUE and child.inputs:
            child = child.inputs[0]
        found.append(child)
    return found


def _ops(group: set[Node]) -> list[Node]:
    return [node for node in group if node.op.name not in GLUE]


def _fits(group: set[Node], output: Node, weights: set[Node]) -> bool:
    """Whether a formula of these is read at a glance."""
    ops = _ops(group)
    if any(node.op.name == "matmul" for node in ops):
        return len(ops) == 2 and output.op.name == "add" and _adds_weight(output, weights)
    if len(ops) > OPS:
        return False
    graph = Graph(_outside(group), [output])
    inputs = [Elements(Symbol("x", label=str(i)), s.shape) for i, s in enumerate(graph.input_specs)]
    shape = output.spec.shape
    place = Place(tuple(inputs), Elements(Symbol("y"), shape), letters_for(shape, 1))
    try:
        said = read(graph, place)
    except Unreadable:
        return False
    once = all(len(found or ()) <= 1 for found in said.occurrences)
    return once and sum(1 for _ in walk(said.value)) <= PARTS


def _adds_weight(node: Node, weights: set[Node]) -> bool:
    """Whether a bias is added."""
    return any(child in weights for child in _behind(node))


def _outside(group: set[Node]) -> list[Node]:
    """What a group reads from outside, in order."""
    ordered = sorted(group, key=lambda node: node.serial)
    return list(dict.fromkeys(c for node in ordered for c in node.inputs if c not in group))


def _is_layer(group: set[Node], weights: set[Node]) -> bool:
    """Whether a group is a product with a weight matrix."""
    products = [node for node in group if node.op.name == "matmul"]
    return any(_root(child) in weights for node in products for child in node.inputs)


def _root(node: Node) -> Node:
    while node.op.name in GLUE and node.inputs:
        node = node.inputs[0]
    return node


def _called(group: set[Node], output: Node, value: dict[Node, Node], weights: set[Node]) -> Node:
    """A call that does what the group does."""
    outside = _outside(group)
    body = Graph(outside, [output])
    name = "Linear" if _is_layer(group, weights) else FORMULA
    label = ", ".join(node.op.name for node in sorted(_ops(group), key=lambda n: n.serial))
    tensors = [Tensor(None, value.get(node, node)) for node in outside]

    def run(*inputs: Tensor) -> Tensor:
        return replay(body, inputs)[0]

    return node_of(call(name, label, run, *tensors))
