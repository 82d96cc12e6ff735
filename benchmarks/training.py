"""Training speed against PyTorch and JAX: networks of linear layers, Adam, mini-batches.

``python -m benchmarks training [WORKLOAD ...] [--only TEXT] [--turns N] [--json FILE]``

The work. All contestants train the same network (:mod:`benchmarks.workloads`) from the same
weights, with Adam(1e-3) in float32, on the same mini-batches: rows of a data set, gathered within
what is timed by indices shuffled before. A run is as many steps as make a few milliseconds of work
or more; the mean of its errors must be the same for all.

The peers, in the best configurations that we found: JAX as one compiled ``lax.scan`` over the steps
of a run, its state donated, also unrolled and with fast arithmetic; PyTorch step by step with fused
Adam, and with the whole step through ``torch.compile``.

The measurement. Every contestant lives in a process of its own, on as many CPUs as it has threads,
and sleeps while it is not its turn. A turn begins with the first weights and runs that warm up;
then it runs for a while. The contestants take turns, so that a slower machine is slower for all;
the median turn counts, its quartiles are shown. A turn during which others used more than 8 % of
the machine is repeated when it is quiet again, and so is one on two threads while the two CPUs did
less than 1.6 times the work of one (halves of one core, in a virtual machine); where patience
(``--patience``) ran out for half of the turns, the contestant is marked with ``!``. The machine is
a contestant, too: its limits are measured between the others.

The columns. ``of FMA``: operations of the matrix products of a step, in relation to the fused
multiply-adds that as many threads can do at best; ``of mem``: the weights and their moments, read
and written, in relation to what as many threads copy in memory (small ones stay in caches, which
are faster than that); ``first``: the first run less a later one, so
tracing and compiling, with all caches off; ``start``: from nothing to an imported framework;
``peak`` and ``rise``: the most memory, and what of it came after the import.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.contestants.client import Contestant, Process, Result
from benchmarks.race import (
    FAST_MATH,
    ONE_THREAD,
    OURS,
    Cores,
    Race,
    fastest,
    machine,
    named,
    parser,
    prepare,
    ratio,
    write,
)
from benchmarks.workloads import TRAINING, Work

JAX, TORCH = "on_jax", "on_torch"
COMPILED = {"compiled": True}
CONTESTANTS = [
    Contestant("ours", OURS),
    Contestant("ours", OURS, 2),
    Contestant("JAX", JAX, environment={"XLA_FLAGS": ONE_THREAD}),
    Contestant("JAX unroll 2", JAX, 1, {"unroll": 2}, {"XLA_FLAGS": ONE_THREAD}),
    Contestant("JAX fast", JAX, environment={"XLA_FLAGS": f"{ONE_THREAD} {FAST_MATH}"}),
    Contestant("JAX", JAX, 2),
    Contestant("JAX fast", JAX, 2, environment={"XLA_FLAGS": FAST_MATH}),
    Contestant("PyTorch", TORCH),
    Contestant("PyTorch", TORCH, 2),
    Contestant("PyTorch compiled", TORCH, 1, COMPILED),
    Contestant("PyTorch compiled", TORCH, 2, COMPILED),
]


def limits(machines: list[Process]) -> dict[int, float]:
    """Units of work per second in the best turn, by the number of threads."""
    return {m.contestant.threads: m.value / min(m.times) for m in machines}


def bandwidth(race: Race) -> dict[int, float]:
    """Bytes per second that a copy in memory reads and writes."""
    with ExitStack() as stack:
        machines = machine(stack, "Bandwidth")
        race(machines)
        return limits(machines)


def measure(
    workload: Work, contestants: list[Contestant], race: Race
) -> tuple[list[Result], dict[int, float]]:
    """The results, and the fused multiply-adds per second, as operations."""
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(c)) for c in contestants]
        machines = machine(stack, "Peak")
        prepare(processes, "Training", workload, workload.steps)
        race([*processes, *machines], Cores(*machines))
        return [process.result() for process in processes], limits(machines)


def line(result: Result, best: float, products: float, moves: float) -> str:
    """One line of the table; what a step takes at least for its products, and for its weights."""
    if result.failed:
        return f"{result.contestant!s:28} n/a: {result.failed[:70]}"
    low, middle, high = (f"{q * 1e6:.1f}" for q in result.quartiles)
    return (
        f"{result.contestant!s:28}{'!' if result.disturbed else ' '}{middle:>10}"
        f"{f'{low} to {high}':>22}{result.median / best:8.2f}"
        f"{products / result.median:8.0%}{moves / result.median:8.0%}"
        f"{result.first:8.2f}{result.start:8.2f}{result.peak:8.0f}{result.rise:8.0f}"
    )


def show(
    workload: Work, results: list[Result], peak: Mapping[int, float], copied: Mapping[int, float]
) -> None:
    """The table of a workload, and how the fastest compare."""
    print(f"\n{workload}; {workload.steps} steps a run, {workload.flops / 1e6:.3g} MFLOP a step")
    print(f"FMA: {', '.join(f'{p / 1e9:.0f} GFLOP/s on {t}' for t, p in peak.items())}")
    titles = f"{'µs a step':>11}{'quartiles':>22}{'/ ours':>8}{'of FMA':>8}{'of mem':>8}"
    print(f"{'':28}{titles}{'first s':>8}{'start s':>8}{'peak MB':>8}{'rise MB':>8}")
    best = fastest(results, True, 2)
    for result in results:
        threads = result.contestant.threads
        print(line(result, best, workload.flops / peak[threads], workload.moved / copied[threads]))
    ratios = [f"{ratio(results, threads):.2f} on {threads}" for threads in (1, 2)]
    print(f"fastest peer / ours, threads up to: {', '.join(ratios)}", flush=True)


def choice(name: str, workloads: Mapping[str, Work]) -> ArgumentParser:
    """The options of a benchmark of training."""
    options = parser(name, turns=11, seconds=0.4)
    options.add_argument("workloads", nargs="*", choices=[*workloads, []], default=[])
    options.add_argument("--only", default="", help="contestants with this text in their names")
    return options


def compare(
    workloads: Mapping[str, Work], contestants: list[Contestant], chosen: Namespace
) -> None:
    """Measure the workloads that were asked for, or all."""
    race, records = Race(chosen), []
    copied = bandwidth(race)
    found = [f"{b / 1e9:.1f} GB/s on {t}" for t, b in copied.items()]
    print(f"memory, copying: {', '.join(found)}", flush=True)
    for name in chosen.workloads or workloads:
        results, peak = measure(workloads[name], contestants, race)
        show(workloads[name], results, peak, copied)
        records.append((workloads[name], results))
    write(chosen.json, records)


def main() -> None:
    """Compare networks of linear layers."""
    chosen = choice("training", TRAINING).parse_args()
    print(__doc__)
    compare(TRAINING, named(CONTESTANTS, chosen), chosen)
