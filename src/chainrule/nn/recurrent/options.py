"""Options that a layer does not have: another library's names, or another cell's."""

from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Any

from chainrule.errors import OptionError, suggest

__all__ = ["check_options"]


def check_options(who: str, given: Iterable[str], *constructors: Callable[..., Any]) -> None:
    """Raise unless each name that was given is an option of one of the constructors."""
    parameters = [p for each in constructors for p in signature(each).parameters.values()]
    known = sorted({p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY})
    for name in given:
        if name not in known:
            hint, all_of_them = suggest(name, known), ", ".join(known)
            raise OptionError("nn.unknown_option", who=who, name=name, hint=hint, known=all_of_them)
