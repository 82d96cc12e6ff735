"""Every page's code runs and prints what the page says; the Korean pages hold the same code."""

import doctest
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
PAGES = sorted([*HERE.glob("README*.md"), *HERE.glob("docs/**/*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(page: Path) -> list[str]:
    return re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_code_on_a_page_does_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "\n".join(blocks(page))
    test = doctest.DocTestParser().get_doctest(source, {}, page.name, str(page), 0)
    results = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert results.attempted > 0 and results.failed == 0


def english(page: Path) -> Path:
    if page.name == "README.ko.md":
        return page.with_name("README.md")
    return HERE / "docs" / page.name


KOREAN = [p for p in PAGES if p.parent.name == "ko" or p.name.endswith(".ko.md")]


@pytest.mark.parametrize("page", KOREAN, ids=lambda p: p.name)
def test_a_korean_page_holds_the_same_code(page):
    assert blocks(page) == blocks(english(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []
