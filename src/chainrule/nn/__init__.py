"""Layers, losses and initialisers; a model is a frozen dataclass that is a tree."""

from chainrule.nn import init
from chainrule.nn.activations import (
    activation,
    elu,
    gelu,
    identity,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from chainrule.nn.attention import Cache, MultiHeadAttention, attention, causal_mask, rotary
from chainrule.nn.classification import one_hot, predict_class, predict_probability
from chainrule.nn.dropout import Dropout
from chainrule.nn.embedding import Embedding
from chainrule.nn.flatten import flatten
from chainrule.nn.init import initializer
from chainrule.nn.linear import Linear
from chainrule.nn.linear_model import collapse, least_squares_fit
from chainrule.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from chainrule.nn.mlp import MLP
from chainrule.nn.module import Module, has_random_layers, submodules
from chainrule.nn.normalization import LayerNorm, RMSNorm
from chainrule.nn.parameters import (
    Tied,
    freeze,
    parameter_count,
    parameters,
    partition,
    tie,
    unfreeze,
)
from chainrule.nn.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    LSTMState,
    RNNCell,
    length_mask,
    pad_sequences,
)
from chainrule.nn.sequential import Sequential
from chainrule.nn.transformer import (
    Decoder,
    Encoder,
    FeedForward,
    LanguageModel,
    PositionTable,
    Seq2Seq,
    Transformer,
    TransformerBlock,
    generate,
    sinusoidal_positions,
)

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Cache",
    "Decoder",
    "Dropout",
    "Embedding",
    "Encoder",
    "FeedForward",
    "GRUCell",
    "LSTMCell",
    "LSTMState",
    "LanguageModel",
    "LayerNorm",
    "Linear",
    "Module",
    "MultiHeadAttention",
    "PositionTable",
    "RMSNorm",
    "RNNCell",
    "Seq2Seq",
    "Sequential",
    "Tied",
    "Transformer",
    "TransformerBlock",
    "activation",
    "attention",
    "binary_cross_entropy",
    "causal_mask",
    "collapse",
    "cross_entropy",
    "elu",
    "flatten",
    "freeze",
    "gelu",
    "generate",
    "has_random_layers",
    "huber",
    "identity",
    "init",
    "initializer",
    "leaky_relu",
    "least_squares_fit",
    "length_mask",
    "log_softmax",
    "mae",
    "mse",
    "one_hot",
    "pad_sequences",
    "parameter_count",
    "parameters",
    "partition",
    "predict_class",
    "predict_probability",
    "relu",
    "rotary",
    "sigmoid",
    "silu",
    "sinusoidal_positions",
    "softmax",
    "softplus",
    "submodules",
    "tanh",
    "tie",
    "unfreeze",
]
