"""What the transformations share about rows with sub-graphs: ``call``, ``scan`` and ``while``.

The operands of such a row stand in groups. A scan reads what its body captures, then the first
state, then the rows to go over; it puts out the last state, then the stacked outputs of all steps.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from chainrule.graph.apply import pick
from chainrule.graph.node import Node
from chainrule.graph.ops.structure import CALL, PICK, SCAN, WHILE
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["PICK", "WITH_SUBGRAPHS", "again", "cut", "states_of"]

Item = TypeVar("Item")

#: These put out a tuple, which ``pick`` nodes take apart; every other row puts out one value.
WITH_SUBGRAPHS = (CALL, SCAN, WHILE)


def again(node: Node, inputs: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The outputs of a node for other inputs; where these are its own, the node itself is kept."""
    made = remade(node, list(map(node_of, inputs)), node.attributes)
    if node.op in WITH_SUBGRAPHS:
        return tuple(pick(made, i) for i in range(len(made.specs)))
    return (Tensor(None, made),)


def cut(items: Sequence[Item], *lengths: int) -> list[list[Item]]:
    """Consecutive parts of the given lengths, and the rest."""
    parts, start = [], 0
    for length in lengths:
        parts.append(list(items[start : start + length]))
        start += length
    return [*parts, list(items[start:])]


def states_of(scan: Node) -> slice:
    """Where the state stands among the inputs of a scan and of its body."""
    captured: int = scan.attributes["captured"]
    return slice(captured, captured + scan.attributes["carried"])
