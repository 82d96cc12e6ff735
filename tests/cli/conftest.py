from collections.abc import Callable
from pathlib import Path

import pytest

from chainrule import words
from chainrule.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty directory: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    # Set and deleted, so that what a command sets is undone at the end as well.
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, "en")
    monkeypatch.setenv("COLUMNS", "120")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return command
