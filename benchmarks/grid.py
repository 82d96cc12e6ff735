"""Training speed against PyTorch and JAX over sizes: batch, width and depth.

``python -m benchmarks grid [AXIS ...] [--only TEXT] [--turns N] [--json FILE]``

Measured as ``python -m benchmarks training`` does, with short turns, and of each peer only its best
configuration. A cell is the time of the fastest peer over that of ours; above 1 we are faster.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks.contestants.client import Contestant, Process, Result
from benchmarks.race import (
    ONE_THREAD,
    OURS,
    Cores,
    Race,
    machine,
    named,
    parser,
    prepare,
    ratio,
    write,
)
from benchmarks.workloads import Work, Workload

CONTESTANTS = [
    Contestant("ours", OURS),
    Contestant("ours", OURS, 2),
    Contestant("JAX", "on_jax", environment={"XLA_FLAGS": ONE_THREAD}),
    Contestant("JAX", "on_jax", 2),
    Contestant("PyTorch", "on_torch"),
    Contestant("PyTorch", "on_torch", 2),
]
GRID = {
    "batch": [
        Workload(f"batch {batch}", (784, 128, 10), batch)
        for batch in (1, 4, 16, 64, 256, 1024, 4096)
    ],
    "width": [
        Workload(f"width {width}", (width, width, width, 10), 64)
        for width in (8, 32, 128, 512, 2048)
    ],
    "depth": [
        Workload(f"depth {depth}", (*[64] * (depth + 1), 10), 64) for depth in (1, 4, 16, 64)
    ],
}
THREADS = (1, 2)


def line(workload: Work, results: list[Result]) -> str:
    """Medians in µs, and the ratios."""
    cells = [
        f"{'n/a' if result.failed else f'{result.median * 1e6:.1f}':>10}"
        + ("!" if result.disturbed else " ")
        for result in results
    ]
    ratios = [f"{ratio(results, threads):8.2f}" for threads in THREADS]
    return f"{workload.name:14}{''.join(cells)}{''.join(ratios)}"


def measure(
    name: str,
    grid: Mapping[str, Sequence[Work]],
    contestants: Sequence[Contestant],
    apart: str | None = None,
) -> None:
    """Measure the axes that were asked for, or all but the one that is measured ``apart``."""
    options = parser(name, turns=5, seconds=0.25)
    options.add_argument("axes", nargs="*", choices=[*grid, []], default=[])
    options.add_argument("--only", default="", help="contestants with this text in their names")
    chosen = options.parse_args()
    contestants = named(contestants, chosen)
    race, records = Race(chosen), []
    titles = [f"{c.name} {c.threads}" for c in contestants] + [f"ratio {t}" for t in THREADS]
    print(
        f"{'µs a step':14}{''.join(f'{t:>10} ' for t in titles[:-2])}{titles[-2]:>8}{titles[-1]:>8}"
    )
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(c)) for c in contestants]
        cores = Cores(*machine(stack, "Peak"))
        for axis in chosen.axes or [axis for axis in grid if axis != apart]:
            for workload in grid[axis]:
                prepare(processes, "Training", workload, workload.steps)
                race(processes, cores)
                results = [process.result() for process in processes]
                print(line(workload, results), flush=True)
                for result in results:
                    if result.failed:
                        print(f"{'':14}{result.contestant} n/a: {result.failed[:70]}")
                records.append((workload, results))
    for threads in THREADS:
        ratios = [ratio(results, threads) for _, results in records]
        measured = [r for r in ratios if not math.isnan(r)]
        share = sum(r >= 1 for r in measured) / len(measured) if measured else math.nan
        print(
            f"up to {threads} threads: {share:.0%} of {len(ratios)} points are at 1 or above, "
            f"the minimum is {min(measured, default=math.nan):.2f}"
        )
    write(chosen.json, records)


def main() -> None:
    """Measure networks of linear layers."""
    print(__doc__)
    measure("grid", GRID, CONTESTANTS)
