"""The functions that formulas may use, and what else they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["BIG", "FUNCTIONS", "PREFIXES", "REDUCTIONS", "Function", "function_named"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the table.

    Attributes
    ----------
    least, most
        How many arguments it takes.
    result
        Its shape: ``"same"`` as its arguments', ``"reduced"`` (a number, or one axis less),
        ``"number"``, ``"diag"``, ``"outer"``, or ``"sizes"`` (its arguments are the sizes).
    """

    least: int = 1
    most: int = 1
    result: str = "same"


_ELEMENTWISE = (
    "exp log sqrt abs sin cos tan tanh sinh cosh sigmoid relu gelu silu identity softplus sign"
)

#: Every function by its name in this library.
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {name: Function() for name in _ELEMENTWISE.split()}
    | {name: Function(1, 2) for name in ("leaky_relu", "elu")}
    | {name: Function() for name in ("softmax", "log_softmax", "inverse")}
    | {name: Function(2, 9) for name in ("maximum", "minimum")}
    | {
        name: Function(result="reduced")
        for name in ("sum", "mean", "prod", "var", "std", "max", "min", "norm")
    }
    | {name: Function(result="number") for name in ("trace",)}
    | {name: Function(2, 2, "number") for name in ("mse", "cross_entropy", "mae")}
    | {name: Function(2, 3, "number") for name in ("binary_cross_entropy", "huber")}
    | {name: Function(1, 1, "sizes") for name in ("shape",)}
    | {name: Function(0, 4, "sizes") for name in ("randn", "rand", "ones", "zeros", "eye")}
    | {"uniform": Function(2, 6, "sizes")}
    | {"diag": Function(result="diag"), "outer": Function(2, 2, "outer")}
)

#: Functions that run over all entries or along an axis.
REDUCTIONS = frozenset(name for name, row in FUNCTIONS.items() if row.result == "reduced")

#: Reductions that are written with an index below: ``Σ_i``, ``max_i``.
BIG: Mapping[str, str] = MappingProxyType(
    {"sum": "sum", "prod": "product", "max": "max", "mean": "mean"}
)

_ALIASES = {
    **{name.replace("_", ""): name for name in FUNCTIONS},
    "lrelu": "leaky_relu",
    "swish": "silu",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "ln": "log",
    "sgn": "sign",
    "absolute": "abs",
    "fabs": "abs",
    "average": "mean",
    "avg": "mean",
    "amax": "max",
    "amin": "min",
    "product": "prod",
    "variance": "var",
    "stddev": "std",
    "tr": "trace",
    "inv": "inverse",
    "id": "identity",
    "bce": "binary_cross_entropy",
    "ce": "cross_entropy",
    "mse_loss": "mse",
    "l1_loss": "mae",
    "huber_loss": "huber",
    "where": "where",
    "transpose": "transpose",
    "dot": "dot",
    "matmul": "dot",
    "pow": "pow",
    "power": "pow",
    "square": "square",
    "log2": "log2",
    "log10": "log10",
    "indicator": "indicator",
}

#: Modules whose names may stand before a function in Python.
PREFIXES = frozenset(
    ("np", "numpy", "jnp", "jax", "torch", "tf", "math", "cr", "chainrule", "nn", "linalg")
) | {"random", "functional", "F", "special", "sp"}


def function_named(word: str) -> str | None:
    """The name in this library of the function called ``word``, or ``None``.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.functions import function_named
    >>> function_named("ReLU"), function_named("ln"), function_named("Var"), function_named("w")
    ('relu', 'log', 'var', None)
    """
    lower = word.lower()
    if lower in FUNCTIONS:
        return lower
    return _ALIASES.get(lower) or _ALIASES.get(lower.replace("_", ""))
