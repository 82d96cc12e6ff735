r"""What stands beside a formula: shapes, definitions, random symbols, what is derived by.

Sizes are whole numbers or letters. ``"n, d"``, ``"(n, d)"``, ``"n×d"``, ``r"n \times d"`` and
``ℝⁿˣᵈ`` are one shape; ``""``, ``"()"``, ``"scalar"`` and ``ℝ`` are a number's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from chainrule.errors import FormulaError
from chainrule.explain.claims.reading.letters import composed, spelled
from chainrule.explain.claims.reading.names import Known, declared
from chainrule.explain.claims.reading.reader import read
from chainrule.explain.formulas.tree import Equation, Expression, Symbol

__all__ = [
    "read_definitions",
    "read_mapping",
    "read_random",
    "read_shape",
    "read_shapes",
    "read_symbol",
]

Shape = tuple[str | int, ...]

_SIZE = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)?|[1-9]\d{0,5}")
_SPACE = re.compile(r"^(?:R|ℝ|\\mathbb\{?R\}?|\\R)(?:\^\{?(.+?)\}?)?$")
_MAPPING = re.compile(
    r"(?:\\?[A-Za-z]+\s*\(\s*)?([A-Za-z]\w*)\s*(?::|\\colon)"
    r"\s*(.+?)\s*(?:→|->|\\to|\\rightarrow)\s*(.+)"
)
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def read_shape(text: str | int | Iterable[str | int]) -> Shape:
    r"""The sizes of the axes of an array.

    Raises
    ------
    FormulaError
        If it is no shape.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_shape
    >>> read_shape("n, d"), read_shape("(n,)"), read_shape("m × n"), read_shape(r"\mathbb{R}^{3}")
    (('n', 'd'), ('n',), ('m', 'n'), (3,))
    >>> read_shape(("n", 3)), read_shape("")
    (('n', 3), ())
    """
    if isinstance(text, int):
        return (_size(str(text), str(text)),)
    if not isinstance(text, str):
        return tuple(_size(str(size), str(text)) for size in text)
    plain = re.sub(r"\s+", " ", composed(text)).strip().strip("$").strip()
    space = _SPACE.match(_raised(plain.replace(" ", "")))
    if space:
        plain = space[1] or ""
    if plain[:1] in _BRACKETS and plain.endswith(_BRACKETS[plain[:1]]):
        plain = plain[1:-1]
    if plain.strip() in ("", "scalar", "number", "스칼라"):
        return ()
    parts = re.split(r"\s*(?:,|×|\\times|\*|⨯|(?<=[\w}])\s*[xX](?=\s)|by)\s*", plain)
    if space and len(parts) == 1:
        parts = re.split(r"x", parts[0])
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return tuple(_size(part, text) for part in parts)


def read_shapes(shapes: Mapping[str, str | int | Iterable[str | int]] | None) -> dict[str, Shape]:
    """Declared shapes by the symbols' keys.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_shapes
    >>> read_shapes({"x": "n, d", "ŷ": ("n",), "b": ""})
    {'x': ('n', 'd'), 'y_hat': ('n',), 'b': ()}
    """
    return {declared(name).key: read_shape(shape) for name, shape in (shapes or {}).items()}


def read_symbol(text: str, *, known: Known | None = None) -> Symbol:
    """A symbol, perhaps with indices: what a derivative is taken by.

    Python's brackets count from zero, everything else from one.

    Raises
    ------
    FormulaError
        If it is anything but one symbol.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_symbol
    >>> read_symbol("W_ij") == read_symbol("W[i, j]") == read_symbol("W_{i,j}")
    True
    >>> read_symbol("W[0, 1]") == read_symbol("W_12", known={"W": 2})
    True
    >>> read_symbol("w^1_{31}").key
    'w^1'
    """
    names = dict(known or {})
    bare = re.match(r"\s*([A-Za-z]{2,})\s*(?:[\[_^]|$)", composed(text))
    if bare:
        names.setdefault(bare[1], None)  # one name, not a product of letters
    found = read(text, syntax=None if "\\" in text else "text", known=names)
    if not isinstance(found, Symbol):
        raise FormulaError("claims.symbol", text=text)
    return found


def read_definitions(
    definitions: Mapping[str, str] | Sequence[str] | str | None,
    *,
    syntax: str | None = None,
    known: Known | None = None,
) -> list[tuple[Symbol, Expression]]:
    """Defined symbols with their formulas, in order.

    Parameters
    ----------
    definitions
        ``{"ŷ_i": "sum_j x_ij w_j + b"}``, or equations ``["z = w x", "y = tanh(z)"]``.
    syntax, known
        As for :func:`read`; every definition also knows the names that were defined before it.

    Raises
    ------
    FormulaError
        If a formula cannot be read, or an equation defines no symbol.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_definitions
    >>> [symbol.key for symbol, _ in read_definitions(["z = w x", "ŷ = tanh(z)"])]
    ['z', 'y_hat']
    """
    found: list[tuple[Symbol, Expression]] = []
    names = dict(known or {})
    for left, right in _sides(definitions):
        symbol = read_symbol(left, known=names)
        formula = read(right, syntax=syntax, known=names if known is not None or names else None)
        if isinstance(formula, Equation):
            raise FormulaError("claims.definition", text=f"{left} = {right}")
        if known is not None and symbol.key not in names:
            names[symbol.key] = len(symbol.indices) or None
        found.append((symbol, formula))
    return found


def _sides(definitions: Mapping[str, str] | Sequence[str] | str | None) -> list[tuple[str, str]]:
    if definitions is None:
        return []
    if isinstance(definitions, Mapping):
        return [(str(left), str(right)) for left, right in definitions.items()]
    equations = [definitions] if isinstance(definitions, str) else list(definitions)
    found = []
    for equation in equations:
        left, sign, right = re.sub(r":=", "=", equation).partition("=")
        if not sign or not left.strip() or not right.strip():
            raise FormulaError("claims.definition", text=equation)
        found.append((left, right))
    return found


def read_random(
    random: Mapping[str, str | float] | None,
    *,
    syntax: str | None = None,
    known: Known | None = None,
) -> dict[str, Expression]:
    """The variances of random symbols, by their keys.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_random
    >>> from chainrule.explain.formulas import to_text
    >>> {key: to_text(variance) for key, variance in read_random({"z": "λ", "w": 2}).items()}
    {'z': 'λ', 'w': '2'}
    """
    return {
        declared(name).key: read(str(variance), syntax=syntax, known=known)
        for name, variance in (random or {}).items()
    }


def read_mapping(text: str) -> tuple[str, Shape, Shape] | None:
    r"""A function's name, domain and range from ``f: Rⁿ → Rᵐ``; ``None`` if it is none.

    ``jacobian(f: R^n -> R^m)`` says the same.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import read_mapping
    >>> read_mapping("f: Rⁿ → Rᵐ"), read_mapping(r"f: \mathbb{R}^n \to \mathbb{R}^{m}")
    (('f', ('n',), ('m',)), ('f', ('n',), ('m',)))
    >>> read_mapping("x + 1")
    """
    plain = composed(text).strip().strip("$").strip()
    found = _MAPPING.fullmatch(plain)
    if not found:
        return None
    name, domain, image = found.groups()
    if image.endswith(")") and image.count(")") > image.count("("):
        image = image[:-1]
    return name, read_shape(domain), read_shape(image)


def _raised(text: str) -> str:
    """A text with ``^`` for what is set small above."""
    start = next((at for at, c in enumerate(text) if spelled(c) != c and c not in "−–"), len(text))
    return text if start == len(text) or "^" in text else f"{text[:start]}^{spelled(text[start:])}"


def _size(part: str, whole: object) -> str | int:
    plain = spelled(part.strip()).strip("{}")
    if not _SIZE.fullmatch(plain) or " " in part.strip():
        raise FormulaError("claims.shape", text=str(whole), part=part.strip())
    return int(plain) if plain.isdigit() else plain
