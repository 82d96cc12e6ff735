"""Forward mode: a graph that carries tangents along with values.

For every node whose inputs have tangents, the row of its op says how they pass through: a sum of
local derivative times tangent, the op itself where it is linear, or the tangent rule. A tangent that
is zero is ``None`` and costs nothing.
"""

from collections.abc import Sequence
from typing import Any

from chainrule.graph.apply import apply
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.movement import constant_like
from chainrule.graph.ops.structure import CALL, SCAN, WHILE
from chainrule.graph.table import TABLE, Linear, Local, Tangent
from chainrule.graph.tensor import Tensor, node_of, placeholder
from chainrule.graph.trace import repeat

__all__ = ["forward", "zero_like"]

Tangents = Sequence[Tensor | None]
PICK = TABLE["pick"]


def forward(graph: Graph, moving: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """The graph that maps inputs and tangents to outputs and tangents.

    Parameters
    ----------
    graph
        A function as a graph.
    moving
        For each input, whether it has a tangent.

    Returns
    -------
    graph, moved
        Inputs: the inputs, then one tangent per moving input. Outputs: the outputs, then the
        tangents of those outputs for which ``moved`` is true; the others do not move.
    """
    values = [Tensor(None, node) for node in graph.inputs]
    tangents = [
        placeholder(node.spec) if moves and node.spec.is_float else None
        for node, moves in zip(graph.inputs, moving, strict=True)
    ]
    outputs, output_tangents = push(graph, values, tangents)
    moved = tuple(t is not None for t in output_tangents)
    new = [t for t in tangents if t is not None]
    names = [f"d {n}" for n, t in zip(graph.names, tangents, strict=True) if t is not None]
    results = [*outputs, *(t for t in output_tangents if t is not None)]
    inputs = [*graph.inputs, *map(node_of, new)]
    return Graph(inputs, list(map(node_of, results)), [*graph.names, *names]), moved


def push(
    graph: Graph, values: Sequence[Tensor], tangents: Tangents
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Replay a graph on values and tangents together."""
    value: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))
    tangent: dict[Node, Any] = dict(zip(graph.inputs, tangents, strict=True))
    for node in graph.nodes:
        inputs = [value[child] for child in node.inputs]
        moving = [tangent[child] for child in node.inputs]
        if node.op is PICK:
            index = node.attributes["index"]
            value[node] = inputs[0][index]
            tangent[node] = moving[0][index] if moving[0] is not None else None
        elif all(t is None for t in moving):
            value[node], tangent[node] = repeat(node, inputs), None
        elif node.op.name in STRUCTURED:
            value[node], tangent[node] = STRUCTURED[node.op.name](node, inputs, moving)
        else:
            value[node] = repeat(node, inputs)
            tangent[node] = pushed(node, inputs, value[node], moving)
    return [value[n] for n in graph.outputs], [tangent[n] for n in graph.outputs]


def pushed(node: Node, inputs: Sequence[Tensor], y: Tensor, tangents: Tangents) -> Tensor | None:
    """The tangent of one node's output."""
    derivative, attributes = node.op.derivative, node.attributes
    match derivative:
        case None:
            return None
        case Local():
            terms = [
                scaled(t, local(*inputs, y) if callable(local) else local)
                for local, t in zip(derivative.expressions, tangents, strict=True)
                if t is not None and local is not None
            ]
        case Linear(jointly=True):
            # An input in which the op is not linear (a condition) keeps its value.
            full = [
                zero_like(x) if t is None and derivative.covers(i) else (x if t is None else t)
                for i, (x, t) in enumerate(zip(inputs, tangents, strict=True))
            ]
            return apply(node.op, *full, **attributes) if y.spec.is_float else None
        case Linear():
            terms = _one_by_one(node, derivative, inputs, y, tangents)
        case Tangent():
            terms = [derivative.rule(tuple(tangents), *inputs, y, **attributes)]
        case _:
            raise AssertionError(node.op.name)
    if not y.spec.is_float:
        return None
    total: Tensor | None = None
    for term in terms:
        total = term if total is None else total + term
    return total


def _one_by_one(
    node: Node, derivative: Linear, inputs: Sequence[Tensor], y: Tensor, tangents: Tangents
) -> list[Tensor]:
    terms = []
    for i, t in enumerate(tangents):
        if t is None:
            continue
        if derivative.covers(i):
            terms.append(apply(node.op, *inputs[:i], t, *inputs[i + 1 :], **node.attributes))
        elif derivative.rest is not None:
            alone = tuple(t if j == i else None for j in range(len(inputs)))
            terms.append(derivative.rest.rule(alone, *inputs, y, **node.attributes))
    return terms


def scaled(t: Tensor, local: Any) -> Tensor:
    """``local · t``, without a product by 1 or -1."""
    if isinstance(local, float):
        return t if local == 1.0 else (-t if local == -1.0 else t * local)
    return t * local  # type: ignore[no-any-return]


def zero_like(x: Tensor) -> Tensor:
    """A tangent that is zero, where one must be written out."""
    return constant_like(0, x)


# ---------------------------------------------------------------------- rows with sub-graphs
def _push_call(
    node: Node, inputs: Sequence[Tensor], tangents: Tangents
) -> tuple[tuple[Tensor, ...], list[Tensor | None]]:
    body: Graph = node.attributes["body"]
    moving = [t is not None for t in tangents]
    both, moved = forward(body, moving)
    operands = [*inputs, *(t for t in tangents if t is not None)]
    outputs = apply(CALL, *operands, **{**node.attributes, "body": both})
    return _separated(outputs, moved)


def _separated(
    outputs: Sequence[Tensor], moved: Sequence[bool]
) -> tuple[tuple[Tensor, ...], list[Tensor | None]]:
    """Values and tangents (``None`` where an output does not move) of a row's outputs."""
    count = len(moved)
    rest = iter(outputs[count:])
    return tuple(outputs[:count]), [next(rest) if m else None for m in moved]


def _push_scan(
    node: Node, inputs: Sequence[Tensor], tangents: Tangents
) -> tuple[tuple[Tensor, ...], list[Tensor | None]]:
    body: Graph = node.attributes["body"]
    captured, carried = node.attributes["captured"], node.attributes["carried"]
    state = slice(captured, captured + carried)
    moving = [t is not None for t in tangents]
    # A state that starts without a tangent may get one in the first step: find all that do.
    while True:
        both, moved = forward(body, moving)
        grown = [m or n for m, n in zip(moving[state], moved[:carried], strict=True)]
        if grown == moving[state]:
            break
        moving[state] = grown
    both = _with_tangents_of_state(both, body, moved, moving[state])
    full = [
        zero_like(x) if t is None and m else t
        for x, t, m in zip(inputs, tangents, moving, strict=True)
    ]
    order = _interleaved(len(body.inputs), captured, carried, moving)
    operands = [*inputs, *(t for t in full if t is not None)]
    state_tangents = sum(moving[state])
    outputs = apply(
        SCAN,
        *(operands[i] for i in order),
        body=_reordered(both, order, carried, len(body.outputs), state_tangents),
        captured=captured + sum(moving[:captured]),
        carried=carried + state_tangents,
        length=node.attributes["length"],
        reverse=node.attributes["reverse"],
    )
    rows = len(body.outputs) - carried
    values = (*outputs[:carried], *outputs[carried + state_tangents :][:rows])
    rest = iter([*outputs[carried:][:state_tangents], *outputs[carried + state_tangents + rows :]])
    moved_out = [*moving[state], *moved[carried:]]
    return values, [next(rest) if m else None for m in moved_out]


def _with_tangents_of_state(
    both: Graph, body: Graph, moved: Sequence[bool], wanted: Sequence[bool]
) -> Graph:
    """Give every state that moves a tangent output, zero where a step sets it to a constant."""
    count, rest = len(body.outputs), iter(both.outputs[len(body.outputs) :])
    tangents = [next(rest) if m else None for m in moved]
    for i, want in enumerate(wanted):
        if want and tangents[i] is None:
            tangents[i] = node_of(zero_like(Tensor(None, body.outputs[i])))
    outputs = [*both.outputs[:count], *(t for t in tangents if t is not None)]
    return Graph(both.inputs, outputs, both.names)


def _interleaved(
    count: int, captured: int, carried: int, moving: Sequence[bool]
) -> list[int]:
    """Positions of ``[inputs, tangents]`` so that captured, carried and rows stay together."""
    place = {}
    following = count
    for i, m in enumerate(moving):
        if m:
            place[i] = following
            following += 1
    order: list[int] = []
    for group in (
        range(captured),
        range(captured, captured + carried),
        range(captured + carried, count),
    ):
        order += group
        order += [place[i] for i in group if i in place]
    return order


def _reordered(
    both: Graph, order: Sequence[int], carried: int, outputs: int, state_tangents: int
) -> Graph:
    inputs = [both.inputs[i] for i in order]
    names = [both.names[i] for i in order]
    values, tangents = both.outputs[:outputs], both.outputs[outputs:]
    new = [
        *values[:carried],
        *tangents[:state_tangents],
        *values[carried:],
        *tangents[state_tangents:],
    ]
    return Graph(inputs, new, names)


def _push_while(
    node: Node, inputs: Sequence[Tensor], tangents: Tangents
) -> tuple[tuple[Tensor, ...], list[Tensor | None]]:
    body: Graph = node.attributes["body"]
    condition: Graph = node.attributes["condition"]
    ask, fixed = node.attributes["condition_captured"], node.attributes["body_captured"]
    carried = len(body.outputs)
    moving = [t is not None for t in tangents[ask:]]
    while True:
        both, moved = forward(body, moving)
        grown = [m or n for m, n in zip(moving[fixed:], moved, strict=True)]
        if grown == moving[fixed:]:
            break
        moving[fixed:] = grown
    both = _with_tangents_of_state(both, body, moved, moving[fixed:])
    order = _interleaved(len(body.inputs), fixed, carried, moving)
    state_tangents = sum(moving[fixed:])
    body_inputs = inputs[ask:]
    full = [
        zero_like(x) if t is None and m else t
        for x, t, m in zip(body_inputs, tangents[ask:], moving, strict=True)
    ]
    operands = [*body_inputs, *(t for t in full if t is not None)]
    extra = [node_of(placeholder(spec)) for spec, m in _moving_specs(body, fixed, moving) if m]
    outputs = apply(
        WHILE,
        *inputs[:ask],
        *(operands[i] for i in order),
        condition=Graph([*condition.inputs, *extra], condition.outputs),
        body=_reordered(both, order, carried, carried, state_tangents),
        condition_captured=ask,
        body_captured=fixed + sum(moving[:fixed]),
    )
    rest = iter(outputs[carried:])
    return tuple(outputs[:carried]), [next(rest) if m else None for m in moving[fixed:]]


def _moving_specs(body: Graph, fixed: int, moving: Sequence[bool]) -> Any:
    return zip(body.input_specs[fixed:], moving[fixed:], strict=True)


STRUCTURED = {"call": _push_call, "scan": _push_scan, "while": _push_while}
