"""Classes and probabilities from the same logits."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 4))


def test_the_arg_max_of_the_logits_is_that_of_the_probabilities():
    classes = nn.predict_class(LOGITS)
    assert classes.dtype == np.int64 and classes.shape == (50,)
    np.testing.assert_array_equal(classes, LOGITS.argmax(axis=1))
    np.testing.assert_array_equal(classes, nn.predict_probability(LOGITS).argmax(axis=1))
    hot = nn.one_hot(classes, 4).numpy()
    assert (hot.sum(axis=1) == 1).all() and (LOGITS[hot == 1] == LOGITS.max(axis=1)).all()


def test_probabilities_equal_pytorchs():
    z = torch.tensor(LOGITS)
    np.testing.assert_allclose(
        nn.predict_probability(LOGITS).numpy(), torch.softmax(z, -1).numpy(), rtol=1e-13
    )
    np.testing.assert_allclose(
        nn.predict_probability(LOGITS, binary=True).numpy(), torch.sigmoid(z).numpy(), rtol=1e-13
    )


def test_binary_classes_by_threshold():
    z = np.array([[-2.0, -1e-9], [0.0, 1e-9]], np.float32)
    assert nn.predict_class(z, binary=True).tolist() == [[0, 0], [0, 1]]
    z = np.linspace(-4, 4, 81)
    for threshold in (0.1, 0.5, 0.9):
        got = nn.predict_class(z, binary=True, threshold=threshold).numpy()
        np.testing.assert_array_equal(got, 1 / (1 + np.exp(-z)) > threshold)


def test_they_can_be_traced():
    compiled = cr.compile(lambda z: (nn.predict_class(z), nn.one_hot(nn.predict_class(z), 4)))
    classes, hot = compiled(LOGITS)
    np.testing.assert_array_equal(classes, LOGITS.argmax(axis=1))
    np.testing.assert_array_equal(hot, np.eye(4)[LOGITS.argmax(axis=1)])


def test_one_hot():
    t = np.array([[0, 2], [1, 1]], np.uint8)
    np.testing.assert_array_equal(nn.one_hot(t, 3, np.float64), np.eye(3)[t])
    assert nn.one_hot(t, 3).dtype == np.float32
    assert nn.one_hot(1, 3).tolist() == [0, 1, 0]
    assert nn.one_hot(np.zeros(0, int), 3).shape == (0, 3)


def test_what_they_refuse():
    with pytest.raises(ShapeError, match=r"\(5, 1\).*binary=True"):
        nn.predict_class(np.zeros((5, 1)))
    with pytest.raises(ShapeError, match="binary=True"):
        nn.predict_probability(0.5)
    for threshold in (0, 1, np.nan):
        with pytest.raises(OptionError, match="0 < threshold < 1"):
            nn.predict_class(LOGITS, binary=True, threshold=threshold)
    for bad in ([3], [-1]):
        with pytest.raises(DataError, match="one_hot expects 0 <= t <= 2"):
            nn.one_hot(bad, 3)
    with pytest.raises(DtypeError, match=r'one_hot expects.*t\.astype\("int64"\)'):
        nn.one_hot([0.0], 3)
    with pytest.raises(OptionError, match="one_hot expects sizes"):
        nn.one_hot([0], 0)
