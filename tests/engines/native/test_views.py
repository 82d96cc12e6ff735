"""Values within the memory of others: against the interpreter, and that nothing is copied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.engines import Program
from chainrule.engines.native.kernels import Single
from chainrule.engines.native.program import Design, NativeProgram
from chainrule.engines.native.target import host
from chainrule.engines.native.views import dense, reshaped, row_stride

MOVEMENTS = {"slice", "transpose", "concatenate", "pad", "broadcast_to"}


def assert_agree(function, *specs, threads=(1, 3)):
    graph = cr.make_graph(function, *specs)
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-2, 2, s.shape).astype(s.dtype) for s in graph.input_specs]
    expected = Program(graph)(arrays)
    for count in threads:
        program = NativeProgram(graph, threads=count)
        for _ in range(2):
            for a, b in zip(program(arrays), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max()))
    return graph


def copies(graph):
    """The kernels that only move values."""
    kernels = Design(graph, host()).schedule.kernels
    return [
        k.node.op.name for k in kernels if isinstance(k, Single) and k.node.op.name in MOVEMENTS
    ]


def f64(*shape):
    return cr.Spec(shape, np.float64)


# ------------------------------------------------------------------ strides
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_strides_of_a_reshape_are_those_of_numpy(data) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    x = np.arange(np.prod(shape)).reshape(shape)
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))
    x = x[tuple(slice(data.draw(st.integers(0, n - 1)), None, 1) for n in x.shape)]
    size, new = x.size, []
    while size > 1 and len(new) < 3:
        new.append(data.draw(st.sampled_from([k for k in range(1, size + 1) if size % k == 0])))
        size //= new[-1]
    new = (*new, size)
    found = reshaped(x.shape, tuple(s // x.itemsize for s in x.strides), new)
    try:
        y = x.view()
        y.shape = new
        fits = True
    except AttributeError:
        fits = False
    assert (found is not None) == fits
    if found is not None:
        steps = tuple(x.itemsize * s for s in found)
        again = np.lib.stride_tricks.as_strided(x, new, steps)
        np.testing.assert_array_equal(again, x.reshape(new))


@pytest.mark.parametrize(
    ("shape", "strides", "row"),
    [
        ((4, 3), (3, 1), 3),
        ((4, 3), (9, 1), 9),
        ((2, 4, 3), (36, 9, 1), 9),
        ((2, 4, 3), (40, 9, 1), None),
        ((4, 3), (1, 4), None),
        ((1, 3), (7, 1), 3),
        ((5, 1), (8, 1), 8),
    ],
)
def test_rows_equally_far_apart(shape, strides, row) -> None:
    assert row_stride(shape, strides) == row
    assert row_stride(shape, dense(shape)) == shape[-1]


# ------------------------------------------------------------------ nothing is copied
def gates(z, c):
    n = c.shape[1]
    i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
    c = nn.sigmoid(f) * c + nn.sigmoid(i) * cr.tanh(g)
    return nn.sigmoid(o) * cr.tanh(c)


def attend(x, weight, out, heads=2):
    batch, time, width = x.shape
    qkv = x @ weight

    def head(k):
        part = cr.reshape(qkv[..., k * width : (k + 1) * width], (batch, time, heads, -1))
        return cr.transpose(part, (0, 2, 1, 3))

    q, k, v = map(head, range(3))
    a = nn.softmax(q @ cr.swapaxes(k, -1, -2)) @ v
    return cr.reshape(cr.transpose(a, (0, 2, 1, 3)), (batch, time, width)) @ out


def test_gates_are_read_where_they_are_and_derivatives_written_side_by_side() -> None:
    def f(x, w, c):
        return cr.sum(gates(x @ w, c) ** 2)

    specs = f64(6, 5), f64(5, 32), f64(6, 8)
    assert not copies(assert_agree(f, *specs))
    assert not copies(assert_agree(cr.grad(f, argnums=(0, 1, 2)), *specs))


def test_heads_are_read_from_the_projection_and_written_for_the_next_one() -> None:
    specs = f64(3, 6, 8), f64(8, 24), f64(8, 8)
    assert not copies(assert_agree(attend, *specs))

    def cost(x, weight, out):
        return cr.sum(attend(x, weight, out) ** 2)

    assert not copies(assert_agree(cr.grad(cost, argnums=(0, 1, 2)), *specs))


# ------------------------------------------------------------------ readers of all kinds
CASES = {
    "two readers, one of which needs memory": lambda x, w: (
        cr.tanh((x @ w)[:, 2:6]) + 1,
        cr.cumsum((x @ w)[:, 2:6], 0),
    ),
    "reduction down the columns of a slice": lambda x, w: cr.sum((x @ w)[:, 1:5], 0),
    "reduction of the rows of a slice": lambda x, w: cr.max((x @ w)[:, 1:5], 1),
    "a slice is an output": lambda x, w: ((x @ w)[:, 1:5], (x @ w) * 2),
    "a slice of an input": lambda x, w: cr.tanh(x[:, 1:3]) * 2 + x[:, 2:4],
    "every second row": lambda x, w: cr.exp((x @ w)[::2]) + (x @ w)[1::2],
    "every second column": lambda x, w: cr.exp((x @ w)[:, ::2]),
    "a row stretched": lambda x, w: cr.tanh((x @ w)[1:2]) + x @ w,
    "a column stretched": lambda x, w: cr.tanh((x @ w)[:, 3:4]) * (x @ w),
    "a vector's part as a bias": lambda x, w: x @ w[:, :4] + w[0, 2:6],
    "a product with a slice on either side": lambda x, w: (x @ w)[:, :4] @ w[:, 1:7] * 1.5,
    "a product with a turned slice": lambda x, w: (x @ w)[:, :4].T @ x[:, :3],
    "joined rows": lambda x, w: cr.tanh(cr.concatenate([x @ w, cr.exp(x @ w)])) * 2,
    "joined with an input": lambda x, w: cr.concatenate([x, cr.exp(x)], 1) * 2,
    "joined, and a part read elsewhere": lambda x, w: (
        cr.concatenate([cr.exp(x), cr.sin(x)], 1) * 2,
        cr.sum(cr.exp(x)),
    ),
    "joined columns of one each": lambda x, w: (
        cr.concatenate([cr.sum(x, 1, keepdims=True), cr.max(x, 1, keepdims=True)], 1) * 2
    ),
    "joined twice": lambda x, w: cr.tanh(
        cr.concatenate([cr.concatenate([cr.exp(x), cr.sin(x)], 1), cr.cos(x)], 1)
    ),
    "joined is an output": lambda x, w: cr.concatenate([cr.exp(x), x @ w], 1),
    "one value twice": lambda x, w: cr.concatenate([cr.exp(x), cr.exp(x)], 1) @ cr.ones((8, 2)),
    "a product turned": lambda x, w: cr.exp((x @ w).T) + 1,
    "a reshaped slice": lambda x, w: cr.tanh(cr.reshape((x @ w)[:4], (2, 2, 8))) * 2,
    "a batch of products of another batch's rows": lambda x, w: (
        cr.reshape(cr.exp(x), (3, 1, 2, 4)).reshape(1, 2, 3, 4) @ cr.reshape(w, (1, 2, 4, 4))
    ),
    "an empty slice": lambda x, w: cr.sum((x @ w)[:, 3:3]) + x,
    "an LSTM's scan": lambda x, w: cr.scan(
        lambda c, z: (gates(z, c), c * 2),
        cr.zeros((6, 2), np.float64),
        cr.stack([x @ w, x @ w * 2]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_readers_and_writers_of_all_kinds(name) -> None:
    assert_agree(CASES[name], f64(6, 4), f64(4, 8))


@pytest.mark.parametrize("name", CASES)
def test_their_gradients(name) -> None:
    def total(x, w):
        return sum(cr.sum(leaf**2) for leaf in cr.tree_leaves(CASES[name](x, w)))

    assert_agree(cr.grad(total, argnums=(0, 1)), f64(6, 4), f64(4, 8))
