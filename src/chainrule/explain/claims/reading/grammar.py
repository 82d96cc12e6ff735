"""What the parts of the parser share: its state, and the levels of the grammar by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from chainrule.explain.claims.reading.names import Names
from chainrule.explain.claims.reading.problems import LEVELS
from chainrule.explain.claims.reading.products import Products
from chainrule.explain.claims.reading.stream import Stream
from chainrule.explain.claims.reading.tokens import Token
from chainrule.explain.formulas.tree import Expression

__all__ = ["CLOSING", "KEYWORDS", "OTHERWISE", "Grammar"]

CLOSING = {"(": ")", "[": "]", "{": "}"}
#: Words that stand before a condition, and words for all other cases.
CONDITIONS = frozenset(("if", "when", "for", "where", "일", "때", "일때", "조건"))
OTHERWISE = frozenset(
    ("otherwise", "else", "other", "그", "그밖", "그외", "기타", "나머지", "아니면")
)
KEYWORDS = CONDITIONS - {"where"} | OTHERWISE | {"and", "or", "not", "in"}


class Grammar(Stream, ABC):
    """The state of a parser, and the rules that its parts need of each other.

    Attributes
    ----------
    names, products
        What symbols are meant, and which products.
    latex
        Whether a run of letters is a product.
    level
        How many parts the reader is inside of.
    pooled
        Whether this is inside a reduction, see :mod:`~chainrule.explain.claims.reading.products`.
    """

    def __init__(
        self,
        source: str,
        tokens: Sequence[Token],
        names: Names,
        products: Products,
        latex: bool,
        level: int = 0,
        pooled: bool = False,
    ) -> None:
        super().__init__(source, tokens)
        self.names, self.products, self.latex = names, products, latex
        self.level, self.pooled = level, pooled
        self.fences: list[str] = []  # the bars and brackets that are open

    def part(self, tokens: Sequence[Token]) -> Self:
        """A parser of a part that has brackets of its own: a numerator, a script."""
        if self.level >= LEVELS:
            raise self.error("claims.deep", tokens[0] if tokens else None, levels=LEVELS)
        return type(self)(
            self.source,
            tokens,
            self.names,
            self.products,
            self.latex,
            self.level + 1,
            self.pooled,
        )

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Inside of a factor: every way to nest passes through one."""
        if self.level >= LEVELS:
            raise self.error("claims.deep", levels=LEVELS)
        self.level += 1
        yield
        self.level -= 1

    @contextmanager
    def within(self, fence: str, pooled: bool | None = None) -> Iterator[None]:
        """Behind a bracket, a bar or a ``Σ``; ``pooled`` as the attribute, by default the same."""
        before = self.pooled
        self.pooled = before if pooled is None else pooled
        self.fences.append(fence)
        yield
        self.fences.pop()
        self.pooled = before

    def closes(self, bracket: str, opening: Token) -> None:
        """Pass the bracket that must stand here."""
        if not self.accepts(bracket):
            if self.here.kind == "end":
                raise self.error("claims.unclosed", opening, bracket=bracket)
            raise self.leftover()

    def all_of(self, tokens: Sequence[Token]) -> Expression:
        """The formula that a part is: nothing of it may be left over."""
        if not tokens:
            raise self.error("claims.empty_part", self.token(self.at - 1))
        inner = self.part(tokens)
        found = inner.comparison()
        if inner.here.kind != "end":
            raise inner.leftover()
        return found

    @abstractmethod
    def comparison(self) -> Expression:
        """A sum, or two with a relation between them."""

    @abstractmethod
    def sum(self) -> Expression:
        """``a + b − c``."""

    @abstractmethod
    def product(self) -> Expression:
        """``a b / c``."""

    @abstractmethod
    def factor(self) -> Expression:
        """``x_i²``."""

    @abstractmethod
    def starts(self) -> bool:
        """Whether a factor begins here."""

    @abstractmethod
    def leftover(self) -> Exception:
        """The error about what cannot stand here."""
