"""Random numbers from keys: known answers, ranges, moments, and independence."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError
from chainrule.graph.ops.random import philox
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.rng import checked_rng

KEY = cr.random.key(20260115)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (
            [0xFFFFFFFF] * 4,
            [0xFFFFFFFF] * 2,
            [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        ),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers_of_random123(counter: list[int], key: list[int], answer: list[int]) -> None:
    got = philox(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert got.tolist() == answer


def test_bits_are_the_blocks_in_order() -> None:
    zero = cr.random_bits(cr.random.key(0), (3, 2))
    first = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert zero.numpy().ravel()[:4].tolist() == first
    longer = cr.random_bits(cr.random.key(0), (100,))
    np.testing.assert_array_equal(longer.numpy()[:6], zero.numpy().ravel())
    assert zero.dtype == np.uint32


def test_a_seed_fills_both_words() -> None:
    assert cr.random.key(2**32 + 5).tolist() == [5, 1]
    for wrong in (-1, 2**64):
        with pytest.raises(OptionError, match="seed"):
            cr.random.key(wrong)


def test_many_keys_draw_as_each_alone() -> None:
    keys = cr.random.split(KEY, 5)
    together = cr.random_bits(keys, (3,))
    alone = np.stack([cr.random_bits(key, (3,)).numpy() for key in keys])
    np.testing.assert_array_equal(together.numpy(), alone)
    assert len(np.unique(alone)) == 15


def test_a_graph_draws_the_same_numbers() -> None:
    def draw(key: cr.Tensor) -> cr.Tensor:
        return cr.random.normal(cr.random.split(key)[1], (7,))

    graph = cr.verify(cr.make_graph(draw, KEY))
    (replayed,) = evaluate(graph, [KEY.numpy()])
    np.testing.assert_array_equal(replayed, draw(KEY).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform(dtype: str) -> None:
    x = cr.random.uniform(KEY, (100_000,), dtype).numpy()
    assert x.dtype == dtype
    assert x.min() >= 0 and x.max() < 1
    counts, _ = np.histogram(x, 20, (0, 1))
    # χ² with 19 degrees of freedom stays below 43.8 with probability 0.999.
    assert ((counts - 5000) ** 2 / 5000).sum() < 43.8
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 4 / math.sqrt(x.size)


def test_uniform_reaches_the_lower_bound_but_never_the_upper() -> None:
    x = cr.random.uniform(KEY, (200_000,), low=-3.0, high=-1.0).numpy()
    assert x.min() >= -3 and x.max() < -1
    assert abs(x.mean() + 2) < 0.01
    narrow = cr.random.uniform(KEY, (1000,), low=1.0, high=1.0 + 2**-22).numpy()
    assert narrow.min() >= 1 and narrow.max() < np.float32(1 + 2**-22)


def test_uniform_uses_all_bits_of_a_float64() -> None:
    x = cr.random.uniform(KEY, (1000,), "float64").numpy() * 2.0**53
    np.testing.assert_array_equal(x, np.round(x))
    assert np.unique(x % 1024).size > 500


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal(dtype: str) -> None:
    x = cr.random.normal(KEY, (100, 1000), dtype).numpy().astype(float)
    n = x.size
    assert np.isfinite(x).all()
    assert abs(x.mean()) < 4 / math.sqrt(n)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 4 * math.sqrt(96 / n)
    within = [(np.abs(x) < z).mean() for z in (0.6745, 1.96, 3.0)]
    np.testing.assert_allclose(within, [0.5, 0.95, 0.9973], atol=0.005)


def test_bernoulli() -> None:
    x = cr.random.bernoulli(KEY, 0.3, (100_000,))
    assert x.dtype == np.bool_
    assert abs(x.numpy().mean() - 0.3) < 4 * math.sqrt(0.21 / 100_000)
    assert not cr.random.bernoulli(KEY, 0.0, (100,)).numpy().any()
    assert cr.random.bernoulli(KEY, 1.0, (100,)).numpy().all()


def test_permutation() -> None:
    orders = np.stack([cr.random.permutation(k, 3).numpy() for k in cr.random.split(KEY, 600)])
    assert (np.sort(orders) == np.arange(3)).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    # χ² with 5 degrees of freedom stays below 20.5 with probability 0.999.
    assert len(counts) == 6 and ((counts - 100) ** 2 / 100).sum() < 20.5
    assert cr.random.permutation(KEY, 0).shape == (0,)


def test_children_of_a_key_are_independent() -> None:
    a, b = (cr.random.normal(k, (50_000,)).numpy() for k in cr.random.split(KEY))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(a.size)


def test_unsigned_integers_wrap_around() -> None:
    x = cr.tensor(np.array([2**32 - 1, 5], np.uint32))
    assert (x + 3).tolist() == [2, 8]
    assert (x * 2).tolist() == [2**32 - 2, 10]
    assert (-x).tolist() == [1, 2**32 - 5]
    assert (cr.tensor(np.array([250], np.uint8)) + 10).tolist() == [4]
    assert (cr.tensor(np.array([127], np.int8)) + 1).tolist() == [-128]


@pytest.mark.parametrize("rng", ["a", -1, 1.5, object()])
def test_what_is_no_rng_is_refused(rng: object) -> None:
    with pytest.raises(OptionError, match="Try rng=0"):
        nn.Linear(2, 2, rng=rng)


def test_a_generator_goes_on() -> None:
    rng = np.random.default_rng(3)
    assert checked_rng(rng) is rng
