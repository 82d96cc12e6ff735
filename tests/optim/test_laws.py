"""Laws that steps obey, and digits that they keep."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.optim.averages import bias_correction

CURVATURE = np.array([0.5, 2.0, 8.0])


def descend(optimizer, start, gradient, steps):
    params, state = start, optimizer.init(start)
    for _ in range(steps):
        updates, state = optimizer.update(gradient(params), state, params)
        params = optim.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("part", [0.5, 0.99, 1.01, 1.5])
def test_gradient_descent_on_a_quadratic_diverges_above_two_over_the_largest_eigenvalue(part):
    """The error along an eigenvector is multiplied by ``1 − α λ`` at every step."""
    rate = part * 2 / CURVATURE.max()
    start, curvature = cr.asarray(np.ones(3)), cr.asarray(CURVATURE)
    end = descend(optim.sgd(rate), start, lambda w: curvature * w, 300).numpy()
    np.testing.assert_allclose(end, (1 - rate * CURVATURE) ** 300, rtol=1e-10)
    assert (np.linalg.norm(end) < np.linalg.norm(start.numpy())) == (part < 1)


def test_momentum_multiplies_the_step_of_a_constant_gradient():
    """The steps grow to ``α / (1 − μ)``."""
    optimizer = optim.momentum(0.1, 0.75)
    params = grads = cr.asarray(np.ones(1))
    state = optimizer.init(params)
    for step in range(1, 60):
        updates, state = optimizer.update(grads, state, params)
        assert updates.item() == pytest.approx(-0.1 * (1 - 0.75**step) / 0.25, rel=1e-12)


def test_nesterov_needs_fewer_steps_than_gradient_descent():
    """On a quadratic of condition κ: rate ``1 − 1/√κ`` against ``1 − 1/κ``."""
    curvature = cr.asarray(np.array([1e-3, 1.0]))
    root = math.sqrt(1e-3)
    start = cr.asarray(np.ones(2))
    plain = descend(optim.sgd(1.0), start, lambda w: curvature * w, 300).numpy()
    fast = descend(
        optim.nesterov(1.0, (1 - root) / (1 + root)), start, lambda w: curvature * w, 300
    ).numpy()
    assert np.abs(plain).max() == pytest.approx((1 - 1e-3) ** 300)
    assert np.abs(fast).max() < 300 * (1 - root) ** 300 * 2


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("make", [optim.adam, optim.adamax])
def test_steps_do_not_depend_on_the_scale_of_the_gradient(make, scale):
    params = cr.asarray(np.zeros(2))
    grads = cr.asarray(np.array([1.0, -3.0]) * scale)
    end = descend(make(0.1, epsilon=1e-20), params, lambda w: grads, 5)
    np.testing.assert_allclose(end.numpy(), [-0.5, 0.5], rtol=1e-9)


@pytest.mark.parametrize("decay", [0.9, 0.999, 0.999999])
def test_the_bias_correction_keeps_its_digits_in_float32(decay):
    held = np.float32(decay)
    for step in (1, 2, 10, 1000, 100_000):
        exact = -math.expm1(step * math.log(float(held)))
        ours = bias_correction(cr.asarray(held), cr.asarray(step)).item()
        assert ours == pytest.approx(exact, rel=3e-7)


def test_the_bias_correction_of_no_memory_is_one():
    assert bias_correction(cr.asarray(np.float32(0)), cr.asarray(1)).item() == 1.0


@pytest.mark.parametrize("beta2", [0.999, 0.99999])
def test_the_first_step_of_adam_is_the_learning_rate_in_float32_too(beta2):
    params = cr.zeros(3)
    grads = cr.tensor([1e-3, -1.0, 1e3])
    updates, _ = (o := optim.adam(0.1, beta2=beta2)).update(grads, o.init(params), params)
    np.testing.assert_allclose(updates.numpy(), [-0.1, 0.1, -0.1], rtol=2e-5)


def test_centred_rmsprop_survives_a_gradient_that_never_changes():
    """``E[g²] − E[g]²`` goes to 0; as a difference it turns negative, and its root is NaN."""
    grads = cr.asarray(np.random.default_rng(0).normal(size=1000))
    link = optim.scale_by_rms(decay=0.5, centered=True)
    state = link.init(grads)
    squares = mean = np.zeros(1000)
    difference_survives = True
    for _ in range(60):
        updates, state = link.update(grads, state, grads)
        assert np.isfinite(updates.numpy()).all()
        squares = 0.5 * squares + 0.5 * grads.numpy() ** 2
        mean = 0.5 * mean + 0.5 * grads.numpy()
        difference_survives &= bool((squares - mean * mean >= 0).all())
    assert not difference_survives  # so this gradient is a test


def test_the_price_of_a_step_of_adam():
    """Twelve operations a parameter: two averages, the quotient, and the learning rate."""
    optimizer, params = optim.adam(), cr.zeros((5, 7))
    graph = cr.simplify(cr.make_graph(optimizer.update, params, optimizer.init(params), params))
    names = [
        node.op.name
        for node in graph.nodes
        if node.spec.shape == (5, 7) and node.op.name != "broadcast_to"
    ]
    assert sorted(names) == sorted(
        [
            *("multiply", "multiply", "add"),  # m
            *("square", "multiply", "multiply", "add"),  # v
            *("sqrt", "multiply", "add", "divide"),  # m̂ / (√v̂ + ε)
            "multiply",  # -α
        ]
    )
