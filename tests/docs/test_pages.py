"""Every page's code runs and prints what the page says; the Korean pages hold the same code.

What a Korean page has in common with the English one runs once: on the English page.
"""

import doctest
import io
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from chainrule.cli import main

HERE = Path(__file__).parents[2]
PAGES = sorted([*HERE.glob("README*.md"), *HERE.glob("docs/**/*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
BLOCK = re.compile(r"```(pycon|console)\n(.*?)```", flags=re.DOTALL)
#: Times, rates of training and last digits are those of the machine: "76 k rows/s".
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?: [kMG](?![a-z]))?")


def named(page: Path) -> str:
    return page.relative_to(HERE).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    """The kind and the text of each block of code."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def english(page: Path) -> Path:
    """The page of which a Korean one is the translation."""
    if page.name == "README.ko.md":
        return page.with_name("README.md")
    return HERE / "docs" / page.relative_to(HERE / "docs" / "ko")


KOREAN = [p for p in PAGES if named(p).startswith("docs/ko/") or p.name.endswith(".ko.md")]


def own_blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of code that no English page has."""
    elsewhere = blocks(english(page)) if page in KOREAN else []
    return [block for block in blocks(page) if block not in elsewhere]


def masked(text: str) -> str:
    return NUMBER.sub("0", text)


def as_doctest(kind: str, text: str) -> str:
    """Code as it is; a command and its output as a call of ``shell``."""
    if kind == "pycon":
        return text
    lines = [line or "<BLANKLINE>" for line in masked(text).splitlines()]
    typed = iter(re.findall(r"^\$ (.*)", text, flags=re.MULTILINE))
    return "\n".join(f">>> shell({next(typed)!r})" if s.startswith("$ ") else s for s in lines)


@pytest.fixture
def shell(monkeypatch) -> Callable[[str], None]:
    """Runs a command, and prints what it prints."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(command: str) -> None:
        program, *arguments = shlex.split(command)
        assert program == "chainrule"
        printed = io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
            patch.setenv("CHAINRULE_LANG", "en")  # what --lang sets ends with the command
            main(arguments)
        print(masked(printed.getvalue()), end="")

    return run


@pytest.mark.parametrize("page", [p for p in PAGES if own_blocks(p)], ids=named)
def test_code_on_a_page_does_what_the_page_says(page, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "\n".join(as_doctest(kind, text) for kind, text in own_blocks(page))
    test = doctest.DocTestParser().get_doctest(source, {"shell": shell}, page.name, str(page), 0)
    results = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize("page", KOREAN, ids=named)
def test_a_korean_page_holds_the_same_code(page):
    own, original = (
        [text for kind, text in blocks(one) if kind == "pycon"] for one in (page, english(page))
    )
    assert own == original


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)\)", text)  # in code, f[0](x) is a call
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []
