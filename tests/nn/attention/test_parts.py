"""Causal attention over many queries is cut into parts: the same values and gradients."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.attention.function import CUT_FROM, PARTS

RNG = np.random.default_rng(0)


def drawn(*shape):
    return cr.asarray(RNG.normal(size=shape))


def cost(q, k, v, **options):
    return cr.sum(cr.sin(nn.attention(q, k, v, causal=True, **options)))


def products(*specs, **options):
    graph = cr.make_graph(lambda *x: nn.attention(*x, causal=True, **options), *specs)
    return [n for n in cr.inline_calls(graph).nodes if n.op.name == "matmul"]


@pytest.mark.parametrize("queries", [CUT_FROM, CUT_FROM + 3])
@pytest.mark.parametrize("more", [0, 5])
@pytest.mark.parametrize("form", ["no mask", "a mask of keys", "a mask of scores", "grouped"])
def test_values_and_gradients(queries, more, form) -> None:
    keys = queries + more
    q = drawn(2, 4, queries, 3)
    k, v = (drawn(2, 2 if form == "grouped" else 4, keys, 3) for _ in range(2))
    options = {}
    if form == "a mask of keys":
        options["mask"] = RNG.random((2, 1, 1, keys)) < 0.8
    elif form == "a mask of scores":
        options["mask"] = RNG.normal(size=(queries, keys))
    gradient = cr.value_and_grad(lambda *x: cost(*x, **options), argnums=(0, 1, 2))
    whole = cr.value_and_grad(lambda *x: cost(*x, block=None, **options), argnums=(0, 1, 2))
    for a, b in zip(cr.tree_leaves(gradient(q, k, v)), cr.tree_leaves(whole(q, k, v)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


def test_parts_see_only_the_keys_that_they_need() -> None:
    spec = cr.Spec((2, CUT_FROM, 4))
    found = products(spec, spec, spec)
    assert len(found) == 2 * PARTS
    assert sum(n.spec.size for n in found[::2]) == pytest.approx(5 / 8 * 2 * CUT_FROM**2)
    assert len(products(spec, spec, spec, block=None)) == 2


def test_the_native_engine_agrees() -> None:
    q, k, v = (drawn(1, 2, CUT_FROM, 4) for _ in range(3))
    gradient = cr.grad(cost, argnums=(0, 1, 2))
    native = cr.compile(gradient, engine="native")
    for a, b in zip(native(q, k, v), gradient(q, k, v), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_every_part_has_masks_of_its_own_in_dropout() -> None:
    q = k = drawn(1, 1, CUT_FROM, 2)
    v = cr.ones((1, 1, CUT_FROM, 1), np.float64)
    y = nn.attention(q, k, v, causal=True, dropout=0.5, key=cr.random.key(0)).numpy()
    again = nn.attention(q, k, v, causal=True, dropout=0.5, key=cr.random.key(0)).numpy()
    np.testing.assert_array_equal(y, again)
    assert abs(y.mean() - 1) < 0.1
    assert y.std() > 0.05
