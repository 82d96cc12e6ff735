"""Reverse mode: backpropagation as a transformation from graph to graph.

Every node multiplies the *upstream* (global) derivative that it receives with its own *local* one and
hands the product on; where a value is used twice, what comes back is added. The result is a graph
like any other: it can be run, compiled, printed, and differentiated again.

Linear rows hand on the transpose. A row with a tangent rule needs no second rule: its tangent graph
is linear in the tangents, and pulling back through that graph is its transpose.

Rows with sub-graphs (``call``, ``scan``) become two: a forward one that also puts out what backward
needs, and a backward one that reads it. So a scan of 1,000 steps stays one node each way, and nothing
is computed twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.autodiff.forward import pushed, scaled, zero_like
from chainrule.graph.apply import apply, make_node
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.movement import BROADCAST, RESHAPE, TRANSPOSE
from chainrule.graph.ops.structure import CALL, SCAN
from chainrule.graph.simplify import remade
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE, Linear, Local
from chainrule.graph.tensor import CONSTANT, Tensor, asarray, node_of, placeholder
from chainrule.errors import GradientError

__all__ = ["Halves", "halves", "reverse"]

PICK = TABLE["pick"]
Cotangents = list[Tensor | None]


def reverse(graph: Graph, wanted: Sequence[bool]) -> Graph:
    """The graph that maps inputs and cotangents of outputs to outputs and cotangents of inputs.

    Parameters
    ----------
    graph
        A function as a graph.
    wanted
        For each input, whether its cotangent is asked for (floating inputs only).

    Returns
    -------
    Graph
        Inputs: the inputs, then one cotangent for every *floating* output. Outputs: the outputs, then
        the cotangents of the wanted inputs.
    """
    forward_graph, upstream, cotangents = _swept(graph, wanted)
    outputs = [*forward_graph.outputs, *map(node_of, cotangents)]
    names = [f"upstream{i}" for i in range(len(upstream))]
    return Graph([*graph.inputs, *upstream], outputs, [*graph.names, *names])


def _swept(
    graph: Graph, wanted: Sequence[bool]
) -> tuple[Graph, list[Node], list[Tensor]]:
    """The forward part (sub-graphs made to save what backward needs), upstream inputs, cotangents."""
    active = _active_nodes(graph, wanted)
    prepared = _prepared(graph, active)
    outputs = [prepared.value[node] for node in graph.outputs]
    upstream = [placeholder(node.spec) for node in outputs if node.spec.is_float]
    seeds = iter(upstream)
    cotangent: dict[Node, Cotangents] = {}
    for node in graph.outputs:
        if node.spec.is_float:
            _accumulate(cotangent, node, 0, next(seeds))
    for node in reversed(graph.nodes):
        if node in cotangent and node in active:
            _pull_node(node, cotangent, active, prepared)
    results = []
    for node, want in zip(graph.inputs, wanted, strict=True):
        if want:
            received = cotangent.get(node, [None])[0]
            results.append(zero_like(Tensor(None, node)) if received is None else received)
    return (
        Graph(graph.inputs, outputs, graph.names),
        [node_of(seed) for seed in upstream],
        results,
    )


def _active_nodes(graph: Graph, wanted: Sequence[bool]) -> set[Node]:
    """The wanted inputs, and all nodes that a derivative reaches from them."""
    active = {node for node, want in zip(graph.inputs, wanted, strict=True) if want}
    for node in graph.nodes:
        differentiable = node.op.derivative is not None or node.op.name in (*STRUCTURED, "pick")
        floating = any(spec.is_float for spec in node.specs)
        if differentiable and floating and any(child in active for child in node.inputs):
            active.add(node)
    return active


@dataclass
class _Prepared:
    """The forward part while it is rebuilt: new nodes, and each active sub-graph's halves."""

    value: dict[Node, Node]
    halves: dict[Node, tuple["Halves", list[Tensor]]]


