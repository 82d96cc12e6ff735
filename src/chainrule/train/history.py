"""What happened in training, epoch by epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from chainrule.errors import OptionError, suggest
from chainrule.train.statistics import Statistics

__all__ = ["History"]

Record = Mapping[str, Any]


@dataclass(frozen=True)
class History(Sequence[Record]):
    """One record per epoch: a mapping with ``epoch``, ``loss``, ``seconds`` and what was asked for.

    Attributes
    ----------
    records
        The records, oldest first. ``loss`` is the mean over the rows of the epoch, measured before
        each step; ``validation_loss`` and metrics are measured after the epoch; ``seconds`` is time
        spent in training steps, ``rows_per_second`` follows from it.
    stopped
        Why training ended before the last epoch, as a sentence; empty if it did not.
    statistics
        Layer by layer, what watched steps saw; empty where none was asked for.

    Examples
    --------
    >>> from chainrule.train import History
    >>> history = History(({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}))
    >>> history["loss"], history[-1]["epoch"]
    ([0.5, 0.25], 2)
    """

    records: tuple[Record, ...] = ()
    stopped: str = ""
    statistics: tuple[Statistics, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> "History": ...
    def __getitem__(self, key: str | int | slice) -> Any:
        """A record by position, or one quantity over all epochs by name."""
        if isinstance(key, slice):
            return History(self.records[key], self.stopped, self.statistics)
        if isinstance(key, int):
            return self.records[key]
        if self.records and key not in self.records[-1]:
            known = list(self.records[-1])
            raise OptionError("train.quantity", name=key, hint=suggest(key, known), known=known)
        return [record[key] for record in self.records]

    def best(self, quantity: str = "loss", largest: bool = False) -> Record:
        """The record in which a quantity is smallest (or largest).

        Examples
        --------
        >>> from chainrule.train import History
        >>> History(({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.7})).best()["epoch"]
        1
        """
        choose = max if largest else min
        return choose(self.records, key=lambda record: record[quantity])

    def __repr__(self) -> str:
        if not self.records:
            return "History of 0 epochs"
        last = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.records[-1].items()
            if name not in ("epoch", "seconds")
        )
        tail = f". {self.stopped}" if self.stopped else ""
        return f"History of {len(self)} epochs; the last: {last}{tail}"
