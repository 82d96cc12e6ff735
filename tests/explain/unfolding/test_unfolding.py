"""Layers written as textbooks write them: the same function, and refused where it is not."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain import explain, trace
from chainrule.explain.derivation.preparing import prepared
from chainrule.explain.document import Formula
from chainrule.explain.formulas import to_latex, to_text
from chainrule.explain.saying import tangents
from chainrule.explain.saying.measured import local
from chainrule.explain.unfolding import unfolded
from chainrule.explain.walking.walkthrough import Walkthrough

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape)


def squared(model, *inputs):
    return sum(cr.sum(cr.sin(leaf)) for leaf in cr.tree_leaves(model(*inputs)))


def moved(model):
    """The model with all of its weights moved, so that biases are not 0 and gains not 1."""
    rng = np.random.default_rng(1)
    return cr.tree_map(lambda w: w + 0.3 * rng.normal(size=w.shape), model)


def weighted(model, x):
    return squared(lambda x: model(x, causal=True, weights=True), x)


def cross(model, x, context):
    return squared(lambda x, context: model(x, context), x, context)


DOUBLE = {"rng": 0, "dtype": "float64"}
RECURRENT = {
    "rnn": nn.RNN(2, 3, **DOUBLE),
    "relu": nn.RNN(2, 3, activation="relu", **DOUBLE),
    "no bias": nn.RNN(2, 3, bias=False, **DOUBLE),
    "lstm": nn.LSTM(2, 2, **DOUBLE),
    "peepholes": nn.LSTM(2, 2, peepholes=True, **DOUBLE),
    "gru": nn.GRU(2, 2, **DOUBLE),
    "gru before": nn.GRU(2, 2, reset="before", **DOUBLE),
    "gru no bias": nn.GRU(2, 2, bias=False, **DOUBLE),
    "deep": nn.LSTM(2, 2, layers=2, bidirectional=True, **DOUBLE),
    "deep gru": nn.GRU(2, 1, layers=2, **DOUBLE),
    "truncated beyond": nn.RNN(2, 3, truncate=5, **DOUBLE),
}
ATTENTION = {
    "one head": nn.MultiHeadAttention(4, 1, **DOUBLE),
    "two heads": nn.MultiHeadAttention(4, 2, **DOUBLE),
    "no bias": nn.MultiHeadAttention(4, 2, bias=False, **DOUBLE),
    "unscaled": nn.MultiHeadAttention(4, 2, scaled=False, **DOUBLE),
    "grouped": nn.MultiHeadAttention(4, 2, key_value_heads=1, **DOUBLE),
}
CASES = {
    **{f"recurrent: {k}": (squared, moved(m), numbers(2, 3, 2)) for k, m in RECURRENT.items()},
    **{f"attention: {k}": (weighted, moved(m), numbers(2, 3, 4)) for k, m in ATTENTION.items()},
    "initial": (
        lambda m, x, h: squared(lambda x, h: m(x, initial=(h,)), x, h),
        RECURRENT["rnn"],
        numbers(2, 3, 2),
        numbers(2, 3),
    ),
    "initial lstm": (
        lambda m, x, h, c: squared(lambda x, h, c: m(x, initial=nn.LSTMState(h, c)), x, h, c),
        RECURRENT["lstm"],
        numbers(2, 3, 2),
        numbers(2, 2),
        numbers(2, 2),
    ),
    "cell": (squared, moved(nn.RNNCell(2, 3, **DOUBLE)), numbers(2, 2), numbers(2, 3)),
    "gru cell": (squared, moved(nn.GRUCell(2, 2, **DOUBLE)), numbers(2, 2), numbers(2, 2)),
    "lstm cell": (
        lambda m, x, h, c: squared(lambda x, h, c: m(x, nn.LSTMState(h, c)), x, h, c),
        moved(nn.LSTMCell(2, 2, **DOUBLE)),
        numbers(2, 2),
        numbers(2, 2),
        numbers(2, 2),
    ),
    "mask": (
        lambda m, x, mask: squared(lambda x: m(x, mask=mask), x),
        ATTENTION["two heads"],
        numbers(2, 3, 4),
        np.array([True, False, True]),
    ),
    "attention": (
        lambda q, k, v: cr.sum(cr.sin(nn.attention(q, k, v))),
        numbers(3, 2),
        numbers(4, 2),
        numbers(4, 5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_cost_and_the_same_derivatives(name):
    function, *arguments = CASES[name]
    walk = Walkthrough.of(function, *arguments, unfold=unfolded)
    whole = Walkthrough.of(function, *arguments)
    assert len(walk.steps) > len(whole.steps)
    np.testing.assert_allclose(walk.cost.array, whole.cost.array, rtol=1e-12)
    for value in whole.inputs:
        if value.gradient is not None:
            found = walk[value.path].gradient
            np.testing.assert_allclose(found, value.gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_said_and_its_derivatives_are_right(name):
    function, *arguments = CASES[name]
    symbols = prepared(function, *arguments)
    checked = 0
    for step in symbols.walk.steps:
        said = symbols.saying(step)
        if step.kind is None or step.name == "sequence":
            continue
        assert said is not None, step.name
        arrays = [value.array for value in step.inputs]
        known = symbols.numbers_of(step)
        for position, occurrences in enumerate(said.occurrences):
            if occurrences is None:
                continue
            for place in list(np.ndindex(arrays[position].shape))[:6]:
                (slopes,) = tangents(step.graph, position, arrays, place)
                for out in list(np.ndindex(slopes.shape))[:12]:
                    found = local(said, position, out, place, known)
                    np.testing.assert_allclose(found, slopes[out], rtol=1e-9, atol=1e-12)
                    checked += 1
    assert checked > 20


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (squared, (nn.RNN(2, 3, **DOUBLE), numbers(1, 9, 2)), "RNN"),
        (squared, (nn.RNN(2, 3, truncate=2, **DOUBLE), numbers(1, 3, 2)), "RNN"),
        (
            lambda m, x: cr.sum(m(x, lengths=[2, 3])[0]),
            (nn.LSTM(2, 3, **DOUBLE), numbers(2, 3, 2)),
            "LSTM",
        ),
        (squared, (nn.MultiHeadAttention(4, 2, rotary=True, **DOUBLE), numbers(1, 3, 4)), ""),
        (cross, (ATTENTION["two heads"], numbers(1, 3, 4), numbers(1, 2, 4)), ""),
        (lambda q: cr.sum(nn.attention(q, q, q, softcap=2.0)), (numbers(3, 2),), "attention"),
        (lambda q: cr.sum(nn.attention(q, q, q, scale=0.3)), (numbers(3, 2),), "attention"),
        (
            lambda q, mask: cr.sum(nn.attention(q, q, q, mask=mask)),
            (numbers(3, 2), numbers(3, 3)),
            "attention",
        ),
    ],
)
def test_what_no_textbook_writes_keeps_its_numbers(function, arguments, name):
    """Too long, truncated, padded, turned, capped: nothing false is said, and nothing breaks."""
    walk = Walkthrough.of(function, *arguments, unfold=unfolded)
    whole = Walkthrough.of(function, *arguments)
    assert name in {step.name for step in walk.steps} or name == ""
    for value in whole.inputs:
        if value.gradient is not None:
            np.testing.assert_allclose(walk[value.path].gradient, value.gradient, rtol=1e-6)
    path = next(value.path for value in whole.inputs if value.gradient is not None)
    derived = explain(function, *arguments, wrt=path)
    assert derived.value == pytest.approx(np.abs(whole[path].gradient).max(), rel=1e-6) or (
        -derived.value == pytest.approx(np.abs(whole[path].gradient).max(), rel=1e-6)
    )
    assert str(derived) and str(trace(function, *arguments))


class LSTM(nn.Module):
    """Not the library's."""

    weight: cr.Tensor

    def __init__(self):
        self.weight = cr.tensor([[2.0]])

    def __call__(self, x):
        return x @ self.weight


