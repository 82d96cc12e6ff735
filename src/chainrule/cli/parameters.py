"""The parameters of commands, with their help texts from the catalogue."""

from typing import Any

import typer

from chainrule import words

__all__ = ["argument", "flag", "several", "text"]


def argument(key: str, metavar: str) -> Any:
    """What has to be given."""
    return typer.Argument(metavar=metavar, help=words.text(key))


def text(key: str, metavar: str, default: Any = "", **values: str) -> Any:
    """An option that takes one text."""
    given = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    help_text = words.text(key, **values)
    return typer.Option(given, metavar=metavar, show_default=default != "", help=help_text)


def several(key: str, metavar: str = "COLUMN") -> Any:
    """An option that may be given several times."""
    return typer.Option([], metavar=metavar, help=words.text(key))


def flag(key: str) -> Any:
    """An option that is there or not."""
    name = key.removeprefix("cli.help_").replace("_", "-")
    return typer.Option(False, f"--{name}", help=words.text(key))
