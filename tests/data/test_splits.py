"""Training, validation and test rows."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import data
from chainrule.errors import DataError, OptionError


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


# ---------------------------------------------------------------------- groups
@given(
    sizes=st.lists(st.integers(1, 5), min_size=20, max_size=60),
    test=st.floats(0, 0.4),
    validation=st.floats(0, 0.3),
    seed=st.integers(0, 9),
)
def test_no_group_is_in_two_parts_and_shares_are_met(
    sizes: list[int], test: float, validation: float, seed: int
) -> None:
    rows = sum(sizes)
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    parts = data.split(rows, test=test, validation=validation, groups=groups, rng=seed)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    seen = [set(groups[part]) for part in parts]
    assert sum(map(len, seen)) == len(sizes)
    for part, share in ((parts.test, test), (parts.validation, validation)):
        wanted = max(1, round(share * rows)) if share else 0
        # Half of the last group; the smallest group where even half of it is too much.
        assert abs(len(part) - wanted) <= max(2.5, min(sizes) - 1)


@given(
    sizes=st.lists(st.integers(1, 50), min_size=3, max_size=6),
    test=st.floats(0.01, 0.6),
    validation=st.floats(0.01, 0.3),
    seed=st.integers(0, 9),
)
def test_three_groups_are_enough_for_three_parts(
    sizes: list[int], test: float, validation: float, seed: int
) -> None:
    rows = sum(sizes)
    if max(1, round(test * rows)) + max(1, round(validation * rows)) >= rows:
        return
    groups = np.repeat(np.arange(len(sizes)), sizes)
    parts = data.split(rows, test=test, validation=validation, groups=groups, rng=seed)
    assert all(map(len, parts))
    assert sum(len(set(groups[part])) for part in parts) == len(sizes)


def test_a_group_larger_than_the_test_rows_trains() -> None:
    groups = ["large"] * 80 + [f"small {number}" for number in range(20)]
    for seed in range(20):
        parts = data.split(100, groups=groups, rng=seed, test=0.1, validation=0)
        assert len(parts.test) == 10 and parts.test.min() >= 80


def test_groups_are_drawn_at_random() -> None:
    groups = np.repeat(np.arange(100), 3)
    one, again, other = (data.split(300, groups=groups, rng=seed) for seed in (1, 1, 2))
    assert all(map(np.array_equal, one, again))
    assert not np.array_equal(one.test, other.test)


# ---------------------------------------------------------------------- times
@given(
    times=st.lists(st.integers(-20, 20), min_size=15, max_size=60),
    test=st.floats(0, 0.4),
    validation=st.floats(0, 0.3),
    gap=st.integers(0, 3) | st.none(),
)
def test_test_rows_are_the_latest_and_no_time_is_divided(
    times: list[int], test: float, validation: float, gap: int | None
) -> None:
    used = 1 + bool(test) + bool(validation)
    if len(set(times)) < used + 8:  # so that no gap takes all
        return
    at = np.array(times)
    try:
        parts = data.split(len(at), test=test, validation=validation, times=at, gap=gap)
    except DataError as error:
        assert error.key == "data.gap_takes_all" and gap
        return
    rows = np.concatenate(parts)
    assert len(set(rows)) == len(rows)
    if not gap:
        assert len(rows) == len(at)
    stretches = [at[part] for part in parts if len(part)]
    assert len(stretches) == used
    for before, after in pairwise(stretches):
        assert after.min() - before.max() > (gap or 0)
    assert set(at) - set(at[rows]) == {
        time
        for time in set(at) - set(at[rows])
        if any(0 < after.min() - time <= (gap or 0) for after in stretches[1:])
    }


def test_shares_are_met_as_nearly_as_times_allow() -> None:
    times = np.random.default_rng(0).permutation(1000)
    parts = data.split(1000, test=0.2, validation=0.1, times=times)
    assert [len(part) for part in parts] == [700, 100, 200]
    assert set(times[parts.test]) == set(range(800, 1000))
    days = np.repeat([1, 2, 3], [50, 40, 10])
    parts = data.split(100, test=0.2, validation=0, times=days)
    assert [len(part) for part in parts] == [90, 0, 10]  # 10 is nearer to 20 than 50 is


DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(10)]


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        [datetime(2024, 1, day + 1) for day in range(10)],
        [str(day) for day in DAYS],
        np.array(DAYS, "datetime64[D]"),
        np.array(DAYS, "datetime64[ns]"),
        pd.Series(pd.to_datetime(DAYS)),
        pd.to_datetime(DAYS),
    ],
    ids=lambda times: type(times).__name__,
)
@pytest.mark.parametrize("gap", [timedelta(days=1), np.timedelta64(1, "D"), pd.Timedelta("1D")])
def test_dates_come_in_many_forms(times: Any, gap: Any) -> None:
    parts = data.split(10, test=0.2, validation=0, times=times, gap=gap)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4, 5, 6], [], [8, 9]]


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.float64])
def test_numbers_of_any_type_are_times(kind: type) -> None:
    parts = data.split(10, times=np.arange(10, dtype=kind)[::-1], gap=1, validation=0.2)
    assert [part.tolist() for part in parts] == [[5, 6, 7, 8, 9], [3], [0, 1]]


# ---------------------------------------------------------------------- refusals
NAT = np.array(DAYS, "datetime64[D]")
NAT[4] = "NaT"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"groups": [1] * 10}, DataError, "3 parts of 1 different groups"),
        ({"groups": [1, 2] * 5}, DataError, "3 parts of 2 different groups"),
        ({"times": [1] * 10}, DataError, "3 parts of 1 different times"),
        ({"times": NAT}, DataError, "times in every row, but 1 are missing, the first in row 4"),
        ({"times": [float("nan")] * 2 + [0.0] * 8}, DataError, "2 are missing, the first in row 0"),
        ({"times": [0.0] * 9 + [float("inf")]}, DataError, "first in row 9"),
        ({"times": [None, *DAYS[1:]]}, DataError, "first in row 0"),
        ({"times": ["1 May", *map(str, DAYS[1:])]}, DataError, "got 1 May.*pandas.to_datetime"),
        ({"times": [True] * 10}, DataError, "numbers or dates, but got bool"),
        ({"times": [datetime(2024, 5, 1, tzinfo=UTC)] * 10}, DataError, "tz_localize"),
        ({"times": range(10), "gap": 5}, DataError, "gap=5 leaves no row for validation"),
        ({"times": range(10), "gap": -1}, OptionError, "gap >= 0"),
        ({"times": range(10), "gap": float("nan")}, OptionError, "gap >= 0"),
        ({"times": range(10), "gap": timedelta(1)}, OptionError, "times of type int64"),
        ({"times": DAYS, "gap": 1}, OptionError, "a timedelta for dates, but got 1"),
        ({"times": DAYS, "gap": timedelta(-1)}, OptionError, "gap >= 0"),
        ({"times": DAYS, "gap": np.timedelta64("NaT")}, OptionError, "gap >= 0"),
        ({"times": DAYS, "gap": np.timedelta64(1, "M")}, OptionError, "gap >= 0"),
        ({"gap": 1}, DataError, "expects times=... with gap"),
        ({"groups": [1, 2]}, DataError, r"groups of shape \(2,\)"),
        ({"labels": ["a", None] * 5}, DataError, "5 are missing, the first in row 1"),
        ({"groups": [*"abcdefgh", pd.NA, "k"]}, DataError, "first in row 8"),
        ({"groups": np.array([*"abcdefghi", 1], object)}, DataError, "some are text"),
        ({"groups": range(10), "labels": range(10)}, OptionError, "StratifiedGroupKFold"),
        ({"groups": range(10), "times": range(10)}, OptionError, "got groups, times"),
    ],
    ids=repr,
)
def test_senseless_columns_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        data.split(10, **options)
