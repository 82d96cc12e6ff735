"""Reverse mode: backpropagation as a transformation from graph to graph.

Every node multiplies the *upstream* (global) derivative that it receives with its own *local* one
and hands the product on; where a value is used twice, what comes back is added. The result is a
graph like any other: it can be run, compiled, printed, and differentiated again.

Linear rows hand on the transpose. A row with a tangent rule needs no second rule: its tangent graph
is linear in the tangents, and pulling back through that graph is its transpose.

Rows with sub-graphs (``call``, ``scan``) become two: a forward one that also puts out what backward
needs, and a backward one that reads it. So a scan of 1,000 steps stays one node each way, and
nothing is computed twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chainrule.autodiff.active import Flags, active_outputs
from chainrule.autodiff.contributions import total
from chainrule.autodiff.forward import pushed, scaled, zero_like
from chainrule.autodiff.reverse_scan import backward_scan, saving_scan
from chainrule.autodiff.slopes import slope_halves
from chainrule.autodiff.structure import PICK, WITH_SUBGRAPHS, Halves, states_of, whole
from chainrule.errors import GradientError
from chainrule.graph.apply import apply_many
from chainrule.graph.node import Graph, Node, topological
from chainrule.graph.ops.movement import BROADCAST, RESHAPE, TRANSPOSE
from chainrule.graph.ops.structure import CALL
from chainrule.graph.simplify import remade
from chainrule.graph.table import Linear, Local
from chainrule.graph.tensor import CONSTANT, Tensor, node_of, placeholder

__all__ = ["Halves", "halves", "reverse"]

Cotangents = list[Tensor | None]


def reverse(graph: Graph, wanted: Flags, seeded: Flags | None = None) -> Graph:
    """The graph that maps inputs and cotangents of outputs to outputs and cotangents of inputs.

    Parameters
    ----------
    graph
        A function as a graph.
    wanted
        For each input, whether its cotangent is asked for (floating inputs only).
    seeded
        For each output, whether it has a cotangent; by default all floating ones have.

    Returns
    -------
    Graph
        Inputs: the inputs, then one cotangent for every seeded output. Outputs: the outputs, then
        the cotangents of the wanted inputs.

    Examples
    --------
    >>> import chainrule as cr
    >>> print(cr.reverse(cr.make_graph(cr.sin, cr.Spec(())), [True]))
    (in0: f32[], upstream0: f32[]) ->
      %0 = sin in0 : f32[]
      %1 = cos in0 : f32[]
      %2 = multiply upstream0 %1 : f32[]
      return %0, %2
    """
    swept = _swept(graph, wanted, seeded)
    results = [
        node_of(zero_like(Tensor(None, node))) if g is None else g
        for node, g, want in zip(graph.inputs, swept.cotangents, wanted, strict=True)
        if want
    ]
    names = [*graph.names, *(f"upstream{i}" for i in range(len(swept.upstream)))]
    return Graph([*graph.inputs, *swept.upstream], [*swept.outputs, *results], names)


@dataclass(frozen=True)
class _Swept:
    """The outputs, their cotangents (fresh inputs), those of the inputs, and forward's nodes."""

    outputs: list[Node]
    upstream: list[Node]
    cotangents: list[Node | None]
    forward: set[Node]


def _swept(graph: Graph, wanted: Flags, seeded: Flags | None) -> _Swept:
    """Walk back through a graph; its rows with sub-graphs become their forward halves."""
    sweep = _Sweep(active_outputs(graph, wanted))
    upstream = []
    for i, node in enumerate(graph.outputs):
        if node.spec.is_float and (seeded is None or seeded[i]):
            seed = placeholder(node.spec)
            sweep.add(node, 0, seed)
            upstream.append(node_of(seed))
    sweep.run(graph.nodes)
    received = [
        sweep.pop(node)[0] if want else None
        for node, want in zip(graph.inputs, wanted, strict=True)
    ]
    cotangents = [None if g is None else node_of(g) for g in received]
    ends = [*graph.outputs, *(g for g in cotangents if g is not None)]
    new = _with_replaced(ends, [*graph.inputs, *upstream], sweep.replaced)
    return _Swept(
        [new.get(node, node) for node in graph.outputs],
        upstream,
        [None if g is None else new.get(g, g) for g in cotangents],
        {new.get(node, node) for node in graph.nodes},
    )


def _with_replaced(
    outputs: Sequence[Node], inputs: Sequence[Node], replaced: dict[Node, Node]
) -> dict[Node, Node]:
    """What nodes become where those that read a replaced node read the new one."""
    new = {node: node for node in inputs}
    for node in topological(outputs, inputs) if replaced else ():
        now = replaced.get(node, node)
        if now not in new:
            new[now] = remade(now, [new[child] for child in now.inputs], now.attributes)
        new[node] = new[now]
    return new


