"""``explain``: the derivation of one derivative, with the numbers of a run."""

from chainrule.explain.derivation.derive import Derivation, explain

__all__ = ["Derivation", "explain"]
