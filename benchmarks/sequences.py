"""Training speed over sequences against PyTorch and JAX: an LSTM and a small GPT.

``python -m benchmarks sequences [WORKLOAD ...] [--losses] [--only TEXT] [--turns N] [--json FILE]``

The work. Character models (:mod:`benchmarks.sequence_workloads`) that predict the next symbol at
every position, trained with Adam(1e-3) in float32, measured and shown as ``python -m benchmarks
training`` does. ``--losses`` measures nothing: it shows the error of the first steps of everybody,
which must be the same.

The peers, in the best configurations that we found: PyTorch's own recurrent layers and
``scaled_dot_product_attention``, step by step with fused Adam, and with the whole step through
``torch.compile``; JAX as one compiled ``lax.scan`` over the steps of a run, its state donated, with
a ``lax.scan`` over time inside, out of which the product with the inputs is hoisted. Who takes
longer than ten minutes to compile is left out.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.contestants.client import Contestant, Process
from benchmarks.race import named, prepare
from benchmarks.sequence_workloads import SequenceWorkload
from benchmarks.training import CONTESTANTS, choice, compare

#: Seconds that a contestant may take to compile.
LIMIT = 600.0
#: How many errors ``--losses`` shows.
SHOWN = 6
WORKLOADS = {
    "lstm": SequenceWorkload("lstm", "lstm", time=50, batch=32, least=8),
    "gpt": SequenceWorkload("gpt", "gpt", time=64, batch=16, least=8),
}


def on_sequences(contestants: Sequence[Contestant]) -> list[Contestant]:
    """The same frameworks, working on sequences; those that unroll the scan do not gain by it."""
    return [
        replace(contestant, module=f"{contestant.module}_sequences", limit=LIMIT)
        for contestant in contestants
        if "unroll" not in contestant.options
    ]


def show_losses(workload: SequenceWorkload, contestants: Sequence[Contestant]) -> None:
    """The error of the first steps of everybody."""
    print(f"\n{workload}: the error of the first steps")
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(c)) for c in contestants]
        prepare(processes, "Training", workload, workload.steps)
    for process in processes:
        cells = "".join(f"{error:10.6f}" for error in process.values[:SHOWN])
        print(f"{process.contestant!s:28}{cells} {process.failed[:70]}")
    columns = [p.values[:SHOWN] for p in processes if p.values]
    apart = (max(step) / min(step) - 1 for step in zip(*columns, strict=True))
    print(f"largest relative difference: {max(apart, default=math.nan):.1e}", flush=True)


def main() -> None:
    """Compare the networks that were asked for, or both."""
    options = choice("sequences", WORKLOADS)
    options.add_argument("--losses", action="store_true", help="show errors instead of times")
    chosen = options.parse_args()
    contestants = named(on_sequences(CONTESTANTS), chosen)
    if chosen.losses:
        for name in chosen.workloads or WORKLOADS:
            show_losses(WORKLOADS[name], contestants)
    else:
        print(__doc__)
        compare(WORKLOADS, contestants, chosen)
