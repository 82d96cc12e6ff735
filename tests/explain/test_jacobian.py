"""Jacobians of layers against PyTorch, and their singular values against NumPy."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError, PathError
from chainrule.explain import layer_jacobian
from chainrule.explain.formulas import to_latex, to_text


def mse(model, x, t):
    return nn.mse(model(x), t)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Residual(nn.Module):
    first: nn.Linear
    second: nn.Linear

    def __init__(self, size):
        self.first = nn.Linear(size, size, rng=0)
        self.second = nn.Linear(size, size, rng=1)

    def __call__(self, x):
        return x + self.second(cr.tanh(self.first(x)))


@pytest.fixture
def model():
    return nn.MLP(4, [3, 5], 2, activation="tanh", rng=0)


@pytest.fixture
def data():
    return numbers(6, 4), numbers(6, 2, seed=1)


def torch_layer(layer, phi):
    weight = torch.tensor(layer.weight.numpy().astype(float))
    bias = torch.tensor(layer.bias.numpy().astype(float))
    return lambda x: phi(x @ weight + bias)


@pytest.mark.parametrize("row", [0, 4])
def test_each_layer_against_torch(model, data, row):
    found = layer_jacobian(mse, model, *data, row=row)
    layers = [
        torch_layer(model.hidden[0], torch.tanh),
        torch_layer(model.hidden[1], torch.tanh),
        torch_layer(model.output, lambda z: z),
    ]
    x = torch.tensor(data[0][row].astype(float))
    for layer, ours in zip(layers, reversed(found.layers), strict=True):
        expected = torch.autograd.functional.jacobian(layer, x).numpy()
        np.testing.assert_allclose(ours.matrix, expected, rtol=1e-10, atol=1e-12)
        values = np.linalg.svd(expected, compute_uv=False)
        np.testing.assert_allclose(ours.singular_values, values, rtol=1e-10)
        assert ours.typical == pytest.approx(np.sqrt((values**2).sum() / len(expected)))
        x = layer(x)


def test_the_product_of_the_matrices_is_the_whole(model, data):
    found = layer_jacobian(mse, model, *data, row=2)
    product = np.linalg.multi_dot([layer.matrix for layer in found])
    np.testing.assert_allclose(found.whole.matrix, product, rtol=1e-10, atol=1e-13)
    assert np.prod([layer.factor for layer in found]) == pytest.approx(found.whole.factor)
    assert found.whole.largest <= found.bound * (1 + 1e-12)


def test_the_factor_is_that_of_the_gradients(model, data):
    """And lies between what the singular values allow."""
    wide = cr.tree_map(lambda w: cr.asarray(w.numpy().astype(float)), model)
    x, t = (d.astype(float) for d in data)
    of_x = cr.grad(lambda x: mse(wide, x, t))(cr.asarray(x)).numpy()
    y = wide(x).numpy()
    of_y = 2 * (y - t) / t.size
    for row in range(len(x)):
        whole = layer_jacobian(mse, model, *data, row=row).whole
        expected = np.linalg.norm(of_x[row]) / np.linalg.norm(of_y[row])
        assert whole.factor == pytest.approx(expected, rel=1e-10)
        assert whole.smallest * (1 - 1e-9) <= whole.factor <= whole.largest * (1 + 1e-9)


def test_sigmoid_shrinks_by_a_quarter_at_most():
    model = nn.Sequential(nn.Linear.of(np.eye(3, dtype="f")), nn.sigmoid, nn.Linear(3, 1, rng=0))
    layer = layer_jacobian(mse, model, np.zeros((1, 3), "f"), np.zeros((1, 1), "f"), of="layers.0")
    np.testing.assert_allclose(layer.singular_values, 0.25)


def test_a_connection_that_passes_layers_by():
    """``x + f(x)``: the two layers inside are one part, and the identity is in it."""
    model = nn.Sequential(Residual(3), Residual(3), nn.Linear(3, 1, rng=2))
    found = layer_jacobian(mse, model, numbers(2, 3), numbers(2, 1), row=1)
    assert len(found) == 3
    x = torch.tensor(numbers(2, 3)[1].astype(float))
    inner = torch_layer(model.layers[0].first, torch.tanh)
    outer = torch_layer(model.layers[0].second, lambda z: z)
    expected = torch.autograd.functional.jacobian(lambda x: x + outer(inner(x)), x).numpy()
    np.testing.assert_allclose(found[2].matrix, expected, rtol=1e-10)
    alone = layer_jacobian(mse, model, numbers(2, 3), numbers(2, 1), row=1, of="layers.0.first")
    np.testing.assert_allclose(
        alone.matrix, torch.autograd.functional.jacobian(inner, x).numpy(), rtol=1e-10
    )


def test_layers_by_path_and_by_number(model, data):
    by_path = layer_jacobian(mse, model, *data, of="hidden.1")
    by_number = layer_jacobian(mse, model, *data, of=2)
    np.testing.assert_array_equal(by_path.matrix, by_number.matrix)
    assert by_path.label == "hidden.1: Linear(3, 5), tanh"
    assert to_text(by_path.formula) == "diag(tanh′(z²)) (w²)ᵀ"


def test_between_two_values(model, data):
    pre = layer_jacobian(mse, model, *data, of=("x", "z^1"))
    np.testing.assert_allclose(pre.matrix, model.hidden[0].weight.numpy().T, rtol=1e-6)
    assert to_text(pre.formula) == "(w¹)ᵀ"
    step = layer_jacobian(mse, model, *data, of=("z^1", "a^1"))
    np.testing.assert_allclose(step.matrix, np.diag(np.diag(step.matrix)))


def test_a_recurrent_step():
    """``∂h_t/∂h_{t−1} = diag(1 − h_t²) Wᵀ`` for row vectors."""
    weight = numbers(3, 3)

    def cost(weight, start, x, t):
        return nn.mse(cr.tanh(x + start @ weight), t)

    start, x = numbers(3, seed=1), numbers(3, seed=2)
    found = layer_jacobian(cost, weight, start, x, numbers(3, seed=3), of=("start", "y"))
    state = np.tanh(x.astype(float) + start.astype(float) @ weight.astype(float))
    expected = np.diag(1 - state**2) @ weight.astype(float).T
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-10)


def test_no_gradient_arrives():
    model = nn.MLP(2, [2], 1, rng=0)
    x = numbers(1, 2)
    found = layer_jacobian(mse, model, x, model(x).numpy())
    assert np.isnan(found.whole.factor)
    assert "No gradient" in found.to_text(lang="en")


def test_matrices_of_a_few_hundred():
    model = nn.MLP(300, [300, 300], 10, activation="sigmoid", rng=0)
    found = layer_jacobian(mse, model, numbers(1, 300), numbers(1, 10))
    assert found[1].matrix.shape == (300, 300)
    assert found[1].largest < 1
    assert len(found.to_text(100, "en")) < 3000


# ---------------------------------------------------------------------- in print
def test_in_both_languages_and_in_latex(model, data, katex):
    found = layer_jacobian(mse, model, *data, of="hidden.0")
    english, korean = found.document("en"), found.document("ko")
    formulas = [
        [b.expression for b in d.blocks if hasattr(b, "expression")] for d in (english, korean)
    ]
    assert formulas[0] == formulas[1]
    assert katex([to_latex(formula) for formula in formulas[0]]) == []
    assert "야코비" in korean.to_text()
    assert "Jacobian" not in korean.to_text()


def test_the_table(model, data):
    found = layer_jacobian(mse, model, *data)
    lines = found.to_text(100, "en").splitlines()
    rows = [line for line in lines if "Linear" in line]
    assert [line.split(":")[0] for line in rows] == ["output", "hidden.1", "hidden.0"]
    assert any(line.startswith("all together") for line in lines)


# ---------------------------------------------------------------------- what is not there
def test_an_unknown_layer(model, data):
    with pytest.raises(PathError, match=r"Did you mean 'hidden\.1'"):
        layer_jacobian(mse, model, *data, of="hiden.1")
    with pytest.raises(PathError, match="from 1 to 3"):
        layer_jacobian(mse, model, *data, of=4)
    with pytest.raises(PathError, match="There is no value 'q'"):
        layer_jacobian(mse, model, *data, of=("x", "q"))


def test_values_that_do_not_depend(model, data):
    with pytest.raises(OptionError, match="does not depend"):
        layer_jacobian(mse, model, *data, of=("t", "a^1"))
    with pytest.raises(OptionError, match="does not depend"):
        layer_jacobian(mse, model, *data, of=("a^1", "x"))


def test_a_row_that_is_not_there(model, data):
    with pytest.raises(OptionError, match="0 <= row < 6"):
        layer_jacobian(mse, model, *data, row=6)


def test_a_function_without_layers():
    with pytest.raises(OptionError, match="no layers"):
        layer_jacobian(lambda w, x: (w * x).sum(), numbers(3), numbers(3))
