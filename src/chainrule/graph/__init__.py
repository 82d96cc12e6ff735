"""The graph: nodes, the op table, tensors, composed functions, tracing, simplification."""

from chainrule.graph import keys as random
from chainrule.graph.functions import *  # noqa: F403
from chainrule.graph.functions import __all__ as _functions
from chainrule.graph.indexing import getitem
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import (
    abs,
    add,
    arctan2,
    astype,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    cos,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    remainder,
    round,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tanh,
    where,
)
from chainrule.graph.ops.movement import (
    broadcast_to,
    concatenate,
    flip,
    gather,
    moveaxis,
    pad,
    reshape,
    scatter_add,
    stack,
    swapaxes,
    transpose,
)
from chainrule.graph.ops.products import cholesky, matmul, triangular_solve
from chainrule.graph.ops.random import random_bits
from chainrule.graph.ops.reductions import (
    argmax,
    argmin,
    argsort,
    cumsum,
    max,
    min,
    sum,
)
from chainrule.graph.simplify import inline_calls, simplify
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import Tensor, asarray, from_dlpack, tensor
from chainrule.graph.trace import call, make_graph, named, scan, while_loop
from chainrule.graph.verify import verify

FUNCTIONS = (
    *_functions,
    "abs", "add", "arctan2", "argmax", "argmin", "argsort", "astype", "bitwise_and", "bitwise_not",
    "bitwise_or", "bitwise_xor", "broadcast_to", "ceil", "cholesky", "concatenate", "cos", "cumsum",
    "divide", "equal", "erf", "exp", "expm1", "flip", "floor", "floor_divide", "gather", "less",
    "less_equal", "log", "log1p", "matmul", "max", "maximum", "min", "minimum", "moveaxis",
    "multiply", "negative", "not_equal", "pad", "power", "random_bits", "reciprocal", "remainder",
    "reshape", "round", "scatter_add", "sigmoid", "sign", "sin", "sqrt", "square", "stack",
    "stop_gradient", "subtract", "sum", "swapaxes", "tanh", "transpose", "triangular_solve", "where",
)  # fmt: skip

__all__ = [
    "FUNCTIONS", "TABLE", "Graph", "Node", "Spec", "Tensor", "asarray", "call", "from_dlpack",
    "getitem", "inline_calls", "make_graph", "named", "random", "scan", "simplify", "tensor",
    "verify", "while_loop", *FUNCTIONS,
]  # fmt: skip
