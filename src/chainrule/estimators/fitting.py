"""From data and an estimator's parameters to a trained network."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule import nn, words
from chainrule.errors import NonFiniteError
from chainrule.estimators.lbfgs import minimized
from chainrule.estimators.loops import (
    Batch,
    Own,
    Structure,
    capacity_of,
    loop_of,
    rounded_up,
)
from chainrule.estimators.losses import Loss
from chainrule.estimators.progress import Progress
from chainrule.estimators.solvers import Solver, solver_of
from chainrule.estimators.training import Course, Orders, train
from chainrule.graph import Spec, asarray
from chainrule.optim import learning_rate, set_learning_rate
from chainrule.train import History, Run
from chainrule.train.rows import all_finite
from chainrule.trees import tree_map

__all__ = ["Problem", "Rows", "solve", "train_network"]

#: An adaptive learning rate that is as small as this is not divided any more.
SMALLEST_RATE, DIVISOR = 1e-6, 5.0


@dataclass(frozen=True)
class Rows:
    """Rows of data, encoded for the network, and the targets as the user gave them."""

    batch: Batch
    y: Any

    def chosen(self, rows: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(tree_map(lambda part: part[rows], self.batch), self.y[rows])


@dataclass(frozen=True)
class Problem:
    """What is to be learned.

    Attributes
    ----------
    model
        The network to begin with.
    loss
        See :mod:`chainrule.estimators.losses`.
    rows, validation
        What to train on, and what to watch.
    random
        Draws the order of the rows and dropout.
    score
        ``score(outputs, y, weight)`` on validation rows; larger is better.
    scorers
        What else is measured after each epoch: ``scorer(estimator, X, y)``.
    """

    model: Any
    loss: Loss
    rows: Rows
    validation: Rows | None
    random: np.random.RandomState
    score: Callable[[np.ndarray, Any, Any], float]
    scorers: dict[str, Callable[..., float]]

    @property
    def keyed(self) -> bool:
        """Whether steps need keys, for dropout."""
        return nn.has_random_layers(self.model)

    @property
    def sparse(self) -> Any:
        """The features if they are sparse, else ``None``."""
        x = self.rows.batch.x
        return x if hasattr(x, "toarray") else None


def solve(estimator: Any, problem: Problem) -> None:
    """Train with L-BFGS, and put what came out on the estimator."""

    def report(iteration: int, loss: float) -> None:
        if estimator.verbose:
            print(words.text("estimators.iteration", iteration=iteration, loss=loss))

    found = minimized(
        problem.model,
        problem.loss,
        problem.rows.batch,
        float(estimator.alpha),
        max_iter=estimator.max_iter,
        max_fun=estimator.max_fun,
        tol=estimator.tol,
        engine=estimator.engine,
        threads=estimator.threads,
        report=report,
    )
    if not found.converged:
        text = words.text("estimators.lbfgs_limit", message=found.message, n=found.iterations)
        warnings.warn(text, ConvergenceWarning, stacklevel=2)
    estimator.model_, estimator.n_iter_ = found.model, found.iterations
    estimator.loss_, estimator.loss_curve_ = found.loss, found.losses
    estimator.best_loss_ = found.loss
    records = ({"epoch": i, "loss": loss} for i, loss in enumerate(found.losses, 1))
    estimator.history_ = History(tuple(records), found.message if found.converged else "")


def train_network(estimator: Any, problem: Problem, incremental: bool) -> None:
    """Train with mini-batches, and put what came out on the estimator."""
    rows = problem.rows.batch.t.shape[0]
    size = _batch_size(estimator, rows)
    solver = solver_of(estimator)
    run = Run(
        model=problem.model,
        optimizer_state=_first_state(estimator, solver.optimizer, problem.model, incremental),
        state=asarray(estimator.alpha, problem.model.output.weight.dtype),
        epochs=1 if incremental else estimator.max_iter,
        steps_per_epoch=-(-rows // size),
        rows=rows,
    )
    _attach_engine(estimator, problem, solver, run, size)
    observers = list(estimator.callbacks or ())
    orders = Orders(rows, problem.random, estimator.shuffle)
    filled = estimator._fills_batches
    course = Course(run, problem.sparse, orders, size, problem.keyed, filled, observers)
    follower = _Follower(estimator, problem, run)
    train(
        course,
        run,
        follower.progress,
        observers,
        follower.measure if problem.validation or problem.scorers else None,
        follower.after_epoch,
        every_epoch=follower.rate_varies,
    )
    follower.publish(incremental)


def _attach_engine(estimator: Any, problem: Problem, solver: Solver, run: Run, size: int) -> None:
    """Let the loop that was traced for such trainings take the run over."""
    batch, own, filled = problem.rows.batch, Own(), estimator._fills_batches
    sparse, keyed = problem.sparse is not None, problem.keyed
    if keyed:
        own = own._replace(key=Spec((2,), np.uint32))
    if filled:
        own = own._replace(real=Spec((size,), np.bool_))
    if sparse:
        own = own._replace(x=Spec((size, batch.x.shape[1]), batch.x.dtype))
        batch = batch._replace(x=None)
    fixed = sparse or keyed or filled
    loop = loop_of(
        Structure(
            loss=problem.loss,
            solver=solver.structure,
            random=keyed,
            sparse=sparse,
            filled=filled,
            capacity=size if fixed else capacity_of(size, _most_rows(estimator)),
            threads=estimator.threads,
            optimizer=solver.optimizer,
        )
    )
    steps = run.steps_per_epoch * run.epochs
    run.attach(lambda state: loop.start(estimator.engine, state, batch, own, steps))


def _first_state(estimator: Any, optimizer: Any, model: Any, incremental: bool) -> Any:
    """The optimizer's state; ``partial_fit`` goes on with that of the call before."""
    if incremental and getattr(estimator, "_optimizer_state", None) is not None:
        return estimator._optimizer_state
    return optimizer.init(nn.parameters(model))


