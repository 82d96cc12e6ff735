"""The commands, and the way from an error to a message and an exit code."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule import __version__, words
from chainrule.cli.options import OPTIMIZERS, TrainOptions, count, layers, number
from chainrule.cli.training import train_and_report
from chainrule.data import datasets
from chainrule.errors import ChainruleError, OptionError

__all__ = ["main", "make_app"]

OK, FAILED, INTERRUPTED = 0, 2, 130
#: The base of all mistakes on the command line; typer does not export it by its name.
USAGE_ERROR: type[Any] = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the entry point of the program.

    Parameters
    ----------
    arguments
        The words after ``chainrule``; by default those of this process.

    Returns
    -------
    int
        0; 2 after a mistake or a failure, which is told in one message on standard error; 130 if
        the user has interrupted.
    """
    words_given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Korean, or without "→"
    try:
        choose_language(words_given)
        code = make_app()(words_given, prog_name="chainrule", standalone_mode=False)
        if code == INTERRUPTED:  # what newer versions of typer make of Ctrl-C
            raise KeyboardInterrupt
        return OK
    except ChainruleError as error:
        complain(str(error))
        return FAILED
    except USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx else "chainrule"
        complain(words.text("cli.usage", problem=error.format_message(), command=command))
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        print(words.text("cli.interrupted"), file=sys.stderr)
        return INTERRUPTED


def complain(message: str) -> None:
    """Print the message of an error on standard error."""
    label = Text(words.text("cli.error"), style="bold red")
    Console(stderr=True).print(Text.assemble(label, " ", message), soft_wrap=True)


def choose_language(arguments: Sequence[str]) -> None:
    """Let ``--lang`` decide before anything is said: help texts are made with the commands."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--lang":
            chosen = value or next(iter(arguments[position + 1 :]), "")
            if chosen not in words.LANGUAGES:
                raise OptionError("cli.lang", text=chosen, known=", ".join(words.LANGUAGES))
            os.environ[words.ENVIRONMENT_VARIABLE] = chosen


def make_app() -> typer.Typer:
    """The commands, with help texts in the language that is set now."""
    text, default = words.text, TrainOptions("")
    app = typer.Typer(help=text("cli.help"), add_completion=False, pretty_exceptions_enable=False)
    lang_option = typer.Option(words.language(), metavar="en|ko", help=text("cli.help_lang"))

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help=text("cli.help_version")),
        lang: str = lang_option,
    ) -> None:
        if version:
            typer.echo(f"chainrule {__version__}")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())

    @app.command("datasets", help=text("cli.help_datasets"))
    def list_datasets(lang: str = lang_option) -> None:
        Console().print(dataset_table())

    @app.command("train", help=text("cli.help_train"))
    def train(
        name: str = typer.Argument(metavar="NAME", help=text("cli.help_name")),
        hidden: str = typer.Option(
            ",".join(map(str, default.hidden)), metavar="INT[,INT…]", help=text("cli.help_hidden")
        ),
        activation: str = typer.Option(
            default.activation, metavar="NAME", help=text("cli.help_activation")
        ),
        dropout: str = typer.Option(
            str(default.dropout), metavar="FLOAT", help=text("cli.help_dropout")
        ),
        optimizer: str = typer.Option(
            default.optimizer,
            metavar="NAME",
            help=text("cli.help_optimizer", known=", ".join(OPTIMIZERS)),
        ),
        learning_rate: str = typer.Option(
            str(default.learning_rate), metavar="FLOAT", help=text("cli.help_learning_rate")
        ),
        epochs: str = typer.Option(
            "", metavar="INT", show_default=False, help=text("cli.help_epochs")
        ),
        batch_size: str = typer.Option(
            str(default.batch_size), metavar="INT", help=text("cli.help_batch_size")
        ),
        test: str = typer.Option(str(default.test), metavar="FLOAT", help=text("cli.help_test")),
        validation: str = typer.Option(
            str(default.validation), metavar="FLOAT", help=text("cli.help_validation")
        ),
        seed: str = typer.Option(str(default.seed), metavar="INT", help=text("cli.help_seed")),
        runs_dir: str = typer.Option(
            str(default.runs_dir), metavar="PATH", help=text("cli.help_runs_dir")
        ),
        quiet: bool = typer.Option(False, "--quiet", help=text("cli.help_quiet")),
        lang: str = lang_option,
    ) -> None:
        options = TrainOptions(
            dataset=name,
            hidden=layers("--hidden", hidden),
            activation=activation,
            dropout=number("--dropout", dropout),
            optimizer=optimizer,
            learning_rate=number("--learning-rate", learning_rate),
            epochs=count("--epochs", epochs) if epochs else None,
            batch_size=count("--batch-size", batch_size),
            test=number("--test", test),
            validation=number("--validation", validation),
            seed=count("--seed", seed),
            runs_dir=Path(runs_dir),
            quiet=quiet,
        )
        train_and_report(options)

    return app


def dataset_table() -> Table:
    """The data sets that can be trained on."""
    table = Table(box=None, pad_edge=False)
    table.add_column(words.text("cli.column_name"), style="bold")
    table.add_column(words.text("cli.column_task"))
    for key in ("cli.column_rows", "cli.column_features", "cli.column_outputs"):
        table.add_column(words.text(key), justify="right")
    table.add_column(words.text("cli.column_targets"))
    table.add_column(words.text("cli.column_source"), style="dim")
    for dataset in map(datasets.load, datasets.names()):
        is_classes = dataset.task == "classification"
        table.add_row(
            dataset.name,
            words.text("cli.task_classification" if is_classes else "cli.task_regression"),
            str(dataset.rows),
            str(dataset.features),
            str(dataset.outputs),
            ", ".join(dataset.target_names),
            dataset.source,
        )
    return table
