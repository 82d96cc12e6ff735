"""Claims about formulas: whether they are right, and if not, where the slip is."""

from chainrule.explain.claims.check import check_claim
from chainrule.explain.claims.counterexample import Counterexample
from chainrule.explain.claims.verdict import Edit, Verdict

__all__ = ["Counterexample", "Edit", "Verdict", "check_claim"]
