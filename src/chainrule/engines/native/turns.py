"""Rows of large products that threads take in turns, so that none waits for a slower one.

Dividing all rows beforehand assumes that threads are equally fast. On a machine that is shared with
others they are not: at the next meeting one waits for the other. Where a kernel's rows may be done
by any thread, two threads take some at a time, the one from the first row on, the other from the
last backwards, until they meet in the middle. So nearly all rows are done by the thread that did
them in the step before, and has them in its cache. A row is computed in the same way whoever does
it: the bits stay the same.
"""

from collections.abc import Callable, Mapping, Sequence

from chainrule.engines.native.emit import I64, Emitter, Value
from chainrule.engines.native.kernels import Kernel, Pack, Region, Schedule
from chainrule.engines.native.nodes import is_float_product
from chainrule.graph.node import Node

__all__ = ["emit_turns", "turns_of"]

#: Multiplications in a product from which on its rows are taken in turns: some ten microseconds.
WORK = 1 << 19
#: About so many turns to a kernel; each has a multiple of so many rows, whole register tiles.
TURNS, TILE = 12, 12


def turns_of(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    stores: Sequence[set[Node]],
    segment: Sequence[int],
    replaced: Mapping[Node, Node],
) -> dict[int, int]:
    """For the kernels whose rows any thread may do: position → rows of a turn.

    Such a kernel reads nothing that is written between the same two meetings, and nobody reads
    there what it writes. There is a meeting before it, at which the count of turns begins anew.

    Parameters
    ----------
    schedule
        The kernels.
    reads, stores, segment
        For each kernel what it reads and writes, and between which meetings it runs.
    replaced
        New state → the old state whose memory it takes.
    """
    found = {}
    for position, kernel in enumerate(schedule.kernels):
        if segment[position] == 0 or not _is_large(kernel):
            continue
        beside = [
            i for i, number in enumerate(segment) if number == segment[position] and i != position
        ]
        written = {node for i in beside for node in stores[i] if not _is_own(schedule.kernels[i])}
        read = {node for i in beside for node in reads[i]}
        made = stores[position] | {replaced[n] for n in stores[position] & replaced.keys()}
        if written.isdisjoint(reads[position]) and read.isdisjoint(made):
            found[position] = _rows_of_a_turn(kernel)
    return found


def _is_large(kernel: Kernel) -> bool:
    if not isinstance(kernel, Region) or kernel.anchor is None or kernel.rows_scale:
        return False
    if not is_float_product(kernel.anchor):
        return False
    inner = kernel.anchor.inputs[0].spec.shape[-1]
    return kernel.rows > 4 * TILE and kernel.rows * kernel.columns * inner >= WORK


def _is_own(kernel: Kernel) -> bool:
    """Whether every thread makes the kernel's result for itself."""
    return isinstance(kernel, Pack) and kernel.private


def _rows_of_a_turn(kernel: Kernel) -> int:
    assert isinstance(kernel, Region)
    return max(1, round(kernel.rows / (TURNS * TILE))) * TILE


def emit_turns(
    e: Emitter,
    counter: Value,
    index: Value,
    rows: int,
    size: int,
    run: Callable[[Value, Value], None],
) -> None:
    """Call ``run(first, last)`` for turns of ``size`` rows, as one of two threads.

    ``counter`` points to the number of turns that both have taken so far.
    """
    b, count = e.b, -(-rows // size)
    head, inside, done = (b.append_basic_block(f"turn.{name}") for name in ("head", "body", "end"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    own = b.phi(I64, "own")
    own.add_incoming(I64(0), before)
    taken = b.atomic_rmw("add", counter, I64(1), "monotonic")
    b.cbranch(b.icmp_signed("<", taken, I64(count)), inside, done)
    b.position_at_end(inside)
    is_first = b.icmp_signed("==", index, I64(0))
    turn = b.select(is_first, own, b.sub(I64(count - 1), own))
    first = b.mul(turn, I64(size))
    run(first, e.least(b.add(first, I64(size)), rows))
    own.add_incoming(b.add(own, I64(1)), b.block)
    b.branch(head)
    b.position_at_end(done)
