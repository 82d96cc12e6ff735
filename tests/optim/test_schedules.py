"""Schedules against PyTorch's, in a chain, and what only ours do."""

import math

import pytest
import torch
from torch.optim import lr_scheduler as theirs

import chainrule as cr
from chainrule import optim
from chainrule.errors import OptionError

from .conftest import SCHEDULES

RATE = 0.3
STEPS = 40

#: Our schedule, and PyTorch's as a function of the optimizer.
CASES = [
    (optim.constant(), lambda o: theirs.LambdaLR(o, lambda step: 1.0)),
    (optim.piecewise([7], [0.25, 1]), lambda o: theirs.ConstantLR(o, 0.25, 7)),
    (optim.step_decay(7), lambda o: theirs.StepLR(o, 7)),
    (optim.step_decay(3, 0.8), lambda o: theirs.StepLR(o, 3, 0.8)),
    (
        optim.piecewise([5, 20, 30], [1, 0.5, 0.25, 0.125]),
        lambda o: theirs.MultiStepLR(o, [5, 20, 30], 0.5),
    ),
    (optim.exponential(0.9), lambda o: theirs.ExponentialLR(o, 0.9)),
    (
        optim.inverse_time(0.25),
        lambda o: theirs.LambdaLR(o, lambda step: 1 / (1 + 0.25 * step)),
    ),
    (optim.linear(9, 1 / 3, 1.0), lambda o: theirs.LinearLR(o, total_iters=9)),
    (optim.linear(9, 1.0, 0.2), lambda o: theirs.LinearLR(o, 1.0, 0.2, 9)),
    (optim.warmup(9, 0.1), lambda o: theirs.LinearLR(o, 0.1, total_iters=9)),
    (optim.polynomial(25), lambda o: theirs.PolynomialLR(o, 25)),
    (optim.polynomial(25, power=2.5), lambda o: theirs.PolynomialLR(o, 25, 2.5)),
    (optim.cosine(STEPS), lambda o: theirs.CosineAnnealingLR(o, STEPS)),
    (optim.cosine(50, final=0.1), lambda o: theirs.CosineAnnealingLR(o, 50, 0.1 * RATE)),
    (
        optim.cosine(40, warmup=10),
        lambda o: theirs.SequentialLR(
            o,
            [theirs.LambdaLR(o, lambda step: step / 10), theirs.CosineAnnealingLR(o, 30)],
            [10],
        ),
    ),
    (
        optim.one_cycle(STEPS),
        lambda o: theirs.OneCycleLR(o, RATE, STEPS, cycle_momentum=False),
    ),
    (
        optim.one_cycle(STEPS, rise=0.6, start=0.1, final=0.1 / 50),
        lambda o: theirs.OneCycleLR(
            o, RATE, STEPS, pct_start=0.6, div_factor=10, final_div_factor=50, cycle_momentum=False
        ),
    ),
    (
        optim.one_cycle(STEPS, rise=0.0),
        lambda o: theirs.OneCycleLR(o, RATE, STEPS, pct_start=0.0, cycle_momentum=False),
    ),
    (
        optim.join([optim.warmup(10, 0.1), optim.exponential(0.9)], [10]),
        lambda o: theirs.SequentialLR(
            o, [theirs.LinearLR(o, 0.1, total_iters=10), theirs.ExponentialLR(o, 0.9)], [10]
        ),
    ),
    (
        optim.scale_by_schedule(lambda step: (1 + step) ** -0.5),
        lambda o: theirs.LambdaLR(o, lambda step: (1 + step) ** -0.5),
    ),
]


def name_of(case):
    return repr(case[0]) if isinstance(case, tuple) else None


def test_no_schedule_escapes():
    assert {repr(ours).partition("(")[0] for ours, _ in CASES} == set(SCHEDULES)


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.filterwarnings(
    "ignore:The epoch parameter in"
)  # PyTorch's SequentialLR warns of itself
def test_the_same_rates_as_pytorch(case):
    ours, make = case
    weight = torch.zeros(1, requires_grad=True)
    reference = torch.optim.SGD([weight], lr=RATE)
    scheduler = make(reference)
    optimizer = optim.chain(optim.sgd(RATE), ours)
    params = cr.zeros(2, "float64")
    state = optimizer.init(params)
    for step in range(STEPS):
        wanted = reference.param_groups[0]["lr"]
        updates, state = optimizer.update(cr.ones_like(params), state, params)
        used = optim.current_learning_rate(state).item()
        # PyTorch computes some rates from the one before: their errors add up near zero.
        assert used == pytest.approx(wanted, rel=1e-9, abs=1e-13), step
        assert updates.tolist() == [-used, -used]
        reference.step()
        if step < STEPS - 1:
            scheduler.step()


