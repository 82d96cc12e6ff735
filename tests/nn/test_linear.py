"""The linear layer: its mathematics, how it begins, and what it refuses."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError, OptionError, ShapeError


def test_the_formula_for_any_number_of_leading_axes():
    rng = np.random.default_rng(0)
    layer = nn.Linear.of(rng.normal(size=(4, 3)), rng.normal(size=3))
    w, b = layer.weight.numpy(), layer.bias.numpy()
    for shape in ((4,), (5, 4), (2, 5, 4), (0, 4)):
        x = rng.normal(size=shape)
        np.testing.assert_allclose(layer(x).numpy(), x @ w + b, rtol=1e-13)


def test_how_it_begins():
    layer = nn.Linear(4, 3, rng=0)
    assert (layer.in_features, layer.out_features) == (4, 3)
    assert layer.weight.spec == cr.Spec((4, 3)) and layer.bias.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(layer.weight, nn.init.xavier_normal(0, (4, 3)))
    assert nn.Linear(4, 3, init="he_uniform", rng=0).weight.tolist() == (
        nn.init.he_uniform(0, (4, 3)).tolist()
    )


def test_one_seed_gives_one_layer_in_both_types():
    single, double = (nn.Linear(4, 3, rng=5, dtype=dtype) for dtype in ("float32", np.float64))
    assert (single.weight.dtype, double.bias.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single.weight, double.weight.numpy().astype(np.float32))
    generator = np.random.default_rng(5)
    first, second = (nn.Linear(4, 3, rng=generator) for _ in range(2))
    assert first.weight.tolist() == single.weight.tolist() != second.weight.tolist()
    assert nn.Linear(4, 3).weight.tolist() != nn.Linear(4, 3).weight.tolist()


def test_without_bias():
    layer = nn.Linear(4, 3, bias=False, rng=0)
    assert layer.bias is None and cr.tree_paths(layer) == ["weight"]
    assert repr(layer) == "Linear(4, 3, bias=False)"
    assert layer(cr.zeros((2, 4))).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_an_initialiser_may_be_a_function():
    layer = nn.Linear(2, 3, init=lambda rng, shape, dtype: np.full(shape, 7.0), rng=0)
    assert layer.weight.tolist() == [[7, 7, 7], [7, 7, 7]] and layer.weight.dtype == np.float32
    with pytest.raises(ShapeError, match=r"Linear\(2, 3\).*\(2, 3\).*\(3, 2\)"):
        nn.Linear(2, 3, init=lambda rng, shape, dtype: np.zeros(shape[::-1]))


def test_python_numbers_take_the_type_of_the_weights():
    layer = nn.Linear(2, 1, rng=0, dtype=np.float64)
    for x in ([[1.0, 2.0]], [[1, 2]], [1.0, 2.0]):
        assert layer(x).dtype == np.float64
    exact = nn.Linear.of(np.array([[1.0]]))([0.1]).item()
    assert exact == 0.1  # not the float32 nearest to it


@pytest.mark.parametrize(
    ("shape", "mend"),
    [
        ((64, 28, 28), " Flatten the images: x.reshape(64, -1)."),
        ((64, 1, 28, 28), " Flatten the images: x.reshape(64, -1)."),
        ((64, 27, 28), ""),
        ((64, 783), ""),
        ((785,), ""),
        ((), ""),
    ],
)
def test_the_message_for_a_wrong_shape(shape, mend):
    with pytest.raises(ShapeError) as caught:
        nn.Linear(784, 128, rng=0)(np.zeros(shape, np.float32))
    expects = "Linear(784, 128) expects x.shape[-1] == 784, but got x of shape"
    assert str(caught.value) == f"{expects} {shape}.{mend}"


def test_the_mends_work():
    x = np.zeros((64, 28, 28), np.float32)
    assert nn.Linear(784, 2, rng=0)(x.reshape(64, -1)).shape == (64, 2)
    layer, column = nn.Linear(1, 2, rng=0), np.zeros(9, np.float32)
    with pytest.raises(ShapeError, match=r"x\.reshape\(-1, 1\)"):
        layer(column)
    assert layer(column.reshape(-1, 1)).shape == (9, 2)


@pytest.mark.parametrize(
    ("weights", "given"),
    [("float32", "float64"), ("float64", "float32"), ("float32", "uint8"), ("float32", "bool")],
)
def test_mixed_types_are_refused(weights, given):
    layer, x = nn.Linear(3, 2, rng=0, dtype=weights), np.zeros((4, 3), given)
    with pytest.raises(DtypeError) as caught:
        layer(x)
    assert f"Linear(3, 2) expects x.dtype == {weights}" in str(caught.value)
    assert f"got x of type {given}" in str(caught.value)
    assert f'x.astype("{weights}")' in str(caught.value)
    assert layer(x.astype(weights)).dtype == weights


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "3", None])
def test_sizes_are_checked(size):
    for sizes in ((size, 3), (3, size)):
        with pytest.raises(OptionError, match=r"Linear\(.*integers >= 1"):
            nn.Linear(*sizes)
    assert nn.Linear(np.int64(3), 2).in_features == 3


def test_options_are_checked():
    with pytest.raises(DtypeError, match=r"float32 or float64.*int64"):
        nn.Linear(2, 3, dtype="int64")
    with pytest.raises(OptionError, match="Did you mean 'he_normal'"):
        nn.Linear(2, 3, init="he_norml")


def test_from_given_weights():
    layer = nn.Linear.of([[1, 2.0]], np.zeros(2, np.float32))
    assert repr(layer) == "Linear(1, 2)" and cr.tree_paths(layer) == ["weight", "bias"]
    for weight, bias in ((np.zeros(2), None), (np.zeros((2, 3)), np.zeros(2))):
        with pytest.raises(ShapeError, match=r"Linear\.of\(weight, bias\) expects"):
            nn.Linear.of(weight, bias)
