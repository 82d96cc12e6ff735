"""What is true of every claim of the corpus, by PyTorch in float64 and without chainrule.

A *fact* is a function at random points together with what shall be known of it: its derivative (by
autograd), its value, its variance (by sampling) or its shape. The formulas of facts, and of claims
in the words of NumPy, are read by :class:`Reader`, which walks Python's syntax tree and knows
nothing but arithmetic and the functions in :data:`FUNCTIONS`.

A fact in a file of the corpus::

    [fact.line-w]
    inputs = {w = "", b = "", x = "n", t = "n"}     # shapes; "" is a number
    steps = ["y = w*x + b"]                          # definitions on the way, in order
    value = "mean((t - y)**2)"
    wrt = "w"                                        # none: the value itself is the truth
    domain = {x = "positive"}                        # where the points lie; else normal
    pick = "diag(D)"                                 # the part of the derivative D in question

A claim in a file of the corpus: see :class:`Claim`.
"""

from __future__ import annotations

import ast
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FOLDER = Path(__file__).parent / "corpus"

#: What the letters of shapes stand for; all differ where a claim could mix them up.
SIZES = {
    **{"n": 4, "d": 3, "m": 2, "c": 6, "p": 7, "N": 4, "D": 3, "H": 5, "P": 2},
    **{"d_in": 5, "d_out": 3, "n_in": 5, "n_out": 3, "T": 6},
}

POINTS = 6
DRAWS = 40_000


# ---------------------------------------------------------------------- the corpus
@dataclass(frozen=True)
class Fact:
    """A function whose derivative, value, variance or shape is known by calculation."""

    inputs: Mapping[str, str]
    value: str
    wrt: str = ""
    steps: tuple[str, ...] = ()
    domain: Mapping[str, str] = field(default_factory=dict)
    pick: str = ""


@dataclass(frozen=True)
class Claim:
    """One line of a student's exercise sheet, and what a teacher says to it.

    Attributes
    ----------
    id, theme, why
        Its name, its file's title, and what is right or wrong with it.
    function, claim, wrt, shapes, let, random, kind
        What ``check_claim`` is given; ``kind`` is its ``about``.
    syntax
        The notation of the claim: ``"python"``, ``"text"`` or ``"latex"``.
    truth
        ``"right"``, ``"conditional"``, ``"wrong"`` or ``"unreadable"``.
    accept
        Answers that a teacher lets pass; ``truth`` alone if not given.
    edits
        How many single slips lie between the claim and the truth; 3 stands for more than two.
    mends
        Formulas that are right, in the words of NumPy.
    function_mends
        Functions for which the claim is right, where they can be mended instead.
    written
        Mends as they are written, where they are no formula with a value.
    condition
        Texts of which one stands in the condition.
    fails_at
        Values of inputs at which a conditional claim does not hold.
    fact, claim_numpy
        The fact that it is about, and the claim in the words of NumPy; ``""`` where the claim is
        such a formula itself.
    misfit
        The claim's own shapes do not fit together, so it has no value.
    axes
        The free indices of the claim in the order of the derivative's axes.
    quotes
        What a message about an unreadable claim must quote.
    """

    id: str
    theme: str
    function: str
    claim: str
    truth: str
    syntax: str
    why: str
    wrt: str | None = None
    shapes: Mapping[str, str] = field(default_factory=dict)
    let: Mapping[str, str] = field(default_factory=dict)
    random: Mapping[str, str] = field(default_factory=dict)
    kind: str = "derivative"
    accept: tuple[str, ...] = ()
    edits: int = 0
    mends: tuple[str, ...] = ()
    function_mends: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    fails_at: Mapping[str, float] = field(default_factory=dict)
    fact: Fact | None = None
    claim_numpy: str = ""
    misfit: bool = False
    axes: str = ""
    quotes: str = ""

    @property
    def numpy(self) -> str:
        return self.claim_numpy or self.claim


