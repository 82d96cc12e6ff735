"""Native rules of the ops that have a loop of their own; :mod:`.rule` says what a rule is.

Shapes are fixed. ``reshape`` has no rule: its result is the same memory. ``matmul`` is that of
integers. Every result equals the row's NumPy value bit for bit (``cumsum`` and ``scatter_add`` add
in NumPy's order), except those of ``cholesky`` and ``triangular_solve``, which round in another
order. Where a matrix is not positive definite, or is singular, its result is NaN throughout.
"""

from chainrule.engines.native.movement_loops import MOVEMENT_RULES
from chainrule.engines.native.random_loops import RANDOM_RULES, RANDOM_SCRATCH
from chainrule.engines.native.rule import Rule, Scratch
from chainrule.engines.native.selection_loops import SELECTION_RULES, SELECTION_SCRATCH
from chainrule.engines.native.solve_loops import SOLVE_RULES

__all__ = ["RULES", "SCRATCH"]

RULES: dict[str, Rule] = {**MOVEMENT_RULES, **SELECTION_RULES, **SOLVE_RULES, **RANDOM_RULES}
#: Bytes of scratch memory of the rules that need any.
SCRATCH: dict[str, Scratch] = {**SELECTION_SCRATCH, **RANDOM_SCRATCH}
