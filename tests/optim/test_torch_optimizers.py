"""Every optimizer walks the way of its counterpart in PyTorch, for 50 steps in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import optim

from .conftest import OPTIMIZERS, tree

STEPS = 50

#: Our optimizer, our arguments, PyTorch's optimizer, its arguments.
CASES: list[tuple[str, dict[str, Any], Callable[..., Any], dict[str, Any]]] = [
    ("scale_by_learning_rate", {"learning_rate": 0.03}, torch.optim.SGD, {"lr": 0.03}),
    ("sgd", {}, torch.optim.SGD, {}),
    ("sgd", {"learning_rate": 0.03}, torch.optim.SGD, {"lr": 0.03}),
    ("sgd", {"weight_decay": 0.1}, torch.optim.SGD, {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.0}, torch.optim.SGD, {"momentum": 0.0}),
    (
        "sgd",
        {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.01},
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01},
    ),
    (
        "sgd",
        {"learning_rate": 0.02, "momentum": 0.8, "dampening": 0.3},
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.8, "dampening": 0.3},
    ),
    (
        "sgd",
        {"learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
    ),
    ("momentum", {}, torch.optim.SGD, {"momentum": 0.9}),
    (
        "momentum",
        {"learning_rate": 0.03, "momentum": 0.5},
        torch.optim.SGD,
        {"lr": 0.03, "momentum": 0.5},
    ),
    ("nesterov", {}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (
        "nesterov",
        {"learning_rate": 0.03, "momentum": 0.5},
        torch.optim.SGD,
        {"lr": 0.03, "momentum": 0.5, "nesterov": True},
    ),
    ("adagrad", {}, torch.optim.Adagrad, {}),
    (
        "adagrad",
        {"learning_rate": 0.3, "initial": 0.1, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.Adagrad,
        {"lr": 0.3, "initial_accumulator_value": 0.1, "eps": 1e-3, "weight_decay": 0.1},
    ),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    (
        "rmsprop",
        {"learning_rate": 0.02, "decay": 0.7, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.RMSprop,
        {"lr": 0.02, "alpha": 0.7, "eps": 1e-3, "weight_decay": 0.1},
    ),
    ("rmsprop", {"centered": True}, torch.optim.RMSprop, {"centered": True}),
    (
        "rmsprop",
        {"decay": 0.8, "momentum": 0.9, "centered": True},
        torch.optim.RMSprop,
        {"alpha": 0.8, "momentum": 0.9, "centered": True},
    ),
    ("rmsprop", {"momentum": 0.5}, torch.optim.RMSprop, {"momentum": 0.5}),
    ("adam", {}, torch.optim.Adam, {}),
    (
        "adam",
        {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.8, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.Adam,
        {"lr": 0.1, "betas": (0.5, 0.8), "eps": 1e-3, "weight_decay": 0.1},
    ),
    ("adam", {"beta1": 0.0, "beta2": 0.0}, torch.optim.Adam, {"betas": (0.0, 0.0)}),
    (
        "adam",
        {"learning_rate": 0.1, "beta2": 0.5, "amsgrad": True},
        torch.optim.Adam,
        {"lr": 0.1, "betas": (0.9, 0.5), "amsgrad": True},
    ),
    ("adamw", {}, torch.optim.AdamW, {}),
    (
        "adamw",
        {"learning_rate": 0.1, "beta1": 0.5, "epsilon": 1e-3, "weight_decay": 0.3},
        torch.optim.AdamW,
        {"lr": 0.1, "betas": (0.5, 0.999), "eps": 1e-3, "weight_decay": 0.3},
    ),
    (
        "adamw",
        {"learning_rate": 0.1, "beta2": 0.5, "amsgrad": True},
        torch.optim.AdamW,
        {"lr": 0.1, "betas": (0.9, 0.5), "amsgrad": True},
    ),
    ("rprop", {}, torch.optim.Rprop, {}),
    (
        "rprop",
        {"learning_rate": 0.1, "shrink": 0.3, "grow": 1.5, "smallest": 0.5, "largest": 2.0},
        torch.optim.Rprop,
        {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.2)},
    ),
    ("adamax", {}, torch.optim.Adamax, {}),
    (
        "adamax",
        {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.8, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.Adamax,
        {"lr": 0.1, "betas": (0.5, 0.8), "eps": 1e-3, "weight_decay": 0.1},
    ),
    ("nadam", {}, torch.optim.NAdam, {}),
    (
        "nadam",
        {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.8, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.NAdam,
        {"lr": 0.1, "betas": (0.5, 0.8), "eps": 1e-3, "weight_decay": 0.1},
    ),
    (
        "nadam",
        {"momentum_decay": 0.5, "beta1": 0.95},
        torch.optim.NAdam,
        {"momentum_decay": 0.5, "betas": (0.95, 0.999)},
    ),
]


@pytest.fixture(autouse=True)
def double_precision():
    """PyTorch's NAdam keeps its product of momenta in the default type, whatever the parameters."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_no_optimizer_escapes():
    assert {name for name, *_ in CASES} == set(OPTIMIZERS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_the_same_way_as_pytorch(case):
    name, ours, theirs, their_arguments = case
    compare(getattr(optim, name)(**ours), lambda ps: theirs(ps, foreach=False, **their_arguments))


def test_the_learning_rate_decay_of_adagrad_is_a_schedule():
    compare(
        optim.chain(optim.adagrad(0.3), optim.inverse_time(0.1)),
        lambda ps: torch.optim.Adagrad(ps, lr=0.3, lr_decay=0.1, foreach=False),
    )


def test_decoupled_decay_is_a_link_that_any_optimizer_can_have():
    ours = optim.chain(
        optim.scale_by_nadam(), optim.add_decayed_weights(0.3), optim.scale_by_learning_rate(0.1)
    )
    compare(
        ours,
        lambda ps: torch.optim.NAdam(
            ps, lr=0.1, weight_decay=0.3, decoupled_weight_decay=True, foreach=False
        ),
    )


def test_changing_the_learning_rate_between_steps():
    """As in PyTorch the new rate counts from the next step on, and nothing else changes."""
    compare(
        optim.adam(0.1),
        lambda ps: torch.optim.Adam(ps, lr=0.1, foreach=False),
        rates=np.random.default_rng(0).uniform(0.01, 0.2, STEPS),
    )


def compare(optimizer, make_theirs, rates=None):
    """Walk both on noisy gradients of a quadratic, each from where it stands itself."""
    rng = np.random.default_rng(7)
    params = tree(0)
    state = optimizer.init(params)
    mine = cr.tree_leaves(params)
    curvature = [rng.uniform(0.1, 3.0, x.shape) for x in mine]
    weights = [torch.tensor(x.numpy().copy(), requires_grad=True) for x in mine]
    theirs = make_theirs(weights)
    definition = cr.tree_flatten(params)[1]
    for step in range(STEPS):
        if rates is not None:
            state = optim.set_learning_rate(state, rates[step])
            theirs.param_groups[0]["lr"] = rates[step]
        noise = [rng.normal(size=x.shape) for x in mine]
        grads = [
            cr.asarray(c * x.numpy() + n)
            for c, x, n in zip(curvature, cr.tree_leaves(params), noise, strict=True)
        ]
        updates, state = optimizer.update(cr.tree_unflatten(definition, grads), state, params)
        params = optim.apply_updates(params, updates)
        for c, w, n in zip(curvature, weights, noise, strict=True):
            w.grad = torch.as_tensor(c * w.detach().numpy() + n)
        theirs.step()
        for path, x, w in zip(definition.paths, cr.tree_leaves(params), weights, strict=True):
            np.testing.assert_allclose(
                x.numpy(), w.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"{step} {path}"
            )
