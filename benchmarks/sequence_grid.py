"""Training speed over sequences against PyTorch and JAX over lengths and batches.

``python -m benchmarks sequence_grid [NETWORK ...] [--only TEXT] [--turns N] [--json FILE]``

The networks of ``python -m benchmarks sequences`` and a GRU, measured and shown as ``python -m
benchmarks grid`` does. Of ``gpt``, T = 200 with batch 256 and T = 1000 with batch 32 take too much
memory for all contestants at once: ``sequence_grid gpt_large --only "2 threads"``. T = 1000 with
batch 256 is left out: the attention weights of its blocks are 16 GB where they are kept.
"""

from benchmarks import grid
from benchmarks.sequence_workloads import SequenceWorkload
from benchmarks.sequences import on_sequences

TIMES = (10, 50, 200, 1000)
BATCHES = (1, 8, 32, 256)
LARGE = ((200, 256), (1000, 32))
LEFT_OUT = (1000, 256)


def cell(network: str, time: int, batch: int) -> SequenceWorkload:
    """The workload of a length and a batch."""
    return SequenceWorkload(f"{network} {time}×{batch}", network, time, batch)


GRID = {
    **{
        network: [cell(network, time, batch) for time in TIMES for batch in BATCHES]
        for network in ("lstm", "gru")
    },
    "gpt": [
        cell("gpt", time, batch)
        for time in TIMES
        for batch in BATCHES
        if (time, batch) not in (*LARGE, LEFT_OUT)
    ],
    "gpt_large": [cell("gpt", time, batch) for time, batch in LARGE],
}


def main() -> None:
    """Measure the networks that were asked for, or all."""
    print(__doc__)
    grid.measure("sequence_grid", GRID, on_sequences(grid.CONTESTANTS), apart="gpt_large")
