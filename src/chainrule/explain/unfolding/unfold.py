"""Layers of many steps, unfolded: recurrent layers in time, attention into scores and weights.

What is explained is a second graph, written as textbooks write the layer. It may stand for the
layer's own graph only if both agree: in their values, and in what they pass back to every input, at
random places. Where that is not so (padded batches, options that the textbook does not know) the
layer stays as it is.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from chainrule.autodiff import reverse
from chainrule.engines import Program
from chainrule.errors import ChainruleError
from chainrule.explain.unfolding.attention import attention, multi_head_attention
from chainrule.explain.unfolding.called import Called, NotTextbook
from chainrule.explain.unfolding.recurrent import cell, layer
from chainrule.graph import Graph, Node, Spec, Tensor
from chainrule.graph.tensor import node_of, placeholder
from chainrule.graph.trace import replay, trace

__all__ = ["unfolded"]

#: From a call to the tensors that it returns.
Textbook: TypeAlias = Callable[[Called], Sequence[Tensor]]

TEXTBOOKS: dict[str, Textbook] = {
    "RNN": layer,
    "LSTM": layer,
    "GRU": layer,
    "RNNCell": cell,
    "LSTMCell": cell,
    "GRUCell": cell,
    "attention": attention,
    "MultiHeadAttention": multi_head_attention,
}
#: How often, and how exactly, two graphs must agree.
TIMES, TOLERANCE = 2, 1e-7


def unfolded(node: Node) -> Graph | None:
    """The graph of a call as a textbook has it; ``None`` if it has none, or if they differ.

    Parameters
    ----------
    node
        A call, in double precision.
    """
    textbook = TEXTBOOKS.get(node.attributes["name"])
    body: Graph = node.attributes["body"]
    if textbook is None:
        return None

    def written(*tensors: Tensor) -> Sequence[Tensor]:
        return textbook(Called(node, tensors))

    try:  # what is called so need not be the library's
        traced = trace(written, body.input_specs)
    except (NotTextbook, ChainruleError, LookupError, ValueError, TypeError):
        return None
    inputs = [node_of(placeholder(spec)) for spec in body.input_specs]
    tensors = [*(Tensor(None, node) for node in inputs), *traced.captured]
    graph = Graph(inputs, [node_of(x) for x in replay(traced.graph, tensors)], body.names)
    return graph if _agree(graph, body) else None


def _agree(one: Graph, other: Graph) -> bool:
    """Whether two graphs have the same values and pass the same back."""
    if one.output_specs != other.output_specs:
        return False
    rng = np.random.default_rng(0)
    for _ in range(TIMES):
        inputs = [_drawn(rng, spec) for spec in one.input_specs]
        arrays = [*inputs, *(_drawn(rng, spec) for spec in one.output_specs)]
        pairs = zip(*(_run(graph, arrays) for graph in (one, other)), strict=True)
        if not all(np.allclose(a, b, TOLERANCE, TOLERANCE, equal_nan=True) for a, b in pairs):
            return False
    return True


def _drawn(rng: np.random.Generator, spec: Spec) -> np.ndarray:
    if spec.is_float:
        return rng.normal(size=spec.shape)
    return rng.integers(0, 2, spec.shape).astype(spec.dtype)


def _run(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs, and the derivatives of the inputs for these derivatives of the outputs."""
    wanted = [spec.is_float for spec in graph.input_specs]
    return Program(reverse(graph, wanted))(arrays)
