"""How the steps of a scan hand on their state, and where their outputs go.

Nothing is copied that need not be. An output is written where it belongs by the kernel that makes
it. A new state is written over the old one, or it is read by the next step where it was put out, or
two places take turns. What is none of the step's own results, such as another state, is copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from chainrule.engines.native.kernels import Schedule
from chainrule.graph.node import Node

__all__ = ["Handing", "Way", "handing_of"]


class Way(Enum):
    """How a new state comes to the next step."""

    IN_PLACE = "in place"
    OUTPUT = "output"
    TURNS = "turns"
    COPY = "copy"


@dataclass(frozen=True)
class Handing:
    """Where the outputs of a body go.

    Attributes
    ----------
    ways
        For each state how its new value comes to the next step.
    new
        For each state the node of its new value.
    direct
        The nodes that are written where a stacked output belongs → which output that is.
    copied
        The stacked outputs that are copied after the step.
    """

    ways: tuple[Way, ...]
    new: tuple[Node, ...]
    direct: dict[Node, int]
    copied: tuple[int, ...]

    @property
    def given(self) -> set[Node]:
        """The nodes that have a place outside of the body's own memory."""
        return set(self.direct) | {
            node for node, way in zip(self.new, self.ways, strict=True) if way is not Way.COPY
        }


def handing_of(body: Schedule, carried: int, in_place: Mapping[int, Node]) -> Handing:
    """Decide it for a body whose first ``carried`` outputs are new states.

    Parameters
    ----------
    in_place
        Position of a state → the node of its new value, for states that may be overwritten.
    """
    roots = [body.root(node) for node in body.graph.outputs]
    new, outputs = roots[:carried], roots[carried:]
    kept = set(in_place.values())
    direct: dict[Node, int] = {}
    for position, root in enumerate(outputs):
        if root in body.place and root not in kept:
            direct.setdefault(root, position)
    copied = tuple(i for i, root in enumerate(outputs) if direct.get(root) != i)
    ways = []
    for i, root in enumerate(new):
        if i in in_place:
            ways.append(Way.IN_PLACE)
        elif root in direct:
            ways.append(Way.OUTPUT)
        else:
            own = root in body.place and new.count(root) == 1
            ways.append(Way.TURNS if own else Way.COPY)
    return Handing(tuple(ways), tuple(new), direct, copied)
