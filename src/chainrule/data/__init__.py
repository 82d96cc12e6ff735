"""Data sets, splits, preprocessing and mini-batches, all on NumPy arrays."""

from chainrule.data import datasets
from chainrule.data.batches import batches
from chainrule.data.datasets import Dataset
from chainrule.data.splits import Split, split
from chainrule.data.standardizer import Standardizer

__all__ = ["Dataset", "Split", "Standardizer", "batches", "datasets", "split"]
