"""Estimators that learn from sequences of different length."""

from chainrule.estimators.sequences.estimators import SequenceClassifier, SequenceRegressor

__all__ = ["SequenceClassifier", "SequenceRegressor"]
