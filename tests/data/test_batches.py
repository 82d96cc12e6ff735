"""Mini-batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import data
from chainrule.errors import OptionError


@given(rows=st.integers(0, 50), size=st.integers(1, 60) | st.none(), seed=st.integers(0, 9))
def test_every_row_comes_once_and_only_the_last_batch_is_shorter(
    rows: int, size: int | None, seed: int
) -> None:
    found = list(data.batches(rows, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate([*found, np.array([], int)])) == list(range(rows))
    assert all(len(batch) == (size or rows) for batch in found[:-1])
    assert all(0 < len(batch) <= (size or rows) for batch in found)


def test_without_a_generator_rows_come_in_order() -> None:
    assert [batch.tolist() for batch in data.batches(5, 2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tolist() for batch in data.batches(3)] == [[0, 1, 2]]


def test_a_seed_gives_one_order_and_every_epoch_another() -> None:
    def order(rng: np.random.Generator) -> list[int]:
        return [row for batch in data.batches(100, 7, rng) for row in batch.tolist()]

    one, other = np.random.default_rng(3), np.random.default_rng(3)
    first, second = order(one), order(one)
    assert first != second
    assert [order(other), order(other)] == [first, second]


@pytest.mark.parametrize(("rows", "size"), [(-1, 2), (5, 0), (5, -3)])
def test_senseless_sizes_are_refused_before_the_first_batch(rows: int, size: int) -> None:
    with pytest.raises(OptionError, match=r"expects (rows >= 0|size >= 1)"):
        data.batches(rows, size)
