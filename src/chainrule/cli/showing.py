"""``chainrule datasets``, ``chainrule runs`` and ``chainrule show``: what there is."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from chainrule import runs, words
from chainrule.cli.tasks import TASKS
from chainrule.cli.telling import Output, note_lines, plain, say, score_label
from chainrule.cli.training import REPORT
from chainrule.data import datasets

__all__ = ["show_datasets", "show_run", "show_runs"]


def show_datasets() -> None:
    """Print the data sets that can be trained on."""
    table = _table()
    table.add_column(words.text("cli.column_name"), style="bold")
    table.add_column(words.text("cli.column_task"))
    for key in ("cli.column_rows", "cli.column_features", "cli.column_outputs"):
        table.add_column(words.text(key), justify="right")
    table.add_column(words.text("cli.column_targets"))
    table.add_column(words.text("cli.column_source"), style="dim")
    for dataset in map(datasets.load, datasets.names()):
        table.add_row(
            dataset.name,
            _task(dataset.task),
            str(dataset.rows),
            str(dataset.features),
            str(dataset.outputs),
            ", ".join(dataset.target_names),
            dataset.source,
        )
    Output().print(table)


def show_runs(parent: Path) -> None:
    """Print the runs in a directory, oldest first."""
    found, console = runs.list_runs(parent), Output()
    if not found:
        say(console, words.text("cli.no_runs", path=parent))
        return
    table = _table()
    table.add_column(words.text("cli.column_name"), style="bold", overflow="fold")
    for key in ("cli.column_when", "cli.column_task", "cli.column_score", "cli.column_status"):
        table.add_column(words.text(key))
    for run in found:
        table.add_row(
            _cell(run.name),
            _cell(_local(run.when)),
            _cell(_task(run.task)),
            ", ".join(f"{score_label(name)} {value:.3f}" for name, value in _own(run)),
            _status(run.status),
        )
    console.print(table)


def show_run(path: Path) -> None:
    """Print what is known of a run.

    Raises
    ------
    StorageError
        If there is none.
    """
    run, console = runs.describe(path), Output()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, text in _facts(run):
        table.add_row(label, _cell(text))
    console.print(table)
    notes = run.facts.get("notes")
    for line in note_lines(map(str, notes if isinstance(notes, list) else ())):
        say(console, line, style="dim")


def _facts(run: runs.Summary) -> Iterator[tuple[str, str]]:
    facts = run.facts
    yield words.text("cli.column_name"), run.name
    problem = f": {run.problem}" if run.problem else ""
    yield words.text("cli.column_status"), _status(run.status) + problem
    if run.when:
        yield words.text("cli.column_when"), _local(run.when)
    if run.task:
        yield words.text("cli.column_task"), _task(run.task)
    for key, label in (
        ("source", words.text("cli.column_source")),
        ("target", words.text("cli.column_targets")),
        ("rows", words.text("cli.column_rows")),
        ("model", words.text("cli.column_model")),
        ("command", words.text("cli.column_command")),
    ):
        if facts.get(key):
            yield label, _text(facts[key])
    scores = [f"{score_label(name)} {value:.3f}" for name, value in run.score.items()]
    if scores:
        yield words.text("cli.column_score"), ", ".join(scores)
    if (run.path / REPORT).exists():
        yield words.text("cli.column_report"), str(run.path / REPORT)


def _local(when: str) -> str:
    """A time as the user's clock shows it; what is no time stays as it is."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError):
        return when


def _cell(text: str) -> str:
    """A text for a cell, which is no markup."""
    return escape(plain(text))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _own(run: runs.Summary) -> list[tuple[str, float]]:
    """The scores of the network; those of other models are for who asks for the run."""
    own = {task.score_name for task in TASKS.values()}
    return [pair for pair in run.score.items() if pair[0] in own]


def _status(name: str) -> str:
    texts = {
        "running": words.text("cli.status_running"),
        "finished": words.text("cli.status_finished"),
        "interrupted": words.text("cli.status_interrupted"),
        "failed": words.text("cli.status_failed"),
        "broken": words.text("cli.status_broken"),
    }
    return texts[name]


def _task(name: str) -> str:
    texts = {
        "classification": words.text("cli.task_classification"),
        "regression": words.text("cli.task_regression"),
    }
    return texts.get(name, name)


def _table() -> Table:
    return Table(box=None, pad_edge=False)
