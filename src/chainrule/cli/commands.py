"""The commands, with help texts in the language that is set when they are made."""

from pathlib import Path
from typing import Any

import typer

from chainrule import __version__, words
from chainrule.cli.checking import check_and_tell
from chainrule.cli.explaining import FORMATS, Shown, explain_weight, trace_row
from chainrule.cli.options import OPTIMIZERS, TrainOptions, count, layers, number
from chainrule.cli.parameters import argument, flag, several, text
from chainrule.cli.predicting import evaluate_file, predict_file
from chainrule.cli.showing import show_datasets, show_run, show_runs
from chainrule.cli.sources import TextFormat
from chainrule.cli.training import resume_and_report, train_and_report

__all__ = ["make_app"]

DEFAULT = TrainOptions("")


def make_app() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help=words.text("cli.help"), add_completion=False, pretty_exceptions_enable=False
    )
    lang = typer.Option(words.language(), metavar="en|ko", help=words.text("cli.help_lang"))
    _add_root(app, lang)
    _add_train(app, lang)
    _add_resume(app, lang)
    _add_predict(app, lang)
    _add_evaluate(app, lang)
    _add_show(app, lang)
    _add_explain(app, lang)
    _add_check(app, lang)
    return app


# ---------------------------------------------------------------------- the commands
def _add_root(app: typer.Typer, lang_option: Any) -> None:
    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help=words.text("cli.help_version")),
        lang: str = lang_option,
    ) -> None:
        if version:
            typer.echo(f"chainrule {__version__}")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())


def _add_train(app: typer.Typer, lang_option: Any) -> None:
    @app.command("train", help=words.text("cli.help_train"))
    def train(
        source: str = argument("cli.help_source", "SOURCE"),
        target: list[str] = several("cli.help_target"),
        task: str = text("cli.help_task", "NAME"),
        categorical: list[str] = several("cli.help_categorical"),
        drop: list[str] = several("cli.help_drop"),
        group: str = text("cli.help_group", "COLUMN"),
        time: str = text("cli.help_time", "COLUMN"),
        encoding: str = text("cli.help_encoding", "NAME"),
        separator: str = text("cli.help_separator", "TEXT"),
        no_header: bool = flag("cli.help_no_header"),
        hidden: str = text("cli.help_hidden", "INT[,INT…]", DEFAULT.hidden),
        activation: str = text("cli.help_activation", "NAME", DEFAULT.activation),
        dropout: str = text("cli.help_dropout", "FLOAT", DEFAULT.dropout),
        optimizer: str = text(
            "cli.help_optimizer", "NAME", DEFAULT.optimizer, known=", ".join(OPTIMIZERS)
        ),
        learning_rate: str = text("cli.help_learning_rate", "FLOAT", DEFAULT.learning_rate),
        epochs: str = text("cli.help_epochs", "INT"),
        batch_size: str = text("cli.help_batch_size", "INT", DEFAULT.batch_size),
        patience: str = text("cli.help_patience", "INT"),
        test: str = text("cli.help_test", "FLOAT", DEFAULT.test),
        validation: str = text("cli.help_validation", "FLOAT", DEFAULT.validation),
        seed: str = text("cli.help_seed", "INT", DEFAULT.seed),
        statistics: str = text("cli.help_statistics", "INT", DEFAULT.statistics),
        runs_dir: str = text("cli.help_runs_dir", "PATH", DEFAULT.runs_dir),
        quiet: bool = flag("cli.help_quiet"),
        lang: str = lang_option,
    ) -> None:
        options = TrainOptions(
            source=source,
            target=tuple(target),
            task=task,
            categorical=tuple(categorical),
            drop=tuple(drop),
            group=group,
            time=time,
            encoding=encoding,
            separator=separator,
            no_header=no_header,
            hidden=layers("--hidden", hidden),
            activation=activation,
            dropout=number("--dropout", dropout),
            optimizer=optimizer,
            learning_rate=number("--learning-rate", learning_rate),
            epochs=count("--epochs", epochs) if epochs else None,
            batch_size=count("--batch-size", batch_size),
            patience=count("--patience", patience) if patience else None,
            test=number("--test", test),
            validation=number("--validation", validation),
            seed=count("--seed", seed),
            statistics=count("--statistics", statistics),
            runs_dir=Path(runs_dir),
            quiet=quiet,
        )
        train_and_report(options)


def _add_resume(app: typer.Typer, lang_option: Any) -> None:
    @app.command("resume", help=words.text("cli.help_resume"))
    def resume(
        run: str = argument("cli.help_run", "RUN"),
        epochs: str = text("cli.help_more_epochs", "INT"),
        quiet: bool = flag("cli.help_quiet"),
        lang: str = lang_option,
    ) -> None:
        resume_and_report(Path(run), count("--epochs", epochs) if epochs else None, quiet)


