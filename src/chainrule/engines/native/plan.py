"""The memory plan: where every value that some kernel stores has its place.

Outputs of the graph are written where the caller wants them. Everything else lies in one arena; two
values share memory if the one is dead before the other is born.
"""

from dataclasses import dataclass, field

from chainrule.engines.native.fuse import is_float_product, operands_of
from chainrule.engines.native.inplace import updated_in_place
from chainrule.engines.native.kernels import Kernel, Loop, Region, Schedule, Single
from chainrule.engines.native.loops import SCRATCH
from chainrule.engines.native.product import matrix_source, product_scratch
from chainrule.engines.native.region import keeps_rows, sweeps_of, width_of
from chainrule.engines.native.target import Target
from chainrule.graph.node import Node
from chainrule.graph.spec import Spec

__all__ = ["Plan", "bytes_of", "plan", "reads_of", "stores_of", "whole_lines"]

#: Buffers begin at cache lines, and step off page multiples so that they do not share cache sets.
LINE = 64


@dataclass
class Plan:
    """Places in the arena, in bytes.

    Attributes
    ----------
    offset
        Node → where its value begins.
    scratch
        Position of a kernel → where its scratch begins.
    bodies
        (Position of a loop, name of the body) → the plan of the body.
    body_scratch
        The same → where the arena of the body begins.
    in_place
        Position of a loop → the states that are overwritten, with the nodes of their new values.
    size
        Bytes of the arena.
    """

    offset: dict[Node, int] = field(default_factory=dict)
    scratch: dict[int, int] = field(default_factory=dict)
    bodies: dict[tuple[int, str], "Plan"] = field(default_factory=dict)
    body_scratch: dict[tuple[int, str], int] = field(default_factory=dict)
    in_place: dict[int, dict[int, Node]] = field(default_factory=dict)
    size: int = 0


def reads_of(kernel: Kernel, schedule: Schedule) -> list[Node]:
    """The nodes that a kernel reads from memory."""
    if isinstance(kernel, Region):
        reads = operands_of(kernel.nodes, schedule.alias, set(kernel.computed))
        if kernel.anchor is not None:
            reads += [schedule.root(matrix_source(x)) for x in kernel.anchor.inputs]
        return list(dict.fromkeys(reads))
    inputs = kernel.node.inputs
    if kernel.node.op.name == "matmul":
        inputs = tuple(map(matrix_source, inputs))
    return list(dict.fromkeys(schedule.root(x) for x in inputs))


def stores_of(schedule: Schedule, target: Target) -> list[set[Node]]:
    """For each kernel the nodes that it must write to memory."""
    read = {schedule.root(node) for node in schedule.graph.outputs}
    for kernel in schedule.kernels:
        read.update(reads_of(kernel, schedule))
    stores = []
    for kernel in schedule.kernels:
        if isinstance(kernel, Region):
            chosen = {n for n in kernel.computed if n in read and schedule.place[n] is kernel}
            chosen |= kernel.late
            if kernel.anchor is None and not keeps_rows(kernel, width_of(kernel, target.lanes)):
                chosen |= sweeps_of(kernel, schedule.alias).crossing
            stores.append(chosen)
        else:
            stores.append(set(kernel.computed))
    return stores


class _Arena:
    """First fit over the kernels' order."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, int, int]] = []  # begin, end, born, dies
        self.size = 0

    def take(self, size: int, born: int, dies: int) -> int:
        size = whole_lines(max(size, 1)) + LINE
        begin = 0
        for low, high, first, last in sorted(self.taken):
            if last < born or first > dies:
                continue
            if begin + size <= low:
                break
            begin = max(begin, high)
        self.taken.append((begin, begin + size, born, dies))
        self.size = max(self.size, begin + size)
        return begin


def plan(schedule: Schedule, target: Target, given: set[Node] | None = None) -> Plan:
    """Place the values of a schedule; those ``given`` have a place elsewhere."""
    given = given or set()
    stores = stores_of(schedule, target)
    dies: dict[Node, int] = {}
    for position, kernel in enumerate(schedule.kernels):
        for node in reads_of(kernel, schedule):
            dies[node] = position
    for node in schedule.graph.outputs:
        dies[schedule.root(node)] = len(schedule.kernels)
    arena, made = _Arena(), Plan()
    for position, kernel in enumerate(schedule.kernels):
        for node in sorted(stores[position] - given, key=lambda n: n.serial):
            last = dies.get(node, position)
            made.offset[node] = arena.take(bytes_of(node.spec), position, last)
        scratch = scratch_of(kernel, target)
        if scratch:
            made.scratch[position] = arena.take(scratch, position, position)
        if isinstance(kernel, Loop):
            made.in_place[position] = _in_place(kernel)
            for name, body in kernel.bodies.items():
                given_states = set(made.in_place[position].values()) if name == "body" else set()
                inner = plan(body, target, given_states)
                made.bodies[position, name] = inner
                made.body_scratch[position, name] = arena.take(inner.size, position, position)
    made.size = arena.size
    return made


def _in_place(loop: Loop) -> dict[int, Node]:
    body = loop.bodies["body"]
    reads = [[*reads_of(kernel, body)] for kernel in body.kernels]
    first = loop.node.attributes["captured" if loop.node.op.name == "scan" else "body_captured"]
    count = loop.node.attributes.get("carried", len(loop.outputs))
    return updated_in_place(body, body.graph.inputs[first : first + count], reads)


def scratch_of(kernel: Kernel, target: Target) -> int:
    """Bytes of scratch that a kernel needs while it runs."""
    if isinstance(kernel, Region):
        return product_scratch(kernel.anchor, target) if kernel.anchor is not None else 0
    if isinstance(kernel, Single):
        node = kernel.node
        if is_float_product(node):
            return product_scratch(node, target)
        size = SCRATCH.get(node.op.name)
        return size([x.spec for x in node.inputs], node.spec, node.attributes) if size else 0
    states = (
        kernel.node.specs
        if kernel.node.op.name == "while"
        else kernel.bodies["body"].graph.output_specs
    )
    return sum(whole_lines(bytes_of(spec)) for spec in states)


def bytes_of(spec: Spec) -> int:
    """Bytes of a value in memory."""
    return spec.size * spec.dtype.itemsize


def whole_lines(size: int) -> int:
    """A size rounded up to whole cache lines."""
    return -(-size // LINE) * LINE
