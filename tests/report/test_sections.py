"""What the sections count, and what they say about it."""

import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from chainrule import report
from chainrule.errors import DataError, OptionError
from chainrule.report.classification import calibration, classification, confusion
from chainrule.report.layers import layers
from chainrule.report.learning import learning
from chainrule.report.record import record, worst_rows
from chainrule.report.regression import regression
from chainrule.report.text import clean, number, score


# ---------------------------------------------------------------------- learning
def said_of(loss, validation=None) -> str:
    history = [{"epoch": k, "loss": x} for k, x in enumerate(loss, 1)]
    for epoch, x in zip(history, validation or [], strict=False):
        epoch["validation_loss"] = x
    section = learning(report.Facts("x", "regression", history=history))
    return " ".join(section.blocks[0].items)


def test_overfitting_is_said_where_the_curves_show_it():
    falling = [2.0**-k for k in range(10)]
    said = said_of(falling, [1, 0.5, 0.3, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6])
    assert "lowest in epoch 4, at 0.25" in said
    assert "Overfitting after epoch 4: the validation loss rose from 0.25 to 0.6" in said


def test_a_rise_of_both_is_no_overfitting():
    assert "Overfitting" not in said_of([1, 0.5, 0.9], [1, 0.5, 0.9])


def test_an_error_that_still_falls_is_said_to():
    falling = [1 / k for k in range(1, 21)]
    assert "still falling" in said_of(falling, falling)


def test_an_error_that_has_settled_is_said_to():
    settled = [1, 0.5, *[0.3] * 18]
    assert "had settled" in said_of(settled, settled)


def test_rows_learned_by_heart_are_said_to_be():
    said = said_of([1, 0.1, *[1e-6] * 18], [1, 0.6, *[0.6] * 18])
    assert "by heart" in said and "settled" not in said


def test_epochs_without_a_number_are_counted_and_left_out():
    section_words = said_of([1, 0.5, math.nan, math.inf], [1, 0.5, math.nan, math.nan])
    assert "NaN or infinite in 2 epochs" in section_words
    assert "ended at 0.5" in section_words


def test_one_epoch_has_no_curve():
    history = [{"epoch": 1, "loss": 1.25, "validation_loss": 1.5}]
    (only,) = learning(report.Facts("x", "regression", history=history)).blocks
    assert "1.25" in only.items[0] and "1.5" in only.items[-1]


def test_a_history_without_a_number_is_left_out():
    nothing = [{"epoch": 1, "loss": None}, {"epoch": 2}]
    assert learning(report.Facts("x", "regression", history=nothing)) is None


def test_a_long_history_stays_small():
    history = [{"epoch": k, "loss": 1 / k, "accuracy": 0.5} for k in range(1, 50_001)]
    section = learning(report.Facts("x", "regression", history=history))
    assert sum(len(one.svg) for one in section.blocks[1].pictures) < 40_000


# ---------------------------------------------------------------------- classes
def test_classes_are_counted_as_scikit_learn_counts_them(make_facts):
    facts = make_facts(history=(), statistics=())
    t, predicted = facts.outcomes.t, facts.outcomes.predicted
    np.testing.assert_array_equal(confusion(facts), confusion_matrix(t, predicted))
    side = classification(facts).blocks[0]
    matrix, by_class = ([[cell.text for cell in row] for row in one.rows] for one in side.parts)
    columns = precision_recall_fscore_support(t, predicted)
    for k, row in enumerate(by_class):
        assert row[:4] == [facts.class_names[k], *(score(column[k]) for column in columns[:3])]
        assert row[4] == str(columns[3][k])
    assert [row[0] for row in matrix] == list(facts.class_names)


def test_a_class_that_is_never_met_has_no_recall():
    outcomes = report.Outcomes(np.array([0, 0]), np.array([0, 2]))
    names = ["a", "b", "c"]
    section = classification(
        report.Facts("x", "classification", outcomes=outcomes, class_names=names)
    )
    rows = [[cell.text for cell in row] for row in section.blocks[0].parts[1].rows]
    assert rows == [
        ["a", "1.000", "0.500", "0.667", "2"],
        ["b", "–", "–", "–", "0"],
        ["c", "0.000", "–", "0.000", "0"],
    ]


