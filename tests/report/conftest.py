"""What the tests of this room share: facts about runs that never were, and a parsed page."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule import report

Make = Callable[..., report.Facts]


@pytest.fixture(scope="session")
def make_facts() -> Make:
    """Facts about a run; keyword arguments replace what is made up."""
    return _facts


@pytest.fixture(scope="session")
def parse() -> Callable[[str], "Page"]:
    return Page


@pytest.fixture(scope="session")
def page_of() -> Callable[..., "Page"]:
    """The page about a made-up run, drawn once for all tests."""

    @cache
    def page(task: str, lang: str) -> Page:
        return Page(report.render(_facts(task, lang=lang)))

    return lambda task, lang="en": page(task, lang)


class Page:
    """A page, parsed as strictly as XML is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = ElementTree.fromstring(text)

    def __iter__(self) -> Iterator[ElementTree.Element]:
        return self.root.iter()

    @property
    def tags(self) -> list[str]:
        return [element.tag for element in self]

    @property
    def sections(self) -> list[str]:
        return [element.get("id", "") for element in self.root.iter("section")]

    @property
    def figures(self) -> list[str]:
        return [element.get("id", "") for element in self.root.iter("figure")]

    def words(self, element_id: str) -> str:
        """All the text under an element."""
        (found,) = (element for element in self if element.get("id") == element_id)
        return " ".join("".join(found.itertext()).split())

    def table(self, caption: str) -> list[list[str]]:
        """The body of a table."""
        (found,) = (one for one in self.root.iter("table") if one.get("aria-label") == caption)
        (body,) = found.iter("tbody")
        return [["".join(cell.itertext()).strip() for cell in row] for row in body]


def _facts(
    task: str = "classification",
    *,
    rows: int = 90,
    names: Callable[[str], str] = lambda name: name,
    **changes: Any,
) -> report.Facts:
    rng = np.random.default_rng(0)
    outcomes, own = _OUTCOMES[task](rng, rows)
    own = {key: [names(name) for name in value] for key, value in own.items()}
    given: dict[str, Any] = {
        "rows": {"train": 4 * rows, "validation": rows // 2, "test": rows},
        "feature_names": [names("age"), names("height")],
        "outcomes": report.Outcomes(
            **outcomes,
            row_numbers=list(range(100, 100 + rows)),
            inputs={
                names("age"): rng.integers(18, 80, rows).tolist(),
                names("town"): [names("Seoul")] * rows,
            },
        ),
        "history": history(30),
        "rate_test": rate_test(),
        "layers": [
            report.Layer(names("hidden.0"), names("Linear"), names("2 → 8"), 24),
            report.Layer(names("output"), names("Linear"), names("8 → 3"), 27),
        ],
        "statistics": statistics([names("hidden.0"), names("output")]),
        "notes": [names("One column was dropped.")],
        "settings": {names("learning_rate"): names("0.001")},
        "command": names("chainrule train people.csv"),
        "versions": {names("chainrule"): names("0.1.0")},
        "started": names("2026-01-02 03:04"),
        **own,
    }
    name = changes.pop("name", names("people"))
    return report.Facts(name, task, **{**given, **changes})  # type: ignore[arg-type]


def history(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "loss": 2.0 / epoch,
            "validation_loss": 2.1 / epoch,
            "accuracy": 1 - 0.5 / epoch,
            "learning_rate": 0.01 / epoch,
            "seconds": 0.5,
        }
        for epoch in range(1, epochs + 1)
    ]


def rate_test(**changes: Any) -> dict[str, Any]:
    """A range test of 60 steps as JSON gives it back."""
    rates = np.geomspace(1e-4, 1, 60)
    losses = 2 / (1 + 100 * rates)
    found = {
        "rates": rates.tolist(),
        "losses": (losses * (1 + 0.3 * np.sin(np.arange(60)))).tolist(),
        "smoothed": losses.tolist(),
        "halfway": 0.01,
        "steepest": 0.008,
        "valley": 0.02,
        "lowest": 0.5,
        "diverges": 2.0,
    }
    return {**found, **changes}


def statistics(layers: list[str], records: int = 5) -> list[dict[str, Any]]:
    return [
        {
            "step": 10 * k,
            "epoch": k,
            "layers": {
                layer: {
                    "weight_norm": 3.0 + k + place,
                    "gradient_norm": 0.5 / (k + 1),
                    "update_ratio": 0.001,
                    "activation_mean": 0.25,
                    "activation_std": 1.5,
                    "slope": 0.5,
                    "dead": 0.125 * (place == 0),
                    "saturated": 0.0,
                }
                for place, layer in enumerate(layers)
            },
        }
        for k in range(records)
    ]


def _classes(rng: np.random.Generator, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    t = np.arange(rows) % 3
    score = rng.normal(size=(rows, 3)) + 3 * np.eye(3)[t]
    sure = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    linear = np.where(rng.random(rows) < 0.5, t, 0)
    outcomes = {
        "t": t,
        "predicted": sure.argmax(axis=1),
        "probabilities": sure,
        "baselines": {"linear_model": linear, "boosted_trees": sure.argmax(axis=1)},
    }
    return outcomes, {"target_names": ["species"], "class_names": ["cat", "dog", "cow"]}


def _values(rng: np.random.Generator, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    t = rng.normal(50, 10, (rows, 2))
    outcomes = {
        "t": t,
        "predicted": t + rng.normal(0, 4, t.shape),
        "baselines": {"linear_model": t + rng.normal(0, 12, t.shape)},
    }
    return outcomes, {"target_names": ["weight", "waist"]}


_OUTCOMES = {"classification": _classes, "regression": _values}