def _most_rows(estimator: Any) -> int:
    """How many rows a batch may have."""
    wanted = estimator.batch_size
    return int(estimator._auto_batch if wanted == "auto" else wanted)


def _batch_size(estimator: Any, rows: int) -> int:
    """How many rows a batch has, with those that it is filled up with."""
    if estimator.batch_size != "auto" and estimator.batch_size > rows:
        text = words.text("estimators.batch_size", got=estimator.batch_size, rows=rows)
        warnings.warn(text, stacklevel=2)
    return min(_most_rows(estimator), rounded_up(rows) if estimator._fills_batches else rows)


class _Follower:
    """Follows a training from epoch to epoch, by the estimator's rules."""

    def __init__(self, estimator: Any, problem: Problem, run: Run) -> None:
        self._estimator, self._problem, self._run = estimator, problem, run
        self.progress: Progress = estimator._progress
        self.progress.tol, self.progress.patience = estimator.tol, estimator.n_iter_no_change
        self.progress.by_score = estimator.early_stopping
        descent = estimator.solver == "sgd"
        self._inverse_scaling = descent and estimator.learning_rate == "invscaling"
        self._adaptive = descent and estimator.learning_rate == "adaptive"

    @property
    def rate_varies(self) -> bool:
        """Whether each epoch may have a learning rate of its own, even if patience lasts."""
        parts = (self._estimator.learning_rate, self._estimator.solver)
        return self._inverse_scaling or not all(isinstance(part, str) for part in parts)

    def measure(self) -> dict[str, float]:
        """Loss, score and metrics of the present model."""
        problem, found = self._problem, {}
        if problem.validation is not None:
            model, batch = self._run.model, problem.validation.batch
            z = self._estimator._predicted(model, batch.x)
            loss = problem.loss(z, batch.t, None if batch.weight is None else asarray(batch.weight))
            score = problem.score(z, problem.validation.y, batch.weight)
            found = {"validation_loss": loss.item(), "validation_score": score}
            self.progress.note_validation(found["validation_loss"], score, model)
        if problem.scorers:
            rows = problem.validation or problem.rows
            view = self._estimator._view(self._run.model, rows.batch.x)
            for name, scorer in problem.scorers.items():
                found[name] = float(scorer(view, rows.batch.x, rows.y))
        return found

    def after_epoch(self, loss: float) -> None:
        """Count the epoch, and act if patience has run out."""
        progress, run = self.progress, self._run
        progress.rows_seen += run.rows
        progress.after_epoch(loss)
        self._print(loss)
        if self._inverse_scaling:
            rate = self._estimator.learning_rate_init
            self._set_rate(rate / (progress.rows_seen + 1) ** self._estimator.power_t)
        if progress.exhausted:
            self._lose_patience()

    def _lose_patience(self) -> None:
        rate = learning_rate(self._run.optimizer_state).item() if self._adaptive else 0.0
        if rate > SMALLEST_RATE:
            self._set_rate(rate / DIVISOR)
            self.progress.waited = 0
            return
        key = "estimators.stopped_by_score" if self.progress.by_score else "estimators.stopped"
        self._run.stop(words.text(key, tol=self._estimator.tol, n=self._estimator.n_iter_no_change))
        if self._estimator.verbose:
            print(self._run.stopped)

    def _set_rate(self, rate: float) -> None:
        self._run.optimizer_state = set_learning_rate(self._run.optimizer_state, np.float64(rate))

    def _print(self, loss: float) -> None:
        if not self._estimator.verbose:
            return
        iteration = len(self._run.history)
        print(words.text("estimators.iteration", iteration=iteration, loss=loss))
        if self.progress.validation_scores:
            score = self.progress.validation_scores[-1]
            print(words.text("estimators.validation_score", score=score))

    def _check_finite(self, model: Any) -> None:
        """The last step may have made weights that no loss has shown yet."""
        if not all_finite(model):
            run = self._run
            raise NonFiniteError(
                "estimators.nonfinite", epoch=len(run.history), step=run.step, found=""
            )

    def publish(self, incremental: bool) -> None:
        """Put on the estimator what scikit-learn's estimators have after a fit."""
        estimator, progress, run = self._estimator, self.progress, self._run
        best = progress.best_model if progress.by_score else None
        model = run.model if best is None else best
        self._check_finite(model)
        estimator.model_ = model
        estimator._optimizer_state = run.optimizer_state
        estimator.history_ = History(run.history.records, run.stopped)
        estimator.n_iter_, estimator.t_ = len(run.history), progress.rows_seen
        estimator.loss_curve_ = progress.losses
        estimator.loss_ = progress.losses[-1] if progress.losses else math.nan
        estimator.best_loss_ = None if progress.by_score else progress.best_loss
        watched = self._problem.validation is not None
        estimator.validation_scores_ = progress.validation_scores if watched else None
        estimator.validation_loss_curve_ = progress.validation_losses if watched else None
        estimator.best_validation_score_ = progress.best_score if watched else None
        if not (incremental or run.stopped) and len(run.history) == run.epochs:
            text = words.text("estimators.max_iter", n=run.epochs)
            warnings.warn(text, ConvergenceWarning, stacklevel=2)
