"""Every op and every layer, activation and loss has its way of saying, or a written refusal."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.formulas import Number, to_text
from chainrule.explain.saying import LOSSES, TEXTBOOK, Numbers, tangents
from chainrule.explain.saying import algebra as a
from chainrule.explain.saying.measured import local
from chainrule.explain.saying.ops import ELEMENTWISE, MOVED, REFUSED
from chainrule.explain.walking.kinds import KINDS
from chainrule.explain.walking.walkthrough import Walkthrough
from chainrule.graph.table import TABLE

RNG = np.random.default_rng(0)


def said_of(function, *arguments):
    """The last step's symbols, step and saying, for a function that is summed to a number."""
    walk = Walkthrough.of(lambda *xs: cr.sum(function(*xs)), *arguments)
    symbols = Symbols(walk)
    step = walk.steps[-2]
    return symbols, step, symbols.saying(step)


def check_step(symbols, step, said):
    """Each derivative that is said, against automatic differentiation, element by element."""
    arrays = [value.array for value in step.inputs]
    numbers = symbols.numbers_of(step)
    checked = 0
    for position, occurrences in enumerate(said.occurrences):
        for place in np.ndindex(arrays[position].shape) if occurrences is not None else ():
            (slopes,) = tangents(step.graph, position, arrays, place)
            for out in np.ndindex(slopes.shape):
                found = local(said, position, out, place, numbers)
                np.testing.assert_allclose(found, slopes[out], rtol=1e-9, atol=1e-12)
                checked += 1
    return checked


def test_every_op_is_said_or_refused():
    ways = [set(ELEMENTWISE), set(MOVED), set(REFUSED)]
    assert set.union(*ways) == set(TABLE)
    assert sum(map(len, ways)) == len(TABLE)
    assert all(reason for reason in REFUSED.values())


@pytest.mark.parametrize("name", [n for n, op in TABLE.items() if op.family == "elementwise"])
def test_local_derivatives_of_elementwise_ops(name):
    op = TABLE[name]
    if name in REFUSED or "f" not in op.check.kinds or name == "where":
        pytest.skip("no derivative")
    columns = [RNG.uniform(low, high, 5) for low, high in op.check.domain]
    function = {"cast": lambda x: x.astype("float32").astype("float64")}.get(name)
    function = function or getattr(cr, name)
    walk = Walkthrough.of(lambda *xs: cr.sum(function(*xs) * 1.0), *columns)
    symbols = Symbols(walk)
    for step in walk.steps:
        if step.name == name and step.output.gradient is not None:
            assert check_step(symbols, step, symbols.saying(step)) == 25 * len(columns)
            return
    assert op.derivative is None or name == "cast"


