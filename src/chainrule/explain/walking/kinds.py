"""What kind of step each named function is, and the letter that the field gives to its result.

A named function stays one step of an explanation if it stands here. Everything else (a container
such as ``MLP``, a user's own module) is opened, so that what is inside is explained step by step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chainrule.nn.activations import ACTIVATIONS

__all__ = ["KINDS", "RECURRENT", "WEIGHTED", "Kind"]


@dataclass(frozen=True)
class Kind:
    """The kind of a step.

    Attributes
    ----------
    family
        ``"layer"`` has weights and counts as a layer of the network, its result is a weighted sum;
        ``"projection"`` and ``"recurrent"`` (a sequence that is not unfolded) have weights too, but
        no error ``δ`` of their own; ``"norm"`` and ``"random"``
        belong to the layer before; ``"activation"``; ``"gate"``, which reads a block of a weighted
        sum or combines gates; ``"part"`` of an array or of a layer; ``"loss"``.
    letter
        What its result is called: ``z``, ``a``, ``J``.
    logits
        Whether a loss takes the weighted sums of the last layer, and makes the outputs itself.
    """

    family: str
    letter: str
    logits: bool = False


#: The families of what counts as a layer of the network.
WEIGHTED = frozenset({"layer", "projection", "recurrent"})
#: Layers that walk along a sequence.
RECURRENT = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")

#: Every named function of the library that is explained as one step, by the name of its call or op.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Linear": Kind("layer", "z"),
        "Dropout": Kind("random", "d"),
        "Embedding": Kind("part", "e"),
        "PositionTable": Kind("part", "e"),
        "LayerNorm": Kind("norm", "n"),
        "RMSNorm": Kind("norm", "n"),
        **{name: Kind("recurrent", "h") for name in RECURRENT},
        "MultiHeadAttention": Kind("layer", "z"),
        "attention": Kind("part", "r"),
        # What recurrent layers and attention are unfolded into (chainrule.explain.unfolding).
        "sequence_step": Kind("part", "x"),
        "sequence": Kind("part", "h"),
        "recurrent_sum": Kind("layer", "z"),
        "recurrent_product": Kind("projection", "v"),
        "input_gate": Kind("gate", "i"),
        "forget_gate": Kind("gate", "f"),
        "candidate": Kind("gate", "g"),
        "output_gate": Kind("gate", "o"),
        "cell_state": Kind("gate", "c"),
        "hidden_state": Kind("gate", "h"),
        "reset_gate": Kind("gate", "r"),
        "update_gate": Kind("gate", "u"),
        "queries": Kind("projection", "q"),
        "keys": Kind("projection", "k"),
        "values": Kind("projection", "v"),
        "scores": Kind("part", "s"),
        "attention_weights": Kind("activation", "p"),
        "weighted_values": Kind("part", "r"),
        "heads_joined": Kind("layer", "z"),
        **{name: Kind("activation", "a") for name in (*ACTIVATIONS, "softmax", "log_softmax")},
        "mse": Kind("loss", "J"),
        "mae": Kind("loss", "J"),
        "huber": Kind("loss", "J"),
        "cross_entropy": Kind("loss", "J", logits=True),
        "binary_cross_entropy": Kind("loss", "J", logits=True),
    }
)
