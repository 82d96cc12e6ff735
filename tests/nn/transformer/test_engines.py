"""Every layer, forward and backward, as machine code: nothing is refused, and results agree."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines import Program
from chainrule.engines.native.program import NativeProgram
from chainrule.graph.trace import is_array

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 8))
CONTEXT = RNG.normal(size=(2, 3, 8))
IDS = RNG.integers(0, 11, (2, 5))
LENGTHS = np.array([5, 3])
F64 = {"rng": 0, "dtype": "float64"}
KEY = cr.random.key(0)


def block(**options):
    return nn.TransformerBlock(8, 2, **options, **F64)


def language_model(**options):
    return nn.LanguageModel(11, 8, 2, 1, time=8, **options, **F64)


LLAMA = {"positions": "rotary", "norm": "rms", "activation": "swiglu", "bias": False}

#: A layer, and what it is called with: tensors, and tensors by name.
CALLS = {
    "Embedding": (nn.Embedding(11, 8, **F64), [IDS], {}),
    "Embedding with padding": (nn.Embedding(11, 8, padding_idx=IDS[0, 0], **F64), [IDS], {}),
    "LayerNorm": (nn.LayerNorm(8, dtype="float64"), [X], {}),
    "RMSNorm": (nn.RMSNorm(8, dtype="float64"), [X], {}),
    "PositionTable": (nn.PositionTable(6, 8, **F64), [X], {}),
    "PositionTable at places": (nn.PositionTable(6, 8, **F64), [X, IDS % 6], {}),
    "FeedForward": (nn.FeedForward(8, **F64), [X], {}),
    "FeedForward, gated": (nn.FeedForward(8, 12, "swiglu", **F64), [X], {}),
    "MultiHeadAttention": (nn.MultiHeadAttention(8, 2, **F64), [X], {"lengths": LENGTHS}),
    "cross-attention": (nn.MultiHeadAttention(8, 2, **F64), [X, CONTEXT], {}),
    "rotary and grouped": (
        nn.MultiHeadAttention(8, 4, key_value_heads=2, rotary=True, **F64),
        [X],
        {"causal": True},
    ),
    "dropout": (nn.MultiHeadAttention(8, 2, dropout=0.5, **F64), [X], {"key": KEY}),
    "TransformerBlock": (block(causal=True), [X], {}),
    "post-norm": (block(pre_norm=False, norm="rms"), [X], {"lengths": LENGTHS}),
    "a block with dropout": (block(dropout=0.5), [X], {"key": KEY}),
    "Seq2Seq": (
        nn.Seq2Seq(11, 8, 2, 1, time=8, **F64),
        [IDS, IDS[:, :4]],
        {"source_lengths": LENGTHS, "target_lengths": LENGTHS - 1},
    ),
    "LanguageModel": (language_model(), [IDS], {}),
    "sinusoidal and tied": (language_model(positions="sinusoidal", tied=True), [IDS], {}),
    "rotary model": (language_model(**LLAMA, key_value_heads=1), [IDS], {"lengths": LENGTHS}),
}


def run(engine, function, *arguments):
    """What a function gives when its graph is run by an engine."""
    graph = cr.make_graph(function, *arguments)
    arrays = [cr.asarray(leaf).numpy() for leaf in cr.tree_leaves(arguments) if is_array(leaf)]
    captured = graph.inputs[len(arrays) :]
    assert all(node.op.name == "constant" for node in captured)
    return engine(graph)([*arrays, *(node.attributes["value"].array for node in captured)])


def agree(function, *arguments):
    native = run(lambda graph: NativeProgram(graph, threads=2), function, *arguments)
    for a, b in zip(native, run(Program, function, *arguments), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("name", CALLS)
def test_forward_and_backward(name):
    layer, inputs, options = CALLS[name]
    values, rebuild = nn.partition(layer)

    def call(values, inputs, options):
        return rebuild(values)(*inputs, **options)

    def cost(values, inputs, options):
        return (call(values, inputs, options) ** 2).sum()

    of_inputs = (0, 1) if inputs[0].dtype == np.float64 and len(inputs) == 1 else (0,)

    def both(*arguments):
        return call(*arguments), cr.grad(cost, argnums=of_inputs)(*arguments)

    # Models run forward alone, as machine code, where they write: test_generation, test_seq2seq.
    if not isinstance(layer, (nn.LanguageModel, nn.Seq2Seq)):
        agree(call, values, inputs, options)
    agree(both, values, inputs, options)


@pytest.mark.parametrize("options", [{}, {**LLAMA, "key_value_heads": 1}])
def test_a_step_with_a_cache(options):
    model = language_model(**options)
    _, cache = model(IDS, LENGTHS, cache=model.cache(2, 8))
    agree(lambda ids, cache: model(ids, cache=cache), np.array([[1], [2]]), cache)
    agree(lambda ids, cache: model(ids, cache=cache), np.array([[1, 3], [2, 4]]), cache)


def test_every_layer_is_run():
    layers = {name for name in nn.transformer.__all__ if isinstance(getattr(nn, name), type)}
    layers |= {"Embedding", "LayerNorm", "MultiHeadAttention", "RMSNorm"}
    parts = [part for layer, *_ in CALLS.values() for _, part in nn.submodules(layer)]
    assert layers <= {type(part).__name__ for part in parts}
