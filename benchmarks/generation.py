"""Speed of generation against PyTorch and JAX: greedy, with a cache of keys and values.

``python -m benchmarks generation [WORKLOAD ...] [--only TEXT] [--turns N] [--json FILE]``

The network of ``python -m benchmarks sequences gpt``, at its first weights, continues prompts of 16
symbols up to so many; a run is the work on the prompts and all symbols after them. All must
generate the same ones. PyTorch keeps a cache that grows within memory taken before, or, through
``torch.compile``, attends to all of it with a mask; JAX and ours are one compiled loop. Turns are
taken as in ``python -m benchmarks training``.
"""

from contextlib import ExitStack

from benchmarks.contestants.client import Process
from benchmarks.predict import show
from benchmarks.race import Cores, Race, machine, named, prepare, write
from benchmarks.sequence_workloads import PROMPT, SequenceWorkload
from benchmarks.sequences import on_sequences
from benchmarks.training import CONTESTANTS, choice

WORKLOADS = {
    f"{time}x{batch}": SequenceWorkload(f"{time}x{batch}", "gpt", time, batch)
    for time in (64, 256)
    for batch in (1, 16)
}


def main() -> None:
    """Measure the lengths and batches that were asked for, or all."""
    chosen = choice("generation", WORKLOADS).parse_args()
    race, records = Race(chosen), []
    print(__doc__)
    with ExitStack() as stack:
        contestants = named(on_sequences(CONTESTANTS), chosen)
        processes = [stack.enter_context(Process(c)) for c in contestants]
        cores = Cores(*machine(stack, "Peak"))
        for name in chosen.workloads or WORKLOADS:
            workload = WORKLOADS[name]
            prepare(processes, "Generation", workload, workload.time - PROMPT)
            race(processes, cores)
            results = [process.result() for process in processes]
            show(workload, results, "tokens/s")
            records.append((workload, results))
    write(chosen.json, records)
