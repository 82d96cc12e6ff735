"""Attention against PyTorch's: results, weights, and the gradients of all that goes in."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

import chainrule as cr
from chainrule import nn

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
both_types = pytest.mark.parametrize("dtype", TOLERANCE)


def agree(got, expected, dtype, noise=1e-30):
    """``noise`` is what rounding leaves of terms that cancel."""
    tolerance = TOLERANCE[dtype] * float(np.abs(expected).max(initial=0.0)) + noise
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def drawn(rng, dtype, *shapes):
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def compare(ours, theirs, arrays, dtype):
    """Two functions of the same arrays: values, and the gradients of a random sum of these."""
    there = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*there)
    upstream = np.random.default_rng(9).normal(size=tuple(expected.shape)).astype(dtype)
    (expected * torch.tensor(upstream)).sum().backward()
    got = ours(*map(cr.asarray, arrays))
    assert got.dtype == dtype
    agree(got.numpy(), expected.detach().numpy(), dtype)
    gradient = cr.grad(lambda *a: (ours(*a) * upstream).sum(), argnums=tuple(range(len(arrays))))
    wanted = [tensor.grad.numpy() for tensor in there]
    # With one key the gradients of q and k are 0: the softmax's terms are equal and cancel.
    noise = 4 * np.finfo(dtype).eps * max(np.abs(g).max(initial=0.0) for g in wanted)
    for g, gradient_there in zip(gradient(*map(cr.asarray, arrays)), wanted, strict=True):
        agree(g.numpy(), gradient_there, dtype, noise)


# ---------------------------------------------------------------------- the function
SHAPES = {
    "matrices": ((5, 4), (5, 4), (5, 4)),
    "a batch": ((2, 5, 4), (2, 7, 4), (2, 7, 3)),
    "heads": ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)),
    "grouped": ((2, 6, 5, 4), (2, 2, 5, 4), (2, 2, 5, 3)),
    "one head of keys": ((2, 4, 5, 4), (2, 1, 7, 4), (2, 1, 7, 4)),
    "one place": ((2, 3, 1, 4), (2, 3, 1, 4), (2, 3, 1, 4)),
    "no batch for keys": ((2, 3, 5, 4), (3, 7, 4), (3, 7, 4)),
}


@both_types
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("scale", ["auto", None, 0.3])
def test_shapes_and_scales(name, scale, dtype):
    arrays = drawn(np.random.default_rng(0), dtype, *SHAPES[name])

    def theirs(q, k, v):
        scales, grouped = {"auto": None, None: 1.0}, q.ndim == 4
        return scaled_dot_product_attention(
            q, k, v, scale=scales.get(scale, scale), enable_gqa=grouped
        )

    def ours(q, k, v):
        return nn.attention(q, k, v, scale=scale)

    compare(ours, theirs, arrays, dtype)


def masks(rng, queries, keys):
    allowed = rng.random((2, 3, queries, keys)) < 0.6
    allowed[..., 0] = True  # PyTorch gives NaN for an empty row
    return {
        "for each head": allowed,
        "for all heads": allowed[:, :1],
        "for all of the batch": allowed[0, 0],
        "for keys": allowed[:, :1, :1],
        "one row of keys": allowed[0, 0, 0],
        "of numbers": rng.normal(size=(3, queries, keys)),
        "of numbers and -inf": np.where(allowed, rng.normal(size=allowed.shape), -np.inf),
    }


@both_types
@pytest.mark.parametrize("block", [None, 2])
@pytest.mark.parametrize("name", masks(np.random.default_rng(0), 5, 7))
def test_masks(name, block, dtype):
    rng = np.random.default_rng(1)
    mask = masks(rng, 5, 7)[name]
    mask = mask if mask.dtype == bool else mask.astype(dtype)
    arrays = drawn(rng, dtype, (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4))
    compare(
        lambda q, k, v: nn.attention(q, k, v, mask=mask, block=block),
        lambda q, k, v: scaled_dot_product_attention(
            q, k, v, attn_mask=torch.tensor(np.atleast_2d(mask))
        ),
        arrays,
        dtype,
    )


@both_types
@pytest.mark.parametrize("block", [None, 1, 3])
def test_a_mask_that_is_learned(block, dtype):
    """Numbers that are added to scores have gradients: biases of relative positions."""
    arrays = drawn(np.random.default_rng(0), dtype, *[(2, 3, 5, 4)] * 3, (3, 5, 5))
    compare(
        lambda q, k, v, bias: nn.attention(q, k, v, mask=bias, causal=True, block=block),
        lambda q, k, v, bias: scaled_dot_product_attention(
            q, k, v, attn_mask=bias.masked_fill(~torch.ones(5, 5).tril().bool(), -torch.inf)
        ),
        arrays,
        dtype,
    )


@both_types
@pytest.mark.parametrize("queries", [7, 3, 1])
def test_causal(queries, dtype):
    """With fewer queries than keys, these are the last places."""
    arrays = drawn(np.random.default_rng(0), dtype, (2, 3, queries, 4), *[(2, 3, 7, 4)] * 2)
    last = torch.ones(7, 7).tril().bool()[7 - queries :]
    compare(
        lambda q, k, v: nn.attention(q, k, v, causal=True),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, attn_mask=last),
        arrays,
        dtype,
    )


@both_types
def test_softcap(dtype):
    arrays = drawn(np.random.default_rng(0), dtype, *[(2, 5, 4)] * 3)

    def theirs(q, k, v):
        scores = 3 * torch.tanh(q @ k.mT * 2 / 3)
        return torch.softmax(scores, -1) @ v

    compare(lambda q, k, v: nn.attention(q, k, v, scale=2, softcap=3), theirs, arrays, dtype)


# ---------------------------------------------------------------------- the layer
def randomized(layer, rng):
    return cr.tree_map(lambda w: cr.asarray(rng.normal(0, 0.5, w.shape), w.dtype), layer)


def as_torch(layer):
    """PyTorch's layer with the weights of ours."""
    width, bias = layer.width, layer.input.bias is not None
    theirs = torch.nn.MultiheadAttention(
        width,
        layer.heads,
        bias=bias,
        batch_first=True,
        dtype=getattr(torch, str(layer.output.weight.dtype)),
    )
    state = {
        "in_proj_weight": layer.input.weight.numpy().T,
        "out_proj.weight": layer.output.weight.numpy().T,
    }
    if bias:
        state["in_proj_bias"] = layer.input.bias.numpy()
        state["out_proj.bias"] = layer.output.bias.numpy()
    theirs.load_state_dict({name: torch.tensor(a.copy()) for name, a in state.items()})
    return theirs


