"""What every link, optimizer and schedule does; they are found by reflection, so none escapes."""

import inspect
import re
from functools import partial

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import OptionError
from chainrule.graph.trace import replay

from .conftest import (
    CONFIGURATIONS,
    FACTORIES,
    LINKS,
    OPTIMIZERS,
    SCHEDULES,
    arguments,
    assert_same,
    label,
    tree,
)

every_factory = pytest.mark.parametrize("name", FACTORIES)
every_schedule = pytest.mark.parametrize("name", SCHEDULES)


def test_reflection_finds_them():
    assert {"sgd", "adam", "adamw", "rmsprop"} <= set(OPTIMIZERS)
    assert {"cosine", "join", "one_cycle"} <= set(SCHEDULES)
    assert {"clip_by_value", "scale_by_adam", *OPTIMIZERS, *SCHEDULES} <= set(LINKS)
    assert "reduce_on_plateau" in FACTORIES


# ------------------------------------------------------------------ trees and types
def test_updates_and_state_keep_their_shapes_and_types(make, params, grads):
    link = make()
    state = link.init(params)
    updates, new_state = link.update(grads, state, params)
    assert specs(updates) == specs(params)
    assert specs(new_state) == specs(state)
    kinds = {x.dtype for x in cr.tree_leaves(state)}
    assert kinds <= {params["scale"].dtype, np.dtype(np.int64)}


def specs(of):
    return cr.tree_map(lambda x: x.spec, of)


def test_an_update_changes_nothing_in_place(make, params, grads):
    link = make()
    state = link.init(params)
    before = cr.tree_map(cr.tensor, (grads, state, params))
    link.update(grads, state, params)
    assert_same((grads, state, params), before)


def test_a_state_can_be_taken_apart_and_put_together(make, params, grads):
    link = make()
    _, state = link.update(grads, link.init(params), params)
    again = cr.tree_unflatten(link_definition(link, params), cr.tree_leaves(state))
    assert type(again) is type(state)
    assert_same(link.update(grads, again, params), link.update(grads, state, params))


def link_definition(link, params):
    return cr.tree_flatten(link.init(params))[1]


def test_parameters_may_be_one_tensor_or_none(make):
    link = make()
    one = cr.ones(3)
    assert link.update(one, link.init(one), one)[0].spec == one.spec
    assert link.update({}, link.init({}), {})[0] == {}


def test_zero_gradients_give_finite_updates(make, params):
    link = make()
    zero, state = cr.tree_map(cr.zeros_like, params), link.init(params)
    for _ in range(3):
        updates, state = link.update(zero, state, params)
        assert all(cr.isfinite(x).numpy().all() for x in cr.tree_leaves((updates, state)))


# ------------------------------------------------------------------ graphs
def test_a_traced_update_gives_the_same_bits(make, params, grads):
    link = make()
    _, state = link.update(grads, link.init(params), params)
    graph = cr.make_graph(link.update, grads, state, params)
    cr.verify(graph)
    results = replay(graph, cr.tree_leaves((grads, state, params)))
    expected = link.update(grads, state, params)
    assert_same(results, cr.tree_leaves(expected))


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=label)
def test_numbers_are_no_part_of_the_graph(configuration):
    """So a grid search over them compiles once."""
    name, chosen = configuration
    params, graphs, states = tree(0), [], []
    for which in (0, 1):
        link = getattr(optim, name)(**{**with_numbers(name, which), **chosen})
        states.append(link.init(params))
        graphs.append(cr.make_graph(link.update, params, states[-1], params))
    assert graphs[0] == graphs[1]
    pairs = zip(*map(cr.tree_leaves, states), strict=True)
    differ = any((one != other).numpy().any() for one, other in pairs)
    assert differ or name == "scale_by_schedule"  # its function is a part of the graph


def with_numbers(name, which):
    """The first or second value for each number, but always the first for an option."""
    values, first = arguments(name, which), arguments(name, 0)
    return {key: first[key] if isinstance(v, bool) else v for key, v in values.items()}


