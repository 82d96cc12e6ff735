"""``chainrule predict`` and ``chainrule evaluate``: a trained run on other rows."""

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from chainrule import runs, storage, words
from chainrule.cli.sources import TextFormat, find_source
from chainrule.cli.tasks import TASKS
from chainrule.cli.telling import Output, Reading, say, score_label, write_out
from chainrule.data.tables import TableEncoder, Target, encode_table
from chainrule.errors import OptionError
from chainrule.runs.targets import meaning_of

__all__ = ["evaluate_file", "notes_told", "predict_file", "target_of"]


def predict_file(
    path: Path, rows: str, text_format: TextFormat, output: Path | None, probabilities: bool
) -> None:
    """Predict for the rows of a file (or of a data set), and write the predictions as CSV.

    Parameters
    ----------
    path
        The run.
    rows
        The file, or the name of a data set.
    text_format
        How to read a text file.
    output
        Where to; by default standard output.
    probabilities
        Write the probability of each class beside the class.

    Raises
    ------
    ChainruleError
        If the run or the file cannot be read, columns are missing, or ``output`` is the file
        itself. Nothing is written then.
    """
    if output is not None and output.resolve() == Path(rows).resolve():
        raise OptionError("cli.same_file", path=str(output))
    run, messages = runs.load(path), Output(stderr=True)
    names = target_of(run, path).names
    with Reading(messages) as reading, notes_told(messages):
        table = find_source(rows, reading.report, text_format).table
        outputs = run.outputs(table, progress=reading.report)
        predicted = meaning_of(run.target).predictions(outputs)
        columns = [*names], [*predicted.reshape(len(predicted), -1).T]
        if probabilities:
            found = meaning_of(run.target).probabilities(outputs)
            columns[0].extend(f"p({name})" for name in run.target.class_names)
            columns[1].extend(found.T)
    text = _as_csv(*columns)
    if output is None:
        write_out(text)
    else:
        storage.write_bytes(output, text.encode())
        say(messages, words.text("cli.predicted", rows=len(predicted), path=output))


def _as_csv(names: Sequence[str], columns: Sequence[np.ndarray]) -> str:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return made.getvalue()


def evaluate_file(path: Path, rows: str, text_format: TextFormat) -> None:
    """Predict for rows whose truth is known, and print how good that is.

    Raises
    ------
    ChainruleError
        As :func:`predict_file`, and if the target is missing or holds classes that are not known.
    """
    run, messages = runs.load(path), Output(stderr=True)
    target = target_of(run, path)
    with Reading(messages) as reading, notes_told(messages):
        table = find_source(rows, reading.report, text_format).table
        truth = encode_table(table, run.preprocessing[0], target, progress=reading.report)
        predicted = run.predict(table, progress=reading.report)[truth.table_rows]
    task = TASKS[target.task]
    t = target.decode(truth.t)
    score = task.score(predicted.reshape(t.shape), t)
    line = words.text("cli.evaluated", score=score_label(task.score_name), value=score, rows=len(t))
    before = runs.describe(path).score.get(task.score_name)
    if before is not None:
        line += words.text("cli.evaluated_before", value=before)
    say(Output(), line)


def target_of(run: runs.TrainedRun, path: Path) -> Target:
    """The target of a run that was trained on a table.

    Raises
    ------
    OptionError
        If it was trained on something else.
    """
    on_table = bool(run.preprocessing) and isinstance(run.preprocessing[0], TableEncoder)
    if not (on_table and isinstance(run.target, Target)):
        raise OptionError("cli.no_table", path=str(path))
    return run.target


@contextmanager
def notes_told(console: Console) -> Iterator[None]:
    """Tell what rows hold that training did not know."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", runs.UnseenWarning)
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        say(console, words.text("cli.note", text=text))