def test_every_named_function_of_the_library_is_said():
    functions = {*nn.activations.ACTIVATIONS, "softmax", "log_softmax"}
    losses = set(nn.losses.__all__)
    layers = {
        name
        for name in nn.__all__
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    opened = {"Module", "MLP", "Sequential", "LinearModel", "Flatten", "Tied"}
    opened |= {"FeedForward", "TransformerBlock", "Encoder", "Decoder", "Transformer"}
    opened |= {"LanguageModel", "Seq2Seq"}
    assert losses == set(LOSSES)
    assert functions <= set(KINDS) and set(TEXTBOOK) <= functions
    assert layers - opened <= set(KINDS)


@pytest.mark.parametrize("name", [*sorted(nn.activations.ACTIVATIONS), "softmax", "log_softmax"])
def test_activations(name):
    z = RNG.normal(size=(3, 4))
    symbols, step, said = said_of(getattr(nn, name), z)
    assert step.name == name
    assert check_step(symbols, step, said) == 144


FORMS = {
    "identity": ("Identity(z)", "1"),
    "relu": ("ReLU(z)", "z > 0"),
    "leaky_relu": ("{z if z > 0, 0.01 · z otherwise}", "{1 if z > 0, 0.01 otherwise}"),
    "elu": ("{z if z > 0, exp(z) − 1 otherwise}", "{1 if z > 0, exp(z) otherwise}"),
    "sigmoid": ("σ(z)", "y · (1 − y)"),
    "tanh": ("tanh(z)", "1 − y²"),
    "softplus": ("log(1 + exp(z))", "σ(z)"),
    "silu": ("z · σ(z)", "σ(z) · (1 + z · (1 − σ(z)))"),
    "gelu": ("z · Φ(z)", "Φ(z) + z · exp(−z²/2) / √(2 · π)"),
}


@pytest.mark.parametrize("name", FORMS)
def test_textbook_forms(name):
    def function(z):
        return getattr(nn, name)(z)

    walk = Walkthrough.of(lambda z: cr.sum(function(z)), RNG.normal(size=3))
    symbols = Symbols(walk)
    said = symbols.saying(walk.steps[0])
    ((occurrence,),) = said.occurrences
    texts = [to_text(e, lang="en") for e in (said.value, occurrence.factor)]
    texts = [text.replace("zⱼ", "z").replace("yⱼ", "y").replace("zₙ", "z") for text in texts]
    assert tuple(text.replace("yₙ", "y") for text in texts) == FORMS[name]


@pytest.mark.parametrize(
    ("loss", "t", "options"),
    [
        (name, t, options)
        for name, t in [
            ("mse", RNG.normal(size=(3, 4))),
            ("mae", RNG.normal(size=(3, 4))),
            ("huber", RNG.normal(size=(3, 4))),
            ("binary_cross_entropy", RNG.uniform(size=(3, 4)).round()),
            ("binary_cross_entropy", RNG.uniform(size=(3, 4))),
            ("cross_entropy", np.array([0, 3, 1])),
            ("cross_entropy", np.eye(4)[[0, 3, 1]]),
            ("cross_entropy", RNG.dirichlet(np.ones(4), 3)),
        ]
        for options in (
            {},
            {"reduction": "sum"},
            {"reduction": "batchmean"},
            {"sample_weight": [1.0, 0.0, 2.5]},
            *([{"delta": 0.3}] if name == "huber" else []),
            *(
                [{"label_smoothing": 0.2}, {"class_weight": [1.0, 2.0, 3.0, 4.0]}]
                if name == "cross_entropy"
                else []
            ),
            *([{"class_weight": [1.0, 5.0]}] if name == "binary_cross_entropy" else []),
        )
    ],
)
def test_losses_in_textbook_form(loss, t, options):
    y = RNG.normal(size=(3, 4))
    walk = Walkthrough.of(lambda y, t: getattr(nn, loss)(y, t, **options), y, t)
    symbols = Symbols(walk)
    step = next(step for step in walk.steps if step.name == loss)
    said = symbols.saying(step)
    assert check_step(symbols, step, said) == 12
    numbers = symbols.numbers_of(step)
    np.testing.assert_allclose(numbers.evaluate(said.value), walk.cost.array, rtol=1e-9)
    (occurrence,) = said.occurrences[walk.steps[-1].inputs.index(walk["y"])]
    text = to_text(occurrence.factor, lang="en")
    form = {"mse": "(tₙₖ − yₙₖ)", "mae": "sign(tₙₖ − yₙₖ)", "huber": "|tₙₖ − yₙₖ| ≤"}
    assert form.get(loss, "pₙₖ − ") in text


def test_a_users_own_function_does_not_get_the_librarys_formula():
    @cr.named
    def relu(z):
        return cr.sin(z)

    _, step, said = said_of(relu, RNG.normal(size=3))
    assert step.name == "relu" and "sin" in to_text(said.value)

    @cr.named
    def softplus(z):
        return cr.where(z > 100, z, nn.softplus(cr.where(z > 100, 0.0, z)))  # beyond every test

    _, step, said = said_of(softplus, RNG.normal(size=3))
    assert step.name == "softplus" and said is not None


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (a.product(Number(2), Number(3)), "6"),
        (a.product(a.negated(Number(1)), a.number(0.5)), "−1/2"),
        (a.divided(a.divided(a.number(0.1), a.number(0.3)), a.number(0.7)), "0.1 / (0.3 · 0.7)"),
        (a.cases(a.ONE, Number(5), Number(6)), "5"),
        (a.total(Number(1), Number(2), a.negated(Number(3))), "0"),
        (a.powered(a.powered(a.number(0.3), Number(2)), Number(3)), "0.3⁶"),
        (a.compared("<", Number(0), a.number(0.3)), "0.3 > 0"),
    ],
)
def test_algebra(built, text):
    assert to_text(built) == text


def test_numbers_evaluates_what_it_writes_out():
    assert Numbers({}).evaluate(a.product(Number(2), a.number(0.25))) == 0.5
