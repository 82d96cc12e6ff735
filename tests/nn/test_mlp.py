"""The multi-layer perceptron: its formula, its names, and how it begins."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError


def spread(layer):
    return layer.weight.numpy().var()


def test_the_formula():
    rng = np.random.default_rng(0)
    model = nn.MLP(4, [5, 3], 2, activation=("tanh", nn.sigmoid), rng=0, dtype=np.float64)
    model = cr.tree_map(lambda leaf: cr.asarray(rng.normal(size=leaf.shape)), model)
    w1, b1, w2, b2, w3, b3 = (leaf.numpy() for leaf in cr.tree_leaves(model))
    x = rng.normal(size=(6, 4))
    a1 = np.tanh(x @ w1 + b1)
    a2 = 1 / (1 + np.exp(-(a1 @ w2 + b2)))
    np.testing.assert_allclose(model(x).numpy(), a2 @ w3 + b3, rtol=1e-13)


def test_names_of_the_layers():
    model = nn.MLP(4, [5, 3], 2, dropout=0.5, rng=0)
    assert cr.tree_paths(model) == [
        "hidden.0.weight",
        "hidden.0.bias",
        "hidden.1.weight",
        "hidden.1.bias",
        "output.weight",
        "output.bias",
        "dropout.rate",
    ]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: nn.MLP(64, [64], 10), 'MLP(64, [64], 10, activation="relu")'),
        (lambda: nn.MLP(64, 32, 1), 'MLP(64, [32], 1, activation="relu")'),
        (lambda: nn.MLP(3, (np.int64(4), 5), 2, activation="tanh", dropout=0.1),
         'MLP(3, [4, 5], 2, activation="tanh", dropout=0.1)'),
        (lambda: nn.MLP(3, [4, 5], 2, activation=("relu", "tanh")),
         "MLP(3, [4, 5], 2, activation=(relu, tanh))"),
        (lambda: nn.MLP(3, [], 2), "MLP(3, [], 2)"),
    ],
)  # fmt: skip
def test_it_prints_as_it_was_made(made, text):
    assert repr(made()) == text


def test_it_prints_while_it_is_traced():
    seen = []
    model = nn.MLP(3, [4], 2, dropout=0.5, rng=0)
    cr.make_graph(lambda m: seen.append(repr(m)) or m(np.zeros((1, 3), np.float32)), model)
    assert seen == ['MLP(3, [4], 2, activation="relu", dropout=rate)']


def test_without_hidden_layers_it_is_linear():
    model = nn.MLP(3, [], 2, dropout=0.5, rng=0)
    x = cr.ones((4, 3))
    assert model(x).tolist() == model.output(x).tolist()
    assert model(x, key=cr.random.key(0)).tolist() == model(x).tolist()


def test_one_in_and_one_out():
    assert nn.MLP(1, [8], 1, rng=0)(np.zeros((5, 1), np.float32)).shape == (5, 1)


# ------------------------------------------------------------------ how it begins
def test_the_initialiser_goes_by_the_activation():
    sizes = (300, [400, 500], 200)
    for name in ("relu", "leaky_relu", "elu", "gelu", "silu"):
        model = nn.MLP(*sizes, activation=name, rng=0)
        assert spread(model.hidden[1]) == pytest.approx(2 / 400, rel=0.02)
        assert spread(model.output) == pytest.approx(2 / 700, rel=0.02)  # nothing follows
    for name in ("sigmoid", "tanh", "identity", "softplus"):
        model = nn.MLP(*sizes, activation=name, rng=0)
        assert spread(model.hidden[1]) == pytest.approx(2 / 900, rel=0.02)
    model = nn.MLP(*sizes, activation=("relu", "tanh"), rng=0)
    assert spread(model.hidden[0]) == pytest.approx(2 / 300, rel=0.02)
    assert spread(model.hidden[1]) == pytest.approx(2 / 900, rel=0.02)


def test_a_named_initialiser_is_for_all_layers():
    model = nn.MLP(300, [400], 200, init="small_normal", rng=0)
    for layer in (*model.hidden, model.output):
        assert spread(layer) == pytest.approx(1e-4, rel=0.02)


def test_layers_of_one_seed_differ_from_each_other():
    model = nn.MLP(4, [4, 4], 4, rng=3)
    weights = [layer.weight.tolist() for layer in (*model.hidden, model.output)]
    assert weights[0] != weights[1] != weights[2]
    again = nn.MLP(4, [4, 4], 4, rng=3)
    assert [layer.weight.tolist() for layer in (*again.hidden, again.output)] == weights


# ------------------------------------------------------------------ dropout
def test_dropout_after_every_hidden_layer():
    model = nn.MLP(2, [400, 400], 3, dropout=0.25, rng=0)
    x = cr.ones((1, 2))
    graph = cr.make_graph(lambda m, x, key: m(x, key=key), model, x, cr.random.key(0))
    labels = [n.attributes["label"] for n in graph.nodes[0].attributes["body"].nodes
              if n.op.name == "call"]  # fmt: skip
    assert labels.count("Dropout(rate)") == 2
    assert model(x).tolist() == model(x).tolist() == nn.MLP(2, [400, 400], 3, rng=0)(x).tolist()
    one, other = (model(x, key=cr.random.key(seed)).tolist() for seed in (0, 1))
    assert one == model(x, key=cr.random.key(0)).tolist() != other


def test_the_hidden_layers_draw_different_masks():
    identity = np.eye(200)
    model = nn.MLP(200, [200, 200], 200, activation="identity", dropout=0.5, rng=0)
    ones = [nn.Linear.of(identity, np.zeros(200)) for _ in range(3)]
    model = model.replace(hidden=tuple(ones[:2]), output=ones[2])
    y = model(np.ones((1, 200)), key=cr.random.key(3)).numpy()
    assert set(np.unique(y)) == {0.0, 4.0}
    assert 20 < (y > 0).sum() < 80  # a quarter passes both masks; half would pass one mask twice


def test_no_dropout_needs_no_key():
    assert not nn.has_random_layers(nn.MLP(2, [4], 3, rng=0))
    assert nn.MLP(2, [4], 3, rng=0)(cr.ones((1, 2)), key=cr.random.key(0)).shape == (1, 3)


# ------------------------------------------------------------------ activations
def test_an_activation_may_be_any_function_or_a_module():
    class Prelu(nn.Module):
        slope: cr.Tensor

        def __call__(self, z):
            return nn.leaky_relu(z, self.slope)

    model = nn.MLP(3, [4, 4], 2, activation=[Prelu(0.25), nn.relu], rng=0)
    assert "activations.0.slope" in cr.tree_paths(model)
    gradient = cr.grad(lambda m: m(np.ones((2, 3), np.float32)).sum())(model)
    assert gradient.activations[0].slope.item() != 0
    both = nn.MLP(3, [4, 4], 2, activation=Prelu(0.25), rng=0)
    assert cr.tree_paths(both)[-2:] == ["activations.0.slope", "activations.1.slope"]
    halved = nn.MLP(3, [4], 2, activation=lambda z: z / 2, rng=0)
    assert halved(cr.ones((2, 3))).shape == (2, 2)


def test_what_it_refuses():
    with pytest.raises(OptionError, match=r"MLP\(3, \[4, 4\], 2\).*2 hidden layers.*3"):
        nn.MLP(3, [4, 4], 2, activation=["relu"] * 3)
    with pytest.raises(OptionError, match="Did you mean 'relu'"):
        nn.MLP(3, [4], 2, activation="rulu")
    with pytest.raises(OptionError, match=r"MLP\(3, \[4, 0\], 2\)"):
        nn.MLP(3, [4, 0], 2)
    with pytest.raises(OptionError, match=r"0 <= rate < 1.*1.5"):
        nn.MLP(3, [4], 2, dropout=1.5)
