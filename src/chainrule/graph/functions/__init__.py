"""Functions composed of the rows of the table, under NumPy's names.

They need no derivative of their own: it follows from the rows.
"""

from chainrule.graph.functions.choosing import *  # noqa: F403
from chainrule.graph.functions.linear import *  # noqa: F403
from chainrule.graph.functions.making import *  # noqa: F403
from chainrule.graph.functions.numeric import *  # noqa: F403
from chainrule.graph.functions.reducing import *  # noqa: F403
from chainrule.graph.functions.shaping import *  # noqa: F403
