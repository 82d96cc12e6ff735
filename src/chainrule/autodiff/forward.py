"""Forward mode: a graph that carries tangents along with values.

For every node whose inputs have tangents, the row of its op says how they pass through: a sum of
local derivatives times tangents, the op itself where it is linear, or the tangent rule. A tangent
that is zero is ``None`` and costs nothing.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from chainrule.autodiff.structure import PICK, WITH_SUBGRAPHS, again, cut
from chainrule.graph.apply import apply, apply_many
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import add
from chainrule.graph.ops.movement import constant_like
from chainrule.graph.ops.structure import CALL, SCAN, WHILE
from chainrule.graph.table import Linear, Local, Tangent
from chainrule.graph.tensor import Tensor, node_of, placeholder

__all__ = ["forward", "pushed", "scaled", "zero_like"]

Item = TypeVar("Item")
Tangents = Sequence[Tensor | None]
Pushed = tuple[tuple[Tensor, ...], Tangents]


def forward(graph: Graph, moving: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """The graph that maps inputs and tangents to outputs and tangents.

    Parameters
    ----------
    graph
        A function as a graph.
    moving
        For each input, whether it has a tangent (integers have none).

    Returns
    -------
    graph, moved
        Inputs: the inputs, then one tangent per moving input. Outputs: the outputs, then the
        tangents of those outputs for which ``moved`` is true; the others do not move.

    Examples
    --------
    >>> import chainrule as cr
    >>> both, moved = cr.forward(cr.make_graph(cr.sin, cr.Spec(())), [True])
    >>> print(both)
    (in0: f32[], d in0: f32[]) ->
      %0 = sin in0 : f32[]
      %1 = cos in0 : f32[]
      %2 = multiply d in0 %1 : f32[]
      return %0, %2
    """
    tangents, outputs, moved = _push(graph, moving)
    inputs = _side_by_side(graph.inputs, _nodes(tangents))
    results = _side_by_side(list(map(node_of, outputs)), _nodes(moved))
    both = Graph(inputs, results, _names(graph, tangents))
    return both, tuple(t is not None for t in moved)


def _push(graph: Graph, moving: Sequence[bool]) -> tuple[Tangents, list[Tensor], Tangents]:
    """Tangents of the inputs (fresh), the outputs, and their tangents."""
    tangents = [
        placeholder(node.spec) if moves and node.spec.is_float else None
        for node, moves in zip(graph.inputs, moving, strict=True)
    ]
    value: dict[Node, tuple[Tensor, ...]] = {n: (Tensor(None, n),) for n in graph.inputs}
    tangent: dict[Node, Tangents] = {n: (t,) for n, t in zip(graph.inputs, tangents, strict=True)}
    for node in graph.nodes:
        if node.op is PICK:
            (source,), index = node.inputs, node.attributes["index"]
            value[node], tangent[node] = (value[source][index],), (tangent[source][index],)
            continue
        inputs = [value[child][0] for child in node.inputs]
        directions = [tangent[child][0] for child in node.inputs]
        if all(t is None for t in directions):
            value[node], tangent[node] = again(node, inputs), (None,) * len(node.specs)
        elif node.op in WITH_SUBGRAPHS:
            value[node], tangent[node] = STRUCTURED[node.op.name](node, inputs, directions)
        else:
            value[node] = again(node, inputs)
            tangent[node] = (pushed(node, inputs, value[node][0], directions),)
    outputs = [value[node][0] for node in graph.outputs]
    return tangents, outputs, [tangent[node][0] for node in graph.outputs]


def pushed(node: Node, inputs: Sequence[Tensor], y: Tensor, tangents: Tangents) -> Tensor | None:
    """The tangent of one node's output ``y``; ``None`` where it does not move."""
    if not y.spec.is_float:
        return None
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
                x if not derivative.covers(i) else (zero_like(x) if t is None else t)
                for i, (x, t) in enumerate(zip(inputs, tangents, strict=True))
            ]
            return apply(node.op, *full, **attributes)
        case Linear():
            terms = _one_by_one(node, derivative, inputs, y, tangents)
        case Tangent():
            terms = [derivative.rule(tuple(tangents), *inputs, y, **attributes)]
        case _:
            raise AssertionError(node.op.name)
    return _total(terms)


def _one_by_one(
    node: Node, derivative: Linear, inputs: Sequence[Tensor], y: Tensor, tangents: Tangents
) -> list[Tensor]:
    """The product rule: each input moves alone while the others stand still."""
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


def _total(terms: Sequence[Tensor]) -> Tensor | None:
    total: Tensor | None = None
    for term in terms:
        total = term if total is None else add(total, term)
    return total


def scaled(t: Tensor, local: Tensor | float) -> Tensor:
    """``local · t``, without a product by 1 or -1."""
    if isinstance(local, float):
        return t if local == 1.0 else (-t if local == -1.0 else t * local)
    return t * local


