"""What a user may ask of ``chainrule train``, and how it is read from the command line.

Only the reading is checked here. Whether a number makes sense is known to the room that takes it:
``nn`` knows dropout rates, ``optim`` learning rates, ``data`` shares of rows.
"""

import math
import shlex
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from chainrule import optim
from chainrule.cli.sources import TextFormat
from chainrule.errors import OptionError, StorageError, suggest

__all__ = ["OPTIMIZERS", "TrainOptions", "count", "layers", "named_optimizer", "number"]

Value = TypeVar("Value")

#: By default there are so many epochs, and at least so many steps.
EPOCHS, STEPS = 100, 2000

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    factory.__name__: factory
    for factory in (
        optim.adagrad,
        optim.adam,
        optim.adamax,
        optim.adamw,
        optim.momentum,
        optim.nadam,
        optim.nesterov,
        optim.rmsprop,
        optim.sgd,
    )
}


@dataclass(frozen=True)
class TrainOptions:
    """The options of ``chainrule train``; their defaults are the command's."""

    source: str
    target: tuple[str, ...] = ()
    task: str = ""
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    group: str = ""
    time: str = ""
    encoding: str = ""
    separator: str = ""
    no_header: bool = False
    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    dropout: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    epochs: int | None = None
    batch_size: int = 64
    patience: int | None = None
    test: float = 0.2
    validation: float = 0.1
    seed: int = 0
    statistics: int = 50
    runs_dir: Path = Path("runs")
    quiet: bool = False

    def planned_for(self, rows: int) -> Self:
        """The options for so many training rows, with the number of epochs filled in.

        A hundred epochs of a hundred rows are too few steps to learn anything.
        """
        if self.epochs is not None:
            return self
        steps = max(1, math.ceil(rows / max(1, self.batch_size)))
        return replace(self, epochs=max(EPOCHS, math.ceil(STEPS / steps)))

    @property
    def text_format(self) -> TextFormat:
        """How to read the source, if it is a text file."""
        return TextFormat(self.encoding, self.separator, not self.no_header)

    # ------------------------------------------------------------------ as text, as plain data
    @property
    def command(self) -> str:
        """The command line that gives these options."""
        parts = ["chainrule", "train", self.source]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING or value == field.default:
                continue
            option = f"--{field.name.replace('_', '-')}"
            if isinstance(value, bool):
                parts.append(option)
            elif isinstance(value, tuple) and field.name != "hidden":
                parts += [word for name in value for word in (option, name)]
            else:
                text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
                parts += [option, text]
        return shlex.join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; :meth:`from_dict` is the way back."""
        return {**asdict(self), "runs_dir": str(self.runs_dir)}

    @classmethod
    def from_dict(cls, values: Any, path: Path) -> Self:
        """The options that :meth:`to_dict` wrote to the run at ``path``.

        Raises
        ------
        StorageError
            If they are not there, or damaged.
        """
        known = {field.name: field for field in fields(cls)}
        if not (
            isinstance(values, dict)
            and {"source"} <= set(values) <= set(known)
            and all(FITS[known[name].type](value) for name, value in values.items())
        ):
            raise StorageError("cli.no_options", path=str(path))
        read: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**{**read, "runs_dir": Path(values.get("runs_dir", "runs"))})


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


#: Whether a value that JSON holds is one of an option of this type.
FITS: dict[Any, Callable[[object], bool]] = {
    str: _is_text,
    Path: _is_text,
    bool: lambda value: isinstance(value, bool),
    int: _is_count,
    int | None: lambda value: value is None or _is_count(value),
    float: lambda value: type(value) in (int, float),
    tuple[str, ...]: _is_list_of(_is_text),
    tuple[int, ...]: _is_list_of(_is_count),
}


def named_optimizer(name: str, learning_rate: float) -> optim.Optimizer:
    """The optimizer of this name; its other options are as they are by default."""
    if name not in OPTIMIZERS:
        hint, known = suggest(name, OPTIMIZERS), ", ".join(OPTIMIZERS)
        raise OptionError("cli.optimizer", name=name, hint=hint, known=known)
    return OPTIMIZERS[name](learning_rate=learning_rate)


def count(option: str, text: str) -> int:
    """A whole number, 0 or more."""
    value = _read(int, text, "cli.count", option)
    if value < 0:
        raise OptionError("cli.count", option=option, text=text)
    return value


def number(option: str, text: str) -> float:
    """A number with a fraction or an exponent."""
    return _read(float, text, "cli.number", option)


def layers(option: str, text: str) -> tuple[int, ...]:
    """Sizes of layers: ``"64"``, or ``"128,64"``."""
    return _read(lambda text: tuple(map(int, text.split(","))), text, "cli.layers", option)


def _read(reader: Callable[[str], Value], text: str, key: str, option: str) -> Value:
    try:
        return reader(text)
    except ValueError:
        raise OptionError(key, option=option, text=text) from None
