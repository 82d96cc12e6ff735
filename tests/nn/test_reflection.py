"""Nothing escapes its table: every layer, activation and loss is compared with PyTorch's.

What there is to compare is found by looking, not by listing: a layer that is added without a row in
the table below fails here.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional

import chainrule as cr
from chainrule import nn

MODULES = [
    importlib.import_module(f"chainrule.nn.{found.name}")
    for found in pkgutil.iter_modules(nn.__path__)
    if not found.ispkg  # the tests of a package have a folder of their own
]
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}

both_types = pytest.mark.parametrize("dtype", TOLERANCE)


def public_of(module):
    """What a module of the room defines itself and offers to others."""
    for name in module.__all__:
        value = getattr(module, name)
        if getattr(value, "__module__", None) == module.__name__:
            yield name, value


def agree(got, expected, dtype):
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


# ------------------------------------------------------------------ layers
class Case(NamedTuple):
    """Our layer, PyTorch's, and where the parameters of ours are in PyTorch's."""

    ours: Callable[[Any], Any]
    theirs: Callable[[], torch.nn.Module]
    places: dict[str, str]


class TiedAutoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(5, 3)
        self.bias = torch.nn.Parameter(torch.zeros(5))

    def forward(self, x):
        return functional.linear(torch.tanh(self.encoder(x)), self.encoder.weight.T, self.bias)


def perceptron():
    return torch.nn.Sequential(
        torch.nn.Linear(5, 4),
        torch.nn.ReLU(),
        torch.nn.Linear(4, 6),
        torch.nn.Tanh(),
        torch.nn.Linear(6, 2),
    )


def pair(ours, theirs):
    return {f"{ours}weight": f"{theirs}weight", f"{ours}bias": f"{theirs}bias"}


LAYERS = {
    "Linear": Case(
        lambda dtype: nn.Linear(5, 3, rng=0, dtype=dtype),
        lambda: torch.nn.Linear(5, 3),
        pair("", ""),
    ),
    "MLP": Case(
        lambda dtype: nn.MLP(5, [4, 6], 2, activation=("relu", "tanh"), rng=0, dtype=dtype),
        perceptron,
        {**pair("hidden.0.", "0."), **pair("hidden.1.", "2."), **pair("output.", "4.")},
    ),
    "Sequential": Case(
        lambda dtype: nn.Sequential(
            nn.Linear(5, 4, rng=0, dtype=dtype),
            nn.relu,
            nn.Linear(4, 6, rng=1, dtype=dtype),
            nn.tanh,
            nn.Linear(6, 2, rng=2, dtype=dtype),
        ),
        perceptron,
        {**pair("layers.0.", "0."), **pair("layers.2.", "2."), **pair("layers.4.", "4.")},
    ),
    "Dropout": Case(
        lambda dtype: nn.Sequential(nn.Linear(5, 3, rng=0, dtype=dtype), nn.Dropout(0.5)),
        lambda: torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Dropout(0.5)).eval(),
        pair("layers.0.", "0."),
    ),
    "LayerNorm": Case(
        lambda dtype: nn.LayerNorm(5, dtype=dtype), lambda: torch.nn.LayerNorm(5), pair("", "")
    ),
    "RMSNorm": Case(
        lambda dtype: nn.RMSNorm(5, dtype=dtype),
        lambda: torch.nn.RMSNorm(5, eps=1e-6),
        {"weight": "weight"},
    ),
    "Tied": Case(
        lambda dtype: nn.tie(
            nn.MLP(5, [3], 5, activation="tanh", rng=0, dtype=dtype),
            "output.weight",
            "hidden.0.weight",
            lambda weight: weight.T,
        ),
        TiedAutoencoder,
        {**pair("model.hidden.0.", "encoder."), "model.output.bias": "bias"},
    ),
}


def test_every_layer_has_a_row():
    classes = {
        name
        for module in MODULES
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and not name.startswith("_")
    }
    # An embedding takes ids: see test_embedding.
    assert classes - {"Module", "Embedding"} == set(LAYERS)
    assert classes <= set(nn.__all__)


@both_types
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_equals_pytorchs(name, dtype):
    """With the same weights: the output, and the gradients for every parameter and the input."""
    case, rng = LAYERS[name], np.random.default_rng(0)
    values, rebuild = nn.partition(case.ours(dtype))
    values = {p: cr.asarray(rng.normal(0, 0.5, v.shape).astype(dtype)) for p, v in values.items()}
    x, upstream = rng.normal(size=(7, 5)).astype(dtype), None
    model = rebuild(values)

    theirs = case.theirs().to(torch.float64 if dtype is np.float64 else torch.float32)
    state = {
        case.places[path]: torch.tensor(value.numpy().T.copy()) for path, value in values.items()
    }
    theirs.load_state_dict(state)  # strict: nothing is left over on either side
    x_of_theirs = torch.tensor(x, requires_grad=True)
    y_of_theirs = theirs(x_of_theirs)
    upstream = rng.normal(size=tuple(y_of_theirs.shape)).astype(dtype)
    (y_of_theirs * torch.tensor(upstream)).sum().backward()

    def cost(values, x):
        return (rebuild(values)(x) * upstream).sum()

    agree(model(x).numpy(), y_of_theirs.detach().numpy(), dtype)
    of_values, of_x = cr.grad(cost, argnums=(0, 1))(values, x)
    agree(of_x.numpy(), x_of_theirs.grad.numpy(), dtype)
    parameters = dict(theirs.named_parameters())
    for path, g in of_values.items():
        assert g.dtype == dtype
        agree(g.numpy(), parameters[case.places[path]].grad.numpy().T, dtype)


# ------------------------------------------------------------------ activations and other steps
def rows(function):
    """Along the last axis, as ours by default."""
    return lambda z: function(z, -1)


STEPS = {
    "elu": functional.elu,
    "flatten": lambda z: torch.flatten(z, 1),
    "gelu": functional.gelu,
    "identity": torch.nn.Identity(),
    "leaky_relu": functional.leaky_relu,
    "log_softmax": rows(torch.log_softmax),
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "softmax": rows(torch.softmax),
    "softplus": functional.softplus,
    "tanh": torch.tanh,
}


def test_every_step_has_a_row():
    modules = (nn.activations, importlib.import_module("chainrule.nn.flatten"))
    steps = {name for module in modules for name, value in public_of(module) if callable(value)}
    assert steps - {"activation"} == set(STEPS) <= set(nn.__all__)


@both_types
@pytest.mark.parametrize("name", STEPS)
def test_a_step_equals_pytorchs(name, dtype):
    rng = np.random.default_rng(0)
    z, upstream = (rng.normal(0, 3, (6, 4)).astype(dtype) for _ in range(2))
    z_of_theirs = torch.tensor(z, requires_grad=True)
    y_of_theirs = STEPS[name](z_of_theirs)
    (y_of_theirs * torch.tensor(upstream)).sum().backward()
    step = getattr(nn, name)
    agree(step(z).numpy(), y_of_theirs.detach().numpy(), dtype)
    g = cr.grad(lambda z: (step(z) * upstream).sum())(z)
    agree(g.numpy(), z_of_theirs.grad.numpy(), dtype)


# ------------------------------------------------------------------ losses
def regression(rng, dtype):
    return rng.normal(size=(6, 4)).astype(dtype), rng.normal(size=(6, 4)).astype(dtype)


def classes(rng, dtype):
    return rng.normal(size=(6, 4)).astype(dtype), rng.integers(0, 4, 6)


def questions(rng, dtype):
    return rng.normal(size=(6, 4)).astype(dtype), rng.uniform(size=(6, 4)).astype(dtype)


LOSSES = {
    "binary_cross_entropy": (functional.binary_cross_entropy_with_logits, questions),
    "cross_entropy": (functional.cross_entropy, classes),
    "huber": (functional.huber_loss, regression),
    "mae": (functional.l1_loss, regression),
    "mse": (functional.mse_loss, regression),
}


def test_every_loss_has_a_row():
    losses = {name for name, _ in public_of(importlib.import_module("chainrule.nn.losses"))}
    assert losses == set(LOSSES) <= set(nn.__all__)


@both_types
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_equals_pytorchs(name, reduction, dtype):
    by_torch, data = LOSSES[name]
    y, t = data(np.random.default_rng(0), dtype)
    y_of_theirs = torch.tensor(y, requires_grad=True)
    theirs = by_torch(y_of_theirs, torch.tensor(t), reduction=reduction)
    theirs.backward()
    loss = getattr(nn, name)
    value, g = cr.value_and_grad(lambda y: loss(y, t, reduction=reduction))(y)
    assert value.dtype == g.dtype == dtype
    agree(value.numpy(), theirs.detach().numpy(), dtype)
    agree(g.numpy(), y_of_theirs.grad.numpy(), dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_sample_weights_and_a_reduction(name):
    parameters = inspect.signature(getattr(nn, name)).parameters
    for option in ("sample_weight", "reduction"):
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY


# ------------------------------------------------------------------ documentation
PUBLIC = {
    **{name: getattr(nn, name) for name in nn.__all__},
    **{f"init.{name}": getattr(nn.init, name) for name in nn.init.__all__},
}


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if callable(value)])
def test_every_public_object_shows_an_example(name):
    if name == "init.Initializer":
        return  # an alias of a type
    assert ">>>" in (inspect.getdoc(PUBLIC[name]) or "")


def test_every_module_of_the_room_offers_what_it_defines():
    for module in MODULES:
        assert module.__doc__ and module.__all__ == sorted(module.__all__, key=sort_key)


def sort_key(name):
    """Constants, then classes, then functions: the order of the linter."""
    return (not name.isupper(), not name[0].isupper(), name)
