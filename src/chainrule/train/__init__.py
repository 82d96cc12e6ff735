"""Training: the loop, callbacks, history, progress."""

from chainrule.train.callbacks import (
    Callback,
    EarlyStopping,
    ReduceLearningRate,
    StopWhenDiverging,
)
from chainrule.train.checkpoint import Checkpoint, CheckpointWarning
from chainrule.train.fit import fit
from chainrule.train.history import History
from chainrule.train.interrupt import Interrupted
from chainrule.train.measure import evaluate
from chainrule.train.rate_finder import RateTest, find_learning_rate
from chainrule.train.run import Run
from chainrule.train.saving import load_model, save_model
from chainrule.train.statistics import Statistics

__all__ = [
    "Callback",
    "Checkpoint",
    "CheckpointWarning",
    "EarlyStopping",
    "History",
    "Interrupted",
    "RateTest",
    "ReduceLearningRate",
    "Run",
    "Statistics",
    "StopWhenDiverging",
    "evaluate",
    "find_learning_rate",
    "fit",
    "load_model",
    "save_model",
]
