"""Rows that threads take in turns, so that none waits for a slower one, and caches hold a turn.

Dividing all rows beforehand assumes that threads are equally fast. On a machine that is shared with
others they are not: at the next meeting one waits for the other. Where rows may be done by any
thread, two threads take some at a time, the one from the first row on, the other from the last
backwards, until they meet in the middle. So nearly all rows are done by the thread that did them in
the step before, and has them in its cache. A row is computed in the same way whoever does it: the
bits stay the same.

Kernels that read what the one before has made of the same rows, such as the layers of a network
that predicts, are a *chain*: a turn goes through all of them before the next one begins. What one
layer hands to the next then stays in the cache, however long the batch is.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from chainrule.engines.native.emit import I64, Emitter, Value
from chainrule.engines.native.kernels import Kernel, Pack, Region, Schedule
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.graph.node import Node

__all__ = ["Turns", "emit_turns", "turns_of"]

#: Multiplications in products from which on rows are taken in turns: some ten microseconds.
WORK = 1 << 19
#: Of a single kernel there are between so many turns and twice as many; each has a multiple of so
#: many rows, whole register tiles.
TURNS, TILE = 8, 6
#: Rows from which on there are chains, the fewest in a turn of theirs, and bytes of the widest
#: operand there.
LONG, FEWEST, BLOCK = 512, 48, 1 << 18


@dataclass(frozen=True)
class Turns:
    """Kernels whose rows are taken in turns.

    Attributes
    ----------
    positions
        Of the kernels, which follow one another.
    rows
        How many rows all of them have.
    size
        Rows of a turn.
    """

    positions: range
    rows: int
    size: int

    @property
    def is_chain(self) -> bool:
        """Whether a turn goes through several kernels."""
        return len(self.positions) > 1


def turns_of(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    stores: Sequence[set[Node]],
    segment: Sequence[int],
    replaced: Mapping[Node, Node],
    fetched: Set[Node],
) -> list[Turns]:
    """The kernels whose rows any thread may do.

    They read nothing that others write between the same two meetings, and no other reads there what
    they write.

    Parameters
    ----------
    schedule
        The kernels.
    reads, stores, segment
        For each kernel what it reads and writes, and between which meetings it runs.
    replaced
        New state → the old state whose memory it takes.
    fetched
        What threads write before the first kernel, each its part.
    """
    found, kernels = [], schedule.kernels
    for positions in _chains(schedule, reads, stores, segment):
        beside = [
            i
            for i, number in enumerate(segment)
            if number == segment[positions[0]] and i not in positions
        ]
        others = {
            schedule.memory(node) for i in beside for node in stores[i] if not _is_own(kernels[i])
        }
        others |= fetched if segment[positions[0]] == 0 else set()
        read = {node for i in positions for node in reads[i]}
        made = {schedule.memory(node) for i in positions for node in stores[i]}
        made |= {replaced[node] for node in made & replaced.keys()}
        alone = made.isdisjoint(node for i in beside for node in reads[i])
        group = [kernels[i] for i in positions]
        if alone and others.isdisjoint(read) and _are_large(group):
            found.append(Turns(positions, _rows(group[0]), _size(group)))
    return found


def _chains(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    stores: Sequence[set[Node]],
    segment: Sequence[int],
) -> list[range]:
    """Kernels that follow one another, each reading of the same rows what those before made."""
    chains: list[range] = []
    made: set[Node] = set()
    kernels = schedule.kernels
    for position, kernel in enumerate(kernels):
        if not _rows(kernel):
            continue
        last = chains[-1] if chains else range(0)
        follows = (
            position == last.stop
            and len(last) > 0
            and segment[position] == segment[last[0]]
            and _rows(kernel) == _rows(kernels[last[0]]) >= LONG
            and not made.isdisjoint(reads[position])
        )
        if follows:
            chains[-1] = range(last.start, position + 1)
        else:
            chains.append(range(position, position + 1))
            made = set()
        made |= set(schedule.memories(stores[position]))
    return chains


def _rows(kernel: Kernel) -> int:
    """The rows of a kernel that threads divide by them; 0 for all others."""
    if isinstance(kernel, Pack):
        by_rows = not (kernel.private or kernel.scale or swaps_last_axes(kernel.operand))
        return kernel.lines if by_rows else 0
    fits = isinstance(kernel, Region) and not kernel.sums_rows and not kernel.rows_scale
    return kernel.rows if fits and isinstance(kernel, Region) else 0


def _are_large(kernels: Sequence[Kernel]) -> bool:
    return _rows(kernels[0]) > TURNS * TILE and sum(map(_work, kernels)) >= WORK


def _work(kernel: Kernel) -> int:
    """Multiplications in the product that a kernel starts from."""
    if not isinstance(kernel, Region) or kernel.anchor is None:
        return 0
    return kernel.rows * kernel.columns * kernel.anchor.inputs[0].spec.shape[-1]


def _is_own(kernel: Kernel) -> bool:
    """Whether every thread makes the kernel's result for itself."""
    return isinstance(kernel, Pack) and kernel.private


