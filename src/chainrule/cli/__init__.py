"""The command line: ``chainrule``."""

from chainrule.cli.app import main

__all__ = ["main"]
