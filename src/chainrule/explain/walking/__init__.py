"""A function of given arguments, taken apart: its steps, their values, gradients and names."""

from chainrule.explain.walking.kinds import KINDS, Kind
from chainrule.explain.walking.naming import names_of
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough

__all__ = ["KINDS", "Kind", "Step", "Value", "Walkthrough", "names_of"]
