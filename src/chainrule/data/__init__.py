"""Data sets, splits, preprocessing and mini-batches, all on NumPy arrays."""

from chainrule.data import datasets
from chainrule.data.batches import batches
from chainrule.data.datasets import Dataset
from chainrule.data.folds import Fold, folds
from chainrule.data.maps import Map
from chainrule.data.principal import ZCA, Projection
from chainrule.data.scaling import Scaling, UnitNorm
from chainrule.data.splits import Split, split

__all__ = [
    "ZCA",
    "Dataset",
    "Fold",
    "Map",
    "Projection",
    "Scaling",
    "Split",
    "UnitNorm",
    "batches",
    "datasets",
    "folds",
    "split",
]
