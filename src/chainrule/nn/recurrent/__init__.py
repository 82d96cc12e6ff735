"""Networks over time: cells that make one step, and layers that walk along sequences."""

from chainrule.nn.recurrent.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell
from chainrule.nn.recurrent.layers import GRU, LSTM, RNN, Recurrent
from chainrule.nn.recurrent.lengths import length_mask, pad_sequences

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "GRUCell",
    "LSTMCell",
    "LSTMState",
    "RNNCell",
    "Recurrent",
    "length_mask",
    "pad_sequences",
]