@cache
def corpus() -> tuple[Claim, ...]:
    """Every claim of every file."""
    return tuple(claim for path in sorted(FOLDER.glob("*.toml")) for claim in _read(path))


def _read(path: Path) -> list[Claim]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    facts = {name: Fact(**_frozen(entry)) for name, entry in content.get("fact", {}).items()}
    return [_claim(entry, content["theme"], facts) for entry in content["claim"]]


def _claim(entry: dict[str, Any], theme: str, facts: Mapping[str, Fact]) -> Claim:
    entry = {"theme": theme, **_frozen(entry)}
    if "fact" in entry:
        fact = facts[entry["fact"]]
        shapes = {name: shape for name, shape in fact.inputs.items() if shape}
        entry = {"wrt": fact.wrt or None, "shapes": shapes, **entry, "fact": fact}
    # TOML has no null: "" says that none is given.
    entry["wrt"] = entry.get("wrt") or None
    entry["accept"] = entry.get("accept", (entry["truth"],))
    entry["claim"] *= entry.pop("repeat", 1)
    if "axes" not in entry and entry["wrt"]:
        entry["axes"] = _letters(entry["wrt"])
    return Claim(**entry)


def _frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) if isinstance(item, list) else item for key, item in entry.items()}


def _letters(wrt: str) -> str:
    """The indices of ``W_ij``; ``W_hh`` and ``w_1`` have none."""
    below = wrt.partition("_")[2]
    return below if below.islower() and len(set(below)) == len(below) <= 2 else ""


# ---------------------------------------------------------------------- points
def point(fact: Fact, number: int) -> dict[str, Tensor]:
    """Values of the fact's inputs, other ones for every number."""
    source = torch.Generator().manual_seed(number)
    return {
        name: _drawn(fact.domain.get(name, "any"), shape_of(shape), source)
        for name, shape in fact.inputs.items()
    }