def test_many_classes_have_a_map_and_the_pairs_that_are_confused():
    t = np.repeat(np.arange(40), 10)
    predicted = t.copy()
    predicted[:3] = 7  # three rows of class 0
    outcomes = report.Outcomes(t, predicted)
    side, by_class = classification(report.Facts("x", "classification", outcomes=outcomes)).blocks
    drawn, pairs = side.parts
    assert [[cell.text for cell in row] for row in pairs.rows] == [["0", "7", "3", "30%"]]
    assert len(by_class.rows) == 40
    # A square per count above zero, and the same for 40 classes as for those that are met.
    assert drawn.svg.count("fill: var(--wrong)") == 1
    assert drawn.svg.count("fill: var(--network)") == 40


def test_very_many_classes_are_drawn_in_part_or_not_at_all():
    rng = np.random.default_rng(0)
    t, predicted = rng.integers(0, 150, (2, 5000))
    outcomes = report.Outcomes(t, predicted)
    section = classification(report.Facts("x", "classification", outcomes=outcomes))
    drawn = section.blocks[0].parts[0]
    assert "1,500 fullest" in drawn.caption
    assert len(drawn.svg) < 300_000
    outcomes = report.Outcomes(t * 10**6, predicted * 10**6)
    assert classification(report.Facts("x", "classification", outcomes=outcomes)) is None


def test_calibration_is_the_mean_gap_between_sure_and_right():
    rng = np.random.default_rng(0)
    sure = rng.dirichlet([1, 1, 1], 500)
    predicted, t = sure.argmax(axis=1), rng.integers(0, 3, 500)
    found = calibration(report.Outcomes(t, predicted, sure))
    top, right = sure.max(axis=1), predicted == t
    wanted = 0.0
    for low in np.arange(0, 1, 0.1):
        chosen = (top >= low) & (top < low + 0.1)
        if chosen.any():
            wanted += chosen.mean() * abs(top[chosen].mean() - right[chosen].mean())
    np.testing.assert_allclose(found.error, wanted)
    assert sum(found.rows) == 500


@pytest.mark.parametrize(
    ("sure", "right", "phrase"),
    [(0.95, 0.5, "surer than it should be"), (0.6, 1.0, "less sure"), (0.8, 0.8, "at their word")],
)
def test_calibration_in_words(sure, right, phrase):
    t = (np.arange(100) >= 100 * right).astype(int)
    outcomes = report.Outcomes(t, np.zeros(100, int), np.tile([sure, 1 - sure], (100, 1)))
    section = classification(report.Facts("x", "classification", outcomes=outcomes))
    assert phrase in section.blocks[1].text


# ---------------------------------------------------------------------- values
def test_the_worst_of_many_targets_are_drawn():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(30, 9))
    predicted = t + rng.normal(size=t.shape) * np.arange(9) / 9
    section = regression(report.Facts("x", "regression", outcomes=report.Outcomes(t, predicted)))
    table, said, *grids, _ = section.blocks
    assert len(table.rows) == 9
    assert "4 of 9 targets" in said.text
    assert {grid.title for grid in grids} == {"y5", "y6", "y7", "y8"}


def test_few_rows_have_no_distribution():
    t = np.arange(4.0)
    section = regression(report.Facts("x", "regression", outcomes=report.Outcomes(t, t + 1)))
    assert [one.name for one in section.blocks[1].pictures] == ["residuals-0"]


def test_a_target_that_does_not_vary_has_no_r_squared():
    t = np.ones(20)
    section = regression(report.Facts("x", "regression", outcomes=report.Outcomes(t, t + 1)))
    assert [cell.text for cell in section.blocks[0].rows[0]] == ["y0", "–", "1", "1"]


# ---------------------------------------------------------------------- layers and record
def test_many_layers_are_drawn_from_the_first_to_the_last(make_facts):
    names = [f"hidden.{k}" for k in range(20)]
    one = {"weight_norm": 1.0, "gradient_norm": 0.0}
    records = [{"step": k, "epoch": k, "layers": dict.fromkeys(names, one)} for k in range(3)]
    section = layers(report.Facts("x", "regression", statistics=records))
    table, said, grid, _ = section.blocks
    assert len(table.rows) == 20
    assert "6 of the 20 layers" in said.text
    assert [key.label for key in grid.keys] == [names[k] for k in (0, 4, 8, 11, 15, 19)]
    assert [one.name for one in grid.pictures] == ["statistic-weight_norm"]


