"""Chains, states, the learning rate in them, and what is refused."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import DtypeError, OptionError, ShapeError

from .conftest import assert_same, tree


# ------------------------------------------------------------------ chains
def test_a_chain_hands_updates_on():
    optimizer = optim.chain(optim.clip_by_value(1.0), optim.sgd(0.5))
    params = grads = cr.tensor([4.0, -0.5])
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    assert updates.tolist() == [-0.5, 0.25]


def test_chains_nest():
    flat = optim.chain(optim.clip_by_value(1.0), optim.adam(0.5), optim.cosine(9))
    nested = optim.chain(optim.clip_by_value(1.0), optim.chain(optim.adam(0.5), optim.cosine(9)))
    params, grads = tree(0), tree(1)
    one, other = (o.update(grads, o.init(params), params)[0] for o in (flat, nested))
    assert_same(one, other)
    assert optim.learning_rate(nested.init(params)).item() == 0.5


def test_an_empty_chain_changes_nothing():
    grads = tree(1)
    assert optim.chain().update(grads, optim.chain().init(grads), grads) == (grads, ())


def test_a_factory_that_was_not_called_is_refused():
    with pytest.raises(OptionError, match=r"chain expects links, but got adam\. Call"):
        optim.chain(optim.clip_by_value(1.0), optim.adam)


def test_two_optimizers_in_one_chain_are_refused():
    optimizer = optim.chain(optim.sgd(0.1), optim.adam())
    with pytest.raises(OptionError, match=r"chain\(sgd\(learning_rate=0\.1\), adam.*but got 2"):
        optimizer.init(cr.zeros(2))


# ------------------------------------------------------------------ states
def test_parameters_of_two_types_are_refused():
    params = {"a": cr.zeros(2, "float32"), "b": cr.zeros(2, "float64")}
    with pytest.raises(DtypeError, match=r"got f64\[2\] at 'b' beside f32\[2\]"):
        optim.adam().init(params)


def test_integer_parameters_are_refused():
    with pytest.raises(DtypeError, match=r"got i64\[2\] at 'a'"):
        optim.sgd().init({"a": cr.arange(2)})


def test_gradients_of_another_shape_are_refused():
    params = {"a": cr.zeros(2)}
    optimizer = optim.adam()
    with pytest.raises(ShapeError, match="'a'"):
        optimizer.update({"b": cr.zeros(2)}, optimizer.init(params), params)


def test_momentum_that_other_options_need():
    for option in ({"nesterov": True}, {"dampening": 0.5}):
        with pytest.raises(OptionError, match=rf"where {next(iter(option))} is given"):
            optim.sgd(0.1, **option)


def test_a_state_names_its_parts():
    paths = cr.tree_paths(optim.adam().init({"weight": cr.zeros(2)}))
    assert paths == [
        "0.numbers.beta1",
        "0.numbers.beta2",
        "0.numbers.epsilon",
        "0.memory.mean.weight",
        "0.memory.square.weight",
        "0.memory.step",
        "1.numbers.learning_rate",
    ]


# ------------------------------------------------------------------ the learning rate
def test_the_learning_rate_is_read_and_set():
    state = optim.chain(optim.clip_by_value(1.0), optim.adam(0.5)).init(tree(0))
    changed = optim.set_learning_rate(state, 0.25)
    assert optim.learning_rate(state).item() == 0.5
    assert optim.learning_rate(changed).item() == 0.25
    assert optim.learning_rate(changed).dtype == np.float64
    assert_same(optim.set_learning_rate(changed, 0.5), state)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_learning_rate_is_set_as_exactly_as_it_is_made(dtype):
    params = cr.zeros(2, dtype)
    state = optim.set_learning_rate(optim.sgd(0.5).init(params), 0.1)
    assert_same(state, optim.sgd(0.1).init(params))


def test_a_parameter_named_learning_rate_is_no_learning_rate():
    params = {"learning_rate": cr.full(2, 7.0), "factor": cr.full(2, 7.0)}
    state = optim.momentum(0.5).init(params)
    assert optim.learning_rate(state).item() == 0.5
    assert optim.current_learning_rate(state).item() == 0.5


def test_a_state_without_learning_rate():
    for state in (optim.scale_by_adam().init(cr.zeros(2)), (), {"learning_rate": 1.0}):
        with pytest.raises(OptionError, match="one link with a learning rate, but got 0"):
            optim.learning_rate(state)
        with pytest.raises(OptionError, match="one link with a learning rate, but got 0"):
            optim.set_learning_rate(state, 0.5)


@pytest.mark.parametrize("bad", [-0.5, float("nan"), float("inf")])
def test_a_bad_learning_rate_is_not_set(bad):
    state = optim.sgd(0.1).init(cr.zeros(2))
    with pytest.raises(OptionError, match="0 <= value < inf, but got value="):
        optim.set_learning_rate(state, bad)


def test_the_derivative_by_the_learning_rate():
    """One step of gradient descent: ``d f(w − α g) / dα = −∇f(w − α g) · g``."""
    curvature = cr.asarray(np.array([1.0, 3.0]))

    def cost(w):
        return (curvature * w * w).sum()

    optimizer, start = optim.sgd(0.1), cr.asarray(np.array([1.0, -2.0]))
    grads = cr.grad(cost)(start)
    state = optimizer.init(start)

    def after(rate):
        updates, _ = optimizer.update(grads, optim.set_learning_rate(state, rate), start)
        return cost(optim.apply_updates(start, updates))

    arrived = start - 0.1 * grads
    expected = -(cr.grad(cost)(arrived) * grads).sum()
    assert cr.grad(after)(np.float64(0.1)).item() == pytest.approx(expected.item(), rel=1e-12)


# ------------------------------------------------------------------ limits
@pytest.mark.parametrize(
    ("make", "allowed", "refused"),
    [
        (lambda x: optim.adam(beta1=x), [0, 0.5], [1.0]),  # at 1 nothing new would ever count
        (lambda x: optim.sgd(learning_rate=x), [0, np.float32(0.5), 10], [-1e-9]),
        (lambda x: optim.adam(epsilon=x), [1e-30], [0.0]),  # at 0 a zero gradient gives NaN
        (lambda x: optim.reduce_on_plateau(factor=x), [0.5], [0.0, 1.0]),
    ],
)
def test_the_edges_of_the_limits(make, allowed, refused):
    for number in allowed:
        make(number)
    for number in refused:
        with pytest.raises(OptionError, match=f"={number}"):
            make(number)
