"""Training speed over sequences against PyTorch and JAX over lengths and batches.

``python -m benchmarks sequence_grid [NETWORK ...] [--turns N] [--json FILE]``

The networks of ``python -m benchmarks sequences`` and a GRU, measured and shown as ``python -m
benchmarks grid`` does. ``gpt`` at T = 1000 and batch 256 is left out: the attention weights of its
blocks are 16 GB where they are kept.
"""

from benchmarks import grid
from benchmarks.sequence_workloads import SequenceWorkload
from benchmarks.sequences import on_sequences

TIMES = (10, 50, 200, 1000)
BATCHES = (1, 8, 32, 256)
LEFT_OUT = ("gpt", 1000, 256)
GRID = {
    network: [
        SequenceWorkload(f"{network} {time}×{batch}", network, time, batch)
        for time in TIMES
        for batch in BATCHES
        if (network, time, batch) != LEFT_OUT
    ]
    for network in ("lstm", "gru", "gpt")
}


def main() -> None:
    """Measure the networks that were asked for, or all."""
    print(__doc__)
    grid.measure("sequence_grid", GRID, on_sequences(grid.CONTESTANTS))
