"""What kind of step each named function is, and the letter that the field gives to its result.

A named function stays one step of an explanation if it stands here. Everything else (a container
such as ``MLP``, a user's own module) is opened, so that what is inside is explained step by step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chainrule.nn.activations import ACTIVATIONS

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """The kind of a step.

    Attributes
    ----------
    family
        ``"layer"`` has weights and counts as a layer of the network; ``"norm"`` and ``"random"``
        belong to the layer before; ``"activation"``; ``"loss"``.
    letter
        What its result is called: ``z``, ``a``, ``J``.
    logits
        Whether a loss takes the weighted sums of the last layer, and makes the outputs itself.
    """

    family: str
    letter: str
    logits: bool = False


#: Every named function of the library that is explained as one step, by the name of its call or op.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Linear": Kind("layer", "z"),
        "Dropout": Kind("random", "d"),
        **{name: Kind("activation", "a") for name in (*ACTIVATIONS, "softmax", "log_softmax")},
        "mse": Kind("loss", "J"),
        "mae": Kind("loss", "J"),
        "huber": Kind("loss", "J"),
        "cross_entropy": Kind("loss", "J", logits=True),
        "binary_cross_entropy": Kind("loss", "J", logits=True),
    }
)