# ---------------------------------------------------------------------- forward and backward apart
#: Cheap to repeat, so never worth saving.
VIEWS = (BROADCAST, RESHAPE, TRANSPOSE)


def halves(
    graph: Graph, wanted: Flags, seeded: Flags | None = None, recompute: bool = False
) -> Halves:
    """Split backpropagation of a graph where forward ends and backward begins.

    Backward may read any value of forward. Constants and views it makes again; everything else that
    it reads, forward puts out; or, to ``recompute``, backward makes all of it again from the
    inputs. The other parameters are those of :func:`reverse`.
    """
    swept = _swept(graph, wanted, seeded)
    results = [g for g in swept.cotangents if g is not None]
    computed = set() if recompute else swept.forward
    reads = _frontier(results, swept.upstream, computed, set(graph.inputs))
    there = {*graph.inputs, *swept.outputs}
    saved = [node for node in reads if node not in there]
    name = dict(zip(graph.inputs, graph.names, strict=True))
    names = [name.get(node, f"saved{i}") for i, node in enumerate(reads)]
    names += [f"upstream{i}" for i in range(len(swept.upstream))]
    return Halves(
        Graph(graph.inputs, [*swept.outputs, *saved], graph.names),
        Graph([*reads, *swept.upstream], results, names),
        tuple(reads),
        tuple(g is not None for g in swept.cotangents),
    )


def _frontier(
    results: Sequence[Node], upstream: Sequence[Node], forward: set[Node], inputs: set[Node]
) -> list[Node]:
    """The inputs that backward reads, and the values of forward that it is worth saving for it."""
    found = []
    seen = set(upstream)
    stack = list(results)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        # A pick that only backward reads belongs to forward all the same.
        of_forward = node in forward or (node.op is PICK and node.inputs[0] in forward)
        if node in inputs or (of_forward and node.op is not CONSTANT and node.op not in VIEWS):
            found.append(node)
        else:
            stack.extend(node.inputs)
    return sorted(found, key=lambda node: node.serial)


# ---------------------------------------------------------------------- the walk back
@dataclass
class _Sweep:
    """The walk from the outputs back to the inputs.

    Attributes
    ----------
    active
        Which outputs of a node have a derivative; nodes that are not listed have none.
    replaced
        Rows with sub-graphs that were passed, and the forward halves that take their place.
    received
        The contributions to the upstream derivatives so far, for each output of a node.
    """

    active: dict[Node, tuple[bool, ...]]
    replaced: dict[Node, Node] = field(default_factory=dict)
    received: dict[Node, list[list[Tensor]]] = field(default_factory=dict)

    def is_active(self, node: Node, index: int = 0) -> bool:
        """Whether an output of a node has a derivative."""
        return node in self.active and self.active[node][index]

    def add(self, node: Node, index: int, contribution: Tensor) -> None:
        """A contribution to the derivative by one output of a node."""
        if self.is_active(node, index):
            received = self.received.setdefault(node, [[] for _ in node.specs])
            received[index].append(contribution)

    def pop(self, node: Node) -> Cotangents:
        """The upstream derivatives of a node's outputs, once all contributions are there."""
        return [total(parts) for parts in self.received.pop(node, [[]])]

    def run(self, nodes: Sequence[Node]) -> None:
        """Hand on what every node receives; ``nodes`` stand in the order of computation."""
        for node in reversed(nodes):
            if node not in self.received:
                continue
            received = self.pop(node)
            if node.op is PICK:
                self.add(node.inputs[0], node.attributes["index"], _only(received))
                continue
            for child, part in zip(node.inputs, self._parts(node, received), strict=True):
                if part is not None:
                    self.add(child, 0, part)

    def _parts(self, node: Node, received: Cotangents) -> Cotangents:
        """The cotangents of a node's inputs."""
        inputs = [Tensor(None, child) for child in node.inputs]
        wanted = [self.is_active(child) for child in node.inputs]
        if node.op in WITH_SUBGRAPHS:
            rule = STRUCTURED[node.op.name]
            self.replaced[node], parts = rule(node, inputs, received, wanted, self.active[node])
            return parts
        g, derivative = _only(received), node.op.derivative
        if isinstance(derivative, Local):
            return _times_local(derivative, inputs, Tensor(None, node), g, wanted)
        return [
            self._transposed(node, inputs, g, i) if want else None for i, want in enumerate(wanted)
        ]

    def _transposed(self, node: Node, inputs: Sequence[Tensor], g: Tensor, i: int) -> Tensor | None:
        derivative = node.op.derivative
        if isinstance(derivative, Linear) and derivative.covers(i):
            back: Tensor = derivative.transpose(i, g, *inputs, **node.attributes)
            return back
        return self._transposed_tangent(node, inputs, g, i)

    def _transposed_tangent(
        self, node: Node, inputs: Sequence[Tensor], g: Tensor, i: int
    ) -> Tensor | None:
        """Transpose a tangent rule by walking back through the graph that it builds."""
        tangent = placeholder(inputs[i].spec)
        alone = [tangent if j == i else None for j in range(len(inputs))]
        moved = pushed(node, inputs, Tensor(None, node), alone)
        if moved is None:
            return None
        source = node_of(tangent)
        linear_part = _depending_on(source, node_of(moved))
        active = {inner: (True,) * len(inner.specs) for inner in (source, *linear_part)}
        sweep = _Sweep(active, self.replaced)
        sweep.add(node_of(moved), 0, g)
        sweep.run(linear_part)
        return sweep.pop(source)[0]


