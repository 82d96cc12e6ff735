"""The program: the way from an error to a message and an exit code."""

import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer
from rich.text import Text

from chainrule import words
from chainrule.cli.commands import make_app
from chainrule.cli.telling import Output, hush, plain, say
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
        0; 1 for the answer "wrong" of ``chainrule check``; 2 after a mistake or a failure, which
        is told in one message on standard error; 130 if the user has interrupted.
    """
    open_streams()
    with warnings.catch_warnings():
        warnings.showwarning = note
        return run(list(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run a command; every way in which it can end is told, and has a code."""
    try:
        choose_language(arguments)
        code = make_app()(arguments, prog_name="chainrule", standalone_mode=False)
        if code == INTERRUPTED:  # what newer versions of typer make of Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
        return code or OK
    except ChainruleError as error:
        complain(str(error))
    except USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx else "chainrule"
        complain(words.text("cli.usage", problem=error.format_message(), command=command))
    except BrokenPipeError:
        hush(sys.stdout)
        return OK
    except MemoryError as error:
        complain(words.text("cli.memory", cause=str(error)))
    except OSError as error:  # standard output, on a full disk
        complain(words.text("cli.system", cause=error.strerror or str(error)))
        hush(sys.stdout)
    except RunInterrupted as stopped:
        directory = shlex.quote(str(stopped.directory))
        print(words.text("cli.interrupted_run", directory=directory), file=sys.stderr)
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        print(words.text("cli.interrupted"), file=sys.stderr)
        return INTERRUPTED
    return FAILED


def open_streams() -> None:
    """Make standard output and error fit to be written to, whatever they are."""
    # They are None where they were closed before the program was started.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Korean, or without "→"


def complain(message: str) -> None:
    """Print the message of an error on standard error."""
    label = Text(words.text("cli.error"), style="bold red")
    Output(stderr=True).print(Text.assemble(label, " ", plain(message)), soft_wrap=True)


def note(message: Warning | str, *place: object, **rest: object) -> None:
    """Print a warning on standard error; where in the program it arose is not for its user."""
    say(Output(stderr=True), words.text("cli.note", text=message))


def choose_language(arguments: Sequence[str]) -> None:
    """Let ``--lang`` decide before anything is said: help texts are made with the commands."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--lang":
            chosen = value or next(iter(arguments[position + 1 :]), "")
            if chosen not in words.LANGUAGES:
                raise OptionError("cli.lang", text=chosen, known=", ".join(words.LANGUAGES))
            os.environ[words.ENVIRONMENT_VARIABLE] = chosen
