"""What the commands print: lines, notes, and how far reading has come."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import IO, Self

from rich.console import Console
from rich.status import Status

from chainrule import nn, words
from chainrule.cli.options import TrainOptions
from chainrule.data.tables import LoadedTable, Progress

__all__ = [
    "Output",
    "Reading",
    "data_line",
    "hush",
    "model_line",
    "note_lines",
    "plain",
    "say",
    "score_label",
    "test_line",
    "write_out",
]

#: Letters of a note; the run and its report have all of it.
NOTE = 200


class Output(Console):
    """Standard output or error; if its reader has gone away (``| head``), work goes on unheard."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        hush(self.file)


def hush(stream: IO[str]) -> None:
    """Let what a stream still holds go nowhere: the interpreter will flush it in the end."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def say(console: Console, line: str, style: str | None = None) -> None:
    """Print a line as it is; only a terminal may break it."""
    console.print(plain(line), style=style, markup=False, highlight=False, soft_wrap=True)


def plain(line: str) -> str:
    """A line without control characters, by which the names in a file could steer a terminal."""
    return line.translate(dict.fromkeys([*range(32), *range(127, 160)], "·"))


def write_out(text: str) -> None:
    """Write a text to standard output, as it is."""
    console = Output()
    try:
        console.file.write(text)
        console.file.flush()
    except BrokenPipeError:
        console.on_broken_pipe()


class Reading:
    """A line on the terminal that says what is going on before anything else can be said."""

    def __init__(self, console: Console) -> None:
        self._status = Status("", console=console)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def report(self, progress: Progress) -> None:
        """How far reading a table has come."""
        self._status.update(
            words.text("cli.reading", stage=str(progress), share=progress.share, rows=progress.rows)
        )

    def tell(self, text: str) -> None:
        """What is going on."""
        self._status.update(text)


# ---------------------------------------------------------------------- lines
def data_line(name: str, table: LoadedTable) -> str:
    """What is learned, in one line."""
    sizes = {"name": name, "rows": table.rows, "features": table.features}
    if table.task == "classification":
        return words.text("cli.classification", **sizes, outputs=table.target.outputs)
    return words.text("cli.regression", **sizes, targets=", ".join(table.target.names))


def note_lines(notes: Iterable[str]) -> list[str]:
    """Notes on a table, indented; long ones are cut."""
    return [f"        {note if len(note) <= NOTE else note[: NOTE - 1] + '…'}" for note in notes]


def model_line(options: TrainOptions, model: nn.MLP) -> str:
    """What learns it and how, in one line."""
    layers = (*model.hidden, model.output)
    init = nn.initializer("auto", nn.activation(options.activation))
    return words.text(
        "cli.model",
        sizes="-".join(str(layer.in_features) for layer in layers)
        + f"-{model.output.out_features}",
        activation=options.activation,
        init=init.__name__,
        parameters=nn.parameter_count(model),
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
    )


def score_label(name: str) -> str:
    """A score or a model in the user's language; others keep their name."""
    labels = {
        "accuracy": words.text("cli.accuracy"),
        "r_squared": words.text("cli.r_squared"),
        "linear_model": words.text("cli.linear_model"),
        "boosted_trees": words.text("cli.boosted_trees"),
    }
    return labels.get(name, name)


def test_line(scores: Mapping[str, float]) -> str:
    """The scores on the test rows, ours first, in one line."""
    ours, *others = (f"{score_label(name)} {score:.3f}" for name, score in scores.items())
    if not others:
        return words.text("cli.test", ours=ours)
    return words.text("cli.test_beside", ours=ours, others=", ".join(others))
