"""L-BFGS: SciPy's solver, fed with our compiled exact gradient over one flat vector."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule import nn, words
from chainrule.autodiff import value_and_grad
from chainrule.engines import Compiled, compile
from chainrule.errors import NonFiniteError
from chainrule.estimators.loops import Batch
from chainrule.estimators.losses import Loss
from chainrule.estimators.network import dense, slices, weights_of, with_weights
from chainrule.graph import Tensor, asarray
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

__all__ = ["Solved", "minimized"]

#: Compiled functions that are remembered: one for each loss and shape of the data.
KEPT = 32


@dataclass(frozen=True)
class Solved:
    """What a solve ended with.

    Attributes
    ----------
    model
        The network with the best weights.
    loss
        Their cost.
    losses
        The cost after each iteration.
    iterations
        How many there were.
    evaluations
        How often the cost and its gradient were computed.
    converged
        Whether the solver is content.
    message
        What it says.
    """

    model: nn.MLP
    loss: float
    losses: list[float]
    iterations: int
    evaluations: int
    converged: bool
    message: str


def minimized(
    model: nn.MLP,
    loss: Loss,
    data: Batch,
    alpha: float,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
    engine: str,
    threads: int | None,
    report: Callable[[int, float], None],
) -> Solved:
    """The network whose penalized loss on all rows is smallest, from ``model`` on.

    Parameters
    ----------
    model
        Where to begin.
    loss, data, alpha
        The cost is ``loss + α/2 Σ W² / n``. Sparse features are made dense in blocks of rows, whose
        losses and gradients are added up.
    max_iter, max_fun, tol
        The most iterations and evaluations, and the largest element of a gradient to be content
        with.
    engine, threads
        See :func:`chainrule.compile`.
    report
        Told the number and the cost of each iteration.

    Warns
    -----
    UserWarning
        On Ctrl-C: the weights of the latest iteration are kept.

    Raises
    ------
    NonFiniteError
        If the cost is NaN or infinite where the solver ends.

    References
    ----------
    Zhu, Byrd, Lu & Nocedal (1997), "Algorithm 778: L-BFGS-B".
    """
    from scipy.optimize import minimize

    problem = _Problem(model, loss, data, alpha, engine, threads)
    latest, losses = [problem.start], []

    def follow(intermediate_result: Any) -> None:
        latest[0] = intermediate_result.x.copy()
        losses.append(float(intermediate_result.fun))
        report(len(losses), losses[-1])

    options = {"maxiter": max_iter, "maxfun": max_fun, "gtol": tol}
    try:
        found = minimize(
            problem,
            problem.start,
            method="L-BFGS-B",
            jac=True,
            callback=follow,
            options=options,
        )
    except KeyboardInterrupt:
        warnings.warn(words.text("estimators.interrupted"), stacklevel=2)
        value = losses[-1] if losses else float(problem(latest[0])[0])
        return Solved(
            problem.model(latest[0]), value, losses, len(losses), problem.evaluations, True, ""
        )
    if not np.isfinite(found.fun):
        raise NonFiniteError("estimators.nonfinite_solve", evaluations=problem.evaluations)
    return Solved(
        problem.model(found.x),
        float(found.fun),
        losses,
        int(found.nit),
        int(found.nfev),
        found.status == 0,
        str(found.message),
    )


class _Problem:
    """The cost and its gradient over one vector: all weights, then all biases."""

    def __init__(
        self,
        model: nn.MLP,
        loss: Loss,
        data: Batch,
        alpha: float,
        engine: str,
        threads: int | None,
    ) -> None:
        weights, biases = weights_of(model)
        parts = [*weights, *biases]
        self._model, self._alpha = model, alpha
        self._shapes = [part.shape for part in parts]
        self._ends = np.cumsum([part.size for part in parts])
        self._penalized = int(self._ends[len(weights) - 1])
        self.start = np.concatenate([part.numpy().ravel() for part in parts]).astype(np.float64)
        self.evaluations = 0
        self._data = data
        rows, columns = data.x.shape
        # Dense features are there already: only what is made dense is made in blocks.
        blocks = slices(rows, columns) if hasattr(data.x, "toarray") else [slice(0, rows)]
        weight = np.ones(rows) if data.weight is None else data.weight
        self._total = float(weight.sum()) or 1.0
        self._blocks = [(block, float(weight[block].sum()) / self._total) for block in blocks]
        definition = tree_flatten(model)[1]
        self._functions = [
            _compiled(definition, loss, block.stop - block.start, columns, engine, threads)
            for block, _ in self._blocks
        ]

    def model(self, flat: np.ndarray) -> nn.MLP:
        """The network with these weights."""
        arrays, half = self._arrays(flat), len(self._shapes) // 2
        return with_weights(self._model, arrays[:half], arrays[half:])

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """The cost and its gradient."""
        self.evaluations += 1
        weights = flat[: self._penalized]
        value = 0.5 * self._alpha * float(weights @ weights) / self._total
        gradient = np.zeros_like(flat)
        gradient[: self._penalized] = self._alpha * weights / self._total
        arrays = self._arrays(flat)
        for (block, share), function in zip(self._blocks, self._functions, strict=True):
            part, slopes = function(arrays, self._batch(block))
            value += share * part.item()
            gradient += share * np.concatenate([slope.numpy().ravel() for slope in slopes])
        return value, gradient

    def _batch(self, block: slice) -> Batch:
        x, t, weight = self._data
        of_block = None if weight is None else asarray(weight[block])
        return Batch(asarray(dense(x[block])), asarray(t[block]), of_block)

    def _arrays(self, flat: np.ndarray) -> tuple[Tensor, ...]:
        """The vector as weights and biases, in the network's number type."""
        dtype = self._model.output.weight.dtype
        parts = np.split(flat.astype(dtype, copy=False), self._ends[:-1])
        return tuple(asarray(p.reshape(s)) for p, s in zip(parts, self._shapes, strict=True))


@lru_cache(maxsize=KEPT)
def _compiled(
    network: TreeDef, loss: Loss, rows: int, columns: int, engine: str, threads: int | None
) -> Compiled:
    """The loss of such a network and its gradient for weights and biases.

    What is traced for one number of rows is kept by itself, so that old ones are forgotten.
    """

    def cost(parts: tuple[Tensor, ...], batch: Batch) -> Tensor:
        half = len(parts) // 2
        leaves = [leaf for pair in zip(parts[:half], parts[half:], strict=True) for leaf in pair]
        return loss(tree_unflatten(network, leaves)(batch.x), batch.t, batch.weight)

    return compile(value_and_grad(cost), engine=engine, threads=threads)
