"""Mistakes with recurrent layers: who refuses, the failed condition, what came, and the mend."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
LAYER = nn.LSTM(3, 4, rng=0)
DEEP = nn.LSTM(3, 4, layers=2, bidirectional=True, rng=0)
CELL = LAYER.cells[0]
H = np.zeros((2, 4), "float32")

MISTAKES = {
    "features in the middle": (
        lambda: LAYER(X.swapaxes(1, 2)),
        r"LSTM\(3, 4\) .*\(batch, time, 3\).*\(2, 3, 5\).*x\.swapaxes\(1, 2\)",
    ),
    "time first": (
        lambda: LAYER(X.swapaxes(0, 1), [5, 2]),
        r"lengths\.shape == \(5,\).*\(2,\).*x\.swapaxes\(0, 1\)",
    ),
    "lengths as floats": (lambda: LAYER(X, [5.0, 2.0]), r'float32.*lengths\.astype\("int64"\)'),
    "a mask as lengths": (lambda: LAYER(X, X[..., 0] > 9), r"bool.*mask\.sum\(axis=1\)"),
    "state of two tensors": (
        lambda: LAYER(X, initial=(H, H)),
        r"tuple of 1 .*got 2.*cell\.initial\(batch\) for cell in layer\.cells",
    ),
    "outputs for states": (lambda: LAYER.last(LAYER(X)[0]), r"last\(states\).* 1 .*Tensor"),
    "both results": (lambda: LAYER.last(LAYER(X)), r"last\(states\).* 1 .*tuple.*2"),
    "no states": (lambda: LAYER.last(None), r"last\(states\).*NoneType"),
    "one state for all": (lambda: DEEP.last(LAYER(X)[1]), r"last\(states\).* 4 .*tuple.*1"),
    "other states": (lambda: LAYER.last((H,)), r"LSTMCell\(3, 4\).*h, c.*f32\[2, 4\]"),
    "Keras's option": (lambda: nn.LSTM(3, 4, activation="relu"), r"LSTM.*'activation'.*peepholes"),
    "PyTorch's option": (lambda: nn.GRU(3, 4, num_layers=2), r"GRU.*'num_layers'.*'layers'.*reset"),
    "a cell's option": (lambda: nn.GRUCell(3, 4, forget_bias=1), r"GRUCell.*'forget_bias'.*reset"),
    "forget bias of NaN": (lambda: nn.LSTM(3, 4, forget_bias=np.nan), r"forget_bias.*got nan"),
    "no forget bias": (lambda: nn.LSTM(3, 4, forget_bias=None), r"forget_bias.*got None"),
    "many forget biases": (lambda: nn.LSTM(3, 4, forget_bias=np.ones(4)), r"forget_bias.*got arr"),
    "forget bias of text": (lambda: nn.LSTM(3, 4, forget_bias="a"), r"forget_bias.*got 'a'"),
    "negative rate": (lambda: nn.LSTM(3, 4, dropout=-0.5), r"0 <= rate < 1.*-0\.5"),
    "negative batch": (lambda: CELL.initial(-1), r"LSTMCell\(3, 4\)\.initial\(batch\).*got -1"),
    "batch of text": (lambda: CELL.initial("2"), r"initial\(batch\).*got '2'"),
    "half a batch": (lambda: CELL.initial(2.5), r"initial\(batch\).*got 2\.5"),
    "time of text": (lambda: nn.length_mask([3, 1], "3"), r"length_mask\(lengths, time\).*'3'"),
    "no time": (lambda: nn.length_mask([3, 1], None), r"length_mask\(lengths, time\).*None"),
    "nothing to pad": (lambda: nn.pad_sequences(None), r"pad_sequences.*got None"),
    "a number to pad": (lambda: nn.pad_sequences(5), r"pad_sequences.*got 5"),
    "padding of text": (lambda: nn.pad_sequences([[1, 2], [3]], value="a"), r"value.*int64.*'a'"),
    "ids with NaN": (lambda: nn.pad_sequences([[1], [3]], value=np.nan), r"value.*int64.*nan"),
    "half an id": (lambda: nn.pad_sequences([[1], [3]], value=0.5), r"value.*int64.*0\.5"),
    "nothing as padding": (lambda: nn.pad_sequences([[1], [3]], value=None), r"value.*None"),
    "too large": (lambda: nn.pad_sequences([[1], [3]], value=1e30), r"value.*int64.*1e\+30"),
    "below zero": (
        lambda: nn.pad_sequences([np.array([1, 2], "uint8")], value=-1),
        r"value.*uint8.*-1.*dtype=",
    ),
}


@pytest.mark.parametrize(("mistake", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_explained(mistake, words, explained):
    explained(mistake, words)


def test_no_sequences_have_states_too():
    outputs, states = LAYER(X[:0])
    assert outputs.shape == (0, 5, 4) and LAYER.last(states).shape == (0, 4)


def test_what_may_stand_after_the_end():
    assert nn.pad_sequences([[1.0, 2.0], [3.0]], value=np.nan)[0][1].tolist()[0] == 3.0
    assert nn.pad_sequences([[1, 2], [3]], value=0.0)[0].tolist() == [[1, 2], [3, 0]]
    assert nn.pad_sequences([[1.0, 2.0], [3.0]], value=0.1)[0].dtype == np.float32


def test_states_may_be_plain_tuples():
    ((h, c),) = LAYER(X)[1]
    np.testing.assert_array_equal(LAYER.last([(h, c)]), cr.asarray(h))
