"""``fit``: the training loop."""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from chainrule import words
from chainrule.data.batches import batches
from chainrule.engines import Compiled, compile, repeat
from chainrule.errors import DataError, OptionError
from chainrule.graph import Tensor, asarray, random
from chainrule.nn import partition
from chainrule.optim import Optimizer, adam, current_learning_rate
from chainrule.train.callbacks import Callback
from chainrule.train.epoch import Epochs
from chainrule.train.history import History
from chainrule.train.progress import ProgressBar
from chainrule.train.run import Run
from chainrule.train.step import Cost, training_step
from chainrule.trees import tree_flatten, tree_leaves, tree_map, tree_unflatten

__all__ = ["evaluate", "fit"]

Batch = tuple[Any, ...]
Metric = Callable[..., Any]
#: Rows in one batch where nothing is learned, so that memory stays bounded.
EVALUATION_ROWS = 4096


def fit(
    model: Any,
    cost: Callable[..., Any],
    data: Any,
    *,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int | None = 64,
    validation: Any = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] = (),
    state: Any = None,
    shuffle: bool = True,
    progress: bool = False,
    engine: str = "auto",
    threads: int | None = None,
    rng: Any = 0,
) -> tuple[Any, History]:
    """Train a model on data; return the trained model and the history.

    Every step runs the four steps of learning (:mod:`chainrule.train.step`) on one mini-batch, as
    one compiled function.

    Parameters
    ----------
    model
        A module. It stays as it is.
    cost
        ``cost(model, *batch)`` → the mean error of a batch, one number. If it declares ``key``, it
        gets a fresh key in every step (and ``None`` in validation); if it declares ``state``, it
        gets the state and returns ``(error, new state)``.
    data
        A tuple of arrays (or trees of arrays) with the same number of rows, such as ``(x, t)``.
        Floating arrays are cast once to the model's number type.
    optimizer
        From :mod:`chainrule.optim`; by default ``adam(1e-3)``.
    epochs
        How many times to go through the data.
    batch_size
        Rows in a mini-batch; ``None`` for all. The last batch of an epoch may be shorter.
    validation
        Data on which the cost and the metrics are measured after each epoch.
    metrics
        Name → ``metric(model, *batch)``, a mean over the batch; measured on the validation data, or
        on the training data where there is none.
    callbacks
        See :class:`Callback`.
    state
        First state of a cost that declares one; the last one is in ``run.state`` of callbacks.
    shuffle
        Draw the rows of every epoch in a new order.
    progress
        Show loss, validation, throughput and time left on the terminal.
    engine
        See :func:`chainrule.compile`.
    threads
        The most threads to train on; by default as many as the process may use. Their number does
        not change a bit of the result.
    rng
        Seed or generator (SPEC 7). One seed reproduces everything.

    Returns
    -------
    model, history
        The trained model, and a :class:`History`.

    Raises
    ------
    DataError
        If the data have no rows, or differ in their number.
    KeyNeeded
        If the model has random layers, such as dropout, and the cost declares no ``key``.
    NonFiniteError
        If the error becomes NaN or infinite; the message names the first such value, its op and its
        layer, and the exception holds the last good ``model`` and the ``history``.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule import nn, optim
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> def cost(model, x, t):
    ...     return nn.mse(model(x), t)
    >>> model = nn.MLP(1, [16], 1, rng=0)
    >>> model, history = cr.fit(model, cost, (x, x**2), optimizer=optim.adam(1e-2), epochs=200)
    >>> history[-1]["loss"] < 0.01
    True
    """
    generator = np.random.default_rng(rng)
    costs = Cost.of(cost)
    costs.check(model)
    optimizer = adam(1e-3) if optimizer is None else optimizer
    model = tree_map(asarray, model)
    data, rows = prepared(data, model, "data")
    if validation is not None:
        validation, _ = prepared(validation, model, "validation")
    size = _checked_options(rows, epochs, batch_size)
    step = training_step(costs, optimizer)

    def repeated(state: Any, batch: Batch, key: Any) -> tuple[Any, Any]:
        *new, error = step(*state[:2], batch, key, state[2])
        return tuple(new), (error, _rate(new[1]))

    loop = repeat(repeated, engine=engine, expected=_expected(rows, size, epochs), threads=threads)
    measure = Measure(costs, metrics or {}, engine)
    run = Run(
        model=model,
        optimizer_state=optimizer.init(partition(model)[0]),
        state=tree_map(asarray, state),
        epochs=epochs,
        steps_per_epoch=-(-rows // size),
        rows=rows,
    )
    run.attach(lambda state: loop.start(state, data))
    with ExitStack() as stack:
        observers = list(callbacks)
        if progress:
            observers.append(stack.enter_context(ProgressBar()))
        for observer in observers:
            observer.on_fit_begin(run)
        passes = Epochs(run, size, generator if shuffle else None, observers)
        while run.epoch < epochs and not run.stopped:
            key = random.key(int(generator.integers(2**63)))
            record: dict[str, Any] = passes.run_one(
                random.split(key, run.steps_per_epoch) if costs.takes_key else None
            )
            record.update(measure(run, data, validation))
            run.record(record)
            for observer in observers:
                observer.on_epoch_end(run)
        for observer in observers:
            observer.on_fit_end(run)
    return run.model, History(run.history.records, run.stopped)


def _checked_options(rows: int, epochs: int, batch_size: int | None) -> int:
    """The batch size in rows."""
    if epochs < 0:
        raise OptionError("train.epochs", epochs=epochs)
    if batch_size is not None and batch_size < 1:
        raise OptionError("train.batch_size", batch_size=batch_size)
    return rows if batch_size is None else min(batch_size, rows)


def _expected(rows: int, size: int, epochs: int) -> dict[int, int]:
    """Rows of a batch → how many steps there will be with so many."""
    whole, rest = divmod(rows, size)
    return {size: whole * epochs} | ({rest: epochs} if rest else {})


def _rate(optimizer_state: Any) -> Any:
    """The learning rate of the latest step, for optimizers that have one."""
    try:
        return current_learning_rate(optimizer_state)
    except OptionError:
        return None


# ---------------------------------------------------------------------- measuring
class Measure:
    """Cost and metrics on validation data, compiled once."""

    def __init__(self, cost: Cost, metrics: Mapping[str, Metric], engine: str) -> None:
        def error(model: Any, batch: Batch, state: Any) -> Any:
            return cost(model, batch, None, state)[0]

        self._cost = compile(error, engine=engine)
        self._metrics = {name: _on_batch(metric, engine) for name, metric in metrics.items()}

    def __call__(self, run: Run, data: Any, validation: Any) -> dict[str, float]:
        """What an epoch's record gains."""
        found = {}
        if validation is not None:
            found["validation_loss"] = mean_over(
                validation, lambda batch: self._cost(run.model, batch, run.state)
            )
        where = data if validation is None else validation
        for name, metric in self._metrics.items():
            found[name] = mean_over(where, functools.partial(metric, run.model))
        return found


def _on_batch(metric: Metric, engine: str) -> Compiled:
    """``metric(model, *batch)`` as a compiled function of model and batch."""

    def measured(model: Any, batch: Batch) -> Any:
        return metric(model, *batch)

    return compile(measured, engine=engine)


def evaluate(model: Any, metric: Metric, data: Any, *, engine: str = "auto") -> float:
    """The mean of ``metric(model, *batch)`` over all rows of ``data``.

    Parameters
    ----------
    model
        A module.
    metric
        Returns the mean over a batch: a cost or, say, an accuracy.
    data
        A tuple of arrays with the same number of rows.
    engine
        See :func:`chainrule.compile`.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule import nn
    >>> model = nn.Linear(1, 1, rng=0)
    >>> data = np.zeros((4, 1)), np.ones((4, 1))
    >>> cr.evaluate(model, lambda model, x, t: nn.mse(model(x), t), data)
    1.0
    """
    data, _ = prepared(data, model, "data")
    return mean_over(data, functools.partial(_on_batch(metric, engine), model))


def mean_over(data: Any, measure: Callable[[Any], Any]) -> float:
    """The mean over all rows of what ``measure`` gives as means over batches."""
    rows = _row_count(data)
    total = 0.0
    for chosen in batches(rows, EVALUATION_ROWS, None):
        total += float(measure(taken(data, chosen))) * len(chosen)
    return total / rows


# ---------------------------------------------------------------------- data
def prepared(data: Any, model: Any, name: str) -> tuple[Any, int]:
    """Data as tensors, floating ones in the model's number type, and the number of rows."""
    if not isinstance(data, (tuple, list)):
        raise DataError("train.data_tuple", name=name, got=type(data).__name__)
    floats = {x.dtype for x in tree_leaves(model) if isinstance(x, Tensor) and x.spec.is_float}
    dtype = floats.pop() if len(floats) == 1 else None

    def cast(leaf: Any) -> Tensor:
        value = asarray(leaf)
        return value.astype(dtype) if value.spec.is_float and dtype is not None else value

    leaves, definition = tree_flatten(tuple(data))
    tensors = [cast(leaf) for leaf in leaves]
    for path, value in zip(definition.paths, tensors, strict=True):
        if value.spec.is_float and not np.isfinite(value.numpy()).all():
            raise DataError("train.data_nonfinite", name=name, path=path)
    counts = {t.shape[0] if t.shape else None for t in tensors}
    if len(counts) != 1 or not counts - {None, 0}:
        shapes = ", ".join(str(t.shape) for t in tensors)
        raise DataError("train.rows", name=name, shapes=shapes or words.text("train.nothing"))
    return tree_unflatten(definition, tensors), tensors[0].shape[0]


def _row_count(data: Any) -> int:
    return int(tree_leaves(data)[0].shape[0])


def taken(data: Any, rows: np.ndarray) -> Any:
    """The chosen rows of every array."""
    return tree_map(lambda x: asarray(x.numpy()[rows]), data)
