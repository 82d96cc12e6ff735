"""ONNX's own test cases of attention, normalisation and rotary positions, through our functions."""

import functools
import importlib
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.attention import rotate

pytest.importorskip("onnx")

from onnx import helper
from onnx.backend.test.case import node as cases_of_nodes

OPS = {
    "Attention": "attention",
    "LayerNormalization": "layernormalization",
    "RMSNormalization": "rmsnormalization",
    "RotaryEmbedding": "rotaryembedding",
}
INPUTS = {
    "Attention": ["Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen"],
    "LayerNormalization": ["X", "Scale", "B"],
    "RMSNormalization": ["X", "Scale"],
    "RotaryEmbedding": ["input", "cos_cache", "sin_cache", "position_ids"],
}
OUTPUTS = {
    "Attention": ["Y", "present_key", "present_value", "qk_matmul_output"],
    "LayerNormalization": ["Y", "Mean", "InvStdDev"],
    "RMSNormalization": ["Y"],
    "RotaryEmbedding": ["output"],
}
#: Half-precision cases run in float32; what they expect is rounded to their type.
ROUNDING = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def cases():
    """The cases whose graph is one node of these ops; importing their module makes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in OPS.values():
            importlib.import_module(f"onnx.backend.test.case.node.{name}")
    found = [case for case in cases_of_nodes._NodeTestCases if operator(case) in OPS]
    return sorted({case.name: case for case in found}.values(), key=lambda case: case.name)


def operator(case):
    nodes = case.model.graph.node
    return nodes[0].op_type if len(nodes) == 1 else None


def options_of(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def single(array):
    """In float32, unless it holds no floating numbers."""
    return array if array.dtype.kind in "biu" else np.asarray(array, np.float32)


# ---------------------------------------------------------------------- attention
def heads(x, count):
    """``(batch, time, heads · d)`` as ``(batch, heads, time, d)``."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def attention_mask(given, options, queries, keys):
    """All that forbids a key, and what is added to the scores, as one mask."""
    past, real = given.get("past_key"), given.get("nonpad_kv_seqlen")
    first = np.array([0 if past is None else past.shape[2]])
    if past is None and real is not None:
        first = real - queries
    # How far a key lies behind a query: (batch or 1, 1, queries, keys).
    behind = (first[:, None, None] + np.arange(queries)[:, None] - np.arange(keys))[:, None]
    allowed = np.ones_like(behind, bool)
    if options.get("is_causal"):
        allowed &= behind >= 0
    if (left := options.get("left_window_size", -1)) >= 0:
        allowed &= behind <= left
    if (right := options.get("right_window_size", -1)) >= 0:
        allowed &= -behind <= right
    if real is not None:
        allowed = allowed & (np.arange(keys) < real[:, None, None, None])
    mask = given.get("attn_mask")
    if mask is None:
        return allowed
    of_booleans = mask.dtype == bool
    missing = [(0, 0)] * (mask.ndim - 1) + [(0, keys - mask.shape[-1])]
    mask = np.pad(mask, missing, constant_values=False if of_booleans else -np.inf)
    return allowed & mask if of_booleans else np.where(allowed, mask, np.float32(-np.inf))


def attention(given, options):
    q, k, v = given["Q"], given["K"], given["V"]
    flat = q.ndim == 3
    q = heads(q, options.get("q_num_heads"))
    k, v = (heads(x, options.get("kv_num_heads")) for x in (k, v))
    if "past_key" in given:
        k = np.concatenate([given["past_key"], k], axis=2)
        v = np.concatenate([given["past_value"], v], axis=2)
    y, weights = nn.attention(
        q,
        k,
        v,
        mask=attention_mask(given, options, q.shape[2], k.shape[2]),
        scale=options.get("scale", "auto"),
        softcap=options.get("softcap") or None,
        weights=True,
    )
    y = y.numpy().swapaxes(1, 2).reshape(q.shape[0], q.shape[2], -1) if flat else y.numpy()
    results = {"Y": y, "present_key": k, "present_value": v}
    if options.get("qk_matmul_output_mode") == 3:  # the others are scores, which we do not return
        results["qk_matmul_output"] = weights.numpy()
    return results


# ---------------------------------------------------------------------- normalisation
def normalized(given, options, layer):
    """A case over several last axes is one over a single axis of as many numbers."""
    x, weight, bias = given["X"], given.get("Scale", given.get("W")), given.get("B")
    axis = options.get("axis", -1) % x.ndim
    width = int(np.prod(x.shape[axis:]))
    made = layer(width, eps=options.get("epsilon", 1e-5))
    made = made.replace(weight=np.broadcast_to(weight, x.shape[axis:]).reshape(-1))
    if bias is not None:
        made = made.replace(bias=bias.reshape(-1))
    rows = x.reshape(*x.shape[:axis], width)
    results = {"Y": made(rows).numpy().reshape(x.shape)}
    if layer is nn.LayerNorm:
        one = (*x.shape[:axis], *[1] * (x.ndim - axis))
        results["Mean"] = cr.mean(rows, axis=-1).numpy().reshape(one)
        results["InvStdDev"] = 1 / np.sqrt(cr.var(rows, axis=-1).numpy() + made.eps).reshape(one)
    return results


# ---------------------------------------------------------------------- rotary positions
def rotary(given, options):
    x, cosine, sine = given["input"], given["cos_cache"], given["sin_cache"]
    places = given.get("position_ids")
    if places is not None:
        cosine, sine = cosine[places], sine[places]
    y = rotate(
        heads(x, options.get("num_heads")),
        cr.asarray(cosine[:, None]),
        cr.asarray(sine[:, None]),
        interleaved=bool(options.get("interleaved", 0)),
    ).numpy()
    return {"output": y if x.ndim == 4 else y.swapaxes(1, 2).reshape(x.shape)}


RUN = {
    "Attention": attention,
    "LayerNormalization": functools.partial(normalized, layer=nn.LayerNorm),
    "RMSNormalization": functools.partial(normalized, layer=nn.RMSNorm),
    "RotaryEmbedding": rotary,
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_case(case):
    (node,) = case.model.graph.node
    for inputs, expected in case.data_sets:
        given = named(INPUTS[node.op_type], node.input, map(single, inputs))
        got = RUN[node.op_type](given, options_of(node))
        for name, wanted in named(OUTPUTS[node.op_type], node.output, expected).items():
            if name == "qk_matmul_output" and name not in got:
                continue
            rounding = max(ROUNDING[wanted.dtype.name], case.atol)
            wanted = np.asarray(wanted, np.float32)
            np.testing.assert_allclose(
                got[name], wanted, rtol=max(rounding, case.rtol), atol=rounding
            )


def named(names, used, arrays):
    """Arrays by the names of those places that a node uses."""
    places = [name for name, here in zip(names, used, strict=False) if here]
    return dict(zip(places, arrays, strict=True))


def test_all_ops_have_cases():
    assert {operator(case) for case in cases()} == set(OPS)