def _only(received: Cotangents) -> Tensor:
    (g,) = received
    assert g is not None
    return g


def _times_local(
    derivative: Local, inputs: Sequence[Tensor], y: Tensor, g: Tensor, wanted: Flags
) -> Cotangents:
    """Upstream times local derivative, for each wanted input."""
    return [
        scaled(g, local(*inputs, y) if callable(local) else local)
        if want and local is not None
        else None
        for local, want in zip(derivative.expressions, wanted, strict=True)
    ]


def _depending_on(source: Node, output: Node) -> list[Node]:
    """The nodes on the way from ``source`` to ``output``, in the order of computation."""
    younger: set[Node] = set()
    stack = [output]
    while stack:  # older nodes cannot depend on the source, so the walk stops at them
        node = stack.pop()
        if node not in younger and node.serial > source.serial:
            younger.add(node)
            stack.extend(node.inputs)
    depending = {source: None}
    for node in sorted(younger, key=lambda node: node.serial):
        if any(child in depending for child in node.inputs):
            depending[node] = None
    return list(depending)[1:]


# ---------------------------------------------------------------------- rows with sub-graphs
#
# A rule gets a row's inputs and what its outputs received, which inputs are wanted and which
# outputs are active. It returns the forward half, which takes the row's place, and the inputs'
# cotangents.


def _pull_call(
    node: Node, inputs: Sequence[Tensor], received: Cotangents, wanted: Flags, active: Flags
) -> tuple[Node, Cotangents]:
    """Both halves keep the name of the function that the user called."""
    again = node.attributes.get("recompute", False)
    split = halves(node.attributes["body"], wanted, [g is not None for g in received], again)
    if split.saved > 1 and not again:
        split = slope_halves(node.attributes["body"]) or split
    outputs = apply_many(CALL, *inputs, **{**node.attributes, "body": split.forward})
    value = dict(zip(split.forward.outputs, outputs, strict=True))
    value |= zip(split.forward.inputs, inputs, strict=True)
    results = iter(
        apply_many(
            CALL,
            *(value[read] for read in split.reads),
            *(g for g in received if g is not None),
            **{
                **node.attributes,
                "body": split.backward,
                "name": node.attributes["name"] + ".backward",
                **({"apart": True} if again else {}),
            },
        )
    )
    return whole(outputs), [next(results) if given else None for given in split.given]


def _pull_scan(
    node: Node, inputs: Sequence[Tensor], received: Cotangents, wanted: Flags, active: Flags
) -> tuple[Node, Cotangents]:
    """Forward stacks what backward reads; backward walks the steps the other way."""
    split, moving = _split_body(node, received, wanted, active)
    forward_scan, fixed, rows = saving_scan(node, inputs, split)
    return forward_scan, backward_scan(node, inputs, received, split, moving, fixed, rows)


def _split_body(
    scan: Node, received: Cotangents, wanted: Flags, active: Flags
) -> tuple[Halves, list[int]]:
    """The halves of one step, and the positions of the states whose cotangent is carried."""
    states, carried = states_of(scan), scan.attributes["carried"]
    wanted = [*wanted[: states.start], *active[:carried], *wanted[states.stop :]]
    seeded = [g is not None for g in received]
    while True:  # a state that receives nothing at the end may receive something from a later step
        split = halves(scan.attributes["body"], wanted, seeded)
        grown = [a or b for a, b in zip(seeded, split.given[states], strict=False)]
        if grown == seeded[:carried]:
            return split, [i for i, moves in enumerate(grown) if moves]
        seeded[:carried] = grown


def _pull_while(
    node: Node, inputs: Sequence[Tensor], received: Cotangents, wanted: Flags, active: Flags
) -> tuple[Node, Cotangents]:
    """The number of steps is unknown, so nothing can be saved for backward."""
    raise GradientError("autodiff.while")


STRUCTURED: dict[str, Callable[..., tuple[Node, Cotangents]]] = {
    "call": _pull_call,
    "scan": _pull_scan,
    "while": _pull_while,
}
