"""Layers as plain functions, so that tests of the engine do not depend on those of the library."""

import chainrule as cr


def lstm(state, z, weight):
    """A step of an LSTM, ``z`` being the products with its input: the new state, and ``h``."""
    h, c = state
    n, z = h.shape[1], z + h @ weight
    i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
    c = cr.sigmoid(f) * c + cr.sigmoid(i) * cr.tanh(g)
    h = cr.sigmoid(o) * cr.tanh(c)
    return (h, c), h
