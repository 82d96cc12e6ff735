"""scikit-learn's own checks, which hand over tables: sequences of one feature, one row for each.

Those that fail are listed with what they take for granted. One per estimator skips itself:
``check_array_api_input``, as in ``tests/estimators/test_checks.py``.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.estimators import SequenceClassifier, SequenceRegressor

#: Small, and in float64, since the checks forgive little rounding. Of the layers the one with the
#: fewest operations: what is checked here does not depend on it.
SMALL = {
    "layer": "rnn",
    "hidden_layer_sizes": (8,),
    "learning_rate_init": 0.05,
    "max_iter": 20,
    "dtype": "auto",
    "engine": "interpret",
}
ESTIMATORS = [SequenceClassifier(**SMALL), SequenceRegressor(**SMALL)]
COLUMNS = "the columns of a table are steps of one feature, and sequences may differ in length"
EXPECTED = {
    "check_n_features_in": COLUMNS,
    "check_n_features_in_after_fitting": COLUMNS,
    "check_estimators_partial_fit_n_features": COLUMNS,
    "check_classifiers_train": "its last lines: " + COLUMNS,
}


# The checks look at warnings themselves; none of them waits for an optimum.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
