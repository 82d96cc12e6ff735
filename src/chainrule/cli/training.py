"""``chainrule train`` and ``chainrule resume``: a table, a network, a run directory."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console

from chainrule import data, nn, runs, storage, train, words
from chainrule.cli.options import TrainOptions, named_optimizer
from chainrule.cli.outcome import Judged, judge, write_report
from chainrule.cli.sources import find_source
from chainrule.cli.tasks import TASKS
from chainrule.cli.telling import Output, Reading, data_line, model_line, note_lines, say, test_line
from chainrule.data.tables import LoadedTable, Rows, Table, load_table
from chainrule.data.tables.source import Report
from chainrule.errors import DataError, OptionError, StorageError
from chainrule.train.snapshot import fingerprint

__all__ = ["REPORT", "RunInterrupted", "resume_and_report", "train_and_report"]

CHECKPOINT, METRICS, REPORT = "checkpoint.safetensors", "metrics.jsonl", "report.html"
#: Rows that show what a run predicts for.
EXAMPLE = 64


class RunInterrupted(Exception):
    """Ctrl-C ended the work on a run; it can be resumed from ``directory``."""

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory))
        self.directory = directory


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and how.

    Attributes
    ----------
    name
        How the run is called.
    table
        All rows, by the training rows standardized and encoded, and split.
    example
        Some rows as they are in the source.
    model
        The network with its first weights.
    options, command
        With the number of epochs filled in; and the command line that asked for it.
    rng
        Draws what is still to be drawn.
    """

    name: str
    table: LoadedTable
    example: dict[str, list[object]]
    model: nn.MLP
    options: TrainOptions
    command: str
    rng: np.random.Generator

    @cached_property
    def fingerprint(self) -> str:
        """By which the same data are known again."""
        return fingerprint((self.table.x, self.table.t))

    def part(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features and targets of some rows."""
        return self.table.x[rows], self.table.t[rows]


class MetricsLog(train.Callback):
    """Writes each epoch's record to a file of JSON lines, for those who watch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_fit_begin(self, run: train.Run) -> None:
        """Begin anew: with nothing, or with the epochs before a training was interrupted."""
        self.path.unlink(missing_ok=True)
        for record in run.history:
            storage.append_json_line(self.path, record)

    def on_epoch_end(self, run: train.Run) -> None:
        """Append the newest record."""
        storage.append_json_line(self.path, run.history[-1])


# ---------------------------------------------------------------------- the two commands
def train_and_report(options: TrainOptions) -> Path:
    """Train as the options say, tell what happens, and return the directory of the run.

    Raises
    ------
    ChainruleError
        If an option makes no sense, or training fails. No run directory is left behind if nothing
        was learned.
    RunInterrupted
        If the user has interrupted training.
    """
    details = Output(quiet=options.quiet)
    job = prepared(options, details)
    with new_run(options.runs_dir, job) as directory, marked(directory, job):
        _train(job, directory, details, resume=False)
    return directory


def resume_and_report(path: Path, epochs: int | None, quiet: bool) -> Path:
    """Go on with an interrupted training, or with a finished one for more epochs.

    Raises
    ------
    ChainruleError
        If there is no such run, or nothing to go on from, or its data have changed.
    RunInterrupted
        If the user has interrupted training.
    """
    runs.describe(path)  # says what is near, if it is no run
    if not (path / CHECKPOINT).exists():
        raise StorageError("cli.no_checkpoint", path=str(path))
    facts = runs.noted(path)
    options = TrainOptions.from_dict(facts.get("options"), path)
    options = replace(options, epochs=epochs or options.epochs, quiet=quiet)
    details = Output(quiet=quiet)
    job = prepared(options, details)
    then, now = facts.get("data"), job.fingerprint
    if then != now:
        raise DataError("cli.changed", source=options.source, path=str(path), then=then, now=now)
    with marked(path, job):
        _train(job, path, details, resume=True)
    return path


def _train(job: Job, directory: Path, details: Console, *, resume: bool) -> None:
    options, results = job.options, Output()
    say(details, model_line(options, job.model))
    parts = job.table.split
    task, checkpoint = TASKS[job.table.task], directory / CHECKPOINT
    watched: list[train.Callback] = [MetricsLog(directory / METRICS)]
    if options.patience is not None:
        watched.append(train.EarlyStopping(patience=options.patience))
    try:
        model, history = train.fit(
            job.model,
            task.cost,
            (job.table.x, job.table.t),
            rows=parts.train,
            optimizer=named_optimizer(options.optimizer, options.learning_rate),
            epochs=options.epochs or 0,
            batch_size=options.batch_size,
            validation=job.part(parts.validation) if options.validation else None,
            metrics=task.metrics,
            callbacks=watched,
            progress=not options.quiet,
            statistics=options.statistics,
            checkpoint=checkpoint,
            resume=checkpoint if resume else None,
            rng=job.rng,
        )
    except train.Interrupted as stopped:
        save(job, directory, stopped.model, stopped.history, None)
        raise
    if history.stopped:
        say(details, history.stopped)
    judged = None
    if options.test:
        with Reading(details) as reading:
            reading.tell(words.text("cli.baselines"))
            judged = judge(model, job.table, options.seed)
        storage.append_json_line(directory / METRICS, {"test": judged.scores})
        say(results, test_line(judged.scores), style="bold")
    save(job, directory, model, history, judged)
    problem = write_report(
        directory / REPORT, directory.name, job.table, model, history, judged, options, job.command
    )
    if problem:
        say(details, problem, style="dim")
        say(results, words.text("cli.run", directory=directory))
    else:
        where = {"directory": directory, "report": directory / REPORT}
        say(results, words.text("cli.run_and_report", **where))


# ---------------------------------------------------------------------- data and model
def prepared(options: TrainOptions, details: Console) -> Job:
    """Read, split and encode the rows, and make the network; say what they are."""
    if options.group and options.time:
        raise OptionError("cli.group_or_time")
    generator = np.random.default_rng(options.seed)
    with Reading(details) as reading:
        source = find_source(options.source, reading.report, options.text_format)
        table = load_table(
            source.table,
            options.target or source.target or None,
            task=options.task or source.task,  # type: ignore[arg-type]  # load_table checks it
            split=lambda rows: split_of(rows, options, generator),
            by=options.group or options.time or None,
            categorical=options.categorical,
            drop=options.drop,
            progress=reading.report,
        )
        example = first_rows(source.table, table.encoder.columns, reading.report)
    command, options = options.command, options.planned_for(len(table.split.train))
    model = nn.MLP(
        table.features,
        options.hidden,
        table.target.outputs,
        activation=options.activation,
        dropout=options.dropout,
        rng=generator,
    )
    named_optimizer(options.optimizer, options.learning_rate)  # before anything is written
    say(details, data_line(source.name, table))
    for line in note_lines(table.notes):
        say(details, line, style="dim")
    return Job(source.name, table, example, model, options, command, generator)


def split_of(rows: Rows, options: TrainOptions, rng: np.random.Generator) -> data.Split:
    """Training, validation and test rows as the options ask for."""
    by_group, by_time = bool(options.group), bool(options.time)
    return data.split(
        rows.count,
        test=options.test,
        validation=options.validation,
        labels=None if by_group or by_time else rows.labels,
        groups=rows.by if by_group else None,
        times=rows.by if by_time else None,
        rng=rng,
    )


def first_rows(table: Table, columns: tuple[str, ...], report: Report) -> dict[str, list[object]]:
    """The first rows of some columns of a table, as they are there."""
    frame = next(iter(table.frames(columns, columns, EXAMPLE)))
    return {name: frame[name].to_list()[:EXAMPLE] for name in columns}


# ---------------------------------------------------------------------- the run directory
@contextmanager
def new_run(parent: Path, job: Job) -> Iterator[Path]:
    """A new directory; it is removed again if it holds nothing that could be gone on from."""
    directory = runs.new_directory(parent, job.name)
    try:
        yield directory
    except BaseException:
        if not (directory / CHECKPOINT).exists():
            shutil.rmtree(directory, ignore_errors=True)
        raise


@contextmanager
def marked(directory: Path, job: Job) -> Iterator[None]:
    """The directory says that somebody trains there, and afterwards how that ended."""
    try:
        with runs.training(directory, facts_of(job)):
            yield
    except KeyboardInterrupt:
        if (directory / CHECKPOINT).exists():
            raise RunInterrupted(directory) from None
        raise


def facts_of(job: Job) -> dict[str, object]:
    """What is known of a run before it is trained."""
    return {
        "task": job.table.task,
        "source": job.options.source,
        "target": list(job.table.target.names),
        "rows": {name: len(rows) for name, rows in job.table.split._asdict().items()},
        "notes": list(job.table.notes),
        "data": job.fingerprint,
        "model": repr(job.model),
        "options": job.options.to_dict(),
        "command": job.command,
    }


def save(
    job: Job, directory: Path, model: nn.MLP, history: train.History, judged: Judged | None
) -> None:
    """Store the trained model with all that it takes to predict."""
    runs.save(
        directory,
        model,
        job.example,
        preprocessing=job.table.encoder,
        target=job.table.target,
        history=history,
        facts={**facts_of(job), "score": judged.scores if judged else {}},
        status="finished" if judged or len(history) >= (job.options.epochs or 0) else "interrupted",
    )