def test_a_schedule_stays_where_it_ends():
    for schedule, final in (
        (optim.linear(5, final=0.25), 0.25),
        (optim.polynomial(5, 2, final=0.25), 0.25),
        (optim.cosine(5, final=0.25), 0.25),
        (optim.one_cycle(5, final=0.25), 0.25),
        (optim.warmup(5), 1.0),
    ):
        assert schedule([5, 6, 1000]).tolist() == [final] * 3


def test_a_cosine_keeps_its_digits_near_its_end():
    """In float32 ``(1 + cos πp) / 2`` is 0 or several times too large there."""
    steps = 10_000
    link = optim.cosine(steps)
    state = link.init(cr.zeros(1))
    for left in (1, 2, 5, 50):
        exact = math.sin(math.pi / 2 * left / steps) ** 2
        at = state._replace(memory={**state.memory, "step": cr.asarray(steps - left)})
        factor = link.update(cr.zeros(1), at, cr.zeros(1))[1].memory["factor"].item()
        assert factor == pytest.approx(exact, rel=1e-6)


def test_a_step_counter_does_not_saturate():
    """``t + 1`` stands still in float32 from 2²⁴ on; the counter is an integer of 64 bits."""
    link = optim.inverse_time(1.0)
    state = link.init(cr.zeros(1))
    late = state._replace(memory={**state.memory, "step": cr.asarray(2**31)})
    _, state = link.update(cr.zeros(1), late, cr.zeros(1))
    assert state.memory["step"].item() == 2**31 + 1


def test_two_schedules_in_one_chain_multiply():
    optimizer = optim.chain(optim.sgd(1.0), optim.warmup(4), optim.exponential(0.5))
    state = optimizer.init(cr.zeros(1))
    rates = []
    for _ in range(6):
        _, state = optimizer.update(cr.ones(1), state, cr.zeros(1))
        rates.append(optim.current_learning_rate(state).item())
    assert rates == [0.0, 0.125, 0.125, 0.09375, 0.0625, 0.03125]


def test_a_schedule_goes_on_when_the_learning_rate_is_set():
    optimizer = optim.chain(optim.sgd(1.0), optim.exponential(0.5))
    state = optimizer.init(cr.zeros(1))
    assert optim.current_learning_rate(state).item() == 1.0
    _, state = optimizer.update(cr.ones(1), state, cr.zeros(1))
    state = optim.set_learning_rate(state, 8.0)
    updates, state = optimizer.update(cr.ones(1), state, cr.zeros(1))
    assert optim.learning_rate(state).item() == 8.0
    assert optim.current_learning_rate(state).item() == 4.0
    assert updates.item() == -4.0


@pytest.mark.parametrize(
    ("make", "condition"),
    [
        (lambda: optim.cosine(10, warmup=10), "warmup < steps"),
        (lambda: optim.piecewise([3, 3], [1, 1, 1]), "increasing boundaries"),
        (lambda: optim.piecewise([3, 2], [1, 1, 1]), "increasing boundaries"),
        (lambda: optim.piecewise([0], [1, 1]), "0 < boundary < inf"),
        (lambda: optim.piecewise([3], [1, -1]), "0 <= factor < inf"),
        (lambda: optim.piecewise([3], [1]), r"len(factors) == len(boundaries) + 1"),
        (lambda: optim.join([], []), r"len(schedules) == len(boundaries) + 1"),
        (lambda: optim.join([optim.warmup(2)], [3]), r"len(schedules) == len(boundaries) + 1"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(make, condition):
    with pytest.raises(OptionError) as caught:
        make()
    assert condition in str(caught.value)


def test_a_schedule_in_place_of_a_number_is_put_right():
    with pytest.raises(OptionError, match=r"chain\(sgd\(0\.1\), cosine\(steps=9"):
        optim.adam(optim.cosine(9))
