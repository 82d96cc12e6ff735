"""Draws the figures of the course: ``python docs/course/figures [page ...] [--into FOLDER]``.

Every curve and point is computed by chainrule. Labels are symbols, numbers and names of functions,
so that one picture serves pages in every language, and stand beside what they name. On one machine
the same library draws the same bytes.
"""

from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

from sheets import FIGURES

#: A module for each page of the course.
PAGES = (
    "models",
    "activations",
    "losses",
    "backpropagation",
    "learning",
    "optimizers",
    "initialisation",
    "data",
    "recurrence",
    "attention",
)


def main() -> None:
    """Draw the figures of some pages, or of all, into a folder; or list their names."""
    parser = ArgumentParser(prog="python docs/course/figures", description="Draw the figures.")
    parser.add_argument("pages", nargs="*", metavar="page", help=", ".join(PAGES))
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[1] / "images")
    parser.add_argument("--list", action="store_true", help="print their names, draw nothing")
    wanted = parser.parse_args()
    for page in wanted.pages or PAGES:
        import_module(page)
    if wanted.list:
        print(*FIGURES, sep="\n")
        return
    wanted.into.mkdir(parents=True, exist_ok=True)
    for name, svg in FIGURES.items():
        (wanted.into / f"{name}.svg").write_text(svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
