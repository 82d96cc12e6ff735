"""What a checkpoint holds: all that a training needs to go on as if nothing had happened.

One safetensors file: the tensors of the model, of the optimizer's state and of the cost's, those
that callbacks keep, the errors of the epoch under way, and a JSON document (as bytes) with the
rest. One file, so that its parts can never be of different times.

Keys and the order of the rows are not stored: the generator is, as it was when the epoch began, and
they are drawn from it again.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage, words
from chainrule.errors import OptionError, StorageError
from chainrule.graph import asarray
from chainrule.train.callbacks import Callback
from chainrule.train.history import History
from chainrule.train.packing import packed, unpacked
from chainrule.train.rows import slabs
from chainrule.train.run import Run
from chainrule.train.saving import CHECKPOINT, MODEL, below, named_arrays, with_arrays
from chainrule.train.statistics import Statistics
from chainrule.trees import tree_leaves

__all__ = ["Agreement", "Snapshots", "fingerprint", "shown"]

OPTIMIZER, STATE, ERRORS, REST = "optimizer/", "state/", "errors", "rest"
#: What reading a document that is not what it says can end in.
DAMAGES = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

Agreement = Mapping[str, str]


class Snapshots:
    """The state of one training, to a file and back.

    Parameters
    ----------
    run
        The training.
    generator
        Where keys and the order of the rows come from.
    callbacks
        Those whose state is kept.
    agreement
        Gives the options that a resumed training shares with the one before, by name, as text.

    Attributes
    ----------
    best
        The best value until now of a quantity by which somebody keeps the best model, by its name.
    """

    def __init__(
        self,
        run: Run,
        generator: np.random.Generator,
        callbacks: Sequence[Callback],
        agreement: Callable[[], Agreement],
    ) -> None:
        self._run, self._generator, self._make_agreement = run, generator, agreement
        self._callbacks = [c for c in callbacks if type(c).state is not Callback.state]
        self._agreed: Agreement | None = None
        self._kept: list[Any] = []
        self.best: dict[str, float] = {}
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Remember the generator, before anything is drawn for an epoch."""
        self._drawn_from = self._generator.bit_generator.state

    @property
    def _agreement(self) -> Agreement:
        """Made when it is needed: it reads all data once."""
        if self._agreed is None:
            names = ", ".join(type(c).__name__ for c in self._callbacks)
            bits = type(self._generator.bit_generator).__name__
            self._agreed = {**self._make_agreement(), "callbacks": f"[{names}]", "rng": bits}
        return self._agreed

    # ------------------------------------------------------------------ to a file
    def write(self, path: str | Path) -> None:
        """Write the present state, whole or not at all.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        run = self._run
        arrays = {
            **named_arrays(run.model, MODEL),
            **named_arrays(run.optimizer_state, OPTIMIZER),
            **named_arrays(run.state, STATE),
        }
        within = run.steps_in_epoch > 0
        rest = {
            "agreement": self._agreement,
            "epoch": run.epoch,
            "step": run.step,
            "learning_rate": run.learning_rate,
            "seconds": run.seconds if within else 0.0,
            "stopped": run.stopped,
            "generator": self._drawn_from if within else self._generator.bit_generator.state,
            "records": run.history.records,
            "statistics": [statistics.to_dict() for statistics in run.statistics],
            "callbacks": [callback.state() for callback in self._callbacks],
            "best": self.best,
        }
        document = json.dumps(packed(rest, REST, arrays), ensure_ascii=False)
        arrays[REST] = np.frombuffer(document.encode(errors="surrogatepass"), np.uint8)
        if within:
            arrays[ERRORS] = np.concatenate(run.errors)
        storage.save_safetensors(path, arrays, CHECKPOINT)

    # ------------------------------------------------------------------ and back
    def read(self, path: str | Path) -> None:
        """Put the run and the generator into the state that a file holds.

        Raises
        ------
        StorageError
            If the file cannot be read, is damaged or is no checkpoint.
        OptionError
            If it is one of another training.
        """
        arrays, metadata = storage.load_safetensors(path)
        if metadata != CHECKPOINT:
            raise StorageError("train.foreign", path=str(path))
        with _reporting(path):
            text = arrays[REST].tobytes().decode(errors="surrogatepass")
            rest = unpacked(json.loads(text), arrays)
            self._check_agreement(rest["agreement"], path)
            self._put_back(rest, arrays, path)

    def _check_agreement(self, there: Agreement, path: str | Path) -> None:
        differences = [
            words.text("train.differs", name=name, there=there.get(name), here=here)
            for name, here in self._agreement.items()
            if there.get(name) != here
        ]
        if differences:
            raise OptionError("train.resume", path=str(path), differences=" ".join(differences))

    def _put_back(
        self, rest: dict[str, Any], arrays: Mapping[str, np.ndarray], path: str | Path
    ) -> None:
        run = self._run
        run.model = with_arrays(run.model, below(MODEL, arrays), path)
        run.optimizer_state = with_arrays(run.optimizer_state, below(OPTIMIZER, arrays), path)
        run.state = with_arrays(run.state, below(STATE, arrays), path)
        place = _Place.of(rest, arrays.get(ERRORS), run.steps_per_epoch)
        run.statistics = tuple(Statistics(**found) for found in rest["statistics"])
        run.history = History(tuple(rest["records"]), "", run.statistics)
        run.epoch, run.step, run.learning_rate = place.epoch, place.step, place.learning_rate
        run.errors, run.seconds, run.stopped = place.errors, place.seconds, str(rest["stopped"])
        self._generator.bit_generator.state = rest["generator"]
        self.begin_epoch()
        self._kept = list(rest["callbacks"])
        self.best = {str(name): float(value) for name, value in rest["best"].items()}

    def restore_callbacks(self, path: str | Path) -> None:
        """Hand the callbacks what was kept of them; after they have heard that a run begins."""
        with _reporting(path):
            for callback, kept in zip(self._callbacks, self._kept, strict=True):
                callback.restore(kept)


@dataclass(frozen=True)
class _Place:
    """Where a training stood, checked."""

    epoch: int
    step: int
    learning_rate: float | None
    errors: list[np.ndarray]
    seconds: float

    @classmethod
    def of(cls, rest: Mapping[str, Any], errors: np.ndarray | None, steps: int) -> "_Place":
        """Read from a document; ``steps`` are in an epoch."""
        epoch, step, rate = rest["epoch"], rest["step"], rest["learning_rate"]
        within = step - epoch * steps
        found = np.zeros(0) if errors is None else errors
        numbers = float(rest["seconds"]), 0.0 if rate is None else float(rate)
        if not (
            type(epoch) is type(step) is int
            and 0 <= epoch == len(rest["records"])
            and all(isinstance(record, dict) for record in rest["records"])
            and 0 <= within <= steps
            and found.shape == (within,)
            and np.isfinite([*found, *numbers]).all()
            and numbers[0] >= 0
            and (not within or numbers[0] > 0)
        ):
            raise ValueError(f"epoch {epoch}, step {step}")
        return cls(epoch, step, rate, [found] if within else [], numbers[0])


@contextmanager
def _reporting(path: str | Path) -> Iterator[None]:
    """Turn whatever a document of the wrong make ends in into one message."""
    try:
        yield
    except (OptionError, StorageError):
        raise
    except DAMAGES as error:
        cause = f"{type(error).__name__}: {error}"
        raise StorageError("train.damaged", path=str(path), cause=cause) from error


# ---------------------------------------------------------------------- what has to agree
def shown(value: Any) -> str:
    """How a user would write ``value``, without addresses, which differ from run to run.

    Examples
    --------
    >>> from chainrule.train.snapshot import shown
    >>> shown(object())
    '<object object>'
    """
    return ADDRESS.sub("", repr(value))


def fingerprint(data: Any) -> str:
    """Shapes, types and a checksum of prepared data.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.train.snapshot import fingerprint
    >>> fingerprint((cr.ones((2, 3)), cr.zeros(2, "int64")))
    'f32[2, 3], i64[2] (checksum 4a50d6d9)'
    """
    tensors = [asarray(leaf) for leaf in tree_leaves(data)]
    value = 0
    for tensor in tensors:
        for part in slabs(tensor.numpy()):
            value = zlib.crc32(np.ascontiguousarray(part).data, value)
    specs = ", ".join(repr(tensor.spec) for tensor in tensors)
    return f"{specs} (checksum {value:08x})"
