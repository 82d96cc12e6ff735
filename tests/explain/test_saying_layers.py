"""Layers with a formula of their own, and slices and reshapes in formulas."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain import draw, explain, trace
from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import Add, Multiply, Number, Symbol
from chainrule.explain.saying import matched, tangents
from chainrule.explain.saying.algebra import replaced
from chainrule.explain.saying.measured import local
from chainrule.explain.saying.places import index_of, letters_in, taken_apart
from chainrule.explain.walking.walkthrough import Walkthrough

RNG = np.random.default_rng(0)
J, K = Symbol("j"), Symbol("k")


def numbers(*shape):
    return RNG.normal(size=shape)


def steps_of(function, *arguments):
    """The symbols of a function, and its steps by name."""
    symbols = Symbols(Walkthrough.of(lambda *xs: cr.sum(function(*xs)), *arguments))
    return symbols, {step.name: step for step in symbols.walk.steps}


def check(symbols, step):
    """Value and derivatives that are said, against those of the step; how many were compared."""
    said = symbols.saying(step)
    arrays = [value.array for value in step.inputs]
    known = symbols.numbers_of(step)
    count = 0
    for out in np.ndindex(step.output.shape):
        letters = matched(said.letters, out, said.sizes)
        value = known.evaluate(replaced(said.value, letters))
        np.testing.assert_allclose(value, step.output.array[out], rtol=1e-9, atol=1e-12)
    for position, occurrences in enumerate(said.occurrences):
        for place in np.ndindex(arrays[position].shape) if occurrences is not None else ():
            (slopes,) = tangents(step.graph, position, arrays, place)
            for out in np.ndindex(slopes.shape):
                found = local(said, position, out, place, known)
                np.testing.assert_allclose(found, slopes[out], rtol=1e-8, atol=1e-11)
                count += 1
    return count


def moved(model):
    return cr.tree_map(lambda w: w + 0.3 * RNG.normal(size=w.shape), model)


LAYERS = {
    "LayerNorm": (moved(nn.LayerNorm(4, dtype="float64")), numbers(2, 4)),
    "LayerNorm, eps": (moved(nn.LayerNorm(4, eps=0.3, dtype="float64")), numbers(2, 3, 4)),
    "LayerNorm, no bias": (moved(nn.LayerNorm(3, bias=False, dtype="float64")), numbers(5, 3)),
    "RMSNorm": (moved(nn.RMSNorm(4, dtype="float64")), numbers(2, 4)),
    "RMSNorm, eps": (moved(nn.RMSNorm(4, eps=0.5, dtype="float64")), numbers(1, 3, 4)),
    "Embedding": (nn.Embedding(5, 3, rng=0, dtype="float64"), np.array([[0, 4, 4], [1, 0, 2]])),
    "PositionTable": (moved(nn.PositionTable(6, 3, rng=0, dtype="float64")), numbers(2, 4, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_a_formula_of_their_own(name):
    model, x = LAYERS[name]
    symbols, steps = steps_of(lambda model, x: model(x), model, x)
    assert check(symbols, steps[name.partition(",")[0]]) > 30


def said_of(model, x):
    """With the data by their name."""
    walk = Walkthrough.of(lambda model, x: cr.sum(model(x)), model, x)
    return Symbols(walk), {step.name: step for step in walk.steps}


def test_what_textbooks_say():
    model, x = LAYERS["LayerNorm, eps"]
    symbols, steps = said_of(model, x)
    said = symbols.saying(steps["LayerNorm"])
    texts = [to_text(equation) for equation in said.before]
    assert texts == [
        "μₙⱼ = 1/4 · Σᵢ xₙⱼᵢ",
        "σₙⱼ = √(1/4 · Σᵢ (xₙⱼᵢ − μₙⱼ)² + 0.3)",
        "x̂ₙⱼₖ = (xₙⱼₖ − μₙⱼ) / σₙⱼ",
    ]
    assert to_text(said.value) == "γₖ · x̂ₙⱼₖ + βₖ"
    symbols, steps = said_of(*LAYERS["Embedding"])
    said = symbols.saying(steps["Embedding"])
    (table,) = next(o for o in said.occurrences if o)
    assert to_text(said.value) == "E_{xₙⱼ,k}" and to_text(table.factor) == "xₙⱼ = r"


def test_the_gradient_of_a_table_goes_to_the_rows_that_were_looked_up():
    table, ids = nn.Embedding(4, 2, rng=0), np.array([[0, 3, 3]])
    derived = explain(lambda m, i: cr.sum(m(i) ** 2), table, ids, wrt="weight[3, 1]")
    twice = 2 * 2 * float(np.asarray(table.weight)[3, 1])
    assert derived.value == pytest.approx(twice, rel=1e-6)
    assert derived.flow.count == 2  # two places, two chains
    absent = explain(lambda m, i: cr.sum(m(i) ** 2), table, ids, wrt="weight[1, 0]")
    assert absent.value == 0.0


def test_a_layer_of_a_user_with_the_same_name_is_read_from_its_graph():
    class RMSNorm(nn.Module):
        weight: cr.Tensor

        def __init__(self):
            self.weight = cr.ones(3)

        def __call__(self, x):
            return x / cr.sqrt(cr.sum(x * x, axis=-1, keepdims=True)) * self.weight  # no mean

    symbols, steps = steps_of(lambda m, x: m(x), RMSNorm(), numbers(2, 3).astype("f"))
    said = symbols.saying(steps["RMSNorm"])
    assert said is None or "x̂" not in to_text(said.value)


SHAPED = {
    "slice": (lambda x: x[:, 1:3], numbers(2, 4), "xⱼ,ₖ₊₁"),
    "steps": (lambda x: x[:, 1::2], numbers(2, 6), "x_{j,2·k+1}"),
    "one": (lambda x: x[:, 2], numbers(2, 4), "xⱼ₂"),
    "split": (lambda x: x.reshape(2, 3, 4), numbers(2, 12), "x_{j,4·k+l}"),
    "join a slice": (lambda x: x[:, :1].reshape(3, 4), numbers(3, 2, 4), "xⱼ₀ₖ"),
    "slice of a split": (lambda x: x[:, 4:].reshape(2, 2, 4), numbers(2, 12), "x_{j,4·k+l+4}"),
}


@pytest.mark.parametrize("name", SHAPED)
def test_elements_that_are_moved_are_followed(name):
    function, x, text = SHAPED[name]

    @cr.named
    def shaped(x):
        return function(x)

    closed = {"closed": lambda node: True}
    walk = Walkthrough.of(lambda x: cr.sum(shaped(x)), x, **closed)
    symbols = Symbols(walk)
    assert to_text(symbols.saying(walk.steps[0]).value) == text
    assert check(symbols, walk.steps[0]) == x.size * walk.steps[0].output.array.size


def test_what_no_letters_say_is_not_said():
    @cr.named
    def joined(x):
        return x.reshape(-1)

    walk = Walkthrough.of(lambda x: cr.sum(joined(x)), numbers(2, 3), closed=lambda node: True)
    assert Symbols(walk).saying(walk.steps[0]) is None


@pytest.mark.parametrize(
    ("index", "place", "letters"),
    [
        ((J,), (2,), {J: 2}),
        ((Add((J, Number(2))),), (4,), {J: 2}),
        ((Add((J, Number(2))),), (1,), None),
        ((Add((J, Number(2))),), (5,), None),  # j takes three values only
        ((Add((Multiply((Number(3), K)), J)),), (7,), {K: 2, J: 1}),
        ((Multiply((Number(2), J)),), (3,), None),
        ((J, J), (1, 1), {J: 1}),
        ((J, J), (1, 2), None),
        ((Number(3),), (3,), {}),
        ((Number(3),), (2,), None),
    ],
)
def test_which_letters_a_place_takes(index, place, letters):
    found = matched(index, place, {J: 3, K: 4})
    assert found == (None if letters is None else {k: Number(v) for k, v in letters.items()})


def test_an_index_is_taken_apart_and_put_together():
    index = Add((Multiply((Number(4), K)), J, Number(2)))
    assert index_of(taken_apart(index)) == index
    assert letters_in((index, Number(1))) == {J, K}
    with pytest.raises(ValueError, match="Multiply"):
        taken_apart(Multiply((J, K)))


MODELS = {
    "RNN": (nn.RNN(2, 3, rng=0), numbers(1, 4, 2).astype("f")),
    "LSTM": (nn.LSTM(2, 3, layers=2, bidirectional=True, rng=0), numbers(2, 20, 2).astype("f")),
    "GRU": (nn.GRU(2, 3, rng=0), numbers(1, 4, 2).astype("f")),
    "attention": (nn.MultiHeadAttention(4, 2, rng=0), numbers(1, 3, 4).astype("f")),
    "block": (nn.TransformerBlock(4, 2, rng=0), numbers(1, 3, 4).astype("f")),
    "language model": (nn.LanguageModel(8, 4, 2, 1, 6, rng=0), np.array([[1, 2, 3]])),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_view_of_a_drawing(name):
    model, x = MODELS[name]

    def cost(model, x):
        return sum(cr.sum(leaf**2) for leaf in cr.tree_leaves(model(x)))

    for view in ("auto", "layers", "graph"):
        drawing = draw(cost, model, x, view=view)
        assert drawing.svg.count("<svg") == 1 and "NaN" not in drawing.svg
    layers = draw(cost, model, x, view="layers").svg
    assert {"LSTM": "LSTM(2, 3, layers=2", "attention": "MultiHeadAttention(4, 2)",
            "language model": "PositionTable(6, 4)"}.get(name, "") in layers  # fmt: skip
    assert 'class="pill' in layers and ">slice<" not in layers
    assert len(trace(cost, model, x)) > 3
