"""Estimators for scikit-learn's users: change one import, keep the program.

``from chainrule.estimators import MLPClassifier`` takes the place of scikit-learn's: parameters and
attributes have the same names, and so does what is new. The training is compiled. For sequences of
different length there are ``SequenceClassifier`` and ``SequenceRegressor``.
"""

from chainrule.estimators.checks import ParameterError
from chainrule.estimators.classifier import LinearClassifier, MLPClassifier
from chainrule.estimators.regressor import LinearRegressor, MLPRegressor
from chainrule.estimators.sequences import SequenceClassifier, SequenceRegressor

__all__ = [
    "LinearClassifier",
    "LinearRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "ParameterError",
    "SequenceClassifier",
    "SequenceRegressor",
]
