"""Derivations, traces, drawings, and checks of claims.

The room can be called: ``cr.explain(cost, model, x, t, wrt=…)`` is :func:`explain`.
"""

import sys
from types import ModuleType
from typing import Any

from chainrule.explain.claims import Verdict, check_claim
from chainrule.explain.derivation import Derivation, explain
from chainrule.explain.drawing import Drawing, draw
from chainrule.explain.jacobian import LayerJacobian, LayerJacobians, layer_jacobian
from chainrule.explain.through_time import StepJacobians, step_jacobians
from chainrule.explain.tracing import Trace, TraceStep, trace

__all__ = [
    "Derivation",
    "Drawing",
    "LayerJacobian",
    "LayerJacobians",
    "StepJacobians",
    "Trace",
    "TraceStep",
    "Verdict",
    "check_claim",
    "draw",
    "explain",
    "layer_jacobian",
    "step_jacobians",
    "trace",
]


class _Callable(ModuleType):
    """A package and its main function under one name."""

    def __call__(self, *arguments: Any, **options: Any) -> Derivation:
        return explain(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