def _prepared(graph: Graph, active: set[Node]) -> _Prepared:
    """Rebuild the forward part so that active rows with sub-graphs save what backward needs."""
    prepared = _Prepared({node: node for node in graph.inputs}, {})
    for node in graph.nodes:
        if node in active and node.op.name in STRUCTURED:
            STRUCTURED[node.op.name].prepare(node, active, prepared)
        elif node.op is PICK and node.inputs[0] in prepared.halves:
            _, outputs = prepared.halves[node.inputs[0]]
            prepared.value[node] = node_of(outputs[node.attributes["index"]])
        else:
            inputs = [prepared.value[child] for child in node.inputs]
            prepared.value[node] = remade(node, inputs, node.attributes)
    return prepared


def _accumulate(
    cotangent: dict[Node, Cotangents], node: Node, index: int, contribution: Tensor
) -> None:
    received = cotangent.setdefault(node, [None] * len(node.specs))
    before = received[index]
    received[index] = contribution if before is None else before + contribution


def _pull_node(
    node: Node, cotangent: dict[Node, Cotangents], active: set[Node], prepared: _Prepared
) -> None:
    """Hand a node's upstream derivative on to its active inputs."""
    received = cotangent.pop(node)
    if node.op is PICK:
        g = received[0]
        assert g is not None
        _accumulate(cotangent, node.inputs[0], node.attributes["index"], g)
        return
    wanted = [child in active for child in node.inputs]
    inputs = [Tensor(None, prepared.value[child]) for child in node.inputs]
    if node.op.name in STRUCTURED:
        parts = STRUCTURED[node.op.name].pull(node, inputs, received, prepared)
    else:
        assert received[0] is not None
        y = Tensor(None, prepared.value[node])
        parts = _pulled(node, inputs, y, received[0], wanted)
    for child, part, want in zip(node.inputs, parts, wanted, strict=True):
        if part is not None and want:
            _accumulate(cotangent, child, 0, part)


def _pulled(
    node: Node, inputs: Sequence[Tensor], y: Tensor, g: Tensor, wanted: Sequence[bool]
) -> Cotangents:
    """The cotangents of one node's inputs: upstream times local, or the transpose."""
    derivative, attributes = node.op.derivative, node.attributes
    match derivative:
        case Local():
            return [
                scaled(g, local(*inputs, y) if callable(local) else local)
                if want and local is not None
                else None
                for local, want in zip(derivative.expressions, wanted, strict=True)
            ]
        case Linear():
            parts: Cotangents = [None] * len(inputs)
            for i, want in enumerate(wanted):
                if want and derivative.covers(i):
                    parts[i] = derivative.transpose(i, g, *inputs, **attributes)
                elif want and derivative.rest is not None:
                    only = [j == i for j in range(len(inputs))]
                    parts[i] = _transposed_tangent(node, inputs, y, g, only)[i]
            return parts
        case _:
            return _transposed_tangent(node, inputs, y, g, wanted)


def _transposed_tangent(
    node: Node, inputs: Sequence[Tensor], y: Tensor, g: Tensor, wanted: Sequence[bool]
) -> Cotangents:
    """Transpose a tangent rule by pulling back through the graph that it builds."""
    tangents = [
        placeholder(x.spec) if want and x.spec.is_float else None
        for x, want in zip(inputs, wanted, strict=True)
    ]
    moved = pushed(node, inputs, y, tangents)
    if moved is None:
        return [None] * len(inputs)
    moving = [node_of(t) for t in tangents if t is not None]
    linear_part = _depending_on(moving, node_of(moved))
    active = {*moving, *linear_part}
    identity = _Prepared({n: n for m in linear_part for n in (m, *m.inputs)}, {})
    cotangent: dict[Node, Cotangents] = {}
    _accumulate(cotangent, node_of(moved), 0, g)
    for inner in reversed(linear_part):
        if inner in cotangent:
            _pull_node(inner, cotangent, active, identity)
    return [
        None if t is None else cotangent.get(node_of(t), [None])[0] for t in tangents
    ]


def _depending_on(sources: Sequence[Node], output: Node) -> list[Node]:
    """The nodes between ``sources`` and ``output`` that depend on a source, in order."""
    first = min(source.serial for source in sources)
    depending = set(sources)
    order = []
    # Older nodes cannot depend on the sources, so the walk stops there.
    for node in _younger(output, first, depending):
        if any(child in depending for child in node.inputs):
            depending.add(node)
            order.append(node)
    return order


