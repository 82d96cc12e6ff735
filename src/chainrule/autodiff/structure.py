"""What the transformations share about rows with sub-graphs: ``call``, ``scan`` and ``while``.

The operands of such a row stand in groups. A scan reads what its body captures, then the first
state, then the rows to go over; it puts out the last state, then the stacked outputs of all steps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chainrule.graph.apply import pick
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL, PICK, SCAN, WHILE
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["PICK", "WITH_SUBGRAPHS", "Halves", "again", "cut", "states_of", "whole"]

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


def whole(outputs: Sequence[Tensor]) -> Node:
    """The node whose outputs these are."""
    return node_of(outputs[0]).inputs[0]


@dataclass(frozen=True)
class Halves:
    """A function's forward and backward half.

    Attributes
    ----------
    forward
        Inputs → outputs, then what else backward reads.
    backward
        ``reads``, then cotangents of the seeded outputs → cotangents of the ``given`` inputs.
    reads
        The inputs and outputs of ``forward`` that backward reads.
    given
        For each input, whether backward gives its cotangent; the others' are zero.
    """

    forward: Graph
    backward: Graph
    reads: tuple[Node, ...]
    given: tuple[bool, ...]

    @property
    def saved(self) -> int:
        """How many values forward puts out for backward alone."""
        return len(set(self.reads) - set(self.forward.inputs))
