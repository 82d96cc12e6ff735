"""The judgement: said plainly, and only where the rows allow it."""

import numpy as np
import pytest

from chainrule import report, words
from chainrule.report.answer import answer

ROWS = 200
T = np.arange(ROWS) % 2


def right_in(share: float, shift: int = 0) -> np.ndarray:
    """Predictions that are right in the given share of the rows, evenly spread."""
    wrong = (np.arange(ROWS) + shift) % 100 >= round(100 * share)
    return np.where(wrong, 1 - T, T)


def verdict_of(network: np.ndarray, **baselines: np.ndarray):
    outcomes = report.Outcomes(T, network, baselines=baselines)
    section = answer(report.Facts("x", "classification", outcomes=outcomes))
    return section.blocks[0]


GOOD, FAIR, POOR = right_in(0.95), right_in(0.8), right_in(0.6)


@pytest.mark.parametrize(
    ("network", "baselines", "key", "tone"),
    [
        (GOOD, {"linear_model": POOR, "boosted_trees": FAIR}, "better", "good"),
        (GOOD, {"linear_model": POOR, "boosted_trees": right_in(0.95, 3)}, "even", "plain"),
        (FAIR, {"linear_model": right_in(0.8, 50), "boosted_trees": POOR}, "linear", "bad"),
        (FAIR, {"linear_model": GOOD, "boosted_trees": FAIR}, "worse", "bad"),
        (FAIR, {"linear_model": POOR, "boosted_trees": GOOD}, "worse", "bad"),
        (np.zeros_like(T), {"linear_model": GOOD}, "guessing", "bad"),
        (GOOD, {}, "alone", "plain"),
    ],
)
def test_the_headline(network, baselines, key, tone):
    found = verdict_of(network, **baselines)
    assert found.headline == words.text(f"report.headline_{key}", "en")
    assert found.tone == tone


def test_the_better_model_is_named_with_its_lead():
    found = verdict_of(FAIR, linear_model=POOR, boosted_trees=GOOD)
    assert (
        "The gradient-boosted trees scored higher by 0.150 (95% interval 0.1" in found.sentences[1]
    )


def test_guessing_with_a_better_model_names_it():
    found = verdict_of(np.zeros_like(T), linear_model=GOOD)
    assert "The linear model scored higher" in found.sentences[1]


def test_rows_are_counted():
    t = np.array([0] * 30 + [1] * 20)
    predicted = np.array([0] * 45 + [1] * 5)
    outcomes = report.Outcomes(t, predicted)
    facts = report.Facts("x", "classification", class_names=["no", "yes"], outcomes=outcomes)
    said = answer(facts).blocks[0].sentences[0]
    assert said.startswith("It got 35 of 50 test rows right. Always answering “no”")
    assert said.endswith("would get 30.")


def test_a_network_that_explains_nothing_is_said_to():
    t = np.linspace(0, 1, 50)
    outcomes = report.Outcomes(t, 1 - t)
    found = answer(report.Facts("x", "regression", outcomes=outcomes)).blocks[0]
    assert found.headline == words.text("report.headline_guessing", "en")
    assert found.number == "−3.000"


def test_few_rows_give_a_caution_and_no_interval():
    t = np.array([0, 1, 0])
    outcomes = report.Outcomes(t, t, baselines={"linear_model": 1 - t})
    section = answer(report.Facts("x", "classification", outcomes=outcomes))
    assert section.blocks[0].headline == words.text("report.headline_alone", "en")
    said = " ".join(section.blocks[-1].items)
    assert "only 3 test rows" in said
    assert "no interval" in said


def test_scores_of_the_facts_come_first():
    outcomes = report.Outcomes(T, FAIR, baselines={"linear_model": POOR})
    facts = report.Facts(
        "x", "classification", rows={"test": 9999}, scores={"network": 0.81}, outcomes=outcomes
    )
    section = answer(facts)
    assert section.blocks[0].number == "0.810"
    assert "200 of 9,999 test rows" in section.blocks[-1].items[0]


def test_an_unknown_score_has_no_differences():
    outcomes = report.Outcomes(T, FAIR, baselines={"linear_model": POOR})
    scores = {"network": 0.4, "linear_model": 0.3}
    facts = report.Facts(
        "x", "classification", score_name="kappa", scores=scores, outcomes=outcomes
    )
    verdict, table = answer(facts).blocks
    assert verdict.measure == "kappa on 200 test rows"
    assert [column.label for column in table.columns] == ["model", "kappa"]
