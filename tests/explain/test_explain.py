"""What a derivation says: chains, errors, sums, notes; what it refuses."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import GradientError, OptionError, PathError, ShapeError
from chainrule.explain import explain
from chainrule.explain.formulas import to_text

RNG = np.random.default_rng(0)


def two_layers():
    """The worked example: ReLU, one output, no biases; every number is short."""
    hidden = nn.Linear.of(np.array([[0.5, -0.3], [0.2, 0.8]]))
    output = nn.Linear.of(np.array([[0.7], [-0.4]]))
    return nn.Sequential(hidden, nn.relu, output)


def mse(model, x, t):
    return nn.mse(model(x), t)


def cross_entropy(model, x, t):
    return nn.cross_entropy(model(x), t)


def texts(equations):
    return [to_text(equation) for equation in equations]


def mlp(*sizes, rows=1, **options):
    model = nn.MLP(sizes[0], list(sizes[1:-1]), sizes[-1], rng=0, dtype=np.float64, **options)
    return model, RNG.normal(size=(rows, sizes[0]))


# ---------------------------------------------------------------------- the worked example
def test_the_chain_of_the_two_layer_example():
    x, t = np.array([[1.0, 2.0]]), np.array([[1.0]])
    derivation = explain(mse, two_layers(), x, t, wrt="layers.0.weight[1, 0]")
    assert to_text(derivation.chain) == "∂J/∂y · ∂y/∂z² · ∂z²/∂a¹₀ · ∂a¹₀/∂z¹₀ · ∂z¹₀/∂w¹₁₀"
    assert texts(factor.equation for factor in derivation.factors) == [
        "∂J/∂y = −2 · (t − y) = −2 · (1 − 0.11) = −1.78",
        "∂y/∂z² = 1",
        "∂z²/∂a¹₀ = w²₀ = 0.7",
        "∂a¹₀/∂z¹₀ = 1[z¹₀ > 0] = 1[0.9 > 0] = 1",
        "∂z¹₀/∂w¹₁₀ = x₁ = 2",
    ]
    assert texts(delta.equation for delta in derivation.deltas) == [
        "δ² = ∂J/∂y = −1.78",
        "δ¹₀ = ∂J/∂a¹₀ · 1[z¹₀ > 0] = −1.246 · 1[0.9 > 0] = −1.246",
    ]
    assert to_text(derivation.equation) == "∂J/∂w¹₁₀ = δ¹₀ · x₁ = −1.246 · 2 = −2.492"
    assert derivation.value == pytest.approx(-2.492)
    assert derivation.contribution == pytest.approx(-2.492)


def test_sums_over_outputs_and_rows():
    model, x = mlp(8, 5, 4, 3, rows=2, activation="tanh")
    derivation = explain(cross_entropy, model, x, np.array([2, 0]), wrt="hidden.0.weight[3, 1]")
    assert derivation.flow.count == 2 * 3 * 4
    assert to_text(derivation.flow.symbolic) == (
        "Σₙ Σⱼ Σₖ ∂J/∂z³ₙₖ · ∂z³ₙₖ/∂a²ₙⱼ · ∂a²ₙⱼ/∂z²ₙⱼ · ∂z²ₙⱼ/∂a¹ₙ₁ · ∂a¹ₙ₁/∂z¹ₙ₁ · ∂z¹ₙ₁/∂w¹₃₁"
    )
    first = derivation.deltas[0]
    assert to_text(first.formula).startswith("1/2 · (p")
    assert to_text(derivation.equation).startswith("∂J/∂w¹₃₁ = Σₙ δ¹ₙ₁ · xₙ₃ = ")


def test_the_chosen_chain_contributes_most():
    model, x = mlp(3, 4, 2, rows=3, activation="sigmoid")
    derivation = explain(cross_entropy, model, x, np.array([0, 1, 1]), wrt="hidden.0.weight[2, 3]")
    a, z = nn.sigmoid(model.hidden[0](x)).numpy(), model(cr.tensor(x)).numpy()
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    delta = (p - np.eye(2)[[0, 1, 1]]) / 3
    slope = a[:, 3] * (1 - a[:, 3]) * x[:, 2]
    chains = delta * model.output.weight.numpy()[3] * slope[:, None]
    assert abs(derivation.contribution) == pytest.approx(np.abs(chains).max())
    assert derivation.value == pytest.approx(chains.sum())


# ---------------------------------------------------------------------- what is asked for
def test_columns_and_whole_arrays_show_the_largest():
    model, x = mlp(3, 4, 2)
    t = np.array([1])
    column = explain(cross_entropy, model, x, t, wrt="hidden.0.weight[:, 1]")
    gradient = column.walk["hidden.0.weight"].gradient
    assert column.target.element.place == (int(np.abs(gradient[:, 1]).argmax()), 1)
    whole = explain(cross_entropy, model, x, t, wrt="hidden.0.weight")
    assert abs(whole.value) == np.abs(gradient).max()
    assert "hidden.0.weight[:, 1]" in column.to_text(lang="en")


def test_without_wrt_the_first_array_is_taken():
    model, x = mlp(3, 4, 2)
    derivation = explain(cross_entropy, model, x, np.array([1]))
    assert derivation.target.value.path == "hidden.0.weight"


def test_inputs_and_negative_indices():
    model, x = mlp(3, 4, 1)
    t = np.ones((1, 1))
    assert explain(mse, model, x, t, wrt="x[0, -1]").target.path == "x[0, 2]"
    by_target = explain(mse, model, x, t, wrt="t[0, 0]")
    assert by_target.value == pytest.approx(2 * (1 - model(cr.tensor(x)).item()))
    assert explain(mse, model, x, t, wrt="model.output.bias[0]").target.path == "output.bias[0]"


@pytest.mark.parametrize(
    ("wrt", "error", "said"),
    [
        ("hiden.0.weight[1, 1]", PathError, "'hidden.0.weight'"),
        ("hidden.0.weight[9, 1]", ShapeError, "from 0 to 2"),
        ("hidden.0.weight[1]", ShapeError, "(3, 4) and takes 2 indices"),
        ("hidden.0.weight[]", ShapeError, "takes 2 indices"),
        ("hidden.0.weight[a, 1]", OptionError, "[a, 1]"),
        ("hidden.0.weight[1:2, 1]", OptionError, "[1:2, 1]"),
        ("t[0]", OptionError, "int64"),
        (3, OptionError, "but got 3"),
    ],
)
def test_what_cannot_be_asked(wrt, error, said):
    model, x = mlp(3, 4, 2)
    with pytest.raises(error) as raised:
        explain(cross_entropy, model, x, np.array([1]), wrt=wrt)
    assert said in str(raised.value)


def test_other_bad_input():
    model, x = mlp(3, 4, 2)
    with pytest.raises(GradientError):
        explain(lambda model, x: model(x), model, x, wrt="x[0, 0]")
    with pytest.raises(OptionError, match="'neuron'"):
        explain(cross_entropy, model, x, np.array([1]), view="nueron")
    with pytest.raises(OptionError, match="digits"):
        explain(cross_entropy, model, x, np.array([1]), digits=0)
    with pytest.raises(OptionError, match="wrt"):
        explain(lambda n, x: cr.sum(x), 3, x)


# ---------------------------------------------------------------------- what is noted
def test_a_relu_that_is_off():
    hidden = nn.Linear.of([[1.0, 1.0]], [-5.0, 5.0])
    model = nn.Sequential(hidden, nn.relu, nn.Linear.of([[1.0], [1.0]]))
    x = cr.tensor([[1.0]])
    derivation = explain(mse, model, x, x, wrt="layers.0.weight[0, 0]", lang="en")
    assert derivation.value == 0
    assert "The ReLU is off here, since z¹₀ is negative" in derivation.to_text(width=200)
    assert "꺼져" in derivation.to_text(lang="ko")


def test_a_kink_and_a_saturated_sigmoid():
    x = cr.tensor([[1.0]])
    model = nn.Sequential(nn.Linear.of([[0.0]]), nn.relu)
    assert "exactly 0" in explain(mse, model, x, x, lang="en").to_text(width=200)
    model = nn.Sequential(nn.Linear.of([[9.0]]), nn.sigmoid)
    assert "saturated" in explain(mse, model, x, 0 * x, lang="en").to_text(width=200)


def test_a_cost_that_does_not_depend_on_the_weight():
    parameters = {"a": np.ones(3), "b": np.ones(2)}
    derivation = explain(lambda p: cr.sum(p["a"] ** 2), parameters, wrt="b[1]", lang="en")
    assert derivation.value == 0 and derivation.sums == ()
    for view in (derivation, derivation.neuron, derivation.layer):
        assert "does not depend on b₁" in view.to_text(width=200)


def test_where_the_first_nan_arises():
    model, x = mlp(2, 2, 1)
    with_nan = explain(lambda m, x: cr.sum(cr.log(-(m(x) ** 2))), model, x, lang="en")
    assert "NaN arises first in" in with_nan.to_text(width=200)
    x = np.array([[np.inf, 1.0]])
    assert "Beware: x" in explain(mse, model, x, np.ones((1, 1)), lang="en").to_text(width=200)


def test_frozen_weights_are_said_to_be():
    model, x = mlp(2, 2, 1)
    frozen = nn.freeze(model, "hidden.0")
    said = explain(mse, frozen, x, np.ones((1, 1)), lang="en").to_text(width=200)
    assert "hidden.0.weight is frozen" in said
    assert "frozen" not in explain(mse, model, x, np.ones((1, 1)), lang="en").to_text()


# ---------------------------------------------------------------------- other models
def test_shared_weights_sum_over_uses():
    class Twice(nn.Module):
        layer: nn.Linear

        def __call__(self, x):
            return self.layer(nn.tanh(self.layer(x)))

    model = Twice(nn.Linear(3, 3, rng=0, dtype=np.float64))
    derivation = explain(
        mse, model, RNG.normal(size=(1, 3)), np.ones((1, 3)), wrt="layer.weight[1, 2]"
    )
    assert to_text(derivation.equation).startswith("∂J/∂w¹₁₂ = δ¹₂ · x₁ + δ²₂ · a¹₁ = ")
    assert "xᵀ δ¹ + (a¹)ᵀ δ²" in derivation.layer.to_text(width=200)


def test_residual_connections_sum_over_paths():
    class Residual(nn.Module):
        inner: nn.Linear
        outer: nn.Linear

        def __call__(self, x):
            return self.outer(x + nn.tanh(self.inner(x)))

    linear = [nn.Linear(2, n, rng=n, dtype=np.float64) for n in (2, 1)]
    derivation = explain(
        mse, Residual(*linear), RNG.normal(size=(1, 2)), np.ones((1, 1)), wrt="x[0, 1]"
    )
    assert to_text(derivation.equation).startswith("∂J/∂x₁ = Σⱼ δ¹ⱼ · w¹₁ⱼ + ∂J/∂u₁,₁ = ")


def test_dropout_shows_its_mask():
    model, x = mlp(3, 6, 1, dropout=0.5)

    def cost(model, x, t):
        return nn.mse(model(x, key=cr.random.key(1)), t)

    derivation = explain(cost, model, x, np.ones((1, 1)), wrt="hidden.0.weight", lang="en")
    assert "mask" in derivation.to_text() and "/ (1 − rate)" in derivation.to_text()


def test_a_cost_by_hand_is_one_formula():
    model, x = mlp(3, 4, 1, rows=2)
    derivation = explain(lambda m, x, t: ((t - m(x)) ** 2).mean(), model, x, np.ones((2, 1)))
    assert to_text(derivation.factors[0].formula).startswith("−(t")  # 2/N is 1 for two rows


def test_a_network_by_hand_has_layers():
    def cost(p, x, t):
        return cr.sum((cr.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] - t) ** 2)

    parameters = {"w1": RNG.normal(size=(2, 3)), "b1": np.ones(3), "w2": RNG.normal(size=(3, 1))}
    derivation = explain(cost, parameters, RNG.normal(size=(1, 2)), np.ones((1, 1)), wrt="w1[0, 1]")
    assert to_text(derivation.equation).startswith("∂J/∂w¹₀₁ = δ¹₁ · x₀ = ")
    assert len(derivation.deltas) == 2


def test_a_users_class_of_a_known_name_is_not_taken_for_it():
    class Linear(nn.Module):
        weight: cr.Tensor

        def __call__(self, x):
            return cr.exp(x * self.weight)

    derivation = explain(mse, Linear(np.ones(3)), RNG.normal(size=(1, 3)), np.ones((1, 3)))
    assert "exp(" in derivation.to_text()


def test_loops_are_said_in_numbers():
    def cost(p, x):
        def step(h, row):
            h = cr.tanh(row + h @ p["u"])
            return h, h

        return cr.sum(cr.scan(step, cr.zeros((1, 2), np.float64), x)[0] ** 2)

    p, x = {"u": RNG.normal(size=(2, 2))}, RNG.normal(size=(3, 1, 2))
    derivation = explain(cost, p, x, wrt="u[0, 1]")
    assert derivation.value == pytest.approx(cr.grad(cost)(p, x)["u"].numpy()[0, 1])
    assert derivation.factors[-1].formula is None


# ---------------------------------------------------------------------- sizes and files
@pytest.mark.parametrize("sizes", [(784, 128, 10), (20, *[20] * 10, 10)])
def test_large_networks_fit_on_pages(sizes):
    model, x = mlp(*sizes, rows=64 if len(sizes) == 3 else 1)
    t = RNG.integers(0, 10, len(x))
    derivation = explain(cross_entropy, model, x, t, wrt="hidden.0.weight[3, 1]", lang="en")
    assert len(derivation.to_text(width=100).splitlines()) < 200
    assert len(derivation.to_html()) < 100_000


def test_digits_are_obeyed():
    model, x = mlp(3, 4, 2)
    derivation = explain(cross_entropy, model, x, np.array([1]), digits=3)
    assert to_text(derivation.equation, digits=3).rpartition(" = ")[2] in derivation.to_text()


def test_every_way_to_show_it(tmp_path):
    model, x = mlp(3, 4, 2)
    derivation = explain(cross_entropy, model, x, np.array([1]), view="layer", lang="ko")
    assert str(derivation) == str(derivation.layer)
    assert "오차역전파" in derivation._repr_html_() and r"\delta" in derivation._repr_latex_()
    for suffix in (".html", ".md", ".tex", ".txt"):
        derivation.save(tmp_path / f"page{suffix}")
