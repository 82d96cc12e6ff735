"""Jacobians of recurrent states against PyTorch, their products, and what is said of them."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, OptionError, PathError
from chainrule.explain import step_jacobians


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def double(kind, *sizes, **options):
    return getattr(nn, kind)(*sizes, rng=0, dtype="float64", **options)


def torch_cell(kind, cell):
    """PyTorch's cell with our weights; its state is one vector."""
    weight, recurrent, bias = (
        torch.tensor(np.asarray(part)) for part in (cell.weight, cell.recurrent, cell.bias)
    )
    own = getattr(torch.nn, f"{kind}Cell")(cell.inputs, cell.units, dtype=torch.float64)
    with torch.no_grad():
        own.weight_ih.copy_(weight.T)
        own.weight_hh.copy_(recurrent.T)
        own.bias_ih.copy_(bias)
        own.bias_hh.zero_()
    if kind != "LSTM":
        return lambda x, s: own(x[None], s[None])[0]

    def step(x, s):
        h, c = own(x[None], (s[None, : cell.units], s[None, cell.units :]))
        return torch.cat([h[0], c[0]])

    return step


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_against_torch(kind):
    layer, x = double(kind, 2, 3), numbers(2, 6, 2)
    found = step_jacobians(layer, x, row=1)
    step = torch_cell(kind, layer.cells[0])
    state = torch.zeros(found.matrices.shape[-1], dtype=torch.float64)
    expected = []
    for row in torch.tensor(x[1]):
        jacobian = torch.autograd.functional.jacobian(lambda s, row=row: step(row, s), state)
        expected.append(jacobian.numpy())
        state = step(row, state).detach()
    np.testing.assert_allclose(found.matrices, expected, rtol=1e-10, atol=1e-13)
    product = np.linalg.multi_dot(expected[::-1])
    np.testing.assert_allclose(found.products[0], product, rtol=1e-10, atol=1e-13)
    largest = np.linalg.svd(product, compute_uv=False)[0]
    np.testing.assert_allclose(found.remaining[0], largest, rtol=1e-10)
    np.testing.assert_allclose(found.largest[3], np.linalg.norm(expected[3], 2), rtol=1e-10)


def test_the_formula_of_the_field():
    layer, x = double("RNN", 2, 3), numbers(1, 5, 2)
    found = step_jacobians(layer, x)
    outputs, recurrent = np.asarray(layer(x)[0])[0], np.asarray(layer.cells[0].recurrent)
    for h, matrix in zip(outputs, found.matrices, strict=True):
        np.testing.assert_allclose(matrix, np.diag(1 - h**2) @ recurrent.T, rtol=1e-12)
    assert "∂h⁽ᵗ⁾/∂h⁽ᵗ⁻¹⁾ = diag(1 − (h⁽ᵗ⁾)²) Uᵀ" in found.to_text(lang="en")
    assert step_jacobians(double("RNN", 2, 3, activation="relu"), x).formula is None
    assert step_jacobians(double("GRU", 2, 3), x).formula is None


def test_the_cell_state_of_an_lstm():
    layer, x = double("LSTM", 2, 3), numbers(1, 5, 2)
    found = step_jacobians(layer, x)
    (gates,) = layer.gates(x)
    np.testing.assert_allclose(found.gates["forget"], np.asarray(gates["forget"])[0], rtol=1e-12)
    np.testing.assert_allclose(found.kept[0], np.prod(found.gates["forget"], axis=0), rtol=1e-12)
    block = found.products[2][3:, 3:]
    np.testing.assert_allclose(found.cell_state[2], np.linalg.norm(block, 2), rtol=1e-12)
    assert "∂c⁽ᵗ⁾/∂c⁽ᵗ⁻¹⁾ = diag(f⁽ᵗ⁾)" in found.to_text(lang="en")
    # With peepholes the gates see the cell state: then there is more than the forget gate.
    peepholes = double("LSTM", 2, 3, peepholes=True)
    cell = peepholes.cells[0].replace(peepholes=cr.ones((3, 3), "float64"))
    assert step_jacobians(peepholes.replace(cells=(cell,)), x).formula is None


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_product_is_the_derivative_through_all_steps(kind):
    layer, x = double(kind, 2, 3), cr.asarray(numbers(1, 7, 2))
    found = step_jacobians(layer, x)

    def last(state):
        state = nn.LSTMState(state[None, :3], state[None, 3:]) if kind == "LSTM" else state[None]
        (after,) = layer(x, initial=(state,))[1]
        return cr.concatenate(cr.tree_leaves(after), axis=-1)[0]

    whole = np.asarray(cr.jacobian(last)(cr.zeros(found.matrices.shape[-1], "float64")))
    np.testing.assert_allclose(found.products[0], whole, rtol=1e-9, atol=1e-14)


def test_cells_of_deep_layers_and_initial_states():
    x = numbers(2, 6, 2)
    layer = double("GRU", 2, 3, layers=2, bidirectional=True)
    outputs, _ = double("GRU", 2, 3, layers=1, bidirectional=True)(x)
    upper = double("GRU", 6, 3).replace(cells=(layer.cells[2],))
    lower = layer.replace(cells=layer.cells[:2])
    outputs, _ = lower(x)
    alone = step_jacobians(upper, outputs, row=1)
    np.testing.assert_allclose(step_jacobians(layer, x, cell=2, row=1).matrices, alone.matrices)
    backwards = step_jacobians(layer, x, cell=1).matrices
    turned = double("GRU", 2, 3).replace(cells=(layer.cells[1],))
    np.testing.assert_allclose(backwards, step_jacobians(turned, x[:, ::-1].copy()).matrices)
    h = numbers(2, 3, seed=5)
    given = step_jacobians(turned, x, initial=(cr.asarray(h),))
    assert not np.allclose(given.matrices[0], step_jacobians(turned, x).matrices[0])


def test_a_plain_network_forgets_and_an_open_gate_does_not():
    x = numbers(1, 100, 2)
    plain = step_jacobians(double("RNN", 2, 16), x)
    assert plain.remaining[0] < 1e-6
    lstm = double("LSTM", 2, 16, forget_bias=6.0)
    kept = step_jacobians(lstm, x)
    assert kept.cell_state[0] > 0.1 and kept.kept[0].max() > 0.1


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_table(lang):
    found = step_jacobians(double("LSTM", 2, 3), numbers(1, 12, 2))
    text = found.to_text(lang=lang)
    rows = [line.split() for line in text.splitlines() if line.strip()[:2].strip().isdigit()]
    rows = [row for row in rows if len(row) == 6]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 5, 10, 12]
    assert float(rows[-1][2]) == pytest.approx(found.remaining[0], rel=1e-4)
    assert found.to_html() and found.to_latex() and len(found) == 12


def test_what_is_refused():
    layer, x = double("RNN", 2, 3), numbers(1, 5, 2)
    with pytest.raises(OptionError, match="expects an RNN, an LSTM or a GRU"):
        step_jacobians(nn.Linear(2, 3, rng=0), x)
    with pytest.raises(PathError, match="no cell 1"):
        step_jacobians(layer, x, cell=1)
    with pytest.raises(OptionError, match="no row 2"):
        step_jacobians(layer, x, row=2)
    with pytest.raises(ChainruleError, match=r"time|inputs"):
        step_jacobians(layer, x[0])