def _younger(output: Node, first: int, stops: set[Node]) -> list[Node]:
    """Nodes below ``output`` with a serial above ``first``, each after those that it reads."""
    found: set[Node] = set()
    stack = [output]
    while stack:
        node = stack.pop()
        if node in found or node in stops or node.serial <= first:
            continue
        found.add(node)
        stack.extend(node.inputs)
    return sorted(found, key=lambda node: node.serial)


# ---------------------------------------------------------------------- two halves of a sub-graph
@dataclass(frozen=True)
class Halves:
    """A function's forward and backward half.

    Attributes
    ----------
    forward
        Inputs → outputs, then what backward needs (``saved``).
    backward
        Inputs, saved, cotangents of the floating outputs → cotangents of the wanted inputs.
    wanted
        For each input, whether backward gives its cotangent.
    saved
        Specs of the saved values.
    """

    forward: Graph
    backward: Graph
    wanted: tuple[bool, ...]
    saved: tuple[Spec, ...]


#: Cheap to repeat, so never worth saving.
VIEWS = (BROADCAST, RESHAPE, TRANSPOSE)


def halves(graph: Graph, wanted: Sequence[bool]) -> Halves:
    """Split backpropagation of a graph where forward ends and backward begins.

    Backward may read any value of forward. It gets the inputs anyway; constants and views it makes
    again; everything else that it reads is saved.
    """
    forward_graph, upstream, cotangents = _swept(graph, wanted)
    results = [node_of(g) for g in cotangents]
    saved = _frontier(results, set(forward_graph.nodes), {*graph.inputs, *upstream})
    forward_half = Graph(graph.inputs, [*forward_graph.outputs, *saved], graph.names)
    backward_half = Graph([*graph.inputs, *saved, *upstream], results)
    return Halves(forward_half, backward_half, tuple(wanted), tuple(n.spec for n in saved))


def _frontier(results: Sequence[Node], forward_nodes: set[Node], inputs: set[Node]) -> list[Node]:
    """The values of forward that backward reads and that are worth saving."""
    found: dict[Node, None] = {}
    seen = set(inputs)
    stack = list(results)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        # What a forward sub-graph saves for backward is picked from it, but no output reaches it.
        of_forward = (node.inputs[0] if node.op is PICK else node) in forward_nodes
        if of_forward and node.op is not CONSTANT and node.op not in VIEWS:
            found[node] = None
        else:
            stack.extend(node.inputs)
    return list(found)


def _zeros(spec: Spec) -> Tensor:
    zero = asarray(0, spec.dtype)
    return make_node(BROADCAST, [zero], {"shape": spec.shape})  # type: ignore[no-any-return]


def _filled(received: Cotangents, specs: Sequence[Spec]) -> Cotangents:
    """Cotangents with zeros written out for floating outputs that nobody used."""
    return [
        _zeros(spec) if g is None and spec.is_float else g
        for g, spec in zip(received, specs, strict=True)
    ]


class _Call:
    """``call``: the forward call also puts out what the backward call reads; both keep the name."""

    @staticmethod
    def prepare(node: Node, active: set[Node], prepared: _Prepared) -> None:
        wanted = [child in active for child in node.inputs]
        split = halves(node.attributes["body"], wanted)
        inputs = [Tensor(None, prepared.value[child]) for child in node.inputs]
        outputs = apply(CALL, *inputs, **{**node.attributes, "body": split.forward})
        prepared.halves[node] = (split, list(outputs))

    @staticmethod
    def pull(
        node: Node, inputs: Sequence[Tensor], received: Cotangents, prepared: _Prepared
    ) -> Cotangents:
        split, outputs = prepared.halves[node]
        upstream = [g for g in _filled(received, node.specs) if g is not None]
        operands = [*inputs, *outputs[len(node.specs) :], *upstream]
        results = iter(
            apply(
                CALL,
                *operands,
                body=split.backward,
                name=node.attributes["name"] + ".backward",
                label=node.attributes["label"],
            )
        )
        return [next(results) if want else None for want in split.wanted]