def test_a_scan_makes_the_same_steps(make):
    link, params = make(), tree(0)
    rows = cr.tree_map(lambda *x: cr.stack(x), *(tree(seed) for seed in range(3)))

    def step(carried, grads):
        params, state = carried
        updates, state = link.update(grads, state, params)
        return (optim.apply_updates(params, updates), state), updates

    carried, _ = cr.scan(step, (params, link.init(params)), rows)
    expected = params, link.init(params)
    for i in range(3):
        expected, _ = step(expected, cr.tree_map(lambda x, i=i: x[i], rows))
    assert_same(carried, expected, rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_many_learning_rates_run_at_once(name):
    optimizer = getattr(optim, name)(**arguments(name, 0))
    params, grads = tree(0), tree(1)
    state = optimizer.init(params)

    def updates(rate):
        return optimizer.update(grads, optim.set_learning_rate(state, rate), params)[0]

    rates = np.array([0.5, 0.25, 0.0])
    together = cr.vmap(updates)(cr.asarray(rates))
    for i, rate in enumerate(rates):
        assert_same(cr.tree_map(lambda x, i=i: x[i], together), updates(rate), rtol=1e-12)


# ------------------------------------------------------------------ they optimise
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_minimises_a_quadratic(name):
    """From 1 the distance to the minimum falls a hundredfold, in both of two unequal directions."""
    makes = getattr(optim, name)
    numbers = {"momentum": 0.9} if name == "momentum" else {}
    optimizer = makes(learning_rate=0.5 if "adagrad" in name else 0.05, **numbers)
    minimum, curvature = cr.asarray([3.0, -2.0]), cr.asarray([1.0, 0.2])
    gradient = cr.grad(lambda w: (curvature * (w - minimum) ** 2).sum())
    params = minimum + 1.0
    state = optimizer.init(params)
    for _ in range(400):
        updates, state = optimizer.update(gradient(params), state, params)
        params = optim.apply_updates(params, updates)
    # RMSProp goes on in steps of the learning rate; the decay of AdamW moves the minimum.
    tolerance = 0.06 if name in ("rmsprop", "adamw") else 0.01
    assert np.abs((params - minimum).numpy()).max() < tolerance


@every_schedule
def test_a_schedule_is_finite_and_not_negative(name):
    schedule = getattr(optim, name)(**arguments(name, 0))
    factors = schedule(np.arange(100)).numpy()
    assert factors.shape == (100,)
    assert np.isfinite(factors).all() and (factors >= 0).all()


@every_schedule
def test_a_schedule_scales_updates_by_what_it_says(name, params):
    schedule = getattr(optim, name)(**arguments(name, 0))
    state = schedule.init(params)
    for step in range(12):
        updates, state = schedule.update(params, state, params)
        factor = schedule(step).numpy().astype(params["scale"].dtype)
        assert state.memory["step"].item() == step + 1
        assert_same(state.memory["factor"], cr.asarray(factor), rtol=1e-5, atol=1e-7)
        expected = cr.tree_map(lambda x, f=state.memory["factor"]: f * x, params)
        assert_same(updates, expected)


# ------------------------------------------------------------------ arguments, text, docs
@every_factory
def test_the_repr_makes_it_again(name):
    for which in (0, 1):
        made = getattr(optim, name)(**arguments(name, which))
        assert repr(made).startswith(f"{name}(")
        assert "=" in repr(made)
        known = {**vars(optim), "_halving": arguments("scale_by_schedule", 0)["factor"]}
        assert repr(eval(repr(made), known)) == repr(made)


def numbers_of(name):
    """The parameters that are numbers: an integer or a float in both sets of arguments."""
    given = arguments(name, 0)
    return [k for k, v in given.items() if isinstance(v, int | float) and v is not False]


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name in FACTORIES for number in numbers_of(name)]
)
@pytest.mark.parametrize("bad", [-0.5, float("nan"), float("inf"), "0.5", True])
def test_a_bad_number_is_refused(name, number, bad):
    with pytest.raises(OptionError) as caught:
        getattr(optim, name)(**{**arguments(name, 0), number: bad})
    message = str(caught.value)
    assert message.startswith(f"{name}(")
    assert number in message and str(bad) in message


@every_factory
def test_an_unknown_parameter_is_refused(name):
    known = list(inspect.signature(getattr(optim, name)).parameters)
    with pytest.raises(OptionError, match=f"^{name} expects the parameters {', '.join(known)}"):
        getattr(optim, name)(**arguments(name, 0), misspelt=1)


@every_factory
def test_the_docstring_has_all_parts(name):
    text = " ".join(inspect.getdoc(getattr(optim, name)).split())
    for part in ("Examples --------", ">>> ", "References ----------"):
        assert part in text
    if re.search(r"The link of :func:`\w+`.*, where .*parameters are described", text):
        return
    assert ".. math::" in text or re.search("``[^`]*[=←<][^`]*``", text), "a formula"
    described = text.partition("Parameters ----------")[2].partition("Examples")[0]
    for parameter in inspect.signature(getattr(optim, name)).parameters:
        assert re.search(rf"\b{parameter}\b", described), parameter


def test_partial_application_keeps_the_label():
    assert repr(partial(optim.sgd, 0.5)()) == "sgd(learning_rate=0.5)"
