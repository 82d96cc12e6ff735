"""scikit-learn's own checks of estimators, all of them, with no failure that is expected.

One per estimator skips itself: ``check_array_api_input`` runs only where SciPy was imported with
``SCIPY_ARRAY_API=1``, and is for estimators that say they take arrays of other libraries.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.estimators import LinearClassifier, LinearRegressor, MLPClassifier, MLPRegressor

#: Small, so that they learn within a few epochs.
SMALL = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.02, "max_iter": 30}
ESTIMATORS = [
    MLPClassifier(**SMALL),
    MLPRegressor(**SMALL),
    LinearClassifier(),
    LinearRegressor(),
]


# The checks look at warnings themselves; none of them waits for an optimum.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
