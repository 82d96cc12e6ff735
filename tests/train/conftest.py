"""A small problem, and what two trainings have in common."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

TIMES = {"seconds", "rows_per_second"}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (70, 3))
    return x, np.sin(x.sum(axis=1, keepdims=True))


@pytest.fixture
def model():
    return nn.MLP(3, [8], 1, activation="tanh", rng=0)


@pytest.fixture
def bits():
    """The bytes of all tensors of a model."""
    return lambda model: [np.asarray(leaf).tobytes() for leaf in cr.tree_leaves(model)]


@pytest.fixture
def timeless():
    """A history's records without times."""

    def timeless(history):
        return [{k: v for k, v in record.items() if k not in TIMES} for record in history]

    return timeless
