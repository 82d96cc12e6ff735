"""The course leaves out no activation, loss or initialiser, and its pictures are up to date."""

import re
import subprocess
import sys
from inspect import isfunction
from pathlib import Path
from types import ModuleType

import pytest

from chainrule.nn import activations, init, losses
from chainrule.optim import schedules

DOCS = Path(__file__).parents[2] / "docs"
COURSES = {"en": DOCS / "course", "ko": DOCS / "ko" / "course"}
IMAGES = DOCS / "course" / "images"

#: Public functions that make or choose one of a kind, and are none themselves.
CHOOSERS = {"activation", "initializer"}


def functions(module: ModuleType) -> list[str]:
    """The public functions that a module defines."""
    public = [name for name in module.__all__ if isfunction(getattr(module, name))]
    return sorted(set(public) - CHOOSERS)


def figures(*arguments: str) -> list[str]:
    """The lines that the script of the figures prints."""
    command = [sys.executable, str(DOCS / "course" / "figures"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


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


def test_every_picture_is_one_that_the_script_draws():
    assert sorted(path.stem for path in IMAGES.iterdir()) == sorted(figures("--list"))


def test_every_picture_says_what_it_shows():
    kept = {path.name: path.read_text(encoding="utf-8") for path in IMAGES.iterdir()}
    assert [name for name, svg in kept.items() if "<title" not in svg or "<desc" not in svg] == []


@pytest.mark.parametrize(
    "picture, names",
    [("schedules", schedules.__all__), ("initialisers", functions(init))],
    ids=["schedules", "initialisers"],
)
def test_a_gallery_shows_all_of_them(picture, names):
    svg = (IMAGES / f"{picture}.svg").read_text(encoding="utf-8")
    assert [name for name in names if f">{name}<" not in svg] == []


def test_pictures_are_what_the_script_draws(tmp_path):
    """Without the pages whose networks learn for long: their last digits are the machine's own."""
    figures("models", "activations", "losses", "backpropagation", "--into", str(tmp_path))
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(drawn) > 20
    assert [name for name in drawn if drawn[name] != (IMAGES / name).read_bytes()] == []
