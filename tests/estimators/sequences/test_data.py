"""What may be handed over as sequences, what it becomes, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from chainrule.errors import ChainruleError
from chainrule.estimators import ParameterError, SequenceClassifier, SequenceRegressor
from chainrule.estimators.sequences.data import (
    checked_steps,
    side_by_side,
    standardized,
    standardizer,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, "engine": "interpret"}
FLOAT = np.dtype(np.float64)


def objects(sequences):
    array = np.empty(len(sequences), object)
    array[:] = sequences
    return array


# ------------------------------------------------------------------ forms
def test_forms_of_sequences_of_different_length_are_one(walks):
    x, y = walks
    model = SequenceClassifier(**SMALL).fit(x, y)
    wanted = model.predict_proba(x)
    for form in (
        tuple(x),
        objects(x),
        pd.Series(x, index=range(100, 100 + len(x))),
        [sequence.tolist() for sequence in x],
        [pd.DataFrame(sequence) for sequence in x],
    ):
        assert (model.predict_proba(form) == wanted).all()


def test_forms_of_sequences_of_one_length_are_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 6, 1)), rng.normal(size=20)
    model = SequenceRegressor(**SMALL).fit(x, y)
    wanted = model.predict(x)
    table = x[:, :, 0]
    forms = (list(x), list(table), table, table.tolist(), pd.DataFrame(table), x.astype(object))
    for form in forms:
        assert (model.predict(form) == wanted).all()
        assert SequenceRegressor(**SMALL).fit(form, y).loss_curve_ == model.loss_curve_
    assert model.n_features_in_ == 1


def test_a_column_of_lists_is_a_list_of_sequences():
    lists = [[1.0, 2.0, 3.0], [4.0]]
    for column in (pl.Series(lists), pd.Series(lists), pd.DataFrame({"x": lists})["x"]):
        assert checked_steps("Test", column).lengths.tolist() == [3, 1]


def test_integers_and_booleans_are_numbers():
    ids, marks = [[1, 2, 3], [4]], [[True, False], [True]]
    assert checked_steps("Test", ids).values.tolist() == [[1], [2], [3], [4]]
    assert checked_steps("Test", marks).values.sum() == 2


# ------------------------------------------------------------------ what becomes of them
def test_one_length_is_kept_and_others_are_rounded_up():
    alike = side_by_side(checked_steps("Test", np.zeros((3, 17, 2))))
    assert alike.shape == (3, 17, 2) and alike.lengths is None
    mixed = [np.ones((17, 2)), np.ones((5, 2))]
    values, lengths = side_by_side(checked_steps("Test", mixed))
    assert values.shape == (2, 18, 2) and lengths.tolist() == [17, 5]
    assert values.sum() == 2 * 22 and values[1, 5:].sum() == 0


def test_features_are_standardized_over_the_real_steps(walks):
    x, y = walks
    model = SequenceClassifier(**SMALL).fit(x, y)
    every = np.concatenate(x)
    np.testing.assert_allclose(model.scaler_.mean_, every.mean(axis=0))
    np.testing.assert_allclose(model.scaler_.scale_, every.std(axis=0))
    shifted = [sequence * [3.0, 50.0] + [7.0, -1.0] for sequence in x]
    other = SequenceClassifier(**SMALL).fit(shifted, y)
    np.testing.assert_allclose(other.loss_curve_, model.loss_curve_, rtol=1e-5)
    assert SequenceClassifier(**SMALL, standardize=False).fit(x, y).scaler_ is None


def test_a_feature_that_never_changes_stays_finite():
    steps = checked_steps("Test", [[[1.0, 5.0]], [[2.0, 5.0]]])
    values = standardized("Test", steps, standardizer("Test", steps, None), FLOAT).values
    assert values.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("option", "given", "wanted"),
    [
        ("float32", np.float64, np.float32),
        ("float64", np.float32, np.float64),
        ("auto", np.float32, np.float32),
        ("auto", np.int64, np.float64),
    ],
)
def test_the_number_type_is_the_one_asked_for(option, given, wanted):
    x = np.arange(24).reshape(6, 4).astype(given)
    model = SequenceRegressor(**SMALL, dtype=option).fit(x, np.arange(6.0))
    assert model.model_.output.weight.dtype == wanted


# ------------------------------------------------------------------ what is refused
GOOD = np.ones((3, 2))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([], "at least one sequence"),
        (np.ones((2, 0, 2)), "at least one step"),
        (np.ones((2, 3, 0)), "one feature"),
        ([GOOD, np.ones((0, 2))], r"len\(X\[1\]\) >= 1.*Leave it out"),
        ([GOOD, []], r"X\[1\]"),
        ([GOOD, np.ones((3, 1))], r"X\[0\] has 2 and X\[1\] has 1"),
        ([GOOD, np.ones(3)], r"X\[0\] has 2 and X\[1\] has 1"),
        ([GOOD, np.ones((3, 0))], r"X\[1\] of shape .*\(3, 0\)"),
        ([GOOD, np.ones((1, 2, 2))], r"X\[1\] of shape .*\(1, 2, 2\)"),
        ([1.0, 2.0], r"X\[0\] of shape .*\(\).*into a list"),
        ({"a": GOOD}, "list of arrays.*got a dict"),
        ((x for x in [GOOD]), "list of arrays.*got a generator"),
        (None, "list of arrays.*got a NoneType"),
        (pd.DataFrame({"a": [GOOD, GOOD]}), r"column 'a' holds sequences.*X\['a'\]"),
        ([GOOD, [[10**400, 1]]], r"X\[1\] is none.*too large"),
        (np.ones((2, 2, 2, 2)), r"\(2, 2, 2, 2\).*into a list"),
        ([GOOD, [["a", "b"]]], r"X\[1\] is none.*could not convert"),
        ([GOOD, [[1.0, 2.0], [3.0]]], r"X\[1\] is none"),
        ([GOOD, GOOD * 1j], r"X\[1\] is none"),
        ([GOOD, np.array([[1.0, 2.0], [3.0, np.nan]])], r"X\[1\] has NaN at step 1, feature 1"),
        ([GOOD, [[None, 1.0]]], r"X\[1\] has NaN at step 0, feature 0"),
        (np.array([[1.0, 2.0], [-np.inf, 0.0]]), r"X\[1\] has inf at step 0, feature 0"),
        ([GOOD, 1e300 * GOOD], "numbers as large as 1e"),
    ],
    ids=range(23),
)
def test_bad_sequences_are_refused_with_a_mend(x, words):
    for again in (False, True):
        model = SequenceClassifier(**SMALL)
        if again:
            model.set_params(standardize=False).fit([GOOD, -GOOD], [0, 1])
        with pytest.raises(ChainruleError, match=words) as caught:
            model.predict(x) if again else model.fit(x, [0, 1])
        assert isinstance(caught.value, (ValueError, TypeError))
        assert "SequenceClassifier" in str(caught.value)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones(4), "Expected 2D array, got 1D array"),
        (np.ones((0, 3, 2)), r"0 sample\(s\)"),
        (np.array([["a", "b"]]), "not compatible with arrays of bytes/strings"),
        (np.ones((2, 3)) * 1j, "Complex data not supported"),
        (csr_array(np.ones((2, 3))), "dense data is required"),
    ],
)
def test_bad_arrays_are_refused_as_by_scikit_learn(x, words):
    with pytest.raises((ValueError, TypeError), match=words):
        SequenceClassifier(**SMALL).fit(x, [0, 1])


def test_targets_that_do_not_fit_are_refused(walks):
    x, y = walks
    model = SequenceClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[70, 69\]"):
        model.fit(x, y[1:])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[70, 69\]"):
        model.fit(x, y, X_val=x, y_val=y[1:])
    with pytest.raises(ValueError, match="the target y is None"):
        model.fit(x, None)
    with pytest.raises(ValueError, match="contains NaN"):
        SequenceRegressor(**SMALL).fit(x, np.full(70, np.nan))
    with pytest.raises(ChainruleError, match="weights of rows >= 0"):
        model.fit(x, y, -np.ones(70))


def test_other_features_than_in_training_are_refused(walks):
    model = SequenceClassifier(**SMALL).fit(*walks)
    with pytest.raises(ChainruleError, match="sequences of 2 features, but got 3"):
        model.predict([np.ones((4, 3))])


def test_columns_keep_their_order():
    frames = [pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, i]}) for i in range(4)]
    model = SequenceRegressor(hidden_layer_sizes=(2,), max_iter=1, engine="interpret")
    with pytest.warns(ConvergenceWarning):
        model.fit(frames, np.arange(4.0))
    assert list(model.feature_names_in_) == ["a", "b"]
    turned = [frame[["b", "a"]] for frame in frames]
    with pytest.raises(ValueError, match="same order"):
        model.predict(turned)
    with pytest.raises(ChainruleError, match=r"X\[1\] has \['b', 'a'\]"):
        model.fit([frames[0], turned[1]], [0.0, 1.0])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict([frame.to_numpy() for frame in frames])


@pytest.mark.parametrize("x", [np.ones((5, 2)), np.ones((5, 2)).tolist()], ids=["array", "lists"])
def test_a_single_sequence_goes_into_a_list(walks, x):
    model = SequenceClassifier(**SMALL).fit(*walks)
    with pytest.raises(ChainruleError, match=r"\(5, 2\) holds 5 sequences.*list: \[X\]"):
        model.predict(x)
    assert len(model.predict([x])) == 1


@pytest.mark.parametrize("one_length", [False, True])
def test_targets_for_each_step_are_refused(walks, one_length):
    x = np.ones((9, 5, 2)) if one_length else walks[0]
    y = [sequence[:, :1] if one_length else sequence[:, 0] for sequence in x]
    for form in (y, np.array(y) if one_length else objects(y)):
        with pytest.raises(ChainruleError, match=r"one target for each sequence, but y\[0\]"):
            SequenceRegressor(**SMALL).fit(x, form)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer": "lstn"}, "Did you mean 'lstm'"),
        ({"pooling": "median"}, "pooling"),
        ({"bidirectional": 2}, "bidirectional"),
        ({"solver": "lbfgs"}, "solver"),
        ({"hidden_layer_sizes": ()}, "at least one size"),
        ({"hidden_layer_sizes": (4, 0)}, "whole numbers >= 1"),
        ({"hidden_layer_sizes": (8, 4), "layer": "transformer"}, r"one width.*\(8, 4\)"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_with_a_mend(walks, change, words):
    model = SequenceClassifier(**SMALL).set_params(**change)
    with pytest.raises(ChainruleError, match=words) as caught:
        model.fit(*walks)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ParameterError) or "hidden_layer_sizes" in change