def shape_of(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(SIZES.get(part) or int(part) for part in parts)


def _drawn(domain: str, shape: tuple[int, ...], source: torch.Generator) -> Tensor:
    normal = torch.randn(shape, generator=source, dtype=torch.float64)
    uniform = torch.rand(shape, generator=source, dtype=torch.float64)
    match domain:
        case "any":
            return normal
        case _ if domain.startswith("random: "):
            return normal  # drawn anew for every sample
        case "positive":
            return 0.3 + 2 * uniform
        case "negative":
            return -0.3 - 2 * uniform
        case "between 0 and 1":
            return 0.1 + 0.8 * uniform
        case "probabilities":
            return torch.softmax(normal, -1)
        case "one-hot":
            return functional.one_hot(uniform.argmax(-1), shape[-1]).double()
        case "negative at times":
            return -normal.abs() if torch.rand((), generator=source) < 0.5 else normal
        case "small":
            return 0.9 * (2 * uniform - 1)
        case "large":
            return 1.1 + uniform
        case "symmetric":
            return normal + normal.mT
        case "invertible":
            return normal + 3 * torch.eye(shape[-1], dtype=torch.float64)
    raise ValueError(f"no domain {domain!r}")


# ---------------------------------------------------------------------- truth
def values_at(fact: Fact, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Inputs, sizes and everything that is defined on the way."""
    values: dict[str, Any] = {**SIZES, **inputs}
    for step in fact.steps:
        name, _, formula = step.partition(" = ")
        values[name.strip()] = evaluate(formula, values)
    return values


def truth_at(fact: Fact, inputs: Mapping[str, Tensor], kind: str) -> Tensor:
    """The derivative if the fact has a ``wrt``, else the value; its shape or variance if asked."""
    if kind == "variance":
        return _variance(fact, inputs)
    truth = _value(fact, inputs) if not fact.wrt else _derivative(fact, inputs)
    return torch.tensor(truth.shape) if kind == "shape" else truth


def _value(fact: Fact, inputs: Mapping[str, Tensor]) -> Tensor:
    return as_tensor(evaluate(fact.value, values_at(fact, inputs)))


def _derivative(fact: Fact, inputs: Mapping[str, Tensor]) -> Tensor:
    def function(moving: Tensor) -> Tensor:
        return _value(fact, {**inputs, fact.wrt: moving})

    found = torch.autograd.functional.jacobian(function, inputs[fact.wrt])
    values = {**values_at(fact, inputs), "D": found}
    return as_tensor(evaluate(fact.pick, values)) if fact.pick else found


def _variance(fact: Fact, inputs: Mapping[str, Tensor]) -> Tensor:
    """The variance of all elements over many draws; inputs of domain ``random: v`` are drawn."""
    torch.manual_seed(0)
    drawn = {name: text for name, text in fact.domain.items() if text.startswith("random: ")}

    def draw(_: Tensor) -> Tensor:
        values = {**SIZES, **inputs}
        for name, text in drawn.items():
            spread = as_tensor(evaluate(text.removeprefix("random: "), values)).sqrt()
            values[name] = spread * _normal(*shape_of(fact.inputs[name]))
        return as_tensor(evaluate(fact.value, values))

    return torch.vmap(draw, randomness="different")(torch.arange(DRAWS)).var()


def claimed_at(claim: Claim, formula: str, inputs: Mapping[str, Tensor]) -> Tensor:
    """What a formula in the words of NumPy gives at a point of the claim's fact."""
    assert claim.fact is not None
    return as_tensor(evaluate(formula, values_at(claim.fact, inputs)))


def as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def differs(one: Tensor, other: Tensor, tolerance: float = 1e-7, near_zero: float = 1e-7) -> bool:
    """Whether two values differ by more than a part of their size.

    Axes of length 1 do not count, and a number stands for all elements: the claim ``1`` says the
    same as a matrix of ones.
    """
    one, other = one.double().squeeze(), other.double().squeeze()
    if one.ndim and other.ndim and one.shape != other.shape:
        return True
    one, other = torch.broadcast_tensors(one, other)
    return not torch.allclose(one, other, rtol=tolerance, atol=near_zero)


# ---------------------------------------------------------------------- formulas of NumPy
def evaluate(formula: str, values: Mapping[str, Any]) -> Any:
    """The value of a formula in the words of NumPy."""
    return Reader(values).read(ast.parse(formula.strip(), mode="eval").body)


class Reader:
    """Walks the syntax tree of one formula."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def read(self, node: ast.AST) -> Any:
        return getattr(self, f"read_{type(node).__name__.lower()}")(node)

    def read_constant(self, node: ast.Constant) -> Any:
        return node.value

    def read_name(self, node: ast.Name) -> Any:
        return self.values[node.id] if node.id in self.values else CONSTANTS[node.id]

    def read_tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.read(item) for item in node.elts)

    def read_unaryop(self, node: ast.UnaryOp) -> Any:
        assert isinstance(node.op, ast.USub)
        return -self.read(node.operand)

    def read_binop(self, node: ast.BinOp) -> Any:
        return OPERATORS[type(node.op)](self.read(node.left), self.read(node.right))

    def read_compare(self, node: ast.Compare) -> Tensor:
        (relation,), (right,) = node.ops, node.comparators
        one, other = as_tensor(self.read(node.left)), as_tensor(self.read(right))
        return RELATIONS[type(relation)](one, other).double()

    def read_call(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        options = {str(option.arg): self.read(option.value) for option in node.keywords}
        arguments = [self.read(argument) for argument in node.args]
        return FUNCTIONS[node.func.id](*arguments, **options)

    def read_attribute(self, node: ast.Attribute) -> Tensor:
        assert node.attr == "T"
        value: Tensor = self.read(node.value)
        return value.mT if value.ndim > 1 else value

    def read_subscript(self, node: ast.Subscript) -> Tensor:
        value: Tensor = self.read(node.value)[self.read(node.slice)]
        return value

    def read_slice(self, node: ast.Slice) -> slice:
        return slice(None)


def _prime(function: Callable[[Tensor], Tensor]) -> Callable[[Any], Tensor]:
    """The derivative of a function of elements."""

    def derivative(value: Any) -> Tensor:
        with torch.enable_grad():
            moving = as_tensor(value).detach().clone().requires_grad_()
            (found,) = torch.autograd.grad(function(moving).sum(), moving)
        return found

    return derivative


def _all_or_axis(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduced(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
        x = as_tensor(x)
        axes = tuple(range(x.ndim)) if axis is None else (axis,)
        return reduce(x, dim=axes, keepdim=keepdims) if x.ndim else x + 0 * reduce(x)

    return reduced


def _of_elements(function: Callable[[Tensor], Tensor]) -> Callable[[Any], Tensor]:
    return lambda x: function(as_tensor(x))


def _where(condition: Tensor, yes: Any, no: Any) -> Tensor:
    return torch.where(condition.bool(), as_tensor(yes), as_tensor(no))


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def _uniform(low: Any, high: Any, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def _cross_entropy(z: Tensor, t: Tensor) -> Tensor:
    return -(t * torch.log_softmax(z, -1)).sum(-1).mean()


#: Functions of one number; ``NAME_prime`` is the derivative.
ELEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: getattr(torch, name) for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "tan")},
    **{name: getattr(torch, name) for name in ("tanh", "sinh", "cosh", "sigmoid", "sign")},
    **{name: getattr(functional, name) for name in ("relu", "leaky_relu", "elu", "softplus")},
    **{name: getattr(functional, name) for name in ("gelu", "silu")},
    "identity": lambda z: z,
    # Two smooth functions of which nothing is known to the reader of a claim.
    "f": lambda x: torch.sin(1.3 * x) + 0.4 * x**2,
    "g": lambda x: torch.exp(0.5 * x) + 0.3 * x,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_elements(function) for name, function in ELEMENTS.items()},
    **{f"{name}_prime": _prime(function) for name, function in ELEMENTS.items()},
    "F": lambda x, y: torch.sin(x + 0.5 * y) + x * y**2,
    "softmax": lambda z: torch.softmax(z, -1),
    "log_softmax": lambda z: torch.log_softmax(z, -1),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "maximum": lambda x, y: torch.maximum(*torch.broadcast_tensors(as_tensor(x), as_tensor(y))),
    "minimum": lambda x, y: torch.minimum(*torch.broadcast_tensors(as_tensor(x), as_tensor(y))),
    "where": _where,
    "sum": _all_or_axis(torch.sum),
    "mean": _all_or_axis(torch.mean),
    "var": _all_or_axis(lambda x, **options: torch.var(x, correction=0, **options)),
    "std": _all_or_axis(lambda x, **options: torch.std(x, correction=0, **options)),
    "prod": lambda x: x.prod(),
    "norm": lambda x: torch.sqrt((x**2).sum()),
    "diag": torch.diag,
    "trace": torch.trace,
    "det": torch.det,
    "inverse": torch.inverse,
    "transpose": lambda x: x.mT,
    "dot": torch.dot,
    "outer": torch.outer,
    "einsum": torch.einsum,
    "eye": lambda n: torch.eye(n, dtype=torch.float64),
    "ones": lambda *shape: torch.ones(shape, dtype=torch.float64),
    "zeros": lambda *shape: torch.zeros(shape, dtype=torch.float64),
    "randn": _normal,
    "rand": lambda *shape: _uniform(0, 1, *shape),
    "uniform": _uniform,
    "mse": lambda y, t: ((y - t) ** 2).mean(),
    "mae": lambda y, t: (y - t).abs().mean(),
    "huber": lambda y, t: functional.huber_loss(y, t),
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
}

CONSTANTS: dict[str, Any] = {"pi": math.pi, "e": math.e, "None": None}

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.MatMult: lambda a, b: a @ b,
}

RELATIONS: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    ast.Lt: torch.lt,
    ast.LtE: torch.le,
    ast.Gt: torch.gt,
    ast.GtE: torch.ge,
    ast.Eq: torch.eq,
    ast.NotEq: torch.ne,
}
