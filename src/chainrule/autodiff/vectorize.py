"""``vmap``: a graph that does for a whole batch what another does for one example.

Inside, the batch axis of a batched value is always the first one; what does not depend on the batch
stays unbatched. One rule per family says how an op's attributes shift.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.graph.apply import apply
from chainrule.graph.functions import any as any_true
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.movement import broadcast_to, moveaxis, reshape, swapaxes
from chainrule.graph.ops.products import MATMUL, matmul
from chainrule.graph.ops.structure import CALL, SCAN, WHILE
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import Tensor, node_of, placeholder
from chainrule.graph.trace import repeat, replay

__all__ = ["RULES", "vectorize"]

Flags = Sequence[bool]
PICK = TABLE["pick"]


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
    """
    inputs = [
        placeholder(node.spec.with_shape((size, *node.spec.shape))) if b else Tensor(None, node)
        for node, b in zip(graph.inputs, batched, strict=True)
    ]
    value: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
    flag: dict[Node, Any] = dict(zip(graph.inputs, batched, strict=True))
    for node in graph.nodes:
        operands = [value[child] for child in node.inputs]
        flags = [flag[child] for child in node.inputs]
        if node.op is PICK:
            index = node.attributes["index"]
            value[node], flag[node] = operands[0][index], flags[0][index]
        elif not any(flags):
            value[node] = repeat(node, operands)
            flag[node] = (False,) * len(node.specs) if len(node.specs) > 1 or _many(node) else False
        elif node.op.name in STRUCTURED:
            value[node], flag[node] = STRUCTURED[node.op.name](node, operands, flags, size)
        else:
            rule = _elementwise if node.op.family == "elementwise" else RULES[node.op.name]
            value[node], flag[node] = rule(node, operands, flags, size), True
    outputs = [node_of(value[node]) for node in graph.outputs]
    return (
        Graph(list(map(node_of, inputs)), outputs, graph.names),
        tuple(flag[node] for node in graph.outputs),
    )


def _many(node: Node) -> bool:
    return node.op.name in STRUCTURED


def stretched(x: Tensor, batched: bool, size: int) -> Tensor:
    """``x`` with a batch axis."""
    return x if batched else broadcast_to(x, (size, *x.shape))


def _all_stretched(operands: Sequence[Tensor], flags: Flags, size: int) -> list[Tensor]:
    return [stretched(x, b, size) for x, b in zip(operands, flags, strict=True)]


# ---------------------------------------------------------------------- one rule per way to shift
Rule = Callable[[Node, Sequence[Tensor], Flags, int], Tensor]


