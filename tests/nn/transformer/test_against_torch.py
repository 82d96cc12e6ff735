"""Blocks and stacks against PyTorch's: results, and the gradients of all that goes in."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
WIDTH, HEADS, HIDDEN = 8, 2, 12
both_types = pytest.mark.parametrize("dtype", TOLERANCE)
both_orders = pytest.mark.parametrize("pre_norm", [True, False])


def agree(got, expected, dtype):
    scale = max(1e-30, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def randomized(layer, rng):
    return cr.tree_map(lambda w: cr.asarray(rng.normal(0, 0.5, w.shape), w.dtype), layer)


# ------------------------------------------------------------------ where PyTorch has our weights
def pair(ours, theirs):
    return {f"{ours}.weight": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


def attention_places(ours, theirs):
    return {
        f"{ours}.input.weight": f"{theirs}.in_proj_weight",
        f"{ours}.input.bias": f"{theirs}.in_proj_bias",
        **pair(f"{ours}.output", f"{theirs}.out_proj"),
    }


def block_places(cross):
    last = "norm3" if cross else "norm2"
    places = {
        **attention_places("attention", "self_attn"),
        **pair("attention_norm", "norm1"),
        **pair("feed_forward.up", "linear1"),
        **pair("feed_forward.down", "linear2"),
        **pair("feed_forward_norm", last),
    }
    if cross:
        places |= attention_places("cross_attention", "multihead_attn")
        places |= pair("cross_norm", "norm2")
    return places


def stack_places(blocks, cross, ours="", theirs=""):
    places = {f"{ours}{name}": f"{theirs}{name}" for name in ("norm.weight", "norm.bias")}
    for i in range(blocks):
        for mine, other in block_places(cross).items():
            places[f"{ours}blocks.{i}.{mine}"] = f"{theirs}layers.{i}.{other}"
    return places


def compare(layer, theirs, places, arrays, call, call_theirs, dtype, shown=None):
    """Values and gradients; places that are not ``shown`` may differ."""
    values, rebuild = nn.partition(layer)
    assert values.keys() == places.keys()
    state = {places[path]: torch.tensor(v.numpy().T.copy()) for path, v in values.items()}
    theirs.to(getattr(torch, dtype)).load_state_dict(state)  # strict: nothing is left over

    there = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = call_theirs(theirs, *there)
    upstream = np.random.default_rng(9).normal(size=tuple(expected.shape)).astype(dtype)
    shown = np.ones(upstream.shape[:2], bool) if shown is None else shown
    upstream = upstream * shown[:, :, None]
    (expected * torch.tensor(upstream)).sum().backward()

    agree(call(layer, *arrays).numpy()[shown], expected.detach().numpy()[shown], dtype)
    cost = lambda values, *x: (call(rebuild(values), *x) * upstream).sum()  # noqa: E731
    of_values, *of_inputs = cr.grad(cost, argnums=tuple(range(len(arrays) + 1)))(values, *arrays)
    for g, tensor in zip(of_inputs, there, strict=True):
        agree(g.numpy(), tensor.grad.numpy(), dtype)
    grads = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for path, g in of_values.items():
        agree(g.numpy().T, grads[places[path]], dtype)


def options(pre_norm, activation, dtype):
    ours = {"hidden": HIDDEN, "activation": activation, "pre_norm": pre_norm, "dtype": dtype}
    theirs = {"dim_feedforward": HIDDEN, "activation": activation, "norm_first": pre_norm}
    return ours, {**theirs, "batch_first": True, "dropout": 0.0}


def sequences(dtype, *times):
    rng = np.random.default_rng(3)
    return [rng.normal(size=(2, time, WIDTH)).astype(dtype) for time in times]


def real(lengths, time):
    return np.arange(time) < np.array(lengths)[:, None]


# ------------------------------------------------------------------ blocks
@both_types
@both_orders
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_block(activation, pre_norm, dtype):
    ours, theirs = options(pre_norm, activation, dtype)
    lengths = [5, 3]
    compare(
        randomized(nn.TransformerBlock(WIDTH, HEADS, **ours), np.random.default_rng(0)),
        torch.nn.TransformerEncoderLayer(WIDTH, HEADS, **theirs),
        block_places(cross=False),
        sequences(dtype, 5),
        lambda layer, x: layer(x, lengths=lengths),
        lambda layer, x: layer(x, src_key_padding_mask=torch.tensor(~real(lengths, 5))),
        dtype,
        shown=real(lengths, 5),
    )


@both_types
@both_orders
def test_a_decoder_block(pre_norm, dtype):
    ours, theirs = options(pre_norm, "relu", dtype)
    lengths, context_lengths = [4, 5], [2, 7]
    block = nn.TransformerBlock(WIDTH, HEADS, cross=True, causal=True, **ours)
    compare(
        randomized(block, np.random.default_rng(0)),
        torch.nn.TransformerDecoderLayer(WIDTH, HEADS, **theirs),
        block_places(cross=True),
        sequences(dtype, 5, 7),
        lambda layer, x, c: layer(x, c, lengths=lengths, context_lengths=context_lengths),
        lambda layer, x, c: layer(
            x,
            c,
            tgt_mask=torch.triu(torch.ones(5, 5, dtype=torch.bool), 1),
            tgt_key_padding_mask=torch.tensor(~real(lengths, 5)),
            memory_key_padding_mask=torch.tensor(~real(context_lengths, 7)),
        ),
        dtype,
        shown=real(lengths, 5),
    )


# ------------------------------------------------------------------ stacks
@both_types
@both_orders
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_encoder_and_decoder(pre_norm, dtype):
    ours, theirs = options(pre_norm, "relu", dtype)
    source_lengths, target_lengths = [7, 4], [3, 5]
    hidden = {
        "src_key_padding_mask": torch.tensor(~real(source_lengths, 7)),
        "memory_key_padding_mask": torch.tensor(~real(source_lengths, 7)),
        "tgt_key_padding_mask": torch.tensor(~real(target_lengths, 5)),
        "tgt_mask": torch.triu(torch.ones(5, 5, dtype=torch.bool), 1),
    }
    model = nn.Transformer(WIDTH, HEADS, (2, 3), final_norm=True, **ours)
    compare(
        randomized(model, np.random.default_rng(0)),
        torch.nn.Transformer(WIDTH, HEADS, 2, 3, **theirs),
        {
            **stack_places(2, False, "encoder.", "encoder."),
            **stack_places(3, True, "decoder.", "decoder."),
        },
        sequences(dtype, 7, 5),
        lambda model, source, target: model(source, target, source_lengths, target_lengths),
        lambda model, source, target: model(source, target, **hidden),
        dtype,
        shown=real(target_lengths, 5),
    )


@both_types
def test_an_encoder_without_a_last_normalisation(dtype):
    ours, theirs = options(False, "relu", dtype)
    places = {k: v for k, v in stack_places(2, False).items() if not k.startswith("norm.")}
    compare(
        randomized(nn.Encoder(WIDTH, HEADS, 2, **ours), np.random.default_rng(0)),
        torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(WIDTH, HEADS, **theirs), 2),
        places,
        sequences(dtype, 5),
        lambda layer, x: layer(x),
        lambda layer, x: layer(x),
        dtype,
    )


# ------------------------------------------------------------------ what PyTorch has no layer for
class Gated(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.up, self.down = torch.nn.Linear(WIDTH, 2 * HIDDEN), torch.nn.Linear(HIDDEN, WIDTH)

    def forward(self, x):
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(self.function(gate) * value)


GATES = {
    "swiglu": torch.nn.functional.silu,
    "geglu": torch.nn.functional.gelu,
    "reglu": torch.nn.functional.relu,
}


@both_types
@pytest.mark.parametrize("activation", GATES)
def test_gated_feed_forward(activation, dtype):
    compare(
        nn.FeedForward(WIDTH, HIDDEN, activation, rng=0, dtype=dtype),
        Gated(GATES[activation]),
        {**pair("up", "up"), **pair("down", "down")},
        sequences(dtype, 5),
        lambda layer, x: layer(x),
        lambda layer, x: layer(x),
        dtype,
    )


class Llama(torch.nn.Module):
    """A decoder-only model with RMSNorm, rotary positions, SwiGLU and shared heads, by hand."""

    def __init__(self, model):
        super().__init__()
        self.w = {name: torch.tensor(w.numpy(), requires_grad=True) for name, w in model.items()}

    def norm(self, x, name):
        return torch.nn.functional.rms_norm(x, (WIDTH,), self.w[f"{name}.weight"], eps=1e-6)

    def turned(self, x):
        time, width = x.shape[-2:]
        frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        theta = torch.arange(time)[:, None] * frequency
        x = torch.complex(x[..., : width // 2], x[..., width // 2 :]) * torch.exp(1j * theta)
        return torch.cat([x.real, x.imag], -1)

    def forward(self, ids, blocks):
        x = self.w["embedding.weight"][ids]
        n, time, _ = x.shape
        for i in range(blocks):
            z = (
                self.norm(x, f"blocks.{i}.attention_norm")
                @ self.w[f"blocks.{i}.attention.input.weight"]
            )
            q, k, v = z.split([WIDTH, WIDTH // 2, WIDTH // 2], dim=-1)
            q, k, v = (a.reshape(n, time, -1, 2).transpose(1, 2) for a in (q, k, v))
            k, v = (a.repeat_interleave(2, dim=1) for a in (k, v))
            y = torch.nn.functional.scaled_dot_product_attention(
                self.turned(q), self.turned(k), v, is_causal=True
            )
            y = y.transpose(1, 2).reshape(n, time, WIDTH)
            x = x + y @ self.w[f"blocks.{i}.attention.output.weight"]
            h = self.norm(x, f"blocks.{i}.feed_forward_norm")
            gate, value = (h @ self.w[f"blocks.{i}.feed_forward.up.weight"]).chunk(2, dim=-1)
            h = torch.nn.functional.silu(gate) * value
            x = x + h @ self.w[f"blocks.{i}.feed_forward.down.weight"]
        return self.norm(x, "norm") @ self.w["output.weight"]


def test_llama():
    model = nn.LanguageModel(
        11,
        WIDTH,
        4,
        2,
        time=16,
        positions="rotary",
        norm="rms",
        activation="swiglu",
        bias=False,
        key_value_heads=2,
        dtype="float64",
    )
    values, rebuild = nn.partition(randomized(model, np.random.default_rng(0)))
    theirs, ids = Llama(values), np.random.default_rng(1).integers(0, 11, (3, 6))
    upstream = np.random.default_rng(2).normal(size=(3, 6, 11))
    y = theirs(torch.tensor(ids), blocks=2)
    (y * torch.tensor(upstream)).sum().backward()
    agree(rebuild(values)(ids).numpy(), y.detach().numpy(), "float64")
    found = cr.grad(lambda values: (rebuild(values)(ids) * upstream).sum())(values)
    for path, g in found.items():
        agree(g.numpy(), theirs.w[path].grad.numpy(), "float64")
