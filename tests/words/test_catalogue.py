"""The catalogue and the code that speaks from it agree: no missing, dead or half-filled message."""

import ast
import builtins
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import pytest

from chainrule import errors, words

HOUSE = Path(__file__).parents[2] / "src" / "chainrule"

CATALOGUE = {
    f"{path.stem}.{name}": message
    for path in sorted(HOUSE.glob("words/*.toml"))
    for name, message in tomllib.loads(path.read_text(encoding="utf-8")).items()
}

ERRORS = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}


class Call(NamedTuple):
    """A place in the sources that says ``key`` with ``given`` values."""

    place: str
    key: str
    given: frozenset[str]
    open_ended: bool  # further values arrive in a **mapping


def fields(template: str) -> set[tuple[str, str, str]]:
    """Name, format and conversion of each field: ``{x.shape!r:>8}`` is ``x.shape, >8, r``."""
    return {
        (name, spec or "", conversion or "")
        for _, name, spec, conversion in Formatter().parse(template)
        if name is not None
    }


def arguments(template: str) -> set[str]:
    """The keyword arguments a template needs: ``{x.shape}`` and ``{x[0]}`` both need ``x``."""
    return {re.split(r"[.\[]", name)[0] for name, _, _ in fields(template)}


def is_spoken(function: ast.expr) -> bool:
    """Whether a call of ``function`` takes a key of the catalogue first."""
    match function:
        case ast.Attribute(value=ast.Name(id="words"), attr="text"):
            return True
        case ast.Attribute(value=ast.Name(id="Prose"), attr="say"):
            return True
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in ERRORS or (name.endswith("Error") and not hasattr(builtins, name))
    return False


def literals(node: ast.expr) -> Iterator[str]:
    """The keys that an argument can be: a literal, or either side of a conditional expression."""
    match node:
        case ast.Constant(value=str(key)):
            yield key
        case ast.IfExp(body=body, orelse=orelse):
            yield from literals(body)
            yield from literals(orelse)


def read_sources() -> tuple[list[Call], set[str]]:
    """Every call with a literal key, and every string literal (a key may come out of a table)."""
    calls, strings = [], set()
    for path in sorted(HOUSE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
            if isinstance(node, ast.Call) and node.args and is_spoken(node.func):
                place = f"{path.relative_to(HOUSE).as_posix()}:{node.lineno}"
                names = {keyword.arg for keyword in node.keywords}
                given = frozenset(name for name in names if name is not None)
                calls += [Call(place, key, given, None in names) for key in literals(node.args[0])]
    return calls, strings


CALLS, STRINGS = read_sources()


@pytest.mark.parametrize("key", CATALOGUE)
def test_a_message_says_the_same_in_both_languages(key: str) -> None:
    message = CATALOGUE[key]
    assert set(message) == set(words.LANGUAGES)
    assert all(template.strip() for template in message.values())
    assert fields(message["en"]) == fields(message["ko"])
    assert "" not in arguments(message["en"]), "a field without a name cannot be filled"


@pytest.mark.parametrize("call", CALLS, ids=[f"{call.place}-{call.key}" for call in CALLS])
def test_a_call_fills_its_message(call: Call) -> None:
    assert call.key in CATALOGUE
    needed = arguments(CATALOGUE[call.key]["en"])
    assert call.given <= needed if call.open_ended else call.given == needed


@pytest.mark.parametrize("key", CATALOGUE)
def test_no_message_is_dead(key: str) -> None:
    assert key in STRINGS
