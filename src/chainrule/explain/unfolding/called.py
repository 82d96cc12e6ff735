"""A call as its textbook sees it: tensors by name, options from the label."""

import re
from collections.abc import Sequence

from chainrule.graph import Graph, Node, Tensor

__all__ = ["Called", "NotTextbook"]


#: How the names of captured constants begin.
CAPTURED = "captured"


class NotTextbook(Exception):
    """No textbook writes what this call does."""


class Called:
    """A call of a layer.

    Parameters
    ----------
    node
        The call.
    tensors
        What stands for its inputs.
    """

    def __init__(self, node: Node, tensors: Sequence[Tensor]) -> None:
        self.body: Graph = node.attributes["body"]
        self.name: str = node.attributes["name"]
        self.label: str = node.attributes["label"]
        self.tensors = tuple(tensors)
        self.given = dict(zip(self.body.names, tensors, strict=True))

    def option(self, name: str, default: str) -> str:
        """An option as it stands in the label: ``relu`` of ``activation="relu"``."""
        found = re.search(rf'\b{name}="?([^",)]*)', self.label)
        return found[1] if found else default

    def captured(self, kind: str) -> Tensor | None:
        """The constant of this kind of numbers that was too large to stand in the graph."""
        found = (x for name, x in self.given.items() if name.startswith(CAPTURED))
        return next((x for x in found if x.dtype.kind == kind), None)

    def only(self, *known: str) -> None:
        """Raise if there are other inputs, such as lengths or a random key.

        A name that ends in a dot stands for all that begin so. Captured constants may be.
        """
        for name in self.given:
            if name.startswith(CAPTURED):
                continue
            if not any(name == k or (k.endswith(".") and name.startswith(k)) for k in known):
                raise NotTextbook(name)
