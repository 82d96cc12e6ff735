"""Directories of runs: what is in them, whether somebody is at work there, and a list of them.

=====================  ==========================================================================
``run.json``           when it began and with what; how it ended, if it failed
``model.safetensors``  the trained model with all that it needs (:mod:`chainrule.runs.document`)
``.lock``              held by the process that trains
=====================  ==========================================================================

Others (checkpoints, metrics, a report) are put beside these. Each file is written whole, and is of
use without those that come later: a process that is killed leaves a run that was interrupted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chainrule import storage, words
from chainrule.errors import ChainruleError, OptionError, StorageError, suggest
from chainrule.runs.document import plain, read_run, read_summary
from chainrule.runs.lock import is_locked, locked
from chainrule.runs.trained import TrainedRun
from chainrule.storage.files import reporting

__all__ = [
    "Status",
    "Summary",
    "describe",
    "list_runs",
    "load",
    "new_directory",
    "noted",
    "training",
]

CARD, MODEL_FILE = "run.json", "model.safetensors"
VERSION = 1

Status = Literal["running", "finished", "interrupted", "failed", "broken"]


def now() -> str:
    """The time (UTC, ISO 8601), to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_directory(parent: str | Path, name: str) -> Path:
    """A new directory for a run, ``parent/name-001`` or the next number that is free.

    Raises
    ------
    StorageError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs.new_directory(folder, "digits").name
    'digits-001'
    """
    return storage.make_numbered_directory(parent, name)


