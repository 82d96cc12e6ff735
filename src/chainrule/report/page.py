"""``render`` and ``write``: the whole page."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from chainrule import storage, words
from chainrule.explain.document import style
from chainrule.report.answer import answer
from chainrule.report.blocks import Section
from chainrule.report.classification import classification
from chainrule.report.derivation import derivation
from chainrule.report.facts import Facts
from chainrule.report.figures import library
from chainrule.report.layers import layers
from chainrule.report.learning import learning
from chainrule.report.rates import rates
from chainrule.report.record import record, worst_rows
from chainrule.report.regression import regression
from chainrule.report.text import clean, number

__all__ = ["render", "write"]

#: In the order of the page: the answer first.
SECTIONS: tuple[Callable[[Facts], Section | None], ...] = (
    answer,
    learning,
    rates,
    classification,
    regression,
    layers,
    derivation,
    record,
    worst_rows,
)


def render(facts: Facts) -> str:
    """A page of HTML about a training run: self-contained, without scripts, without a network.

    It answers first how good the network is and whether something simpler would do, then shows how
    training went, where the network errs, its layers, and what was done. What the facts do not say
    is left out. The same facts give the same text.

    Parameters
    ----------
    facts
        All that is known about the run.

    Raises
    ------
    OptionError
        If jinja2 or matplotlib is not installed: they come with ``chainrule[report]``.

    Examples
    --------
    >>> from chainrule import report
    >>> page = report.render(report.Facts("iris", "classification", scores={"network": 0.967}))
    >>> page.startswith("<!DOCTYPE html>"), "0.967" in page
    (True, True)
    """
    with library("jinja2"):
        import jinja2
    folder = resources.files(__package__)

    def source(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True,  # a column may be called <script>
        finalize=_cleaned,
        loader=jinja2.FunctionLoader(source),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found = [section for make in SECTIONS if (section := make(facts)) is not None]
    return environment.get_template("page.html").render(
        lang=facts.lang,
        name=facts.name,
        summary=_summary(facts),
        contents=words.text("report.contents", facts.lang),
        footer=words.text("report.footer", facts.lang),
        sections=found,
        style="" if facts.derivation is None else style(),
    )


def write(path: str | Path, facts: Facts) -> None:
    """Write the page to a file, whole or not at all.

    Raises
    ------
    OptionError
        If jinja2 or matplotlib is not installed.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import report, storage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report.write(f"{folder}/report.html", report.Facts("iris", "classification"))
    ...     storage.read_bytes(f"{folder}/report.html")[:15]
    b'<!DOCTYPE html>'
    """
    storage.write_bytes(path, render(facts).encode())


def _cleaned(entry: Any) -> Any:
    """Every text on its way into the page; figures are markup, and clean already."""
    return clean(entry) if type(entry) is str else entry


def _summary(facts: Facts) -> str:
    """What was learned from what, in one line."""
    lang, parts = facts.lang, []
    classes, targets = len(facts.class_names), [clean(str(name)) for name in facts.target_names]
    if facts.is_classification:
        parts.append(words.text("report.classification", lang))
    else:
        parts.append(words.text("report.regression", lang))
    if targets:
        shown = ", ".join(targets[:4]) + (" …" if len(targets) > 4 else "")
        parts.append(words.text("report.target", lang, names=shown))
    if classes:
        parts.append(words.text("report.count_classes", lang, count=number(classes)))
    if facts.rows:
        parts.append(words.text("report.count_rows", lang, count=number(sum(facts.rows.values()))))
    if facts.feature_names:
        count = number(len(facts.feature_names))
        parts.append(words.text("report.count_features", lang, count=count))
    return " · ".join(parts)
