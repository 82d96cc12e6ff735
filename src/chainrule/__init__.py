"""chainrule: the neural-network library that shows its work and proves the fix."""

from chainrule import engines
from chainrule.autodiff import *  # noqa: F403
from chainrule.autodiff import __all__ as _autodiff
from chainrule.engines import compile
from chainrule.graph import *  # noqa: F403
from chainrule.graph import __all__ as _graph
from chainrule.trees import *  # noqa: F403
from chainrule.trees import __all__ as _trees

__version__ = "0.1.0"
__all__ = [*_autodiff, *_graph, *_trees, "__version__", "compile", "engines"]