class RNN(nn.RNN):
    """Says that it is an RNN, and adds something far away from all places that are tried."""

    def __call__(self, x):
        outputs, states = super().__call__(x)
        return outputs + cr.where(x > 50.0, x, 0.0), states


def test_what_only_has_the_name_is_not_taken_for_it():
    walk = Walkthrough.of(lambda m, x: cr.sum(m(x)), LSTM(), np.ones((1, 1), "f"), unfold=unfolded)
    assert walk["weight"].gradient == 1.0
    assert "recurrent_sum" not in {step.name for step in walk.steps}
    x = np.array([[[60.0], [0.1]]])
    model = RNN(1, 1, **DOUBLE)
    for at, is_one in ((x, False), (x / 100, True)):
        walk = Walkthrough.of(lambda m, x: cr.sum(m(x)[0]), model, at, unfold=unfolded)
        assert ("recurrent_sum" in {step.name for step in walk.steps}) is is_one
        outputs = model(cr.asarray(at))[0]
        np.testing.assert_allclose(walk.cost.array, np.asarray(outputs).sum(), rtol=1e-12)


def test_backpropagation_through_time_in_words():
    class Last(nn.Module):
        rnn: nn.RNN
        out: nn.Linear

        def __init__(self):
            self.rnn, self.out = nn.RNN(1, 2, rng=0), nn.Linear(2, 1, rng=1)

        def __call__(self, x):
            return self.out(self.rnn.last(self.rnn(x)[1]))

    x = np.array([[[0.5], [-1.0], [0.25]]], "f")
    arguments = (Last(), x, np.ones((1, 1), "f"))

    def cost(model, x, t):
        return nn.mse(model(x), t)

    derived = explain(cost, *arguments, wrt="rnn.cells.0.recurrent[0, 1]")
    text, layer = derived.to_text(), derived.layer.to_text()
    assert "∂J/∂u¹₀₁ = δ¹⁽²⁾₁ · h¹⁽¹⁾₀ + δ¹⁽³⁾₁ · h¹⁽²⁾₀" in text
    assert "∂h¹⁽³⁾₁/∂z¹⁽³⁾₁ = 1 − (h¹⁽³⁾₁)²" in text
    assert "∂J/∂U¹ = (h¹⁽¹⁾)ᵀ δ¹⁽²⁾ + (h¹⁽²⁾)ᵀ δ¹⁽³⁾" in layer
    assert "∂z¹⁽³⁾/∂h¹⁽²⁾ = (U¹)ᵀ" in layer
    gradient = cr.grad(cost)(*map(cr.asarray, ()), *arguments).rnn.cells[0].recurrent
    assert derived.value == pytest.approx(float(np.asarray(gradient)[0, 1]), rel=1e-5)
    steps = trace(cost, *arguments)
    forms = {(step.kind, part.name, part.form) for step in steps for part in step.parts}
    assert ("hidden", "h^1(1)", "left") in forms and ("hidden", "u^1", "right") in forms


