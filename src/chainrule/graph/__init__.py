"""The graph: nodes, the op table, tensors, composed functions, tracing, simplification."""

# ruff: noqa: F403, F405

from chainrule.graph import keys as random
from chainrule.graph.functions.choosing import *
from chainrule.graph.functions.linear import *
from chainrule.graph.functions.making import *
from chainrule.graph.functions.numeric import *
from chainrule.graph.functions.reducing import *
from chainrule.graph.functions.shaping import *
from chainrule.graph.indexing import getitem
from chainrule.graph.loops import scan, while_loop
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import *
from chainrule.graph.ops.gather import *
from chainrule.graph.ops.joining import *
from chainrule.graph.ops.movement import *
from chainrule.graph.ops.products import *
from chainrule.graph.ops.random import random_bits
from chainrule.graph.ops.reductions import *
from chainrule.graph.serial import graph_from_dict, graph_to_dict
from chainrule.graph.simplify import inline_calls, simplify
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import Tensor, asarray, from_dlpack, tensor
from chainrule.graph.trace import call, make_graph, named, recompute
from chainrule.graph.verify import verify

# Written out, although most names stand in the lists of the modules above: type checkers read
# nothing but a literal. A test compares them.
__all__ = [
    "TABLE", "Graph", "Node", "Spec", "Tensor", "abs", "add", "all", "any", "arange", "arctan",
    "arctan2", "argmax", "argmin", "argsort", "asarray", "astype", "bitwise_and", "bitwise_not",
    "bitwise_or", "bitwise_xor", "broadcast_to", "call", "ceil", "cholesky", "clip",
    "concatenate", "cos", "cosh", "cumsum", "diag", "diff", "divide", "dot", "einsum", "equal",
    "erf", "exp", "exp2", "expand_dims", "expm1", "eye", "flip", "floor", "floor_divide",
    "from_dlpack", "full", "full_like", "gather", "getitem", "graph_from_dict", "graph_to_dict",
    "greater", "greater_equal", "inline_calls", "isfinite", "isinf", "isnan", "less",
    "less_equal", "linspace", "log", "log1p", "log2", "log10", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logsumexp", "make_graph", "matmul", "max", "maximum", "mean",
    "min", "minimum", "moveaxis", "multiply", "named", "negative", "norm", "not_equal", "ones",
    "ones_like", "outer", "pad", "power", "prod", "random", "random_bits", "ravel",
    "reciprocal", "recompute", "remainder", "repeat", "reshape", "roll", "round", "scan",
    "scatter", "scatter_add", "sigmoid", "sign", "simplify", "sin", "sinh", "sort", "split", "sqrt",
    "square", "squeeze", "stack", "std", "stop_gradient", "subtract", "sum", "swapaxes", "take",
    "take_along_axis", "tan", "tanh", "tensor", "tile", "transpose", "triangular_solve", "tril",
    "triu", "trunc", "var", "verify", "where", "while_loop", "zeros", "zeros_like",
]  # fmt: skip