def _elementwise(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return apply(node.op, *_all_stretched(operands, flags, size), **node.attributes)  # type: ignore[no-any-return]


def _shifted_axes(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    axes = tuple(a + 1 for a in node.attributes["axes"])
    return apply(node.op, *operands, axes=axes)  # type: ignore[no-any-return]


def _shifted_axis(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    attributes = {**node.attributes, "axis": node.attributes["axis"] + 1}
    return apply(node.op, *_all_stretched(operands, flags, size), **attributes)  # type: ignore[no-any-return]


def _reshape(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return reshape(operands[0], (size, *node.attributes["shape"]))


def _transpose(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    axes = (0, *(a + 1 for a in node.attributes["axes"]))
    return apply(node.op, operands[0], axes=axes)  # type: ignore[no-any-return]


def _broadcast(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    (x,), shape = operands, node.attributes["shape"]
    ones = (1,) * (len(shape) - (x.ndim - 1))
    return broadcast_to(reshape(x, (size, *ones, *x.shape[1:])), (size, *shape))


def _with_leading(**leading: Callable[[int], int]) -> Rule:
    """Attributes that hold one number per axis get one more in front."""

    def rule(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
        new = {key: (first(size), *node.attributes[key]) for key, first in leading.items()}
        return apply(node.op, operands[0], **new)  # type: ignore[no-any-return]

    return rule


def _gather(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    batch = node.attributes["batch"]
    if not flags[0] and batch == 0:
        return apply(node.op, *operands, batch=0)  # type: ignore[no-any-return]  # more places, same table
    return apply(node.op, *_all_stretched(operands, flags, size), batch=batch + 1)  # type: ignore[no-any-return]


def _scatter(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    shape, batch = (size, *node.attributes["shape"]), node.attributes["batch"] + 1
    return apply(node.op, *_all_stretched(operands, flags, size), shape=shape, batch=batch)  # type: ignore[no-any-return]


def _matmul(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    a, b = operands
    if not flags[1] and b.ndim == 2:
        return matmul(a, b)
    if not flags[0] and a.ndim == 2:
        # (Bᵀ Aᵀ)ᵀ: one large product in place of one small one per example.
        return swapaxes(matmul(swapaxes(b, -1, -2), swapaxes(a, -1, -2)), -1, -2)
    return apply(MATMUL, *_all_stretched(operands, flags, size))  # type: ignore[no-any-return]


def _same(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Tensor:
    return apply(node.op, *_all_stretched(operands, flags, size), **node.attributes)  # type: ignore[no-any-return]


def _zero(size: int) -> int:
    return 0


def _one(size: int) -> int:
    return 1


def _size(size: int) -> int:
    return size


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
    "slice": _with_leading(start=_zero, stop=_size, step=_one),
    "pad": _with_leading(low=_zero, high=_zero, interior=_zero),
    "gather": _gather,
    "scatter_add": _scatter,
    "matmul": _matmul,
    "cholesky": _same,
    "triangular_solve": _same,
    "random_bits": _same,
}


# ---------------------------------------------------------------------- rows with sub-graphs
Outcome = tuple[tuple[Tensor, ...], tuple[bool, ...]]


def _call(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    body, batched = vectorize(node.attributes["body"], flags, size)
    return apply(CALL, *operands, **{**node.attributes, "body": body}), batched


def _with_batched_state(body: Graph, flags: list[bool], states: slice, size: int) -> Graph:
    """Vectorize a loop body; ``flags[states]`` grows to the states that become batched in a step."""
    while True:
        vectorized, batched = vectorize(body, flags, size)
        grown = [a or b for a, b in zip(flags[states], batched, strict=False)]
        if grown == flags[states]:
            break
        flags[states] = grown
    outputs = list(vectorized.outputs)
    for i, wants in enumerate(flags[states]):
        if wants and not batched[i]:
            outputs[i] = node_of(stretched(Tensor(None, outputs[i]), False, size))
    return Graph(vectorized.inputs, outputs, vectorized.names)


def _scan(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    captured, carried = node.attributes["captured"], node.attributes["carried"]
    states, rows = slice(captured, captured + carried), captured + carried
    new = list(flags)
    body = _with_batched_state(node.attributes["body"], new, states, size)
    inputs = [
        stretched(x, had, size) if has and i < rows else x
        for i, (x, had, has) in enumerate(zip(operands, flags, new, strict=True))
    ]
    # A row's own batch axis stands first, its steps second; the loop goes over steps.
    inputs[rows:] = [
        moveaxis(x, 1, 0) if b else x for x, b in zip(inputs[rows:], new[rows:], strict=True)
    ]
    outputs = apply(SCAN, *inputs, **{**node.attributes, "body": body})
    original: Graph = node.attributes["body"]
    batched = tuple(
        made.spec.shape != was.spec.shape
        for made, was in zip(body.outputs, original.outputs, strict=True)
    )
    moved = [
        moveaxis(y, 1, 0) if b and i >= carried else y
        for i, (y, b) in enumerate(zip(outputs, batched, strict=True))
    ]
    return tuple(moved), batched


def _while(node: Node, operands: Sequence[Tensor], flags: Flags, size: int) -> Outcome:
    """Examples end at different times: go on while any does, and freeze those that are done."""
    ask, fixed = node.attributes["condition_captured"], node.attributes["body_captured"]
    body: Graph = node.attributes["body"]
    new = list(flags)
    new[ask + fixed :] = [True] * len(body.outputs)
    asked, _ = vectorize(node.attributes["condition"], [*new[:ask], *new[ask + fixed :]], size)
    stepped, batched = vectorize(body, new[ask:], size)
    ask_inputs = [placeholder(n.spec) for n in asked.inputs[:ask]]
    fixed_inputs = [placeholder(n.spec) for n in stepped.inputs[:fixed]]
    state = [placeholder(n.spec) for n in stepped.inputs[fixed:]]
    goes_on = _lanes(replay(asked, [*ask_inputs, *state])[0], size)
    after = [
        stretched(y, b, size)
        for y, b in zip(replay(stepped, [*fixed_inputs, *state]), batched, strict=True)
    ]
    frozen = [
        where(reshape(goes_on, (size,) + (1,) * (y.ndim - 1)), y, x)
        for x, y in zip(state, after, strict=True)
    ]
    condition = Graph(list(map(node_of, [*ask_inputs, *state])), [node_of(any_true(goes_on))])
    step = Graph(
        list(map(node_of, [*ask_inputs, *fixed_inputs, *state])), list(map(node_of, frozen))
    )
    inputs = [
        stretched(x, had, size) if has else x
        for x, had, has in zip(operands, flags, new, strict=True)
    ]
    outputs = apply(
        WHILE,
        *inputs[:ask],
        *inputs,
        condition=condition,
        body=step,
        condition_captured=ask,
        body_captured=ask + fixed,
    )
    return tuple(outputs), (True,) * len(outputs)


def _lanes(condition: Tensor, size: int) -> Tensor:
    """One truth value per example."""
    return condition if condition.shape == (size,) else broadcast_to(condition, (size,))


STRUCTURED: dict[str, Callable[..., Outcome]] = {"call": _call, "scan": _scan, "while": _while}
