"""chainrule: the neural-network library that shows its work and proves the fix.

A function of tensors is traced into a small immutable graph; everything else reads that graph. See
``docs/tutorial.md`` for a start and ``docs/design.md`` for how it is built.
"""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule import autodiff, data, engines, errors, graph, nn, optim, runs, storage, train, trees
from chainrule.autodiff import *  # noqa: F403
from chainrule.engines import compile
from chainrule.graph import *  # noqa: F403
from chainrule.runs import load
from chainrule.train import evaluate, fit, load_model, save_model
from chainrule.trees import *  # noqa: F403

if TYPE_CHECKING:
    from chainrule.explain import explain

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "compile",
    "data",
    "engines",
    "errors",
    "evaluate",
    "explain",
    "fit",
    "load",
    "load_model",
    "nn",
    "optim",
    "runs",
    "save_model",
    "storage",
    "train",
]
__all__ += autodiff.__all__
__all__ += graph.__all__
__all__ += trees.__all__


def __getattr__(name: str) -> Any:
    """``cr.explain``, imported when it is first asked for: training does not need it."""
    if name == "explain":
        return importlib.import_module("chainrule.explain")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
