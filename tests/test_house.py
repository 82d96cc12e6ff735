"""The rules of the house that no linter knows, read from the syntax trees of the sources.

Which room may import which is the import contract in ``pyproject.toml``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "src" / "chainrule"
SOURCES = sorted(HOUSE.rglob("*.py"))

LINES = 499
COLUMNS = 100

# Unpickling runs code: a file that somebody sends must not be able to do that.
UNSAFE = {"marshal", "pickle", "shelve"}

# Words and errors say what went wrong even where a package is broken: they need Python alone.
NUMERIC = {path.stem for path in HOUSE.iterdir()} - {"errors", "words"}

# Each third-party package, and the rooms that may import it.
GUESTS = {
    "jinja2": {"report"},
    "llvmlite": {"engines"},
    "matplotlib": {"report"},
    "narwhals": {"data"},
    "numpy": NUMERIC,
    "pandas": {"data"},
    "platformdirs": {"engines"},
    "pyarrow": {"data"},
    "rich": {"cli", "train"},
    "safetensors": {"storage"},
    "scipy": {"compare", "data", "diagnose", "engines", "estimators", "graph", "optim", "report"},
    "sklearn": {"cli", "compare", "data", "estimators"},
    "sympy": {"explain"},
    "threadpoolctl": {"engines"},
    "typer": {"cli"},
}

every_source = pytest.mark.parametrize(
    "source", SOURCES, ids=[path.relative_to(HOUSE).as_posix() for path in SOURCES]
)


def room_of(source: Path) -> str:
    return source.relative_to(HOUSE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level package of every import statement under ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "chainrule" if node.level else (node.module or "").partition(".")[0]


@every_source
def test_a_file_is_short_and_narrow(source: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES
    assert [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS] == []


@every_source
def test_nothing_is_unpickled(source: Path) -> None:
    tree = ast.parse(source.read_bytes())
    assert UNSAFE.isdisjoint(imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


@every_source
def test_a_function_imports_no_other_room(source: Path) -> None:
    """An import of our own inside a function hides a cycle; a heavy package may be late."""
    functions = (
        node
        for node in ast.walk(ast.parse(source.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    late = {function.name for function in functions if "chainrule" in imported(function)}
    assert late == set()


@every_source
def test_a_room_imports_its_own_guests_only(source: Path) -> None:
    own = {*sys.stdlib_module_names, "chainrule"}
    third_party = set(imported(ast.parse(source.read_bytes()))) - own
    welcome = {package for package, rooms in GUESTS.items() if room_of(source) in rooms}
    assert third_party <= welcome
