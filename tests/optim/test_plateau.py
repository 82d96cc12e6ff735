"""Reduce on plateau against PyTorch's rule."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.optim.lr_scheduler import ReduceLROnPlateau

from chainrule import optim

# Few values, so that ties, plateaus and improvements all happen.
metrics = st.lists(
    st.sampled_from([0.5, 0.9, 0.99, 1.0, 1.001, 1.5, math.nan, math.inf]), max_size=40
)


@settings(deadline=None)
@given(
    metrics,
    st.fixed_dictionaries(
        {
            "factor": st.sampled_from([0.1, 0.5]),
            "patience": st.integers(0, 4),
            "threshold": st.sampled_from([0.0, 1e-4, 0.05]),
            "cooldown": st.integers(0, 3),
        }
    ),
    st.sampled_from([0.0, 0.03]),
    st.booleans(),
    st.booleans(),
)
def test_the_same_rates_as_pytorch(seen, numbers, minimum, maximize, absolute):
    reference = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler = ReduceLROnPlateau(
        reference,
        mode="max" if maximize else "min",
        threshold_mode="abs" if absolute else "rel",
        min_lr=minimum,
        eps=0.0,
        **numbers,
    )
    plateau = optim.reduce_on_plateau(
        **numbers, minimum=minimum, maximize=maximize, absolute=absolute
    )
    state = plateau.init(0.2)
    for metric in seen:
        scheduler.step(metric)
        state = plateau.update(metric, state)
        assert state.learning_rate == pytest.approx(reference.param_groups[0]["lr"], rel=1e-12)


def test_a_slightly_worse_negative_metric_is_no_improvement():
    plateau = optim.reduce_on_plateau(patience=0, threshold=0.1)
    state = plateau.init(1.0)
    for loss in (-1.0, -0.95):
        state = plateau.update(loss, state)
    assert state == (0.1, -1.0, 0, 0)


def test_a_rate_below_the_minimum_is_not_raised():
    plateau = optim.reduce_on_plateau(patience=0, minimum=0.5)
    assert plateau.update(math.nan, plateau.init(0.25)).learning_rate == 0.25