def test_statistics_may_be_missing_or_broken():
    records = [
        {"step": 0, "epoch": 0, "layers": {"a": {"weight_norm": 1.0}}},
        {"step": 1, "epoch": 1, "layers": {"a": {"weight_norm": math.nan}, "b": {"dead": None}}},
        {"step": 2, "epoch": 2, "layers": {}},
    ]
    section = layers(report.Facts("x", "regression", statistics=records))
    assert [[cell.text for cell in row][-1] for row in section.blocks[0].rows] == ["1", "–"]


def test_a_long_list_of_features_is_cut():
    names = [f"feature_{k:04d}" for k in range(5000)]
    said = record(report.Facts("x", "regression", feature_names=names)).blocks[0].items[0]
    assert said.startswith("Features: 5,000 (feature_0000, ")
    shown = said.count("feature_")
    assert f"and {5000 - shown:,} more" in said
    assert len(said) < 700


def test_columns_of_the_data_stand_beside_the_worst_rows(make_facts):
    facts = make_facts()
    section = worst_rows(facts)
    assert [column.label for column in section.blocks[1].columns][-2:] == ["age", "town"]
    assert [column.numeric for column in section.blocks[1].columns][-2:] == [True, False]


# ---------------------------------------------------------------------- facts
T = np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("outcomes", "hint"),
    [
        (report.Outcomes(T, T[:2]), r"shape of t, \(3,\), but got \(2,\)"),
        (report.Outcomes(T, np.array([0, 1, -1])), "0 or more"),
        (report.Outcomes(T, T.astype(float)), "class numbers"),
        (report.Outcomes(T, np.array([0, 1, 2])), "2 names"),
        (report.Outcomes(T, np.array(["a", "b", "c"])), "text"),
        (report.Outcomes(T[:, None], T[:, None]), "expects t of shape"),
        (report.Outcomes(T, T, np.ones((3, 1))), "probabilities of shape"),
        (report.Outcomes(T, T, np.full((3, 2), np.nan)), "NaN"),
        (report.Outcomes(T, T, baselines={"svm": T[:1]}), "'svm'"),
        (report.Outcomes(T, T, row_numbers=[1]), "row_numbers"),
        (report.Outcomes(T, T, inputs={"age": [1, 2]}), "'age' per test row, 3, but got 2"),
    ],
)
def test_outcomes_that_contradict_each_other_are_refused(outcomes, hint):
    with pytest.raises(DataError, match=hint):
        report.Facts("x", "classification", outcomes=outcomes, class_names=["no", "yes"])


def test_values_must_be_finite():
    t = np.array([1.0, np.inf])
    with pytest.raises(DataError, match="finite"):
        report.Facts("x", "regression", outcomes=report.Outcomes(t, np.ones(2)))


@pytest.mark.parametrize(
    ("change", "got"), [({"lang": "fr"}, "'fr'"), ({"task": "rank"}, "'rank'")]
)
def test_unknown_words_are_refused(change, got):
    with pytest.raises(OptionError, match=got):
        report.Facts(**{"name": "x", "task": "regression", **change})


def test_no_test_rows_are_no_outcomes():
    nothing = report.Outcomes(np.array([], int), np.array([], int))
    facts = report.Facts("x", "classification", outcomes=nothing)
    assert classification(facts) is None
    assert worst_rows(facts) is None


# ---------------------------------------------------------------------- text
@pytest.mark.parametrize("text", ["\x00", "\x7f", "\ud800", "\ufffe", "\u202e", "\u2028"])
def test_what_no_page_may_hold_is_replaced(text):
    assert clean(f"a{text}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_letters_of_all_languages_stay():
    for text in ("나이", "größe", "年齢", "возраст", "😀", "العمر"):
        assert clean(text) == text


def test_numbers_have_four_digits_that_count():
    printed = [number(x) for x in (0, 12345.678, 0.00012345, 1e20, -1.5, None, math.inf)]
    assert printed == ["0", "12,346", "0.0001234", "1e20", "−1.5", "–", "–"]