GATES = {
    "LSTM": ("f¹⁽²⁾ = σ(z¹⁽²⁾_{2:4})", "c¹⁽²⁾ = f¹⁽²⁾ ⊙ c¹⁽¹⁾ + i¹⁽²⁾ ⊙ g¹⁽²⁾",
             "h¹⁽²⁾ = o¹⁽²⁾ ⊙ tanh(c¹⁽²⁾)", "∂c¹⁽²⁾ⱼ/∂c¹⁽¹⁾ⱼ = f¹⁽²⁾ⱼ"),
    "GRU": ("r¹⁽²⁾ = σ(z¹⁽²⁾_{0:2} + v¹⁽²⁾_{0:2})", "h¹⁽²⁾ = (1 − u¹⁽²⁾) ⊙ g¹⁽²⁾ + u¹⁽²⁾ ⊙ h¹⁽¹⁾",
            "g¹⁽²⁾ = tanh(z¹⁽²⁾_{4:6} + r¹⁽²⁾ ⊙ (v¹⁽²⁾_{4:6} + b¹′))"),
}  # fmt: skip


@pytest.mark.parametrize("kind", GATES)
def test_gates_stand_in_the_trace_with_the_numbers_of_the_layer(kind):
    layer = getattr(nn, kind)(1, 2, rng=0)
    x = numbers(1, 2, 1).astype("f")
    found = trace(lambda m, x: cr.sum(m(x)[0]), layer, x)
    text = found.to_text(lang="en")
    for formula in GATES[kind]:
        assert formula in text
    (gates,) = layer.gates(x)
    letters = {"input": "i", "forget": "f", "candidate": "g", "output": "o", "reset": "r",
               "update": "u"}  # fmt: skip
    seen = {to_text(equation.sides[0]): array for equation, array in found.forward}
    compared = 0
    for name, values in gates.items():
        for t in (0, 1):
            array = seen.get(f"{letters[name]}¹{'⁽¹⁾' if t == 0 else '⁽²⁾'}")
            if array is not None:  # before the first step there is nothing to forget
                np.testing.assert_allclose(array, np.asarray(values)[:, t], rtol=1e-5)
                compared += 1
    assert compared >= 2 * len(gates) - 2


def test_attention_weights_are_a_table():
    layer = nn.MultiHeadAttention(2, 1, rng=0)
    x = numbers(1, 5, 2).astype("f")
    _, weights = layer(x, causal=True, weights=True)
    shown = str(float(np.asarray(weights)[0, 0, 2, 1]))[:5]
    for path in ("input.weight[0, 0]", "input.weight[0, 4]"):  # of a query, of a value
        text = explain(lambda m, x: cr.sum(m(x, causal=True) ** 2), layer, x, wrt=path)
        text = text.to_text(lang="en")
        assert "a row for each query, a column for each key" in text and shown in text


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_transformer_block_is_explained_as_a_whole(lang):
    block = nn.TransformerBlock(4, 2, causal=True, activation="swiglu", norm="rms", rng=0)
    x = numbers(1, 3, 4).astype("f")

    def cost(block, x):
        return cr.sum(block(x) ** 2)

    derived = explain(cost, block, x, wrt="attention.input.weight[0, 1]", lang=lang)
    gradient = np.asarray(cr.grad(cost)(block, x).attention.input.weight)[0, 1]
    assert derived.value == pytest.approx(float(gradient), rel=1e-4)
    names = [step.name for step in derived.walk.steps]
    assert names.count("RMSNorm") == 2 and "attention_weights" in names
    assert derived.to_text() and derived.layer.to_text() and derived.to_html()
    assert trace(cost, block, x).to_latex(lang=lang)


def test_latex_compiles(katex):
    formulas = []
    for name in ("recurrent: lstm", "recurrent: gru", "attention: two heads", "mask"):
        function, *arguments = CASES[name]
        derived = explain(function, *arguments)
        documents = [derived.document("en"), derived.layer.document("en")]
        documents.append(trace(function, *arguments).document("en"))
        blocks = [block for document in documents for block in document.blocks]
        formulas += [to_latex(b.expression, display=True) for b in blocks if isinstance(b, Formula)]
    assert len(formulas) > 200
    assert katex(formulas) == []