class _Scan:
    """``scan``: forward stacks what backward needs; backward walks the steps the other way.

    Backward carries the cotangent of the state, and the growing sum of what every step contributes
    to the captured values.
    """

    @staticmethod
    def prepare(node: Node, active: set[Node], prepared: _Prepared) -> None:
        body: Graph = node.attributes["body"]
        carried = node.attributes["carried"]
        states = _states(node)
        wanted = [child in active for child in node.inputs]
        while True:  # a state that starts inactive may become active in the first step
            reached = _active_nodes(body, wanted)
            grown = [w or n in reached for w, n in zip(wanted[states], body.outputs, strict=False)]
            if grown == wanted[states]:
                break
            wanted[states] = grown
        split = halves(body, wanted)
        outputs = [*split.forward.outputs, *body.inputs[states]]  # the states before each step too
        inputs = [Tensor(None, prepared.value[child]) for child in node.inputs]
        attributes = {**node.attributes, "body": Graph(body.inputs, outputs, body.names)}
        prepared.halves[node] = (split, list(apply(SCAN, *inputs, **attributes)))
        assert carried == len(body.inputs[states])

    @staticmethod
    def pull(
        node: Node, inputs: Sequence[Tensor], received: Cotangents, prepared: _Prepared
    ) -> Cotangents:
        split, outputs = prepared.halves[node]
        body: Graph = node.attributes["body"]
        captured, carried = node.attributes["captured"], node.attributes["carried"]
        states, count = _states(node), len(body.inputs)
        own = split.backward.inputs
        saved = own[count : count + len(split.saved)]
        upstream_nodes = iter(own[count + len(split.saved) :])
        upstream = [next(upstream_nodes) if s.is_float else None for s in body.output_specs]
        incoming = _filled(received, node.specs)
        results = iter(split.backward.outputs)
        given = [next(results) if want else None for want in split.wanted]
        moving = [i for i in range(carried) if split.wanted[captured + i]]
        still = [i for i in range(carried) if i not in moving and upstream[i] is not None]
        summed = [i for i in range(captured) if split.wanted[i]]
        totals = [placeholder(body.inputs[i].spec) for i in summed]
        rows = [i for i in range(carried, len(upstream)) if upstream[i] is not None]
        stacked_saved = outputs[len(node.specs) :][: len(saved)]
        stacked_states = outputs[len(node.specs) + len(saved) :]
        step = Graph(
            [
                *own[:captured],
                *(_known(upstream[i]) for i in still),
                *(_known(upstream[i]) for i in moving),
                *map(node_of, totals),
                *own[captured + carried : count],
                *saved,
                *own[states],
                *(_known(upstream[i]) for i in rows),
            ],
            [
                *(_known(given[captured + i]) for i in moving),
                *(
                    node_of(total + Tensor(None, _known(given[i])))
                    for i, total in zip(summed, totals, strict=True)
                ),
                *(g for g in given[captured + carried :] if g is not None),
            ],
        )
        outcome = apply(
            SCAN,
            *inputs[:captured],
            *(_zeros(body.outputs[i].spec) for i in still),
            *(_known(incoming[i]) for i in moving),
            *(_zeros(total.spec) for total in totals),
            *inputs[captured + carried :],
            *stacked_saved,
            *stacked_states,
            *(_known(incoming[i]) for i in rows),
            body=step,
            captured=captured + len(still),
            carried=len(moving) + len(summed),
            length=node.attributes["length"],
            reverse=not node.attributes["reverse"],
        )
        of_states = dict(zip((captured + i for i in moving), outcome, strict=False))
        of_captured = dict(zip(summed, outcome[len(moving) :], strict=False))
        of_rows = iter(outcome[len(moving) + len(summed) :])
        known = {**of_states, **of_captured}
        return [
            known.get(i) if i < captured + carried else (next(of_rows) if want else None)
            for i, want in enumerate(split.wanted)
        ]


def _states(node: Node) -> slice:
    """Where the state stands among the inputs of a scan."""
    captured = node.attributes["captured"]
    return slice(captured, captured + node.attributes["carried"])


def _known(value: Any) -> Any:
    assert value is not None
    return value


class _While:
    """``while``: the number of steps is unknown, so nothing can be saved for backward."""

    @staticmethod
    def prepare(node: Node, active: set[Node], prepared: _Prepared) -> None:
        raise GradientError("autodiff.while")


STRUCTURED: dict[str, Any] = {"call": _Call, "scan": _Scan, "while": _While}
