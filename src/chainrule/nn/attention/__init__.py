"""Attention: as a function, as a layer, its masks, positions as rotations, and the cache."""

from chainrule.nn.attention.cache import Cache
from chainrule.nn.attention.function import attention
from chainrule.nn.attention.masks import causal_mask
from chainrule.nn.attention.multi_head import MultiHeadAttention
from chainrule.nn.attention.rotary import angles, rotary, rotate

__all__ = [
    "Cache",
    "MultiHeadAttention",
    "angles",
    "attention",
    "causal_mask",
    "rotary",
    "rotate",
]
