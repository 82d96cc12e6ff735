"""Predictions against onnxruntime, PyTorch and JAX: latency of one row, throughput of many.

``python -m benchmarks predict [WORKLOAD ...] [--turns N] [--json FILE]``

Every contestant predicts from input that lies in memory in its own form, in a process of its own,
by turns as in ``python -m benchmarks training``; the weights are constants wherever a framework
can make use of that. ``ours`` takes the model as an argument; ``ours, captured`` holds it. All must
have the same outputs.
"""

from contextlib import ExitStack
from dataclasses import replace

from benchmarks.contestants.client import Contestant, Process, Result
from benchmarks.race import (
    ONE_THREAD,
    OURS,
    Cores,
    Race,
    fastest,
    machine,
    parser,
    prepare,
    ratio,
    write,
)
from benchmarks.workloads import TRAINING, Work

CONTESTANTS = [
    contestant
    for threads in (1, 2)
    for contestant in (
        Contestant("ours", OURS, threads),
        Contestant("ours, captured", OURS, threads, {"captured": True}),
        Contestant("onnxruntime", "on_onnx", threads),
        Contestant("JAX", "on_jax", threads, {}, {"XLA_FLAGS": ONE_THREAD} if threads == 1 else {}),
        Contestant("PyTorch", "on_torch", threads),
        Contestant("PyTorch jit", "on_torch", threads, {"mode": "jit"}),
        Contestant("PyTorch compiled", "on_torch", threads, {"mode": "compiled"}),
    )
]
NETWORKS = ("mlp", "deep")
BATCHES = (1, 4096)


def show(workload: Work, results: list[Result], per_second: str = "rows/s") -> None:
    """The table of a network and a batch."""
    best = fastest(results, True, 2)
    print(
        f"\n{workload}\n{'':30}{'µs':>10}{'quartiles':>20}{per_second:>12}"
        f"{'/ ours':>8}{'first s':>9}"
    )
    for result in results:
        if result.failed:
            print(f"{result.contestant!s:30} n/a: {result.failed[:70]}")
            continue
        low, middle, high = (f"{q * 1e6:.1f}" for q in result.quartiles)
        print(
            f"{result.contestant!s:30}{'!' if result.disturbed else ' '}{middle:>9}"
            f"{f'{low} to {high}':>20}{workload.batch / result.median:12.3g}"
            f"{result.median / best:8.2f}{result.first:9.2f}"
        )
    ratios = [f"{ratio(results, threads):.2f} on {threads}" for threads in (1, 2)]
    print(f"fastest peer / ours, threads up to: {', '.join(ratios)}", flush=True)


def main() -> None:
    """Measure the networks that were asked for, or both."""
    options = parser("predict", turns=7, seconds=0.2)
    options.add_argument("networks", nargs="*", choices=[*NETWORKS, []], default=[])
    chosen = options.parse_args()
    race, records = Race(chosen), []
    print(__doc__)
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(c)) for c in CONTESTANTS]
        cores = Cores(*machine(stack, "Peak"))
        for name in chosen.networks or NETWORKS:
            for batch in BATCHES:
                workload = replace(TRAINING[name], batch=batch, rows=batch)
                prepare(processes, "Prediction", workload)
                race(processes, cores)
                results = [process.result() for process in processes]
                show(workload, results)
                records.append((workload, results))
    write(chosen.json, records)
