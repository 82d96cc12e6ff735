"""Parameters by path: what is trained, what is frozen, what is tied."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError, PathError, ShapeError

X = np.random.default_rng(0).normal(size=(5, 4))


class Mixed(nn.Module):
    """Tensors of its own in containers, beside a module and integers."""

    weights: tuple
    table: dict
    head: nn.Linear
    count: cr.Tensor

    def __call__(self, x):
        return self.head(x * self.weights[0] + self.weights[1] * self.table["shift"])


@pytest.fixture
def mixed():
    ones = cr.ones(4, np.float64)
    head = nn.Linear(4, 2, rng=0, dtype=np.float64)
    return Mixed((ones, 2 * ones), {"shift": ones}, head, cr.tensor(3))


def trained(model):
    return list(nn.parameters(model))


# ------------------------------------------------------------------ partition
def test_partition_and_rebuild(mixed):
    values, rebuild = nn.partition(mixed)
    assert list(values) == ["weights.0", "weights.1", "table.shift", "head.weight", "head.bias"]
    again = rebuild({path: value + 1 for path, value in values.items()})
    assert type(again) is Mixed and again.count.item() == 3
    for path, value in values.items():
        np.testing.assert_array_equal(cr.tree_at(again, path).numpy(), value.numpy() + 1)


def test_a_gradient_by_the_trained_tensors_only():
    model = nn.freeze(nn.MLP(4, [3], 2, rng=0, dtype=np.float64), "hidden.0")
    values, rebuild = nn.partition(model)
    gradient = cr.grad(lambda values: rebuild(values)(X).sum())(values)
    whole = cr.grad(lambda model: model(X).sum())(model)
    assert list(gradient) == ["output.bias", "output.weight"]
    for path, g in gradient.items():
        np.testing.assert_allclose(g.numpy(), cr.tree_at(whole, path).numpy(), rtol=1e-13)


def test_counts():
    model = nn.MLP(64, [64], 10, dropout=0.5, rng=0)
    assert nn.parameter_count(model) == 64 * 64 + 64 + 64 * 10 + 10
    assert nn.parameter_count(nn.freeze(model, "output")) == 64 * 64 + 64
    assert nn.parameter_count(nn.freeze(model)) == 0
    assert nn.parameter_count({"a": model, "b": cr.ones(3)}) == 4813


# ------------------------------------------------------------------ freeze
@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["hidden.0"], ["hidden.1.weight", "hidden.1.bias", "output.weight", "output.bias"]),
        (["hidden"], ["output.weight", "output.bias"]),
        (["*.bias"], ["hidden.0.weight", "hidden.1.weight", "output.weight"]),
        (["hidden.*.weight", "output.weight"], ["hidden.0.bias", "hidden.1.bias", "output.bias"]),
        ([], []),
    ],
)
def test_freeze_by_path(patterns, left):
    model = nn.MLP(4, [3, 3], 2, dropout=0.1, rng=0)
    frozen = nn.freeze(model, *patterns)
    assert trained(frozen) == left
    assert len(trained(model)) == 6  # the model itself stays as it was
    assert cr.tree_paths(frozen) == cr.tree_paths(model)
    thawed = nn.unfreeze(frozen)
    assert trained(thawed) == trained(model)  # not dropout.rate
    assert cr.tree_flatten(thawed)[1] == cr.tree_flatten(model)[1]


def test_freeze_one_tensor_in_a_container(mixed):
    frozen = nn.freeze(mixed, "weights.1", "table")
    assert trained(frozen) == ["weights.0", "head.weight", "head.bias"]
    assert trained(nn.unfreeze(frozen, "weights")) == [
        "weights.0",
        "weights.1",
        "head.weight",
        "head.bias",
    ]


def test_unfreeze_a_part():
    model = nn.freeze(nn.MLP(4, [3], 2, rng=0))
    assert trained(nn.unfreeze(model, "output")) == ["output.weight", "output.bias"]


def test_what_a_layer_fixes_stays_fixed():
    assert trained(nn.unfreeze(nn.Dropout(0.5), "rate")) == []


def test_the_mark_goes_where_the_layer_goes():
    model = nn.freeze(nn.MLP(4, [3], 2, rng=0), "hidden.0.weight")
    assert trained(model.hidden[0]) == ["bias"]
    moved = nn.Sequential(model.hidden[0], nn.relu)
    assert trained(moved) == ["layers.0.bias"]
    doubled = cr.tree_map(lambda leaf: leaf * 2, model)
    assert trained(doubled) == trained(model)


def test_a_container_of_modules_can_be_frozen():
    models = {"a": nn.Linear(2, 1, rng=0), "b": (nn.Linear(2, 1, rng=0), nn.relu)}
    models = nn.freeze({"a": models["a"], "b": models["b"][:1]}, "b.0")
    assert trained(models) == ["a.weight", "a.bias"]


def test_freezing_errors():
    model = nn.MLP(4, [3], 2, rng=0)
    with pytest.raises(PathError, match=r"'hiden\.0'.*Did you mean 'hidden\.0"):
        nn.freeze(model, "hiden.0")
    with pytest.raises(PathError, match="'weight'"):
        nn.unfreeze(model, "weight")
    with pytest.raises(OptionError, match="'a' outside"):
        nn.freeze({"a": cr.ones(2), "b": model}, "a")
    assert nn.freeze(nn.Sequential(nn.relu)).layers == (nn.relu,)  # nothing to freeze is no error


# ------------------------------------------------------------------ tie
def test_a_tied_weight_is_one_leaf_used_twice():
    model = nn.MLP(4, [2], 4, activation="tanh", rng=0, dtype=np.float64)
    tied = nn.tie(model, "output.weight", "hidden.0.weight", lambda weight: weight.T)
    assert trained(tied) == [
        "model.hidden.0.weight",
        "model.hidden.0.bias",
        "model.output.bias",
    ]
    value, gradient = cr.value_and_grad(lambda m: nn.mse(m(X), X))(tied)
    weight, b1, b2 = (torch.tensor(p.numpy(), requires_grad=True) for p in cr.tree_leaves(tied))
    x = torch.tensor(X)
    y = torch.tanh(x @ weight + b1) @ weight.T + b2
    loss = torch.nn.functional.mse_loss(y, x)
    loss.backward()
    assert value.item() == pytest.approx(loss.item(), rel=1e-14)
    for ours, theirs in zip(cr.tree_leaves(gradient), (weight, b1, b2), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_a_tied_model_keeps_its_ways():
    model = nn.MLP(4, [4], 4, dropout=0.5, rng=0)
    tied = nn.tie(model, "output.weight", "hidden.0.weight")
    assert nn.has_random_layers(tied)
    x = cr.ones((2, 4))
    key = cr.random.key(1)
    same = model.replace(output=model.output.replace(weight=model.hidden[0].weight))
    assert tied(x, key=key).tolist() == same(x, key=key).tolist()
    assert tied.untied()(x).tolist() == same(x).tolist()
    assert trained(nn.freeze(tied, "model.hidden")) == ["model.output.bias"]
    with pytest.raises(ShapeError, match=r"hidden\.0: Linear\(4, 4\) expects"):
        tied(cr.ones((2, 3)))


def test_tying_errors():
    model = nn.MLP(4, [2], 4, rng=0)
    with pytest.raises(ShapeError, match=r"'hidden\.0\.weight'.*\(f32\[2, 4\]\).*f32\[4, 2\]"):
        nn.tie(model, "output.weight", "hidden.0.weight")
    with pytest.raises(PathError, match=r"Did you mean 'output\.weight'"):
        nn.tie(model, "outptu.weight", "hidden.0.weight")
    with pytest.raises(PathError, match="'output'"):
        nn.tie(model, "output", "hidden.0.weight")
    with pytest.raises(OptionError, match="target != source"):
        nn.tie(model, "output.bias", "output.bias")
