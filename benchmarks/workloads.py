"""What is trained in the benchmarks: networks of linear layers with ReLU between them, and data.

All contestants begin with the same weights and take the same rows of the same data in every step;
the optimizer is Adam(1e-3), the numbers are float32. Networks over sequences, which are trained in
the same way, are in :mod:`benchmarks.sequence_workloads`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

#: Adam as everybody sets it.
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
#: A run has as many steps as make this many operations, but not more than these.
OPERATIONS, STEPS = 4e9, 1000


class Work:
    """What all workloads have; each is a frozen dataclass of numbers, which go to processes.

    Attributes
    ----------
    name, batch, least
        What it is called, the rows of a mini-batch, and how many steps a run has at least.
    """

    name: str
    batch: int
    least: int = 4

    @property
    def flops(self) -> int:
        """Operations of one step in its matrix products."""
        raise NotImplementedError

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        raise NotImplementedError

    @property
    def moved(self) -> int:
        """Bytes that a step of Adam reads and writes: every weight and its two moments."""
        return 2 * 3 * 4 * self.parameters

    @property
    def steps(self) -> int:
        """How many steps a run has."""
        return int(min(STEPS, max(self.least, OPERATIONS // self.flops)))

    def problem(self) -> Any:
        """Data and first weights."""
        raise NotImplementedError

    def numbers(self) -> dict[str, Any]:
        """What its constructor needs to make it again."""
        return vars(self).copy()


@dataclass(frozen=True)
class Workload(Work):
    """A network by the sizes of its layers, how it is trained, and how many rows of data it has.

    The loss is cross-entropy over the outputs, or the mean squared error of a single output.
    """

    name: str
    sizes: Sequence[int]
    batch: int
    rows: int = 4096

    @property
    def classification(self) -> bool:
        """Whether the loss is cross-entropy."""
        return self.sizes[-1] > 1

    @property
    def flops(self) -> int:
        """Operations of one step in its matrix products: three per layer, but two in the first."""
        products = [i * o for i, o in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    @property
    def parameters(self) -> int:
        return sum(i * o + o for i, o in pairwise(self.sizes))

    def problem(self) -> "Problem":
        return Problem(self)

    def __str__(self) -> str:
        return f"{self.name}: {'-'.join(map(str, self.sizes))}, batch {self.batch}"


class Problem:
    """What a workload works on.

    Attributes
    ----------
    x, t
        The data set.
    rows
        The rows of every step of a run, as :func:`shuffled`.
    weights
        W [inputs, outputs] and b [outputs] of every layer, by He's initialisation.
    """

    def __init__(self, workload: Workload) -> None:
        rng = np.random.default_rng(0)
        rows, inputs, outputs = workload.rows, workload.sizes[0], workload.sizes[-1]
        self.workload = workload
        self.x = rng.standard_normal((rows, inputs), np.float32)
        self.t: np.ndarray = (
            rng.integers(0, outputs, rows)
            if workload.classification
            else rng.standard_normal((rows, outputs), np.float32)
        )
        self.rows = shuffled(rng, rows, workload)
        self.weights = [
            (
                rng.standard_normal((i, o), np.float32) * np.float32((2 / i) ** 0.5),
                np.zeros(o, np.float32),
            )
            for i, o in pairwise(workload.sizes)
        ]


def shuffled(rng: np.random.Generator, rows: int, workload: Work) -> np.ndarray:
    """The rows of every step of a run [steps, batch]; as many epochs as it takes."""
    count = workload.steps * workload.batch
    order = [rng.permutation(rows) for _ in range(0, count, rows)]
    return np.concatenate(order)[:count].reshape(workload.steps, workload.batch)


TRAINING = {
    workload.name: workload
    for workload in (
        Workload("tiny", (8, 32, 1), 32),
        Workload("mlp", (784, 128, 10), 64),
        Workload("deep", (*[100] * 11, 10), 128),
        Workload("wide", (1024, 1024, 1024, 10), 256, rows=2048),
    )
}
