"""Transformers: positions, feed-forward layers, blocks, stacks, models, generation."""

from chainrule.nn.transformer.block import TransformerBlock
from chainrule.nn.transformer.feed_forward import FeedForward
from chainrule.nn.transformer.generation import generate
from chainrule.nn.transformer.language_model import LanguageModel
from chainrule.nn.transformer.positions import PositionTable, sinusoidal_positions
from chainrule.nn.transformer.seq2seq import Seq2Seq
from chainrule.nn.transformer.stacks import Decoder, Encoder, Transformer

__all__ = [
    "Decoder",
    "Encoder",
    "FeedForward",
    "LanguageModel",
    "PositionTable",
    "Seq2Seq",
    "Transformer",
    "TransformerBlock",
    "generate",
    "sinusoidal_positions",
]
