"""``fit``: the training loop."""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.engines import repeat
from chainrule.engines.native import native_available
from chainrule.errors import OptionError
from chainrule.graph import asarray, random
from chainrule.graph.rng import checked_rng
from chainrule.nn import partition
from chainrule.optim import Optimizer, adam, current_learning_rate
from chainrule.train.callbacks import Callback
from chainrule.train.checkpoint import Checkpoint, Keeper
from chainrule.train.epoch import Epochs
from chainrule.train.history import History
from chainrule.train.interrupt import Interrupts
from chainrule.train.measure import Measure, Metric
from chainrule.train.progress import ProgressBar
from chainrule.train.rows import checked_rows, chosen_rows, prepared
from chainrule.train.run import Run
from chainrule.train.snapshot import Snapshots, fingerprint, shown
from chainrule.train.statistics import spacing, watched_step
from chainrule.train.step import Cost, training_step
from chainrule.trees import tree_map

__all__ = ["fit"]

Batch = tuple[Any, ...]


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
    rows: Any = None,
    shuffle: bool = True,
    progress: bool = False,
    statistics: int = 0,
    checkpoint: Checkpoint | str | Path | None = None,
    resume: str | Path | None = None,
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
    rows
        The numbers of the rows to train on; by default all. A part of large data need not be
        copied.
    shuffle
        Draw the rows of every epoch in a new order.
    progress
        Show loss, validation, throughput and time left on the terminal.
    statistics
        Every so many steps (more, where steps take microseconds), note norms, dead and saturated
        shares of every layer in ``history.statistics`` (:class:`Statistics`); 0: never. These steps
        are compiled apart, and may round differently.
    checkpoint
        Where to save all that ``resume`` needs, and how often; a path is ``Checkpoint(path)``.
    resume
        A checkpoint of the same training: go on from there. Then history and model are to the bit
        those of a training that was never interrupted, apart from times; ``model`` gives the
        architecture only, ``state`` and ``rng`` are the checkpoint's. ``epochs`` counts all epochs
        and may be larger than before.
    engine
        See :func:`chainrule.compile`. With ``checkpoint`` or ``resume``, ``"auto"`` is ``"native"``
        where that can be had: what is worth a checkpoint is worth compiling, and the engines agree
        to rounding only.
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
        layer, and the exception holds the last good ``model`` and the ``history``. Checkpoints keep
        the last good state.
    StorageError
        If ``checkpoint`` cannot be written before the first step (later that is a warning), or
        ``resume`` is damaged or no checkpoint.
    OptionError
        If an option makes no sense, or ``resume`` is the checkpoint of a training with another
        model, optimizer or batch size, or other data; the message says what differs.
    Interrupted
        A ``KeyboardInterrupt``, if Ctrl-C is pressed: training ends after the steps under way, in
        about 0.1 s, writes its checkpoint, and the exception holds ``model`` and ``history``.

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
    generator = checked_rng(rng)
    costs = Cost.of(cost)
    costs.check(model)
    optimizer = adam(1e-3) if optimizer is None else optimizer
    model = tree_map(asarray, model)
    data, count = prepared(data, model, "data")
    chosen = None if rows is None else checked_rows(rows, count)
    count = count if chosen is None else len(chosen)
    if validation is not None:
        validation, _ = prepared(validation, model, "validation")
    size = _checked_options(count, epochs, batch_size)
    if (checkpoint or resume) and engine == "auto" and native_available():
        engine = "native"
    loop = repeat(
        _repeated(training_step(costs, optimizer)),
        watched=_repeated(watched_step(costs, optimizer)),
        engine=engine,
        expected=_expected(count, size, epochs),
        threads=threads,
    )
    measure = Measure(costs, metrics or {}, engine)
    seen = data
    if chosen is not None and metrics and validation is None:
        seen = chosen_rows(data, chosen)
    run = Run(
        model=model,
        optimizer_state=optimizer.init(partition(model)[0]),
        state=tree_map(asarray, state),
        epochs=epochs,
        steps_per_epoch=-(-count // size),
        rows=count,
    )
    agreement = functools.partial(
        _agreement,
        *(model, optimizer, size, shuffle, statistics),
        *(data, chosen, validation, metrics or {}),
    )
    snapshots = Snapshots(run, generator, callbacks, agreement)
    if resume is not None:
        snapshots.read(resume)
    run.attach(lambda state: loop.start(state, data))
    with ExitStack() as stack:
        own: list[Callback] = [stack.enter_context(ProgressBar())] if progress else []
        keeper = None if checkpoint is None else stack.enter_context(_keeper(checkpoint, snapshots))
        interrupts = stack.enter_context(Interrupts(run, keeper.save if keeper else _nowhere))
        own += [keeper, interrupts] if keeper else [interrupts]
        observers = [*callbacks, *own]
        watch = spacing(statistics, partition(model)[0], size)
        passes = Epochs(run, size, generator if shuffle else None, observers, watch, chosen)
        for callback in callbacks:
            callback.on_fit_begin(run)
        if resume is not None:
            snapshots.restore_callbacks(resume)
        for observer in own:
            observer.on_fit_begin(run)
        while run.epoch < epochs and not (run.stopped and run.steps_in_epoch == 0):
            snapshots.begin_epoch()
            key = random.key(int(generator.integers(2**63)))
            keys = random.split(key, run.steps_per_epoch) if costs.takes_key else None
            record: dict[str, Any] = passes.run_one(keys)
            with interrupts.at_once():
                record.update(measure(run, seen, validation))
            run.record(record)
            for observer in observers:
                observer.on_epoch_end(run)
        passes.check_last_step()
        for observer in [*own, *callbacks]:
            observer.on_fit_end(run)
    return run.model, History(run.history.records, run.stopped, run.statistics)


def _repeated(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of the loop: it keeps the error, the learning rate, and what else the step gives."""

    def repeated(state: Any, batch: Batch, key: Any) -> tuple[Any, Any]:
        *new, error = (result := step(*state[:2], batch, key, state[2]))[:4]
        return tuple(new), (error, _rate(new[1]), *result[4:])

    return repeated


def _keeper(checkpoint: Checkpoint | str | Path, snapshots: Snapshots) -> Keeper:
    options = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    return Keeper(options, snapshots)


def _nowhere(run: Run) -> None:
    """Save nothing: no checkpoint is wanted."""


def _agreement(
    model: Any,
    optimizer: Optimizer,
    batch_size: int,
    shuffle: bool,
    statistics: int,
    data: Any,
    rows: np.ndarray | None,
    validation: Any,
    metrics: Mapping[str, Metric],
) -> dict[str, str]:
    """What a resumed training must share with the one before, as text."""
    return {
        "model": shown(model),
        "optimizer": shown(optimizer),
        "batch_size": str(batch_size),
        "shuffle": str(shuffle),
        "statistics": str(statistics),
        "data": fingerprint(data),
        "rows": "None" if rows is None else fingerprint(rows),
        "validation": "None" if validation is None else fingerprint(validation),
        "metrics": ", ".join(sorted(metrics)) or "None",
    }


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
