"""A barrier in machine code: threads that run the same function meet there, without Python.

Thread 0 gathers and releases: every other thread writes the number of the meeting into a line of
its own; thread 0 waits until all lines have it, and then counts the meetings in line 0, on which
the others wait (a barrier with a central release; Mellor-Crummey & Scott 1991, *Algorithms for
scalable synchronization on shared-memory multiprocessors*, section 3). All threads take the number
from line 0. So the lines never have to be reset, and the number of threads may change from one
call to the next.

Who waits turns at first, since the others are mostly at most microseconds behind. Then it offers
its core to others: perhaps to the very thread it waits for. At last it sleeps between looks, so
that a machine that is busy elsewhere loses nothing to waiting.
"""

import sys

from llvmlite import ir

from chainrule.engines.native.emit import I32, I64, POINTER, VOID, Emitter, Value, new_function
from chainrule.engines.native.target import Target

__all__ = ["LINE", "barrier_bytes", "emit_barrier_function", "emit_wait_function"]

#: Bytes between two threads' counters: x86 fetches cache lines of 64 bytes in pairs, and the lines
#: of Apple's processors are as long as a pair.
LINE = 128

# How often to look before yielding and before sleeping. On a free machine a hundred looks take
# 3 µs and a hundred yields 40 µs. Sleeping earlier costs most where the others are merely late, as
# the kernel wakes a sleeper about 60 µs after its time; spinning longer costs most where two
# threads share a core.
SPINS, YIELDS = 100, 4000
NAP = 50  # microseconds

#: The instruction that tells a processor that its thread turns in a loop.
PAUSES = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.hint", (I32(1),))}


def barrier_bytes(count: int) -> int:
    """Bytes of a barrier for at most so many threads, all zero before its first use."""
    return LINE * count


def emit_barrier_function(module: ir.Module, target: Target) -> ir.Function:
    """Add ``barrier(area, index, count)`` to a module: no thread returns before all have come.

    What a thread wrote before it came is seen by all of them afterwards.

    Parameters
    ----------
    module
        Where the function is needed.
    target
        The CPU.

    Returns
    -------
    ir.Function
        Its arguments are a pointer to :func:`barrier_bytes` bytes, the number of the thread, and
        how many threads there are. One thread alone does not wait. The threads of one call must
        agree on the count; calls that follow each other may have different counts.
    """
    wait = emit_wait_function(module, target)
    kinds = [POINTER, I64, I64]
    function, e = new_function(module, "barrier", kinds, target, internal=True)
    area, index, count = function.args
    b = e.b
    meeting = b.add(b.load_atomic(area, "monotonic", 8, typ=I64), I64(1))

    def gather() -> tuple[()]:
        with e.loop(1, count) as other:
            b.call(wait, [line(e, area, other), meeting])
        b.atomic_rmw("xchg", area, meeting, "release")
        return ()

    def come() -> tuple[()]:
        b.atomic_rmw("xchg", line(e, area, index), meeting, "release")
        b.call(wait, [area, meeting])
        return ()

    e.either(b.icmp_signed("==", index, I64(0)), gather, come)
    b.ret_void()
    return function


def emit_wait_function(module: ir.Module, target: Target) -> ir.Function:
    """Add ``wait(counter, value)`` to a module: it returns when ``*counter >= value``.

    What others wrote before they raised the counter to that value is seen afterwards.
    """
    function, e = new_function(module, "wait", [POINTER, I64], target, internal=True)
    counter, value = function.args
    b = e.b

    def short_of(_: list[Value]) -> Value:
        return b.icmp_signed("<", b.load_atomic(counter, "acquire", 8, typ=I64), value)

    def look_again(looks: list[Value]) -> list[Value]:
        (look,) = looks
        with b.if_else(b.icmp_signed("<", look, I64(SPINS))) as (early, late):
            with early:
                pause(e)
            with late, b.if_else(b.icmp_signed("<", look, I64(SPINS + YIELDS))) as (soon, long):
                with soon:
                    give_way(e)
                with long:
                    sleep(e)
        return [b.add(look, I64(1))]

    e.repeat_while([I64(0)], short_of, look_again)
    b.ret_void()
    return function


def line(e: Emitter, area: Value, index: Value) -> Value:
    """The counter of a thread."""
    return e.b.gep(area, [e.b.mul(index, I64(LINE))], source_etype=ir.IntType(8))


def pause(e: Emitter) -> None:
    """Turn, at less cost to the other thread of the core and to the memory bus."""
    if e.target.architecture in PAUSES:
        name, operands = PAUSES[e.target.architecture]
        e.call(name, *operands, result=VOID)


def give_way(e: Emitter) -> None:
    """Let another thread have this core if one waits for it."""
    e.call("SwitchToThread" if sys.platform == "win32" else "sched_yield", result=I32)


def sleep(e: Emitter) -> None:
    """Leave the core for a while; Windows has no sleep so short."""
    if sys.platform == "win32":
        give_way(e)
    else:
        e.call("usleep", I32(NAP), result=I32)
