import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chainrule import words
from chainrule.cli import main

Run = Callable[..., tuple[int, str, str]]

#: Options of a training that ends at once.
QUICK = ("--epochs", "2", "--hidden", "4", "--statistics", "0", "--quiet")


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


def table(rows: int = 40, **replaced: str) -> str:
    """A small CSV: two numbers, a city, and who says yes."""
    lines = ["age,pay,city,answer"]
    for i in range(rows):
        age, city = 20 + i * 7 % 41, ("Seoul", "Busan", "Daegu")[i % 3]
        lines.append(f"{age},{2000 + i * 37 % 1000},{city},{'yes' if age > 40 else 'no'}")
    text = "\n".join(lines) + "\n"
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """The small CSV as ``people.csv``."""
    path = tmp_path / "people.csv"
    path.write_text(table())
    return path


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run on the small CSV; for copies."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv(words.ENVIRONMENT_VARIABLE, "en")
        Path("people.csv").write_text(table())
        assert main(["train", "people.csv", *QUICK]) == 0
    return folder / "runs/people-001"


@pytest.fixture
def trained(run: Run, csv: Path, trained_once: Path) -> Path:
    """A run of one's own on ``people.csv``, in ``runs/people-001``."""
    return Path(shutil.copytree(trained_once, "runs/people-001"))
