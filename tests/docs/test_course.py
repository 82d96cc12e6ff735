"""The course leaves out no activation, loss or initialiser, and its pictures are up to date."""

import importlib.util
import re
from inspect import isfunction
from pathlib import Path
from types import ModuleType

import pytest

from chainrule.nn import activations, init, losses

DOCS = Path(__file__).parents[2] / "docs"
COURSES = {"en": DOCS / "course", "ko": DOCS / "ko" / "course"}
IMAGES = DOCS / "course" / "images"

#: Public functions that make or choose one of a kind, and are none themselves.
CHOOSERS = {"activation", "initializer"}


def functions(module: ModuleType) -> list[str]:
    """The public functions that a module defines."""
    public = [name for name in module.__all__ if isfunction(getattr(module, name))]
    return sorted(set(public) - CHOOSERS)


def figures() -> ModuleType:
    """The script that draws the pictures of the first four days."""
    spec = importlib.util.spec_from_file_location("figures", COURSES["en"] / "figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(page: Path) -> set[str]:
    """The first word of every third-level heading."""
    return set(re.findall(r"^### (\w+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))


every_language = pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)


def test_every_activation_that_layers_know_is_a_public_function():
    assert set(activations.ACTIVATIONS) <= set(functions(activations))


@every_language
def test_the_gallery_has_every_activation_with_a_picture(course):
    page = course / "2-activations.md"
    shown = re.findall(r"activation-(\w+)\.svg", page.read_text(encoding="utf-8"))
    assert headings(page) == set(functions(activations))
    assert sorted(shown) == functions(activations)


@every_language
def test_the_page_of_losses_has_every_loss(course):
    assert set(functions(losses)) <= headings(course / "3-losses.md")


@every_language
def test_the_page_of_initialisers_has_every_initialiser(course):
    text = (course / "7-initialisation.md").read_text(encoding="utf-8")
    named = {function.__name__ for function in init.INITIALIZERS.values()}
    assert named == set(functions(init))
    assert {name for name in named if not re.search(rf"\b{name}\b", text)} == set()


@every_language
def test_the_plan_leads_to_every_page(course):
    plan = (course / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in course.glob("[1-9]*.md")} == set(
        re.findall(r"\((\d[\w-]*\.md)\)", plan)
    )


def test_both_languages_have_the_same_pages_and_pictures():
    english, korean = (
        {
            page.name: re.findall(r"(\w[\w-]*)(?:\.ko)?\.svg\)", page.read_text(encoding="utf-8"))
            for page in sorted(course.glob("*.md"))
        }
        for course in COURSES.values()
    )
    assert english == korean


def test_every_picture_is_on_a_page():
    pages = (page for course in COURSES.values() for page in course.glob("*.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert [path.name for path in sorted(IMAGES.glob("*.svg")) if path.name not in text] == []


def test_pictures_are_what_the_script_draws(tmp_path):
    script = figures()
    script.main(tmp_path)
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {name: (IMAGES / name).read_bytes() for name in drawn}
    assert [name for name in sorted(drawn) if drawn[name] != kept[name]] == []
    assert all(b"<title" in svg and b"<desc" in svg for svg in kept.values())