def zero_like(x: Tensor) -> Tensor:
    """A tangent that is zero, where one must be written out."""
    return constant_like(0, x)


# ---------------------------------------------------------------------- rows with sub-graphs
#
# In the new row, every group of operands is followed by the tangents of that group:
# captured, their tangents, state, its tangents, rows, their tangents.


def _side_by_side(
    values: Sequence[Item], tangents: Sequence[Item | None], *lengths: int
) -> list[Item]:
    """Each group of values, followed by those tangents of the group that are not zero."""
    groups = zip(cut(values, *lengths), cut(tangents, *lengths), strict=True)
    return [item for vs, ts in groups for item in (*vs, *(t for t in ts if t is not None))]


def _apart(outputs: Sequence[Tensor], moves: Sequence[bool], *lengths: int) -> Pushed:
    """Values and tangents out of what :func:`_side_by_side` joined."""
    rest = iter(outputs)
    values: list[Tensor] = []
    tangents: list[Tensor | None] = []
    for group in cut(moves, *lengths):
        values += [next(rest) for _ in group]
        tangents += [next(rest) if m else None for m in group]
    return tuple(values), tangents


def _nodes(tangents: Tangents) -> list[Node | None]:
    return [None if t is None else node_of(t) for t in tangents]


def _names(graph: Graph, tangents: Tangents, *lengths: int) -> list[str]:
    moving = [None if t is None else f"d {n}" for n, t in zip(graph.names, tangents, strict=True)]
    return _side_by_side(graph.names, moving, *lengths)


def _push_call(node: Node, inputs: Sequence[Tensor], tangents: Tangents) -> Pushed:
    both, moves = forward(node.attributes["body"], [t is not None for t in tangents])
    operands = _side_by_side(inputs, tangents)
    return _apart(apply_many(CALL, *operands, **{**node.attributes, "body": both}), moves)


def _push_scan(node: Node, inputs: Sequence[Tensor], tangents: Tangents) -> Pushed:
    captured, carried = node.attributes["captured"], node.attributes["carried"]
    body, operands, moves = _push_loop(node, inputs, tangents, captured, carried)
    outputs = apply_many(
        SCAN,
        *operands,
        body=body,
        captured=captured + sum(t is not None for t in tangents[:captured]),
        carried=carried + sum(moves[:carried]),
        length=node.attributes["length"],
        reverse=node.attributes["reverse"],
    )
    return _apart(outputs, moves, carried)


def _push_while(node: Node, inputs: Sequence[Tensor], tangents: Tangents) -> Pushed:
    """The condition looks at the values only: tangents do not change how many steps there are."""
    condition: Graph = node.attributes["condition"]
    ask, captured = node.attributes["condition_captured"], node.attributes["body_captured"]
    carried = len(node.specs)
    moving = tangents[ask:]
    body, operands, moves = _push_loop(node, inputs[ask:], moving, captured, carried)
    unread = [node_of(placeholder(s)) for s, m in zip(node.specs, moves, strict=True) if m]
    outputs = apply_many(
        WHILE,
        *inputs[:ask],
        *operands,
        condition=Graph([*condition.inputs, *unread], condition.outputs),
        body=body,
        condition_captured=ask,
        body_captured=captured + sum(t is not None for t in moving[:captured]),
    )
    return _apart(outputs, moves)


def _push_loop(
    node: Node, inputs: Sequence[Tensor], tangents: Tangents, captured: int, carried: int
) -> tuple[Graph, list[Tensor], list[bool]]:
    """A loop's body with tangents, the operands for it, and which outputs move."""
    body: Graph = node.attributes["body"]
    moving = [t is not None for t in tangents]
    states = slice(captured, captured + carried)
    while True:  # a state that starts without a tangent may get one in a step
        directions, outputs, after = _push(body, moving)
        moves = [t is not None for t in after]
        grown = [a or b for a, b in zip(moving[states], moves, strict=False)]
        if grown == moving[states]:
            break
        moving[states] = grown
    moves[:carried] = grown
    # Such a state starts with a tangent of zero; so ends a step that sets a state to a constant.
    after = [
        zero_like(y) if m and t is None else t
        for y, t, m in zip(outputs, after, moves, strict=True)
    ]
    start = [
        zero_like(x) if m and t is None else t
        for x, t, m in zip(inputs, tangents, moving, strict=True)
    ]
    both = Graph(
        _side_by_side(body.inputs, _nodes(directions), captured, carried),
        _side_by_side(list(map(node_of, outputs)), _nodes(after), carried),
        _names(body, directions, captured, carried),
    )
    return both, _side_by_side(inputs, start, captured, carried), moves


STRUCTURED: dict[str, Callable[[Node, Sequence[Tensor], Tangents], Pushed]] = {
    "call": _push_call,
    "scan": _push_scan,
    "while": _push_while,
}
