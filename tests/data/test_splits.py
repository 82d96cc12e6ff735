"""Training, validation and test rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import data
from chainrule.errors import DataError


@given(
    rows=st.integers(11, 200),  # with fewer, no row may be left for training
    test=st.floats(0, 0.5),
    validation=st.floats(0, 0.4),
    stratify=st.booleans(),
    seed=st.integers(0, 9),
)
def test_every_row_has_one_purpose(
    rows: int, test: float, validation: float, stratify: bool, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, rows) if stratify else None
    parts = data.split(rows, test=test, validation=validation, labels=labels, rng=seed)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert len(parts.test) == (max(1, round(test * rows)) if test else 0)
    assert len(parts.validation) == (max(1, round(validation * rows)) if validation else 0)


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    test=st.floats(0.05, 0.5),
    validation=st.floats(0.05, 0.3),
)
def test_every_part_holds_every_class_in_its_share(
    sizes: list[int], test: float, validation: float
) -> None:
    rows = sum(sizes)
    if rows < 5:
        return
    labels = np.repeat(np.arange(len(sizes)), sizes)
    parts = data.split(rows, test=test, validation=validation, labels=labels, rng=0)
    got = np.bincount(labels[parts.test], minlength=len(sizes))
    share = np.array(sizes) / rows
    # Half a row of rounding in the class, and its share of half a row in each other class.
    assert (np.abs(got - len(parts.test) * share) <= 0.5 + len(sizes) * share / 2 + 1e-9).all()
    got = np.bincount(labels[parts.validation], minlength=len(sizes))
    assert (np.abs(got - len(parts.validation) * share) <= 1 + len(sizes) * share + 1e-9).all()


def test_one_seed_gives_one_split_and_rows_are_drawn_at_random() -> None:
    labels = np.zeros(1000, int)
    one = data.split(1000, labels=labels, rng=1)
    assert all(map(np.array_equal, one, data.split(1000, labels=labels, rng=1)))
    assert not np.array_equal(one.test, data.split(1000, labels=labels, rng=2).test)
    assert abs(one.test.mean() - 499.5) < 60  # 3 standard errors of the mean of 200 numbers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 1.0}, "0 <= test < 1"),
        ({"test": -0.1}, "0 <= test < 1"),
        ({"validation": float("nan")}, "0 <= validation < 1"),
        ({"test": 0.6, "validation": 0.4}, "take all 10"),
        ({"labels": [0, 1]}, r"labels of shape \(2,\)"),
    ],
)
def test_senseless_shares_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.split(10, **options)


def test_no_rows_cannot_be_split() -> None:
    with pytest.raises(DataError, match="at least one row for training"):
        data.split(0, test=0, validation=0)
