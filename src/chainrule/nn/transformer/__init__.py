"""Transformers: positions, feed-forward layers, blocks, stacks, the language model, generation."""

from chainrule.nn.transformer.block import TransformerBlock
from chainrule.nn.transformer.feed_forward import FeedForward
from chainrule.nn.transformer.generation import generate
from chainrule.nn.transformer.language_model import LanguageModel
from chainrule.nn.transformer.positions import PositionTable, sinusoidal_positions
from chainrule.nn.transformer.stacks import Decoder, Encoder, Transformer

__all__ = [
    "Decoder",
    "Encoder",
    "FeedForward",
    "LanguageModel",
    "PositionTable",
    "Transformer",
    "TransformerBlock",
    "generate",
    "sinusoidal_positions",
]
