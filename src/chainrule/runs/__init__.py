"""Runs: directories that hold what was trained, so that it can be read, reused and resumed."""

from chainrule.runs.directory import (
    Summary,
    describe,
    list_runs,
    load,
    new_directory,
    noted,
    training,
)
from chainrule.runs.inputs import UnseenWarning
from chainrule.runs.model import GraphModel
from chainrule.runs.parts import register
from chainrule.runs.saving import save
from chainrule.runs.targets import Classes, Labels, Values
from chainrule.runs.trained import TrainedRun

__all__ = [
    "Classes",
    "GraphModel",
    "Labels",
    "Summary",
    "TrainedRun",
    "UnseenWarning",
    "Values",
    "describe",
    "list_runs",
    "load",
    "new_directory",
    "noted",
    "register",
    "save",
    "training",
]
