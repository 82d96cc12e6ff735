"""Every number of a derivation is the number that was computed: 1,000 random derivatives."""

import itertools
from math import isclose

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain import Derivation, explain
from chainrule.explain.derivation.flow import Element
from chainrule.explain.derivation.target import Target
from chainrule.explain.document import Document, Formula, Grid
from chainrule.explain.formulas import Equation, Expression, Number, to_text
from chainrule.explain.formulas.numbers import number_text, read_number, rounded
from chainrule.explain.formulas.tree import walk
from chainrule.explain.saying import Numbers, Unwritten

MODELS, ELEMENTS = 100, 10
ACTIVATIONS = sorted(nn.activations.ACTIVATIONS)
LOSSES = ("mse", "mae", "huber", "cross_entropy", "binary_cross_entropy", "by hand", "weighted")


def random_case(seed):
    """A model, a cost and data; small, so that most sums are written out."""
    rng = np.random.default_rng(seed)
    kind = LOSSES[seed % len(LOSSES)]
    sizes = rng.integers(1, 6, rng.integers(0, 3)).tolist()
    rows, inputs = int(rng.integers(1, 5)), int(rng.integers(1, 7))
    outputs = int(rng.integers(2, 5) if kind == "cross_entropy" else rng.integers(1, 4))
    activation = [ACTIVATIONS[i] for i in rng.integers(0, len(ACTIVATIONS), len(sizes))]
    model = nn.MLP(inputs, sizes, outputs, activation=activation, rng=rng, dtype=np.float64)
    model = cr.tree_map(lambda w: w + 0.1 * cr.tensor(rng.normal(size=w.shape), w.dtype), model)
    x, t = rng.normal(size=(rows, inputs)), rng.normal(size=(rows, outputs))
    return model, x, *cost_of(kind, t, rng)


def cost_of(kind, t, rng):
    rows, outputs = t.shape
    reduction = ["mean", "sum", "batchmean"][rng.integers(3)]
    weights = rng.uniform(0.5, 2, rows)
    options = {"reduction": reduction}
    if rng.integers(2):
        options["sample_weight"] = weights
    match kind:
        case "cross_entropy":
            labels = rng.integers(0, outputs, rows)
            options |= {"label_smoothing": 0.1} if rng.integers(2) else {}
            options |= {"class_weight": rng.uniform(1, 3, outputs)} if rng.integers(2) else {}
            return labels, lambda m, x, t: nn.cross_entropy(m(x), t, **options)
        case "binary_cross_entropy":
            return (t > 0).astype(np.float64), lambda m, x, t: nn.binary_cross_entropy(
                m(x), t, **options
            )
        case "by hand":
            return t, lambda m, x, t: cr.mean((t - m(x)) ** 2)
        case "weighted":
            return t, lambda m, x, t: nn.mse(m(x), t, sample_weight=weights)
    return t, lambda m, x, t: getattr(nn, kind)(m(x), t, **options)


def gradients_of(cost, model, x, t):
    """The gradient by ``cr.grad``, by path."""
    gradient = cr.grad(cost)(model, x, t)
    return dict(
        zip(cr.tree_paths(gradient), map(np.asarray, cr.tree_leaves(gradient)), strict=True)
    )


def formulas_of(document: Document) -> list[Expression]:
    found = []
    for block in document.blocks:
        if isinstance(block, Formula):
            found.append(block.expression)
        elif isinstance(block, Grid):
            found += [c for row in block.rows for c in row if isinstance(c, Expression)]
        else:
            parts = getattr(block, "parts", ())
            found += [part for part in parts if isinstance(part, Expression)]
    return found


def values_of(equation: Equation) -> list[float]:
    """What each side that is written in numbers alone comes to."""
    found = []
    for side in equation.sides:
        try:
            with np.errstate(all="ignore"):
                found.append(Numbers({}).evaluate(side))
        except Unwritten:
            continue
    return found


@pytest.mark.parametrize("chunk", range(10))
def test_numbers_are_those_computed(chunk):
    for seed in range(chunk * MODELS // 10, (chunk + 1) * MODELS // 10):
        model, x, t, cost = random_case(seed)
        gradients = gradients_of(cost, model, x, t)
        first = explain(cost, model, x, t, lang="en")
        places = [
            (path, place) for path, array in gradients.items() for place in np.ndindex(array.shape)
        ]
        rng = np.random.default_rng(seed)
        for k in rng.integers(0, len(places), ELEMENTS):
            check(first, *places[k], gradients)


def check(first: Derivation, path, place, gradients):
    value = first.walk[path]
    target = Target(value, place, Element(value, place))
    derivation = Derivation(first.symbols, target, lang="en")
    expected = gradients[path][place]
    assert isclose(derivation.value, expected, rel_tol=1e-9, abs_tol=1e-12)
    formulas = formulas_of(derivation.document())
    for number in {p.value for f in formulas for p in walk(f) if isinstance(p, Number)}:
        assert read_number(number_text(number)) == rounded(number)
        assert isclose(rounded(number), number, rel_tol=5.1e-5)
    sides = [values_of(f) for f in formulas if isinstance(f, Equation)]
    assert sum(len(values) > 1 for values in sides) >= 2
    for values in sides:
        for one, other in itertools.pairwise(values):
            assert isclose(one, other, rel_tol=1e-7, abs_tol=1e-9)
    (*_, last) = values_of(derivation.equation)
    assert isclose(last, expected, rel_tol=1e-7, abs_tol=1e-9)


def test_views_agree_to_the_last_digit():
    for seed in range(21):
        model, x, t, cost = random_case(seed)
        derivation = explain(cost, model, x, t, lang="en")
        said = to_text(Equation((derivation.symbol, Number(derivation.value))))
        for view in (derivation, derivation.scalar, derivation.neuron, derivation.layer):
            assert said in view.to_text(width=400)


def test_both_languages_have_the_same_formulas():
    for seed in range(21):
        model, x, t, cost = random_case(seed)
        derivation = explain(cost, model, x, t)
        for view in (derivation, derivation.neuron, derivation.layer):
            english, korean = (formulas_of(view.document(lang)) for lang in ("en", "ko"))
            assert english and sorted(map(repr, english)) == sorted(map(repr, korean))


def test_latex_compiles(katex):
    from chainrule.explain.formulas import to_latex

    formulas = []
    for seed in range(28):
        model, x, t, cost = random_case(seed)
        derivation = explain(cost, model, x, t)
        for view in (derivation, derivation.neuron, derivation.layer):
            formulas += [to_latex(f, display=True) for f in formulas_of(view.document())]
    assert len(formulas) > 250
    assert katex(formulas) == []
