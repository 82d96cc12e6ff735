"""Comparisons: what a network has to beat, on the same rows."""

from chainrule.compare.baselines import (
    Baseline,
    Baselines,
    accuracy,
    r_squared,
    train_baselines,
)

__all__ = ["Baseline", "Baselines", "accuracy", "r_squared", "train_baselines"]
