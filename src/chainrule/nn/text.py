"""How modules print: in constructor form, like the code that made them."""

from collections.abc import Sequence
from typing import Any

from chainrule.graph.tensor import Tensor
from chainrule.nn.containers import is_container

__all__ = ["constructor_form", "number", "short", "with_runs"]

#: A form of up to this many characters stays on one line.
LINE = 88


def constructor_form(name: str, parts: Sequence[str]) -> str:
    """``name(part, part)``, on several lines if it is long.

    Examples
    --------
    >>> from chainrule.nn.text import constructor_form
    >>> constructor_form("Linear", ["784", "128"])
    'Linear(784, 128)'
    """
    line = f"{name}({', '.join(parts)})"
    if len(line) <= LINE and "\n" not in line:
        return line
    lines = [line for part in parts for line in f"{part},".split("\n")]
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


def short(value: Any) -> str:
    """A field's value: tensors as their type and shape, functions by name.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.nn.text import short
    >>> short((cr.zeros((2, 3)), cr.tanh))
    '(f32[2, 3], tanh)'
    """
    if isinstance(value, Tensor):
        return repr(value.spec)
    if isinstance(value, dict):
        items = [f"{name!r}: {short(item)}" for name, item in value.items()]
        return f"{{{constructor_form('', items)[1:-1]}}}"
    if is_container(value):
        return constructor_form("", with_runs(value))
    return getattr(value, "__name__", None) or repr(value)


def number(value: Any, name: str) -> str:
    """A number that is a tensor, or its name while it is not there.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.nn.text import number
    >>> number(cr.tensor(0.1), "rate"), number(None, "rate")
    ('0.1', 'rate')
    """
    known = isinstance(value, Tensor) and not value.is_symbolic and value.size == 1
    return f"{value:g}" if known else name


def with_runs(items: Sequence[Any]) -> list[str]:
    """The items in short, with layers in a row that print alike as one: ``12 × Linear(64, 64)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Sequential(*(nn.Linear(8, 8, rng=seed) for seed in range(12)))
    Sequential(12 × Linear(8, 8))
    """
    runs: list[tuple[str, int]] = []
    for item in items:
        text = short(item)
        if runs and runs[-1][0] == text and callable(item):
            runs[-1] = (text, runs[-1][1] + 1)
        else:
            runs.append((text, 1))
    return [text if count == 1 else f"{count} × {text}" for text, count in runs]
