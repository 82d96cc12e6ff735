"""The trace: a valid order, products that are products, numbers that are those of ``cr.grad``."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import GradientError, OptionError
from chainrule.explain import explain, trace
from chainrule.explain.formulas import Matrix, Number, to_latex, to_text
from chainrule.explain.formulas.arrays import as_formula, is_small, measures, shape_text
from chainrule.explain.formulas.numbers import rounded
from chainrule.explain.walking.passing import passed
from chainrule.explain.walking.walkthrough import Walkthrough


def mse(model, x, t):
    return nn.mse(model(x), t)


def cross_entropy(model, x, t):
    return nn.cross_entropy(model(x), t)


class Residual(nn.Module):
    first: nn.Linear
    second: nn.Linear

    def __init__(self, size):
        self.first = nn.Linear(size, size, rng=0)
        self.second = nn.Linear(size, size, rng=1)

    def __call__(self, x):
        return x + self.second(cr.tanh(self.first(x)))


class Twice(nn.Module):
    layer: nn.Linear

    def __init__(self, size):
        self.layer = nn.Linear(size, size, rng=0)

    def __call__(self, x):
        return self.layer(cr.tanh(self.layer(x)))


def recurrent(weight, x, t):
    state, _ = cr.scan(lambda h, row: (cr.tanh(row + h @ weight), None), 0 * x[0], x)
    return nn.mse(state, t)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def in_double(tree):
    return cr.tree_map(lambda leaf: cr.asarray(np.asarray(leaf).astype(np.float64)), tree)


CASES = {
    "scalar": (lambda w, x, b, t: (w * x + b - t) ** 2, (1.5, 2.0, 0.3, 1.0)),
    "2-3-1": (mse, (nn.MLP(2, [3], 1, rng=0), numbers(1, 2), numbers(1, 1))),
    "batch": (
        cross_entropy,
        (nn.MLP(4, [5, 3], 3, activation="tanh", rng=0), numbers(6, 4), np.arange(6) % 3),
    ),
    "residual": (mse, (nn.Sequential(Residual(3), Residual(3)), numbers(2, 3), numbers(2, 3))),
    "shared": (mse, (Twice(3), numbers(2, 3), numbers(2, 3, seed=1))),
    "scan": (recurrent, (numbers(2, 2), numbers(4, 2), numbers(2))),
    "softmax": (
        lambda w, x: (nn.softmax(x @ w) ** 2).mean(),
        (numbers(3, 3), numbers(2, 3)),
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.mark.parametrize("detail", ["layer", "op"])
def test_gradients_are_those_of_grad(case, detail):
    function, (weights, *data) = case
    weights, data = in_double(weights), [np.asarray(d) for d in data]
    data = [d.astype(np.float64) if d.dtype.kind == "f" else d for d in data]
    expected = cr.tree_leaves(cr.grad(function)(weights, *data))
    found = trace(function, weights, *data, detail=detail)
    assert len(found.gradient) == len(expected)
    for ours, theirs in zip(found.gradient.values(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.cost, float(function(weights, *data)), rtol=1e-12)


@pytest.mark.parametrize("detail", ["layer", "op"])
def test_products_are_local_times_upstream(case, detail):
    function, arguments = case
    for step in trace(function, *arguments, detail=detail, inputs=True):
        for part in step.parts:
            scale = np.abs(part.product).max(initial=0.0)
            np.testing.assert_allclose(
                part.piece.multiplied, part.product, rtol=0, atol=1e-12 * scale + 1e-300
            )


@pytest.mark.parametrize("detail", ["layer", "op"])
def test_products_add_up_to_the_gradient(case, detail):
    function, arguments = case
    walk = Walkthrough.of(
        function, *arguments, closed=(lambda n: False) if detail == "op" else None
    )
    sums = {}
    for step in walk.steps:
        for piece in passed(step):
            sums[piece.value] = sums.get(piece.value, 0.0) + piece.product
    assert sums
    for value, total in sums.items():
        np.testing.assert_allclose(total, value.gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("detail", ["layer", "op"])
def test_the_order_is_one_of_backpropagation(case, detail):
    """What a step receives, the steps before it have passed: all of it, and nothing is missing."""
    function, arguments = case
    received = {"J": 1.0}
    found = trace(function, *arguments, detail=detail)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    for step in found:
        if step.symbol.key in received:
            np.testing.assert_allclose(
                received[step.symbol.key], step.upstream, rtol=1e-10, atol=1e-15
            )
        for part in step.parts:
            received[part.name] = received.get(part.name, 0.0) + part.product
    weights = [part for step in found for part in step.parts if part.path in found.gradient]
    assert {part.path for part in weights} == set(found.gradient)
    for part in weights:
        np.testing.assert_allclose(
            received[part.name], found.gradient[part.path], rtol=1e-10, atol=1e-15
        )


def test_loss_output_hidden_update():
    found = trace(*CASES["2-3-1"][:1], *CASES["2-3-1"][1], learning_rate=0.1)
    kinds = [(step.kind, step.path) for step in found]
    assert kinds == [
        ("loss", ""),
        ("output", "output"),
        ("activation", ""),
        ("hidden", "hidden.0"),
        ("update", ""),
    ]
    assert [to_text(name) for name in found[4].data] == ["x"]
    assert list(found[4].product) == ["w^1", "b^1"]


def test_what_is_passed_back_is_formed_with_the_old_weights():
    model, x, t = CASES["2-3-1"][1]
    found = trace(mse, model, x, t, learning_rate=0.5)
    old = model.output.weight.numpy().astype(np.float64)
    passed_back = found[2].product["a^1"]
    np.testing.assert_allclose(passed_back, found[2].upstream @ old.T, rtol=1e-12)
    new = found[5].product["w^2"]
    np.testing.assert_allclose(new, old - 0.5 * found.gradient["output.weight"], rtol=1e-12)
    assert not np.allclose(passed_back, found[2].upstream @ new.T)


def test_the_update_is_gradient_descent():
    model, x, t = CASES["2-3-1"][1]
    update = trace(mse, model, x, t, learning_rate=0.1)[5]
    gradient = cr.grad(mse)(in_double(model), x.astype(float), t.astype(float))
    stepped = cr.tree_map(lambda w, g: w - 0.1 * g, in_double(model), gradient)
    for part in update.parts:
        np.testing.assert_allclose(part.product, cr.tree_at(stepped, part.path).numpy(), rtol=1e-12)


def test_the_update_of_an_optimizer():
    model, x, t = CASES["2-3-1"][1]
    adam = optim.adam(0.01)
    update = trace(mse, model, x, t, optimizer=adam)[5]
    wide = in_double(model)
    gradient = cr.grad(mse)(wide, x.astype(float), t.astype(float))
    moves, _ = adam.update(gradient, adam.init(wide), wide)
    stepped = optim.apply_updates(wide, moves)
    assert {part.path for part in update.parts} == set(cr.tree_paths(model))
    for part in update.parts:
        np.testing.assert_allclose(part.product, cr.tree_at(stepped, part.path).numpy(), rtol=1e-12)
    assert "adam(learning_rate=0.01" in update.title


def test_frozen_weights_are_not_updated():
    model = nn.freeze(CASES["2-3-1"][1][0], "hidden.0")
    update = trace(mse, model, numbers(1, 2), numbers(1, 1), learning_rate=0.1)[5]
    assert [part.path for part in update.parts] == ["output.weight", "output.bias"]


def test_values_are_those_of_the_forward_pass():
    model, x, t = CASES["2-3-1"][1]
    found = trace(mse, model, x, t)
    z = x.astype(float) @ model.hidden[0].weight.numpy().astype(float)
    values = {to_text(equation.sides[0]): array for equation, array in found.forward}
    np.testing.assert_allclose(values["z¹"], z, rtol=1e-12)
    np.testing.assert_allclose(values["a¹"], np.maximum(z, 0), rtol=1e-12)
    assert values["J"] == found.cost


def test_the_same_number_as_the_derivation():
    model, x, t = CASES["2-3-1"][1]
    found = trace(mse, model, x, t)
    derived = explain(mse, model, x, t, wrt="hidden.0.weight[1, 2]").value
    assert found.gradient["hidden.0.weight"][1, 2] == pytest.approx(derived, rel=1e-12)


# ---------------------------------------------------------------------- in print
def test_printed_numbers_are_the_computed_ones(case):
    """The last side of every equation is its result, rounded."""
    function, arguments = case
    checked = 0
    for step in trace(function, *arguments, learning_rate=0.1):
        for part in step.parts:
            if not is_small(part.product):
                continue
            shown = _entries(part.formula.sides[-1])
            assert shown == [rounded(value) for value in part.product.reshape(-1)]
            checked += 1
    assert checked


def _entries(side):
    parts = [side] if isinstance(side, Number) else [e for row in side.rows for e in row]
    return [rounded(part.value) for part in parts]


def test_printed_factors_multiply_to_the_printed_product():
    """Of scalars, up to the rounding of the factors."""
    for step in trace(CASES["scalar"][0], *CASES["scalar"][1]):
        for part in step.parts:
            local, upstream = rounded(float(part.local)), rounded(float(part.upstream))
            assert local * upstream == pytest.approx(float(part.product), rel=2e-4)


def test_the_text_of_a_small_network():
    text = trace(CASES["2-3-1"][0], *CASES["2-3-1"][1], learning_rate=0.1).to_text(80, "en")
    order = ["1. Loss", "2. Output layer", "3. Activation", "4. Hidden layer", "5. Update"]
    places = [text.index(title) for title in order]
    assert places == sorted(places)
    assert "w¹_new = w¹ − α · ∂J/∂w¹" in text
    assert "x is data and has no weights" in text


def test_korean_has_the_same_formulas(case):
    function, arguments = case
    found = trace(function, *arguments, learning_rate=0.1)
    english, korean = found.document("en"), found.document("ko")
    formulas = [
        [b.expression for b in d.blocks if hasattr(b, "expression")] for d in (english, korean)
    ]
    assert formulas[0] == formulas[1]
    assert formulas[0]
    assert "역전파" in korean.to_text()
    assert "Backward" not in korean.to_text()


def test_latex_compiles(katex):
    formulas = []
    for function, arguments in CASES.values():
        blocks = trace(function, *arguments, learning_rate=0.1).document("en").blocks
        formulas += [to_latex(b.expression) for b in blocks if hasattr(b, "expression")]
    assert len(formulas) > 50
    assert katex(formulas) == []


def test_large_arrays_are_summarised():
    model = nn.MLP(64, [128], 10, rng=0)
    found = trace(cross_entropy, model, numbers(8, 64), np.arange(8), learning_rate=0.1)
    text = found.to_text(100, "en")
    assert "64 × 128" in text
    assert "largest size" in text
    assert len(text) < 8000


def test_steps_can_be_walked_through():
    found = trace(CASES["scalar"][0], *CASES["scalar"][1], learning_rate=0.1)
    walker = iter(found)
    assert next(walker).number == 1
    assert next(walker).number == 2
    assert str(found[2]).startswith("2. ")
    assert "2. " in str(found.show(upto=2)) and "3. " not in str(found.show(upto=2))
    assert "1. " not in str(found.show(first=2, upto=3))
    assert found[1]._repr_html_().count("<h3") == 1
    assert "\\partial" in found[1]._repr_latex_()


def test_a_user_s_own_linear_is_said_in_its_own_numbers():
    class Linear(nn.Module):
        weight: cr.Tensor

        def __call__(self, x):
            return 3.0 * (x @ self.weight)

    layer = Linear(numbers(2, 2))
    found = trace(mse, layer, numbers(1, 2), numbers(1, 2))
    (part,) = found[2].parts
    assert part.form == "general"
    np.testing.assert_allclose(part.piece.multiplied, part.product, rtol=1e-12)
    assert "(x w" not in to_text(found[2].formula)


# ---------------------------------------------------------------------- arrays in print
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array(2.5), "2.5"),
        (np.array([[2.5]]), "2.5"),
        (np.array([True, False]), "[1, 0]"),
        (np.arange(20), "[0, 1, 2, …]"),
        (np.zeros((0, 3)), "…"),
    ],
)
def test_arrays_as_formulas(array, expected):
    assert to_text(as_formula(array)) == expected


def test_large_matrices_show_their_corner():
    shown = as_formula(np.arange(100.0).reshape(10, 10))
    assert isinstance(shown, Matrix)
    assert [len(row) for row in shown.rows] == [4, 4, 4, 4]


def test_measures():
    shape, mean, largest, _ = measures(np.array([[1.0, -3.0], [2.0, 4.0]]))
    assert (shape, mean, largest) == ("2 × 2", Number(1.0), Number(4.0))
    assert measures(np.zeros((0, 2)))[0] == shape_text((0, 2)) == "0 × 2"


# ---------------------------------------------------------------------- what cannot be traced
def test_the_result_must_be_a_number():
    with pytest.raises(GradientError, match="one number"):
        trace(lambda w: w * 2, numbers(3))


@pytest.mark.parametrize(
    "options", [{"learning_rate": 0}, {"learning_rate": np.nan}, {"detail": "x"}]
)
def test_options_that_cannot_be(options):
    with pytest.raises(OptionError):
        trace(lambda w: w * w, 2.0, **options)


def test_no_learning_rate_beside_an_optimizer():
    with pytest.raises(OptionError, match="brings its own"):
        trace(lambda w: w * w, 2.0, learning_rate=0.1, optimizer=optim.sgd(0.1))


def test_there_must_be_weights():
    with pytest.raises(GradientError, match=r"3\.0 and not 3"):
        trace(lambda w, x: w * x, 3, 2.0)


def test_only_functions_are_traced():
    with pytest.raises(GradientError):
        trace(3.0, 2.0)


def test_a_step_that_is_not_there():
    found = trace(lambda w: w * w, 2.0)
    for number in (0, 2, -1):
        with pytest.raises(OptionError, match="step"):
            found[number]
