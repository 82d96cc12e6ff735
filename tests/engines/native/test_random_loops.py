"""Random bits are the row's, bit for bit, at every length and vector width."""

import numpy as np
import pytest

from .loop_driver import TARGETS, assert_rule_is_exact, numbers, run_rule


@pytest.mark.parametrize("width", TARGETS)
@pytest.mark.parametrize(
    "shape", [(0,), *((n,) for n in (*range(1, 10), 31, 32, 33, 1000)), (3, 7, 11)]
)
def test_bits_of_one_key(shape, width):
    key = np.array([0xFFFFFFFF, 0x89ABCDEF], np.uint32)
    assert_rule_is_exact("random_bits", [key], {"shape": shape}, TARGETS[width])


def test_one_word_without_an_axis():
    key = np.array([1, 2], np.uint32)
    got, (wanted,) = (run_rule("random_bits", [key], {"shape": shape}) for shape in ((), (1,)))
    assert got.shape == () and got == wanted


@pytest.mark.parametrize("batch", [(0,), (1,), (5,), (2, 3)])
@pytest.mark.parametrize("shape", [(2,), (16,), (50,)])
def test_bits_of_many_keys(batch, shape):
    keys = numbers((*batch, 2), np.uint32)
    assert_rule_is_exact("random_bits", [keys], {"shape": shape})
