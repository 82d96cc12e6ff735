"""``vmap``: a graph that does for a whole batch what another does for one example.

Inside, the batch axis of a batched value is always the first one; what does not depend on the batch
stays unbatched. One rule per family says how an op's attributes shift.
"""

from collections.abc import Callable, Sequence

from chainrule.autodiff.active import Flags
from chainrule.autodiff.structure import PICK, WITH_SUBGRAPHS, again, states_of
from chainrule.graph.apply import apply, apply_many
from chainrule.graph.functions import any as any_true
from chainrule.graph.functions import take
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.movement import broadcast_to, reshape, swapaxes
from chainrule.graph.ops.products import MATMUL, matmul
from chainrule.graph.ops.reductions import argmax
from chainrule.graph.ops.structure import CALL, SCAN, WHILE
from chainrule.graph.tensor import Tensor, node_of, placeholder
from chainrule.graph.trace import replay

__all__ = ["RULES", "vectorize"]


def vectorize(graph: Graph, batched: Flags, size: int) -> tuple[Graph, tuple[bool, ...]]:
    """The graph for a batch of ``size`` examples.

    Parameters
    ----------
    graph
        A function of one example.
    batched
        For each input, whether there is one per example (batch axis first) or one for all.
    size
        Number of examples.

    Returns
    -------
    graph, batched
        The graph, and for each output whether it has a batch axis (the first).

    Examples
    --------
    >>> import chainrule as cr
    >>> graph, batched = cr.vectorize(cr.make_graph(cr.sum, cr.Spec((3,))), [True], 64)
    >>> print(graph)
    (in0: f32[64, 3]) ->
      %0 = sum in0 axes=(1,) : f32[64]
      return %0
    """
    inputs = [
        placeholder(node.spec.with_shape((size, *node.spec.shape))) if b else Tensor(None, node)
        for node, b in zip(graph.inputs, batched, strict=True)
    ]
    value: dict[Node, tuple[Tensor, ...]] = {
        node: (x,) for node, x in zip(graph.inputs, inputs, strict=True)
    }
    flag: dict[Node, Flags] = {n: (b,) for n, b in zip(graph.inputs, batched, strict=True)}
    for node in graph.nodes:
        if node.op is PICK:
            (source,), index = node.inputs, node.attributes["index"]
            value[node], flag[node] = (value[source][index],), (flag[source][index],)
            continue
        operands = [value[child][0] for child in node.inputs]
        flags = [flag[child][0] for child in node.inputs]
        if not any(flags):
            value[node], flag[node] = again(node, operands), (False,) * len(node.specs)
        elif node.op in WITH_SUBGRAPHS:
            value[node], flag[node] = STRUCTURED[node.op.name](node, operands, flags, size)
        else:
            rule = _elementwise if node.op.family == "elementwise" else RULES[node.op.name]
            value[node], flag[node] = (rule(node, operands, flags, size),), (True,)
    outputs = [value[node][0] for node in graph.outputs]
    batch = Graph(_nodes(inputs), _nodes(outputs), graph.names)
    return batch, tuple(flag[node][0] for node in graph.outputs)


def stretched(x: Tensor, batched: bool, size: int) -> Tensor:
    """``x`` with a batch axis."""
    return x if batched else broadcast_to(x, (size, *x.shape))


def _all_stretched(operands: Sequence[Tensor], flags: Flags, size: int) -> list[Tensor]:
    return [stretched(x, b, size) for x, b in zip(operands, flags, strict=True)]


# ---------------------------------------------------------------------- one rule per way to shift
Rule = Callable[[Node, Sequence[Tensor], Flags, int], Tensor]


