"""The reader's way to say each op and each named function: formula and local derivatives.

What stands in :data:`TEXTBOOK` and :data:`LOSSES` is said as textbooks say it, once it has been
measured that the step does what its name says: at random inputs, the formula against the step's
value and its derivative. Everything else is read from the step's graph; what cannot be read has no
formula, and its derivative is said in numbers.
"""

from chainrule.explain.saying.losses import LOSSES
from chainrule.explain.saying.measured import binding, bound, saying_of, tangents
from chainrule.explain.saying.numbers import Numbers, Unwritten, listed, signed
from chainrule.explain.saying.ops import ELEMENTWISE, MOVED, REFUSED
from chainrule.explain.saying.places import matched
from chainrule.explain.saying.reading import letters_for
from chainrule.explain.saying.saying import Elements, Index, Occurrence, Place, Saying, whole
from chainrule.explain.saying.textbook import TEXTBOOK

__all__ = [
    "ELEMENTWISE",
    "LOSSES",
    "MOVED",
    "REFUSED",
    "TEXTBOOK",
    "Elements",
    "Index",
    "Numbers",
    "Occurrence",
    "Place",
    "Saying",
    "Unwritten",
    "binding",
    "bound",
    "letters_for",
    "listed",
    "matched",
    "saying_of",
    "signed",
    "tangents",
    "whole",
]
