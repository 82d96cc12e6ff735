"""Training: the loop, callbacks, history, progress."""

from chainrule.train.callbacks import Callback, EarlyStopping, ReduceLearningRate
from chainrule.train.fit import evaluate, fit
from chainrule.train.history import History
from chainrule.train.run import Run
from chainrule.train.saving import load_model, save_model

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "ReduceLearningRate",
    "Run",
    "evaluate",
    "fit",
    "load_model",
    "save_model",
]