def _elementwise(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return apply(node.op, *_all_stretched(operands, flags, size), **node.attributes)


def _shifted_axes(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    axes = tuple(a + 1 for a in node.attributes["axes"])
    return apply(node.op, *operands, axes=axes)


def _shifted_axis(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    attributes = {**node.attributes, "axis": node.attributes["axis"] + 1}
    return apply(node.op, *_all_stretched(operands, flags, size), **attributes)


def _reshape(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return reshape(operands[0], (size, *node.attributes["shape"]))


def _transpose(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    axes = (0, *(a + 1 for a in node.attributes["axes"]))
    return apply(node.op, operands[0], axes=axes)


def _broadcast(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    (x,), shape = operands, node.attributes["shape"]
    ones = (1,) * (len(shape) - (x.ndim - 1))
    return broadcast_to(reshape(x, (size, *ones, *x.shape[1:])), (size, *shape))


def _with_leading(**leading: int | None) -> Rule:
    """Attributes of one number per axis get one more in front; ``None``: how many examples."""

    def rule(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
        first = {key: size if number is None else number for key, number in leading.items()}
        new = {key: (number, *node.attributes[key]) for key, number in first.items()}
        return apply(node.op, operands[0], **new)

    return rule


def _gather(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    batch = node.attributes["batch"]
    if not flags[0] and batch == 0:
        return apply(node.op, *operands, batch=0)  # more places, same table
    return apply(node.op, *_all_stretched(operands, flags, size), batch=batch + 1)


def _scatter(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    batch = node.attributes["batch"] + 1
    return apply(node.op, *_all_stretched(operands, flags, size), batch=batch)


def _scatter_add(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    shape, batch = (size, *node.attributes["shape"]), node.attributes["batch"] + 1
    return apply(node.op, *_all_stretched(operands, flags, size), shape=shape, batch=batch)


def _matmul(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    a, b = operands
    if not flags[1] and b.ndim == 2:
        return matmul(a, b)
    if not flags[0] and a.ndim == 2:
        # (Bᵀ Aᵀ)ᵀ: one large product in place of one small one per example.
        return swapaxes(matmul(swapaxes(b, -1, -2), swapaxes(a, -1, -2)), -1, -2)
    return apply(MATMUL, *_all_stretched(operands, flags, size))


def _same(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return apply(node.op, *_all_stretched(operands, flags, size), **node.attributes)


RULES: dict[str, Rule] = {
    "sum": _shifted_axes,
    "max": _shifted_axes,
    "min": _shifted_axes,
    "flip": _shifted_axes,
    "argmax": _shifted_axis,
    "argmin": _shifted_axis,
    "argsort": _shifted_axis,
    "cumsum": _shifted_axis,
    "concatenate": _shifted_axis,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "slice": _with_leading(start=0, stop=None, step=1),
    "pad": _with_leading(low=0, high=0, interior=0),
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "matmul": _matmul,
    "cholesky": _same,
    "triangular_solve": _same,
    "random_bits": _same,
}


# ---------------------------------------------------------------------- rows with sub-graphs
Outcome = tuple[tuple[Tensor, ...], tuple[bool, ...]]


def _call(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    body, batched = vectorize(node.attributes["body"], flags, size)
    return apply_many(CALL, *operands, **{**node.attributes, "body": body}), batched


def _with_batched_state(
    body: Graph, batched: Flags, states: slice, size: int
) -> tuple[Graph, list[bool], tuple[bool, ...]]:
    """A loop body for a batch; which of its inputs and outputs have a batch axis."""
    flags = list(batched)
    while True:  # a state that starts as one for all may become one per example in a step
        vectorized, outputs = vectorize(body, flags, size)
        grown = [a or b for a, b in zip(flags[states], outputs, strict=False)]
        if grown == flags[states]:
            break
        flags[states] = grown
    after = (*grown, *outputs[len(grown) :])
    full = [
        node_of(stretched(Tensor(None, node), had or not has, size))
        for node, had, has in zip(vectorized.outputs, outputs, after, strict=True)
    ]
    return Graph(vectorized.inputs, full, vectorized.names), flags, after


def _scan(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    body, carried, states = node.attributes["body"], node.attributes["carried"], states_of(node)
    new_body, needed, batched = _with_batched_state(body, flags, states, size)
    # In a row, the axis of examples stands first and that of steps second; the loop is over steps.
    inputs = [
        stretched(x, had or not has, size) if i < states.stop else _exchanged(x, has)
        for i, (x, had, has) in enumerate(zip(operands, flags, needed, strict=True))
    ]
    outputs = apply_many(SCAN, *inputs, **{**node.attributes, "body": new_body})
    rows = map(_exchanged, outputs[carried:], batched[carried:])
    return (*outputs[:carried], *rows), batched


def _exchanged(x: Tensor, batched: bool) -> Tensor:
    """The axes of examples and of steps exchanged."""
    return swapaxes(x, 0, 1) if batched else x


def _while(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    """Examples end at different times: go on while any does, and keep those that are done."""
    ask, fixed = node.attributes["condition_captured"], node.attributes["body_captured"]
    state_flags = [True] * len(node.specs)
    asked, _ = vectorize(node.attributes["condition"], [*flags[:ask], *state_flags], size)
    stepped, after = vectorize(
        node.attributes["body"], [*flags[ask : ask + fixed], *state_flags], size
    )
    initial = _all_stretched(operands[ask + fixed :], flags[ask + fixed :], size)
    if size == 0:
        return tuple(initial), tuple(state_flags)
    condition, body = _lanes(asked, ask, stepped, after, size)
    outputs = apply_many(
        WHILE,
        *operands[:ask],
        *operands[: ask + fixed],
        *initial,
        condition=condition,
        body=body,
        condition_captured=ask,
        body_captured=ask + fixed,
    )
    return tuple(outputs), tuple(state_flags)


def _lanes(asked: Graph, ask: int, stepped: Graph, after: Flags, size: int) -> tuple[Graph, Graph]:
    """Condition and body that run all examples until the last one is done."""
    carried = len(stepped.outputs)
    of_condition = [placeholder(spec) for spec in asked.input_specs[:ask]]
    of_body = [placeholder(spec) for spec in stepped.input_specs[:-carried]]
    state = [placeholder(spec) for spec in stepped.input_specs[-carried:]]
    (goes_on,) = replay(asked, [*of_condition, *state])
    goes_on = broadcast_to(goes_on, (size,))
    # The body may fail on a state that is done (an index beyond the end), so such an example
    # repeats the step of one that goes on, and throws the result away.
    running = argmax(goes_on)
    safe = [_chosen(goes_on, x, take(x, running)) for x in state]
    new = _all_stretched(replay(stepped, [*of_body, *safe]), after, size)
    kept = [_chosen(goes_on, y, x) for x, y in zip(state, new, strict=True)]
    fixed = [*of_condition, *of_body]
    return (
        Graph(_nodes([*of_condition, *state]), _nodes([any_true(goes_on)])),
        Graph(_nodes([*fixed, *state]), _nodes(kept)),
    )


def _nodes(tensors: Sequence[Tensor]) -> list[Node]:
    return list(map(node_of, tensors))


def _chosen(lanes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``x`` for the examples in ``lanes``, ``y`` for the others."""
    return where(reshape(lanes, (lanes.size,) + (1,) * (x.ndim - 1)), x, y)


STRUCTURED: dict[str, Callable[..., Outcome]] = {"call": _call, "scan": _scan, "while": _while}