def _add_predict(app: typer.Typer, lang_option: Any) -> None:
    @app.command("predict", help=words.text("cli.help_predict"))
    def predict(
        run: str = argument("cli.help_run", "RUN"),
        rows: str = argument("cli.help_rows", "FILE"),
        output: str = text("cli.help_output", "PATH"),
        probabilities: bool = flag("cli.help_probabilities"),
        encoding: str = text("cli.help_encoding", "NAME"),
        separator: str = text("cli.help_separator", "TEXT"),
        no_header: bool = flag("cli.help_no_header"),
        lang: str = lang_option,
    ) -> None:
        text_format = TextFormat(encoding, separator, not no_header)
        written_to = Path(output) if output else None
        predict_file(Path(run), rows, text_format, written_to, probabilities)


def _add_evaluate(app: typer.Typer, lang_option: Any) -> None:
    @app.command("evaluate", help=words.text("cli.help_evaluate"))
    def evaluate(
        run: str = argument("cli.help_run", "RUN"),
        rows: str = argument("cli.help_rows", "FILE"),
        encoding: str = text("cli.help_encoding", "NAME"),
        separator: str = text("cli.help_separator", "TEXT"),
        no_header: bool = flag("cli.help_no_header"),
        lang: str = lang_option,
    ) -> None:
        evaluate_file(Path(run), rows, TextFormat(encoding, separator, not no_header))


def _add_show(app: typer.Typer, lang_option: Any) -> None:
    @app.command("show", help=words.text("cli.help_show"))
    def show(run: str = argument("cli.help_run", "RUN"), lang: str = lang_option) -> None:
        show_run(Path(run))

    @app.command("runs", help=words.text("cli.help_runs"))
    def list_runs(
        runs_dir: str = text("cli.help_runs_dir", "PATH", DEFAULT.runs_dir), lang: str = lang_option
    ) -> None:
        show_runs(Path(runs_dir))

    @app.command("datasets", help=words.text("cli.help_datasets"))
    def list_datasets(lang: str = lang_option) -> None:
        show_datasets()


def _add_explain(app: typer.Typer, lang_option: Any) -> None:
    known = ", ".join(FORMATS)

    @app.command("explain", help=words.text("cli.help_explain"))
    def explain(
        run: str = argument("cli.help_run", "RUN"),
        weight: str = text("cli.help_weight", "PATH"),
        row: str = text("cli.help_row", "INT", "0"),
        view: str = text("cli.help_view", "NAME"),
        data: str = text("cli.help_data", "FILE"),
        format: str = text("cli.help_format", "NAME", known=known),
        output: str = text("cli.help_output_file", "PATH"),
        encoding: str = text("cli.help_encoding", "NAME"),
        separator: str = text("cli.help_separator", "TEXT"),
        no_header: bool = flag("cli.help_no_header"),
        lang: str = lang_option,
    ) -> None:
        text_format = TextFormat(encoding, separator, not no_header)
        shown = Shown(format, output)
        explain_weight(Path(run), weight, count("--row", row), view, data, text_format, shown)

    @app.command("trace", help=words.text("cli.help_trace"))
    def trace(
        run: str = argument("cli.help_run", "RUN"),
        row: str = text("cli.help_row", "INT", "0"),
        step: str = text("cli.help_step", "INT"),
        data: str = text("cli.help_data", "FILE"),
        format: str = text("cli.help_format", "NAME", known=known),
        output: str = text("cli.help_output_file", "PATH"),
        encoding: str = text("cli.help_encoding", "NAME"),
        separator: str = text("cli.help_separator", "TEXT"),
        no_header: bool = flag("cli.help_no_header"),
        lang: str = lang_option,
    ) -> None:
        text_format = TextFormat(encoding, separator, not no_header)
        chosen = count("--step", step) if step else None
        shown = Shown(format, output)
        trace_row(Path(run), count("--row", row), chosen, data, text_format, shown)


def _add_check(app: typer.Typer, lang_option: Any) -> None:
    @app.command("check", help=words.text("cli.help_check"))
    def check(
        function: str = argument("cli.help_function", "FUNCTION"),
        claim: str = typer.Option(metavar="FORMULA", help=words.text("cli.help_claim")),
        wrt: str = text("cli.help_wrt", "SYMBOL"),
        shape: list[str] = several("cli.help_shape", "NAME=SIZES"),
        let: list[str] = several("cli.help_let", "NAME=FORMULA"),
        random: list[str] = several("cli.help_random", "NAME=VARIANCE"),
        about: str = text("cli.help_about", "NAME"),
        syntax: str = text("cli.help_syntax", "NAME"),
        lang: str = lang_option,
    ) -> None:
        code = check_and_tell(function, claim, wrt, shape, let, random, about, syntax)
        raise typer.Exit(code)
