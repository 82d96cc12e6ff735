"""The program: the way from an error to a message and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from chainrule import words
from chainrule.cli.commands import make_app
from chainrule.cli.training import RunInterrupted
from chainrule.errors import ChainruleError, OptionError

__all__ = ["main"]

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
    except RunInterrupted as stopped:
        where = {"epochs": stopped.epochs, "directory": stopped.directory}
        print(words.text("cli.interrupted_run", **where), file=sys.stderr)
        return INTERRUPTED
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
