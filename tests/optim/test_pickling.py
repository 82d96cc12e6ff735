"""Optimizers, schedules and rules can be pickled and copied: estimators that hold them are."""

import copy
import dataclasses
import pickle

import pytest

import chainrule as cr
from chainrule import optim

from .conftest import FACTORIES, SCHEDULES, arguments, assert_same, tree

COPIES = {
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def assert_same_steps(one, other):
    """The same states and updates, bit by bit, over two steps."""
    params = tree(0)
    states = [link.init(params) for link in (one, other)]
    assert_same(*states)
    for seed in (1, 2):
        steps = zip((one, other), states, strict=True)
        made = [link.update(tree(seed), state, params) for link, state in steps]
        assert_same(*made)
        states = [state for _, state in made]


def assert_same_rule(one, other):
    """Two plateau rules that decide alike."""
    states = [rule.init(0.1) for rule in (one, other)]
    for metric in (1.0, 0.5, 0.6, 0.7, 0.7, 0.4, 0.9, 0.9):
        states = [
            rule.update(metric, state) for rule, state in zip((one, other), states, strict=True)
        ]
        assert states[0] == states[1]


@every_copy
@pytest.mark.parametrize("name", FACTORIES)
def test_what_a_factory_makes_comes_back(name, copied):
    made = getattr(optim, name)(**arguments(name, 1))
    again = copied(made)
    assert again is not made
    assert type(again) is type(made)
    assert repr(again) == repr(made)
    (assert_same_rule if name == "reduce_on_plateau" else assert_same_steps)(made, again)


@every_copy
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_comes_back_has_its_factors(name, copied):
    made = getattr(optim, name)(**arguments(name, 1))
    steps = list(range(20))
    assert copied(made)(steps).tolist() == made(steps).tolist()


@every_copy
def test_a_chain_comes_back_with_its_links(copied):
    inner = optim.chain(optim.adamw(0.5, mask=optim.is_matrix), optim.cosine(9, warmup=2))
    made = optim.chain(optim.clip_by_global_norm(0.5), inner)
    again = copied(made)
    assert repr(again) == repr(made)
    assert_same_steps(made, again)


def halved(grads, memory, params, factor):
    return cr.tree_map(lambda g: factor * g, grads), memory


def nothing(params):
    return {}


def halving(step, every):
    return 0.5 ** (step / every)


@every_copy
@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.link({"factor": 0.5}, nothing, halved),
        lambda: optim.schedule({"every": 10}, halving),
    ],
    ids=["link", "schedule"],
)
def test_links_of_a_user_s_own_functions_come_back(make, copied):
    made = make()
    assert_same_steps(made, copied(made))


def init(params):
    return ()


def update(grads, state, params):
    return grads, state


@every_copy
def test_a_user_s_own_optimizer_comes_back(copied):
    again = copied(optim.Optimizer(init, update, "mine()"))
    assert (again.init, again.update, repr(again)) == (init, update, "mine()")


def test_a_changed_optimizer_does_not_come_back_as_what_it_was():
    changed = dataclasses.replace(optim.adam(), init=init, update=update)
    again = pickle.loads(pickle.dumps(changed))
    assert (again.init, again.update) == (init, update)


def test_lists_that_change_later_are_kept_as_they_were():
    boundaries, factors = [2], [1.0, 0.5]
    made = optim.piecewise(boundaries, factors)
    boundaries.append(1)
    factors.clear()
    again = pickle.loads(pickle.dumps(made))
    assert again([0, 2]).tolist() == made([0, 2]).tolist() == [1.0, 0.5]
