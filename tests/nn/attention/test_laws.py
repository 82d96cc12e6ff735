"""What holds exactly for attention, whatever the numbers."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.attention import angles

ENGINES = ["interpret", "native"]
on_both_engines = pytest.mark.parametrize("engine", ENGINES)
in_blocks = pytest.mark.parametrize("block", [None, 2])


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [cr.asarray(rng.normal(size=shape)) for shape in shapes]


def heads(queries=5, keys=7):
    return drawn((2, 3, queries, 4), (2, 3, keys, 4), (2, 3, keys, 6))


def gradients(function, *arguments, engine="interpret"):
    """Of a random sum of what a function gives, for all of its arguments."""
    upstream = np.random.default_rng(1).normal(size=function(*arguments).shape)
    cost = lambda *given: (function(*given) * upstream).sum()  # noqa: E731
    compiled = cr.compile(cr.grad(cost, argnums=tuple(range(len(arguments)))), engine=engine)
    return [g.numpy() for g in cr.tree_leaves(compiled(*arguments))]


def equal(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def close(got, expected, tolerance=1e-12):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize(
    "options", [{}, {"causal": True}, {"softcap": 2.0}, {"mask": np.tri(5, 7, 1, dtype=bool)}]
)
def test_weights_are_positive_and_sum_to_1(options):
    q, k, v = heads()
    y, p = nn.attention(q, k, v, weights=True, **options)
    assert (p.numpy() >= 0).all()
    np.testing.assert_allclose(p.numpy().sum(-1), 1, rtol=1e-14)
    np.testing.assert_array_equal((p @ v).numpy(), y.numpy())


def test_the_order_of_the_keys_does_not_matter():
    q, k, v = heads()
    order = np.random.default_rng(2).permutation(7)
    mask = np.random.default_rng(3).random((2, 1, 5, 7)) < 0.7
    got = nn.attention(q, k[..., order, :], v[..., order, :], mask=mask[..., order])
    close([got.numpy()], [nn.attention(q, k, v, mask=mask).numpy()])


def test_equal_keys_give_the_mean_of_the_values():
    q, k, v = heads()
    y = nn.attention(q, cr.zeros_like(k), v).numpy()
    close([y], [np.broadcast_to(v.numpy().mean(-2, keepdims=True), y.shape)])


@on_both_engines
@in_blocks
def test_the_past_does_not_see_the_future(block, engine):
    q, k, v = heads(7, 7)
    attend = cr.compile(lambda *x: nn.attention(*x, causal=True, block=block), engine=engine)
    before = attend(q, k, v).numpy()
    changed = [cr.asarray(np.where(np.arange(7)[:, None] < 4, x, 100.0)) for x in (q, k, v)]
    equal([attend(*changed).numpy()[..., :4, :]], [before[..., :4, :]])
    past = lambda *x: nn.attention(*x, causal=True, block=block)[..., :4, :]  # noqa: E731
    for g in gradients(past, q, k, v, engine=engine):
        assert (g[..., :4, :] != 0).any() and (g[..., 4:, :] == 0).all()


@on_both_engines
@in_blocks
@pytest.mark.parametrize("shape", [(2, 1, 1, 7), (2, 3, 5, 7), (7,)])
def test_what_stands_at_masked_keys_changes_nothing(shape, block, engine):
    q, k, v = heads()
    seen = np.arange(7) < 5
    mask = np.broadcast_to(seen, shape)
    attend = lambda *x: nn.attention(*x, mask=mask, block=block)  # noqa: E731
    run = cr.compile(attend, engine=engine)
    y, g = run(q, k, v).numpy(), gradients(attend, q, k, v, engine=engine)
    for rubbish in (np.nan, np.inf):
        spoiled = [cr.asarray(np.where(seen[:, None], x, rubbish)) for x in (k, v)]
        equal([run(q, *spoiled).numpy()], [y])
        equal(gradients(attend, q, *spoiled, engine=engine), g)


@on_both_engines
@in_blocks
@pytest.mark.parametrize("of_numbers", [False, True])
def test_a_row_without_keys_gives_0(of_numbers, block, engine):
    q, k, v = heads()
    mask = np.ones((2, 3, 5, 7), bool)
    mask[0, 1, 2] = False
    given = np.where(mask, 0.0, -np.inf) if of_numbers else mask
    attend = lambda q, k, v: nn.attention(q, k, v, mask=given, block=block)  # noqa: E731
    assert (cr.compile(attend, engine=engine)(q, k, v).numpy()[0, 1, 2] == 0).all()
    of_q, of_k, of_v = gradients(attend, q, k, v, engine=engine)
    assert np.isfinite(of_k).all() and np.isfinite(of_v).all()
    assert (of_q[0, 1, 2] == 0).all() and (of_q[0, 1, 1] != 0).all()


@on_both_engines
def test_queries_before_all_keys_give_0(engine):
    """Causal, with more queries than keys: the first ones stand before every key."""
    q, k, v = heads(5, 3)
    attend = lambda *x: nn.attention(*x, causal=True)  # noqa: E731
    y = cr.compile(attend, engine=engine)(q, k, v).numpy()
    assert (y[..., :2, :] == 0).all() and (y[..., 2, :] == v.numpy()[..., 0, :]).all()
    assert all(np.isfinite(g).all() for g in gradients(attend, q, k, v, engine=engine))


# ---------------------------------------------------------------------- blocks
@pytest.mark.parametrize(
    ("block", "engine"), [*((n, "interpret") for n in (1, 2, 4, 7, 100)), (3, "native")]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": True},
        {"mask": np.random.default_rng(5).random((2, 3, 7, 7)) < 0.6},
        {"mask": np.random.default_rng(5).normal(size=(7, 7)), "causal": True},
        {"mask": np.arange(7) < 5, "softcap": 2.0, "scale": None},
    ],
)
def test_blocks_change_nothing_but_memory(options, block, engine):
    q, k, v = heads(7, 7)
    whole = lambda *x: nn.attention(*x, block=None, **options)  # noqa: E731
    parts = lambda *x: nn.attention(*x, block=block, **options)  # noqa: E731
    close([cr.compile(parts, engine=engine)(q, k, v).numpy()], [whole(q, k, v).numpy()])
    close(gradients(parts, q, k, v, engine=engine), gradients(whole, q, k, v))


def test_blocks_of_shared_heads_and_of_fewer_queries_than_keys():
    q, k, v = drawn((2, 6, 5, 4), (2, 2, 9, 4), (2, 2, 9, 3))
    whole = nn.attention(q, k, v, causal=True, block=None)
    close([nn.attention(q, k, v, causal=True, block=2).numpy()], [whole.numpy()])


def largest(function, *arguments):
    """The number of elements of the largest value in a graph and its sub-graphs."""

    def walk(graph):
        for node in graph.nodes:
            yield max((spec.size for spec in node.specs), default=0)
            for value in node.attributes.values():
                if isinstance(value, cr.Graph):
                    yield from walk(value)

    return max(walk(cr.make_graph(function, *arguments)))


def test_memory_grows_with_the_length_and_not_with_its_square():
    def gradient(time, block):
        q, k, v = (cr.Spec((time, 4)) for _ in range(3))
        cost = lambda *x: nn.attention(*x, causal=True, block=block).sum()  # noqa: E731
        return largest(cr.grad(cost, argnums=(0, 1, 2)), q, k, v)

    assert gradient(512, None) >= 512 * 512
    assert gradient(2048, "auto") <= 2048 * 128
    assert gradient(1024, 32) <= 1024 * 32


# ---------------------------------------------------------------------- dropout
@in_blocks
def test_dropout_of_weights(block):
    q, k = cr.zeros((400, 4)), cr.zeros((100, 4))
    v = cr.eye(100)
    options = {"dropout": 0.25, "block": block and 16}
    first, second = (nn.attention(q, k, v, key=cr.random.key(i), **options).numpy() for i in (0, 1))
    kept = first != 0
    np.testing.assert_allclose(first[kept], 0.01 / 0.75, rtol=1e-6)
    assert 0.74 < kept.mean() < 0.76 and (kept != (second != 0)).mean() > 0.3
    assert len(np.unique(kept, axis=0)) == 400  # no block repeats another
    equal([nn.attention(q, k, v, key=cr.random.key(0), **options).numpy()], [first])
    assert (nn.attention(q, k, v, **options).numpy() != 0).all()


# ---------------------------------------------------------------------- rotary positions
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotated_scores_depend_on_distances_only(interleaved):
    q, k = drawn((8,), (8,))
    places = np.arange(0, 600, 7)

    def scores(shift):
        turned = [
            nn.rotary(
                np.broadcast_to(x, (len(places), 8)), places + shift, interleaved=interleaved
            ).numpy()
            for x in (q, k)
        ]
        return turned[0] @ turned[1].T

    close([scores(1000)], [scores(0)], 1e-11)
    apart = scores(0)
    for distance in (-3, 0, 5):
        along = np.diagonal(apart, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-11)
    assert np.ptp(apart) > 1


@pytest.mark.parametrize("interleaved", [False, True])
def test_a_rotation_is_a_product_of_complex_numbers(interleaved):
    (x,) = drawn((2, 5, 8))
    theta = angles(np.arange(5), 8, base=100.0).numpy()
    turned = nn.rotary(x, base=100.0, interleaved=interleaved).numpy()

    def as_complex(a):
        if interleaved:
            return a[..., 0::2] + 1j * a[..., 1::2]
        return a[..., :4] + 1j * a[..., 4:]

    np.testing.assert_allclose(as_complex(turned), as_complex(x.numpy()) * np.exp(1j * theta))


def test_a_part_is_rotated_and_the_rest_stays():
    (x,) = drawn((5, 8))
    turned = nn.rotary(x, fraction=0.5).numpy()
    equal([turned[:, 4:], turned[:, :4]], [x.numpy()[:, 4:], nn.rotary(x[:, :4]).numpy()])


def test_late_positions_keep_their_digits():
    x = np.ones((1, 2), np.float32)
    turned = nn.rotary(x, [1_000_003]).numpy()[0]
    wanted = np.cos(1_000_003.0) - np.sin(1_000_003.0), np.sin(1_000_003.0) + np.cos(1_000_003.0)
    np.testing.assert_allclose(turned, wanted, rtol=1e-6)


# ---------------------------------------------------------------------- other transformations
@pytest.mark.parametrize("options", [{}, {"causal": True, "block": 2}, {"softcap": 2.0}])
def test_vmap_goes_through_a_batch(options):
    q, k, v = drawn((3, 5, 4), (3, 5, 4), (3, 5, 2))
    mapped = cr.vmap(lambda *x: nn.attention(*x, **options))(q, k, v)
    close([mapped.numpy()], [nn.attention(q, k, v, **options).numpy()])


@pytest.mark.parametrize("options", [{"causal": True}, {"mask": np.tri(5, 5, -1, dtype=bool)}])
@in_blocks
def test_derivatives_forward_and_of_second_order(options, block):
    q, k, v, *directions = drawn(*[(5, 4)] * 6)
    cost = lambda q, k, v: (nn.attention(q, k, v, block=block, **options) ** 3).sum()  # noqa: E731
    gradient = cr.grad(cost, argnums=(0, 1, 2))
    slope = cr.jvp(cost, (q, k, v), tuple(directions))[1]
    products = [(g * d).sum() for g, d in zip(gradient(q, k, v), directions, strict=True)]
    close([slope.numpy()], [sum(p.numpy() for p in products)])

    def moved(step):
        there = [x + step * d for x, d in zip((q, k, v), directions, strict=True)]
        return [g.numpy() for g in gradient(*there)]

    curved = cr.jvp(gradient, (q, k, v), tuple(directions))[1]
    numeric = [(a - b) / 2e-5 for a, b in zip(moved(1e-5), moved(-1e-5), strict=True)]
    close([g.numpy() for g in curved], numeric, 1e-7)
