"""``trace``: backpropagation, step by step."""

from chainrule.explain.tracing.traced import Trace, TraceStep
from chainrule.explain.tracing.tracing import trace

__all__ = ["Trace", "TraceStep", "trace"]