def gradients(theirs):
    """The gradients of PyTorch's layer by the paths of ours."""
    places = {
        "input.weight": "in_proj_weight",
        "input.bias": "in_proj_bias",
        "output.weight": "out_proj.weight",
        "output.bias": "out_proj.bias",
    }
    found = {name: p.grad for name, p in theirs.named_parameters()}
    return {path: found[name].numpy().T for path, name in places.items() if name in found}


@both_types
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_multi_head_attention(cross, masked, bias, dtype):
    rng = np.random.default_rng(0)
    layer = randomized(nn.MultiHeadAttention(12, 3, bias=bias, dtype=dtype), rng)
    theirs = as_torch(layer)
    x, context, upstream = drawn(rng, dtype, (2, 5, 12), (2, 7, 12), (2, 5, 12))
    keys = 7 if cross else 5
    lengths = np.array([keys, keys - 2])
    real = np.arange(keys) < lengths[:, None]
    upstream = upstream if cross else upstream * real[:, :, None]
    options, torch_options = {}, {}
    if masked:
        mask = rng.random((5, keys)) < 0.6
        mask[:, 0] = True
        options = {"lengths": lengths, "mask": mask}
        torch_options = {"key_padding_mask": torch.tensor(~real), "attn_mask": torch.tensor(~mask)}

    x_there, context_there = (torch.tensor(a, requires_grad=True) for a in (x, context))
    other = context_there if cross else x_there
    y, p = theirs(x_there, other, other, average_attn_weights=False, **torch_options)
    (y * torch.tensor(upstream)).sum().backward()

    def call(layer, x, context, **more):
        return layer(x, context if cross else None, **options, **more)

    shown = np.ones((2, 5), bool) if cross or not masked else real
    agree(call(layer, x, context).numpy()[shown], y.detach().numpy()[shown], dtype)
    _, weights = call(layer, x, context, weights=True)
    of_each = weights.numpy().swapaxes(1, 2), p.detach().numpy().swapaxes(1, 2)
    agree(*(by_place[shown] for by_place in of_each), dtype)
    cost = lambda *given: (call(*given) * upstream).sum()  # noqa: E731
    of_layer, of_x, of_context = cr.grad(cost, argnums=(0, 1, 2))(layer, x, context)
    agree(of_x.numpy(), x_there.grad.numpy(), dtype)
    if cross:
        agree(of_context.numpy(), context_there.grad.numpy(), dtype)
    found = nn.parameters(of_layer)
    assert found.keys() == gradients(theirs).keys()
    for path, g in gradients(theirs).items():
        agree(found[path].numpy(), g, dtype)


@both_types
def test_causal_self_attention(dtype):
    rng = np.random.default_rng(0)
    layer = randomized(nn.MultiHeadAttention(12, 3, dtype=dtype), rng)
    theirs = as_torch(layer)
    forbidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    (x,) = drawn(rng, dtype, (2, 5, 12))
    compare(
        lambda x: layer(x, causal=True),
        lambda x: theirs(x, x, x, attn_mask=forbidden, need_weights=False)[0],
        [x],
        dtype,
    )


def test_shared_heads_are_heads_with_equal_weights():
    """Grouped-query attention is multi-head attention with the columns of a head repeated."""
    rng = np.random.default_rng(0)
    grouped = randomized(nn.MultiHeadAttention(12, 6, key_value_heads=2, dtype="float64"), rng)
    plain = nn.MultiHeadAttention(12, 6, dtype="float64")

    def repeated(w):
        q, k, v = np.split(w.numpy(), [12, 16], axis=-1)
        parts = [
            x.reshape(*x.shape[:-1], 2, 1, 2).repeat(3, axis=-2).reshape(*x.shape[:-1], 12)
            for x in (k, v)
        ]
        return np.concatenate([q, *parts], axis=-1)

    wide = grouped.input.replace(
        weight=repeated(grouped.input.weight), bias=repeated(grouped.input.bias)
    )
    plain = plain.replace(input=wide, output=grouped.output)
    (x,) = drawn(rng, "float64", (2, 5, 12))
    for options in ({}, {"causal": True}, {"lengths": [5, 2]}):
        agree(grouped(x, **options).numpy(), plain(x, **options).numpy(), "float64")