def _size(kernels: Sequence[Kernel]) -> int:
    """Rows of a turn."""
    rows = _rows(kernels[0])
    if len(kernels) == 1:
        most, least = rows // TURNS, rows // (2 * TURNS)
    else:
        width = max(_row_bytes(kernel) for kernel in kernels)
        most = max(FEWEST, min(BLOCK // width, rows // 4))
        least = max(FEWEST, most // 2)
    sizes = range(-(-least // TILE) * TILE, most + 1, TILE)
    return min(sizes, key=lambda size: (_longest(rows, size), -size))


def _longest(rows: int, size: int) -> int:
    """The rows of that thread of two, equally fast, that has more of them.

    The second one begins with the turn that is shorter.
    """
    whole, rest = divmod(rows, size)
    return max(-(-whole // 2) * size, whole // 2 * size + rest)


def _row_bytes(kernel: Kernel) -> int:
    """Bytes of a row of what a kernel makes, or of the left operand of its product."""
    specs = [node.spec for node in kernel.computed]
    anchor = kernel.anchor if isinstance(kernel, Region) else None
    if anchor is not None and is_float_product(anchor):
        specs.append(anchor.inputs[0].spec)
    return max(spec.size // _rows(kernel) * spec.dtype.itemsize for spec in specs) or 1


def emit_turns(
    e: Emitter,
    counter: Value,
    index: Value,
    count: Value,
    part: tuple[Value, Value],
    turns: Turns,
    run: Callable[[Value, Value], None],
) -> None:
    """Call ``run(first, last)`` for rows of this thread, the ``index``-th of ``count``.

    Two threads take turns. Otherwise each does its ``part``: at once, or of a chain a turn after
    the other. ``counter`` points to a number that is 0 at first. Each time, it grows by two more
    than there are turns: each thread is once told that there are no more. So nobody has to set it
    back.
    """
    b, of_both, zero = e.b, I64(-(-turns.rows // turns.size)), I64(0)
    are_two = b.icmp_signed("==", count, I64(2))
    own_rows = b.sub(part[1], part[0])
    own_size = I64(turns.size) if turns.is_chain else e.call("llvm.smax.i64", own_rows, I64(1))
    size = b.select(are_two, I64(turns.size), own_size)
    number = b.select(are_two, of_both, b.sdiv(b.add(own_rows, b.sub(own_size, I64(1))), own_size))
    start, stop = b.select(are_two, zero, part[0]), b.select(are_two, I64(turns.rows), part[1])
    backwards = b.and_(are_two, b.icmp_signed("==", index, I64(1)))

    def counted() -> list[Value]:
        return [b.urem(b.atomic_rmw("add", counter, I64(1), "monotonic"), b.add(of_both, I64(2)))]

    head, inside, done = (b.append_basic_block(f"turn.{name}") for name in ("head", "body", "end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    own = b.phi(I64, "own")
    own.add_incoming(zero, before)
    (taken,) = e.either(are_two, counted, lambda: [own])
    b.cbranch(b.icmp_signed("<", taken, number), inside, done)
    b.position_at_end(inside)
    turn = b.select(backwards, b.sub(b.sub(number, I64(1)), own), own)
    first = b.add(start, b.mul(turn, size))
    run(first, e.least(b.add(first, size), stop))
    own.add_incoming(b.add(own, I64(1)), b.block)
    b.branch(head)
    b.position_at_end(done)
