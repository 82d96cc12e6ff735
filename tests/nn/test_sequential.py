"""Layers one after another."""

import numpy as np

import chainrule as cr
from chainrule import nn


def test_layers_and_functions_in_order():
    first, last = (nn.Linear(3, 3, rng=seed, dtype=np.float64) for seed in (0, 1))
    model = nn.Sequential(first, nn.relu, nn.flatten, last)
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(model(x), last(nn.relu(first(x))))
    assert nn.Sequential()(x) is x


def test_every_random_layer_gets_a_key_of_its_own():
    model = nn.Sequential(nn.Dropout(0.5), nn.relu, nn.Sequential(nn.Dropout(0.5)))
    x = cr.ones((1, 400))
    key = cr.random.key(0)
    y = model(x, key=key).numpy()
    assert set(np.unique(y)) == {0.0, 4.0}
    assert 60 < (y > 0).sum() < 140  # a quarter; with one key for both it would be half
    assert model(x, key=key).tolist() == y.tolist()
    assert model(x).tolist() == x.tolist()
    traced = cr.compile(lambda model, x, key: model(x, key=key))
    assert traced(model, x, key).tolist() == y.tolist()


def test_a_key_for_layers_that_take_none():
    model = nn.Sequential(nn.Linear(2, 1, rng=0), nn.tanh)
    x = cr.ones((3, 2))
    assert model(x, key=cr.random.key(0)).tolist() == model(x).tolist()


def test_a_function_may_take_a_key():
    def noisy(x, key=None):
        return x if key is None else x + cr.random.normal(key, x.shape)

    model = nn.Sequential(noisy, noisy)
    a = model(cr.zeros(3), key=cr.random.key(0)).tolist()
    assert a != model(cr.zeros(3)).tolist() == [0, 0, 0]


def test_flatten():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(nn.flatten(x), x.reshape(2, 12))
    assert nn.flatten(cr.zeros((0, 3, 4))).shape == (0, 12)
    assert nn.flatten(cr.zeros(5)).shape == (5, 1)