# ---------------------------------------------------------------------- while it is trained
@contextmanager
def training(directory: str | Path, facts: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Mark a directory as that of a run that is being trained, for the time of a ``with`` block.

    Whatever ends the block, the directory tells: an exception makes the run a failed one and is
    noted; Ctrl-C, and a process that is killed, make it an interrupted one. To resume a run, enter
    its directory again.

    Parameters
    ----------
    directory
        Where the run is, or will be.
    facts
        What is known of it already (text, numbers, lists, dicts); by default what was noted before.

    Raises
    ------
    StorageError
        If the directory cannot be written to, or another process is training there.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with runs.training(folder, {"task": "regression"}):
    ...         before = runs.describe(folder).status
    ...     before, runs.describe(folder).status
    ('running', 'interrupted')
    """
    directory = Path(directory)
    with reporting("storage.write", directory):
        directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        old = _read_card(directory) if (directory / CARD).exists() else None
        card = _begun(old, facts)
        _write_card(directory, card)
        try:
            yield directory
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                with suppress(ChainruleError):  # what ended training is the news
                    _write_card(directory, _ended(card, old, error))
            raise


def _begun(old: Mapping[str, Any] | None, facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """The card of a run that begins, or goes on."""
    known = (old or {}).get("facts", {}) if facts is None else plain(facts, "facts")
    return {
        "format": "chainrule.run",
        "version": VERSION,
        "began": old["began"] if old else now(),
        "facts": known,
        "failure": None,
    }


def _ended(
    card: Mapping[str, Any], old: Mapping[str, Any] | None, error: BaseException
) -> Mapping[str, Any]:
    """The card of a run that an error has ended."""
    if old is not None and isinstance(error, OptionError | StorageError):
        return old  # it was not gone on with: what was asked for, or the checkpoint, does not fit
    return {**card, "failure": str(error) or type(error).__name__}


def _write_card(directory: Path, card: Mapping[str, Any]) -> None:
    storage.write_json(directory / CARD, card)


def _read_card(directory: Path) -> dict[str, Any]:
    path = directory / CARD
    card: Any = storage.read_json(path)
    match card:
        case {"format": "chainrule.run", "version": int(version)} if version > VERSION:
            raise StorageError("runs.newer", path=str(path), version=version, known=VERSION)
        case {
            "format": "chainrule.run",
            "version": 1,
            "began": str(),
            "facts": dict(),
            "failure": None | str(),
        }:
            return dict(card)
    raise StorageError("runs.damaged", path=str(path), cause=CARD)


def noted(directory: str | Path) -> dict[str, Any]:
    """The facts with which the training of a run began; nothing else of it is read.

    Raises
    ------
    StorageError
        If they are not there, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with runs.training(folder, {"seed": 0}):
    ...         runs.noted(folder)
    {'seed': 0}
    """
    return dict(_read_card(Path(directory))["facts"])


# ---------------------------------------------------------------------- reading
def load(path: str | Path) -> TrainedRun:
    """A trained model from the directory of a run, ready to predict.

    The code that made and trained it is not needed: the file holds the graph, the weights and the
    preprocessing. Nothing in it is executed, and a damaged or hostile file ends in one message.

    Parameters
    ----------
    path
        The directory of a run, or the file ``model.safetensors`` in it.

    Raises
    ------
    StorageError
        If there is no such run, it has no model yet, or the file is damaged, of another kind or of
        a newer version.

    Examples
    --------
    >>> import tempfile, chainrule as cr, numpy as np
    >>> from chainrule import nn, runs
    >>> x = np.random.default_rng(0).standard_normal((20, 4))
    >>> model = nn.MLP(4, [8], 1, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = runs.save(folder, model, x)
    ...     run = cr.load(folder)
    >>> np.array_equal(run.predict(x), model(x.astype("float32")))
    True
    """
    path = Path(path)
    if not path.is_dir():
        _expect_there(path)
        return read_run(path)
    if (path / MODEL_FILE).exists():
        return read_run(path / MODEL_FILE)
    if (path / CARD).exists():
        raise StorageError("runs.no_model", path=str(path), state=_state(describe(path)))
    raise StorageError("runs.no_run", path=str(path), hint=_near(path / "*"))


def _state(summary: "Summary") -> str:
    """What became of a run without a model, as a sentence."""
    if summary.status == "running":
        return words.text("runs.is_running")
    if summary.status == "interrupted":
        return words.text("runs.was_interrupted")
    return words.text("runs.has_failed", problem=summary.problem)


def _expect_there(path: Path) -> None:
    if not path.exists():
        raise StorageError("runs.not_there", path=str(path), hint=_near(path))


def _near(path: Path) -> str:
    """Runs beside a path that are called nearly so; of ``directory/*``, those in the directory."""
    names = []
    with suppress(OSError):
        names = [entry.name for entry in path.parent.iterdir() if _is_run(entry)]
    if path.name != "*":
        return suggest(path.name, names)
    return words.text("runs.within", names=", ".join(sorted(names)[:8])) if names else ""


def _is_run(path: Path) -> bool:
    return (path / CARD).is_file() or (path / MODEL_FILE).is_file()


@dataclass(frozen=True)
class Summary:
    """What a list of runs shows of one.

    Attributes
    ----------
    path
        Its directory.
    status
        ``"running"``: some process trains it at this moment. ``"finished"``: there is a model.
        ``"interrupted"``: training did not come to its end, and can be resumed if there is a
        checkpoint. ``"failed"``: an error ended it. ``"broken"``: a file of it cannot be read.
    when
        When it began (ISO 8601), or was saved; empty if that is not known.
    facts
        What was noted about it.
    problem
        Why it failed or is broken, as a sentence.
    """

    path: Path
    status: Status
    when: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        """How it is called."""
        return self.path.name

    @property
    def task(self) -> str:
        """The kind of task, as the facts say; empty if they do not."""
        return str(self.facts.get("task", ""))

    @property
    def score(self) -> dict[str, float]:
        """The scores in the facts by name."""
        found = self.facts.get("score")
        pairs = found.items() if isinstance(found, Mapping) else ()
        return {str(name): value for name, value in pairs if isinstance(value, (int, float))}


def describe(directory: str | Path) -> Summary:
    """What is in the directory of a run, found from its files.

    Raises
    ------
    StorageError
        If it is not the directory of a run.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from chainrule import nn, runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = runs.save(folder, nn.Linear(2, 1, rng=0), np.eye(2), facts={"score": {"r": 0.5}})
    ...     summary = runs.describe(folder)
    >>> summary.status, summary.score
    ('finished', {'r': 0.5})
    """
    directory = Path(directory)
    if not _is_run(directory):
        _expect_there(directory)
        raise StorageError("runs.no_run", path=str(directory), hint=_near(directory / "*"))
    try:
        return _described(directory)
    except StorageError as error:
        return Summary(directory, "broken", problem=str(error))


def _described(directory: Path) -> Summary:
    card: dict[str, Any] = {"began": "", "facts": {}, "failure": None}
    if (directory / CARD).exists():
        card = _read_card(directory)
    status, when, facts = "interrupted", card["began"], card["facts"]
    if (directory / MODEL_FILE).exists():
        saved = read_summary(directory / MODEL_FILE)
        status, when = saved["status"], when or saved["saved"]
        facts = {**saved["facts"], **facts}  # a card may be newer: of a run that is gone on with
    failure = card["failure"]
    if is_locked(directory):
        status, failure = "running", None
    elif failure is not None:
        status = "failed"
    return Summary(directory, status, when, facts, str(failure or ""))  # type: ignore[arg-type]


def list_runs(parent: str | Path) -> list[Summary]:
    """The runs in a directory, oldest first; those that cannot be read are there, too, and say why.

    Parameters
    ----------
    parent
        Where runs are kept. If there is no such directory, there are no runs.

    Raises
    ------
    StorageError
        If it may not be read.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with runs.training(runs.new_directory(folder, "digits")):
    ...         [(run.name, run.status) for run in runs.list_runs(folder)]
    [('digits-001', 'running')]
    """
    parent = Path(parent)
    if not parent.exists():
        return []
    with reporting("storage.read", parent):
        found = [describe(entry) for entry in sorted(parent.iterdir()) if _is_run(entry)]
    return sorted(found, key=lambda run: run.when)
