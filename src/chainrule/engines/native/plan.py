"""The memory plan: where every value that some kernel stores has its place.

Outputs of the graph are written where the caller wants them. Everything else lies in one arena; two
values share memory if the one is dead a segment before the other is born, so that no thread can
still be reading what another overwrites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.engines.native.emit import LINE
from chainrule.engines.native.handing import Handing, Way, handing_of
from chainrule.engines.native.inplace import updated_in_place
from chainrule.engines.native.kernels import Loop, Pack, Region, Schedule, Single
from chainrule.engines.native.loops import SCRATCH
from chainrule.engines.native.nodes import is_float_product
from chainrule.engines.native.product import product_scratch
from chainrule.engines.native.reads import reads_of
from chainrule.engines.native.region import keeps_rows, width_of
from chainrule.engines.native.split import Share, follows_own_part, overwrites, segments
from chainrule.engines.native.sweeps import sweeps_of
from chainrule.engines.native.target import Target
from chainrule.engines.native.turns import Turns, turns_of
from chainrule.graph.node import Node
from chainrule.graph.spec import Spec

__all__ = ["Plan", "bytes_of", "plan", "stores_of", "whole_lines"]


@dataclass
class Plan:
    """Places in the arena, in bytes.

    Attributes
    ----------
    stores
        For each kernel the nodes that it writes.
    segment
        For each kernel its segment; threads meet between two segments.
    offset
        Node → where its value begins.
    bodies
        (Position of a loop, name of the body) → the plan of the body.
    body_offset
        The same → where the arena of the body begins.
    moves_offset
        Position of a loop → where states lie while they change places.
    in_place
        The states of this body that are overwritten, with the nodes of their new values.
    handing
        How the steps of a scan hand on their state, if this is the body of one.
    closed
        Whether threads go from step to step of a scan without meeting.
    turns
        Kernels whose rows threads take in turns.
    counter
        Position of the first of them → where the turns are counted.
    counters
        Bytes of these places, at the beginning of the arena; 0 before the first run.
    private
        What every thread holds for itself, from one kernel to the next, in its scratch memory.
    private_at
        Where that begins.
    size
        Bytes of the arena.
    scratch
        Bytes that every thread needs for itself while it runs a kernel.
    """

    stores: list[set[Node]] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    offset: dict[Node, int] = field(default_factory=dict)
    bodies: dict[tuple[int, str], "Plan"] = field(default_factory=dict)
    body_offset: dict[tuple[int, str], int] = field(default_factory=dict)
    moves_offset: dict[int, int] = field(default_factory=dict)
    in_place: dict[int, Node] = field(default_factory=dict)
    handing: Handing | None = None
    closed: bool = False
    turns: list[Turns] = field(default_factory=list)
    counter: dict[int, int] = field(default_factory=dict)
    counters: int = 0
    private: set[Node] = field(default_factory=set)
    private_at: int = 0
    size: int = 0
    scratch: int = 0


def stores_of(schedule: Schedule, target: Target) -> list[set[Node]]:
    """For each kernel the nodes that it must write to memory."""
    read = {schedule.root(node) for node in schedule.graph.outputs}
    for kernel in schedule.kernels:
        read.update(reads_of(kernel, schedule))
    stores = []
    for kernel in schedule.kernels:
        if isinstance(kernel, Region):
            chosen = {
                n
                for n in kernel.computed
                if schedule.memory(n) in read and schedule.place[n] is kernel
            }
            if kernel.anchor is None and not keeps_rows(kernel, width_of(kernel, target.lanes)):
                chosen |= sweeps_of(kernel, schedule.alias).crossing
            stores.append(chosen)
        else:
            stores.append(set(kernel.computed))
    return stores


class _Arena:
    """First fit over the kernels' order.

    Buffers begin at cache lines, and step off page multiples so that they do not share cache sets.
    """

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


def plan(
    schedule: Schedule,
    target: Target,
    given: set[Node] | None = None,
    states: Sequence[Node] = (),
    fetched: Mapping[Node, Share] | None = None,
    in_turns: bool = True,
    carried: int | None = None,
) -> Plan:
    """Place the values of a schedule.

    Parameters
    ----------
    schedule, target
        What runs, and where.
    given
        Nodes that have a place elsewhere.
    states
        Inputs of a loop's body whose new values are the first outputs.
    fetched
        Inputs of a training step that are gathered before its kernels run, and how threads share
        that. They have a place in the arena.
    in_turns
        Whether rows may be taken in turns: not inside of loops, whose arenas are used by others.
    carried
        Of the body of a scan, how many outputs are new states.
    """
    reads = [reads_of(kernel, schedule) for kernel in schedule.kernels]
    made = Plan(
        stores=stores_of(schedule, target), in_place=updated_in_place(schedule, states, reads)
    )
    given = (given or set()) | set(made.in_place.values())
    if carried is not None:
        made.handing = handing_of(schedule, carried, made.in_place)
        given |= made.handing.given
    fetched, replaced = fetched or {}, overwrites(made.in_place, states)
    made.segment = segments(schedule, reads, made.stores, replaced, fetched)
    if made.handing is not None:
        made.closed = _is_closed(schedule, made, states, reads)
    if in_turns:
        made.turns = turns_of(schedule, reads, made.stores, made.segment, replaced, fetched.keys())
    last = _last_segments(schedule, made, reads)
    copies = [k for k in schedule.kernels if isinstance(k, Pack) and k.private]
    made.private = {copy.made for copy in copies}
    arena = _Arena()
    for turns in made.turns:
        made.counter[turns.positions[0]] = arena.take(LINE, 0, len(schedule.kernels))
    made.counters = arena.size
    for node in fetched:
        made.offset[node] = arena.take(bytes_of(node.spec), 0, last.get(node, 0))
    for position, kernel in enumerate(schedule.kernels):
        now = made.segment[position]
        stored = set(schedule.memories(made.stores[position])) - given - made.private
        for node in sorted(stored - made.offset.keys(), key=lambda n: n.serial):
            made.offset[node] = arena.take(bytes_of(node.spec), now, last.get(node, now))
        if isinstance(kernel, Loop):
            made.moves_offset[position] = arena.take(_bytes_of_states(kernel), now, now)
            _plan_bodies(kernel, position, made, arena, target)
        else:
            made.private_at = max(
                made.private_at, whole_lines(scratch_of(kernel, schedule, target))
            )
    own = max((whole_lines(bytes_of(node.spec)) for node in made.private), default=0)
    made.scratch = max(made.scratch, made.private_at + own)
    made.size = arena.size
    return made


def _is_closed(
    schedule: Schedule, made: Plan, states: Sequence[Node], reads: Sequence[Sequence[Node]]
) -> bool:
    """Whether every thread can do its part of all steps of a scan without a look at the others."""
    assert made.handing is not None
    if any(made.segment) or made.handing.copied or Way.COPY in made.handing.ways:
        return False
    new = dict(zip(states, made.handing.new, strict=True))
    return follows_own_part(schedule, reads, made.stores, new)


def _last_segments(
    schedule: Schedule, made: Plan, reads: Sequence[Sequence[Node]]
) -> dict[Node, int]:
    """The segment in which a node is last read; outputs outlive all."""
    last: dict[Node, int] = {}
    for number, read in zip(made.segment, reads, strict=True):
        last.update(dict.fromkeys(read, number))
    after_all = len(schedule.kernels)
    last.update({schedule.root(node): after_all for node in schedule.graph.outputs})
    return last


def _plan_bodies(kernel: Loop, position: int, made: Plan, arena: _Arena, target: Target) -> None:
    now = made.segment[position]
    for name, body in kernel.bodies.items():
        states = states_of(kernel) if name == "body" else ()
        carried = kernel.node.attributes["carried"] if kernel.node.op.name == "scan" else None
        inner = plan(body, target, states=states, in_turns=False, carried=carried)
        made.bodies[position, name] = inner
        made.body_offset[position, name] = arena.take(inner.size, now, now)
        made.scratch = max(made.scratch, inner.scratch)


def states_of(loop: Loop) -> Sequence[Node]:
    """The inputs of a loop's body that hold the old states."""
    first = loop.node.attributes["captured" if loop.node.op.name == "scan" else "body_captured"]
    count = loop.node.attributes.get("carried", len(loop.outputs))
    return loop.bodies["body"].graph.inputs[first : first + count]


def _bytes_of_states(loop: Loop) -> int:
    specs = loop.bodies["body"].graph.output_specs[: len(states_of(loop))]
    return sum(whole_lines(bytes_of(spec)) for spec in specs)


def scratch_of(kernel: Region | Single | Pack, schedule: Schedule, target: Target) -> int:
    """Bytes of scratch that a thread needs while it runs a kernel."""
    if isinstance(kernel, Pack):
        return 0
    node = kernel.anchor if isinstance(kernel, Region) else kernel.node
    if node is None:
        return 0
    if is_float_product(node):
        return product_scratch(node, schedule, target)
    size = SCRATCH.get(node.op.name)
    return size([x.spec for x in node.inputs], node.spec, node.attributes) if size else 0


def bytes_of(spec: Spec) -> int:
    """Bytes of a value in memory."""
    return spec.size * spec.dtype.itemsize


def whole_lines(size: int) -> int:
    """A size rounded up to whole cache lines."""
    return -(-size // LINE) * LINE
