"""Attention, unfolded: scores, weights, weighted sum; with heads, the projections around them.

With queries ``q``, keys ``k`` and values ``v``::

    s = q kᵀ / √d        scores
    p = softmax(s)       weights: each row sums to 1, and is 0 where a mask forbids to look
    r = p v              what each query reads
"""

from collections.abc import Sequence

import numpy as np

from chainrule.explain.unfolding.called import Called, NotTextbook
from chainrule.graph import Graph, Node, Tensor, asarray, call
from chainrule.graph import sum as total_of
from chainrule.graph.apply import apply_many
from chainrule.graph.ops.elementwise import sqrt, where
from chainrule.graph.ops.movement import swapaxes, transpose
from chainrule.graph.ops.structure import CALL
from chainrule.graph.tensor import node_of
from chainrule.graph.trace import replay
from chainrule.nn import causal_mask, softmax

__all__ = ["attention", "multi_head_attention"]


def attention(called: Called) -> Sequence[Tensor]:
    """``softmax(q kᵀ / √d) v`` and the weights; unscaled in a layer whose label says so."""
    called.only("q", "k", "v", "mask")
    q, k, v = (called.given[name] for name in "qkv")
    mask = called.given.get("mask")
    if mask is not None and mask.dtype.kind != "b":
        raise NotTextbook("mask")
    filled = mask is None
    if called.option("causal", "False") == "True":
        past = called.captured("b")
        past = causal_mask(q.shape[-2], k.shape[-2]) if past is None else past
        mask = past if mask is None else mask & past
    scaled = _is_scaled(called.body)
    s = call("scores", "scores", lambda q, k: _scores(q, k, scaled), q, k)
    if mask is None:
        p = call("attention_weights", "softmax", softmax, s)
    elif mask.is_symbolic:
        p = call("attention_weights", "masked softmax", lambda s, m: _masked(s, m, filled), s, mask)
    else:
        p = call("attention_weights", "masked softmax", lambda s: _masked(s, mask, filled), s)
    return [call("weighted_values", "weighted sum", lambda p, v: p @ v, p, v), p]


def _is_scaled(body: Graph) -> bool:
    """Whether scores are multiplied with a number between the product and the softmax.

    It is a guess: the graph that is made of it must agree with the call.
    """
    return any(node.op.name == "multiply" for node in body.nodes)


def _scores(q: Tensor, k: Tensor, scaled: bool) -> Tensor:
    s = q @ swapaxes(k, -1, -2)
    if not scaled:
        return s
    width = Tensor(None, node_of(asarray(float(q.shape[-1]), q.dtype)))  # a root, not its number
    return s / sqrt(width)


def _masked(s: Tensor, mask: Tensor, filled: bool) -> Tensor:
    """The softmax over what may be looked at; ``filled`` if in every row there is something."""
    p = softmax(where(mask, s, float(np.finfo(s.dtype).min)))
    return p if filled else where(mask, p, 0)


# ---------------------------------------------------------------------- several heads
def multi_head_attention(called: Called) -> Sequence[Tensor]:
    """Projections for each head, attention, and the projection of all heads together."""
    called.only("input.", "output.", "x", "mask")
    inner = [node for node in called.body.nodes if node.op is CALL]
    found = [node for node in inner if node.attributes["name"] == "attention"]
    if len(found) != 1:
        raise NotTextbook("attention")
    (node,) = found
    names: tuple[str, ...] = node.attributes["body"].names
    specs = dict(zip(names, node.attributes["body"].input_specs, strict=True))
    made = {}
    begin = 0
    for name, letter in (("queries", "q"), ("keys", "k"), ("values", "v")):
        heads, width = specs[letter].shape[1], specs[letter].shape[-1]
        made[letter] = _projected(called, name, begin, heads, width)
        begin += heads * width
    others = _others(called, node, names)
    given = {**others, **made}
    r, *weights = apply_many(CALL, *(given[name] for name in names), **node.attributes)
    given = {name: called.given[f"output.{name}"] for name in ("weight", "bias")
             if f"output.{name}" in called.given}  # fmt: skip
    z = call("heads_joined", "heads side by side, W + b", _joined, {**given, "r": r})
    return [z, *weights][: len(called.body.outputs)]


def _others(called: Called, node: Node, names: Sequence[str]) -> dict[str, Tensor]:
    """What attention reads beside queries, keys and values: a mask."""
    nodes = [
        (n, child) for n, child in zip(names, node.inputs, strict=True) if n not in tuple("qkv")
    ]
    graph = Graph(called.body.inputs, [child for _, child in nodes])
    found = replay(graph, called.tensors)
    return {name: tensor for (name, _), tensor in zip(nodes, found, strict=True)}


def _projected(called: Called, name: str, begin: int, heads: int, width: int) -> Tensor:
    """``x W + b`` for a block of columns, in heads: ``(batch, heads, time, width)``."""
    end = begin + heads * width

    def project(given: dict[str, Tensor]) -> Tensor:
        x, weight = given["x"], given["weight"][:, begin:end]
        per_head = transpose(weight.reshape(-1, heads, width), (1, 0, 2))
        z = x.reshape(x.shape[0], 1, *x.shape[1:]) @ per_head
        if "bias" not in given:
            return z
        return z + given["bias"][begin:end].reshape(heads, 1, width)

    given = {own: called.given[f"input.{own}"] for own in ("weight", "bias")
             if f"input.{own}" in called.given}  # fmt: skip
    found: Tensor = call(name, name, project, {**given, "x": called.given["x"]})
    return found


def _joined(given: dict[str, Tensor]) -> Tensor:
    """``Σ over heads rʰ Wʰ + b``: the heads side by side, times ``W``."""
    r, weight = given["r"], given["weight"]
    _, heads, _, width = r.shape
    z = total_of(r @ weight.reshape(heads, width, -1), axis=1)
    return z + given["bias"] if "bias" in given else z
