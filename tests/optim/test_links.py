"""Clipping and weight decay, against PyTorch and by what they promise."""

import math

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import optim

from .conftest import assert_same, tree


def updates(link, grads, params=None):
    params = grads if params is None else params
    return link.update(grads, link.init(params), params)[0]


def torch_gradients(grads):
    """Parameters of PyTorch that hold these gradients."""
    weights = [torch.zeros(leaf.shape, dtype=torch.float64) for leaf in cr.tree_leaves(grads)]
    for weight, leaf in zip(weights, cr.tree_leaves(grads), strict=True):
        weight.grad = torch.tensor(leaf.numpy())
    return weights


# ------------------------------------------------------------------ clipping
def test_the_global_norm_is_that_of_all_elements():
    grads = tree(0)
    flat = np.concatenate([x.numpy().ravel() for x in cr.tree_leaves(grads)])
    assert optim.global_norm(grads).item() == pytest.approx(np.linalg.norm(flat), rel=1e-14)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-20, 1.0, 1e20, 1e37])
def test_the_global_norm_neither_overflows_nor_underflows(scale):
    element = np.float32(scale)
    norm = optim.global_norm({"a": cr.asarray([element] * 3), "b": cr.asarray(element)})
    assert norm.item() == pytest.approx(2 * float(element), rel=1e-6)


def test_the_global_norm_of_nothing_is_zero():
    assert optim.global_norm({}).item() == 0.0
    assert optim.global_norm({"empty": cr.zeros(0), "zero": cr.zeros(2)}).item() == 0.0


@pytest.mark.parametrize("limit", [0.5, 3.0, 100.0])
def test_clipping_by_norm_as_in_pytorch(limit):
    grads = tree(1)
    weights = torch_gradients(grads)
    norm = torch.nn.utils.clip_grad_norm_(weights, limit).item()
    # PyTorch divides by norm + 1e-6, which the paper does not.
    apart = (norm + 1e-6) / norm if norm + 1e-6 > limit else 1.0
    clipped = updates(optim.clip_by_global_norm(limit), grads)
    for ours, weight in zip(cr.tree_leaves(clipped), weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), weight.grad.numpy() * apart, rtol=1e-12)


def test_clipping_by_norm_keeps_short_gradients_bit_for_bit():
    grads = tree(1, "float32")
    assert_same(updates(optim.clip_by_global_norm(1e3), grads), grads)


def test_a_clipped_gradient_has_the_length_of_the_limit():
    exploded = cr.asarray(np.array([3e30, -4e30], np.float32))
    clipped = updates(optim.clip_by_global_norm(0.5), exploded)
    np.testing.assert_allclose(clipped.numpy(), [0.3, -0.4], rtol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_does_not_hide_what_is_not_finite(bad):
    grads = {"a": cr.tensor([bad, 1.0]), "b": cr.tensor([1.0])}
    by_norm = updates(optim.clip_by_global_norm(1.0), grads)
    assert np.isnan(by_norm["a"].numpy()).all() and np.isnan(by_norm["b"].numpy()).all()


@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_clipping_by_value_as_in_pytorch(limit):
    grads = tree(1)
    weights = torch_gradients(grads)
    torch.nn.utils.clip_grad_value_(weights, limit)
    clipped = updates(optim.clip_by_value(limit), grads)
    for ours, weight in zip(cr.tree_leaves(clipped), weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), weight.grad.numpy())


def test_clipping_by_value_keeps_nan():
    assert np.isnan(updates(optim.clip_by_value(1.0), cr.tensor([math.nan])).item())


# ------------------------------------------------------------------ weight decay
def test_a_mask_chooses_the_parameters_that_decay():
    params, grads = tree(0), tree(1)
    link = optim.add_decayed_weights(0.5, mask=lambda path, w: path.endswith("weight"))
    expected = cr.tree_map(lambda g: g, grads)
    for layer, own in zip(expected["hidden"], params["hidden"], strict=True):
        layer["weight"] = layer["weight"] + 0.5 * own["weight"]
    assert_same(updates(link, grads, params), expected)


def test_the_mask_of_matrices_spares_biases_and_norms():
    params = {
        "weight": cr.ones((2, 2)),
        "bias": cr.ones(2),
        "norm": cr.ones(2),
        "gain": cr.ones(()),
    }
    optimizer = optim.adamw(1.0, weight_decay=0.5, mask=optim.is_matrix)
    zero = cr.tree_map(cr.zeros_like, params)
    changed = updates(optimizer, zero, params)
    assert_same(changed, {**zero, "weight": cr.full((2, 2), -0.5)})


def test_decoupled_decay_is_the_same_for_all_gradients_and_l2_is_not():
    """AdamW shrinks all weights alike; Adam's L2 term drowns in the gradient."""
    grads = cr.asarray([1e3, 1e-3])
    params, decay, rate = cr.asarray([1.0, 1.0]), 0.1, 0.01

    def shrinkage(make):
        with_decay = make(rate, weight_decay=decay)
        without = make(rate, weight_decay=0.0)
        return (updates(without, grads, params) - updates(with_decay, grads, params)).numpy()

    decoupled = shrinkage(optim.adamw)
    coupled = shrinkage(optim.adam)
    np.testing.assert_allclose(decoupled, [rate * decay] * 2, rtol=1e-4)
    assert np.abs(coupled).max() < 1e-2 * rate * decay  # the first step of Adam is sign(g + λ w)
