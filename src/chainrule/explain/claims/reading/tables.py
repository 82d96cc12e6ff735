"""Choices, matrices, conditions in brackets: what has brackets of its own kind."""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.explain.claims.reading.building import chosen
from chainrule.explain.claims.reading.grammar import CLOSING, CONDITIONS, OTHERWISE, Grammar
from chainrule.explain.claims.reading.tokens import Token
from chainrule.explain.formulas.tree import (
    Apply,
    Compare,
    Expression,
    Matrix,
    Multiply,
    Negative,
    Number,
)

__all__ = ["Tables"]

#: A value and its condition, or "otherwise", or nothing yet.
Row = tuple[Expression, Expression | None]


class Tables(Grammar):
    """The rules for cases, matrices and indicators."""

    # ------------------------------------------------------------------ indicators

    def indicator(self) -> Expression:
        r"""``\\mathbf{1}[z>0]``, ``\\mathbb{1}_{z>0}``; alone, a vector of ones."""
        token = self.taken()
        if self.here.kind == "below":
            inside = self.taken().parts[0]
            if inside and inside[0].text in ("{", "(", "["):
                inside = inside[1:-1]
            condition = self.all_of(inside)
            if not isinstance(condition, Compare):
                raise self.error("claims.condition", token)
            return condition
        return self.condition() if self._holds_condition() else Apply("ones", ())

    def condition(self) -> Expression:
        """The condition in brackets that follows a 1."""
        opening = self.taken()
        with self.within(opening.text):
            found = self.comparison()
        self.closes(CLOSING[opening.text], opening)
        return found

    def _holds_condition(self) -> bool:
        """Whether a bracket stands here with a relation in it."""
        if not self.sees("(", "[", "{"):
            return False
        level = 0
        for token in self.tokens[self.at : self.matching(self.at)]:
            if token.kind == "operator":
                level += (token.text in CLOSING) - (token.text in CLOSING.values())
                if level == 1 and token.text in ("<", "<=", ">", ">=", "==", "!=", "="):
                    return True
        return False

    # ------------------------------------------------------------------ matrices

    def square_bracket(self) -> Expression:
        """``[a + b]``, ``[z > 0]``, a row ``[a, b]``, a matrix ``[[a, b], [c, d]]``, ``[a; b]``."""
        opening = self.taken()
        rows: list[list[Expression]] = [[]]
        with self.within("["):
            while not self.sees("]"):
                rows[-1].append(self.comparison())
                if self.accepts(";"):
                    rows.append([])
                elif not self.accepts(","):
                    break
        self.closes("]", opening)
        if not rows[0]:
            raise self.error("claims.empty_part", opening)
        if len(rows) == 1 and len(rows[0]) == 1 and not isinstance(rows[0][0], Matrix):
            return rows[0][0]  # [a + b] c and [z > 0]
        return self._matrix(rows, opening)

    def _matrix(self, rows: list[list[Expression]], token: Token) -> Expression:
        nested = rows[0]
        if len(rows) == 1 and all(isinstance(e, Matrix) and len(e.rows) == 1 for e in nested):
            rows = [list(row) for e in nested if isinstance(e, Matrix) for row in e.rows]
        if len({len(row) for row in rows}) != 1:
            raise self.error("claims.matrix", token)
        return Matrix(tuple(tuple(row) for row in rows))

    def matrix_table(self) -> Expression:
        r"""``\\begin{pmatrix} … \\end{pmatrix}``."""
        token = self.taken()
        rows = [[self.all_of(cell) for cell in row] for row in _rows(token)]
        return self._matrix(rows, token)

    # ------------------------------------------------------------------ cases

    def case_table(self) -> Expression:
        r"""``\begin{cases} z & z>0 \\ 0 & \text{otherwise} \end{cases}``."""
        token = self.taken()
        found: list[Row] = []
        for row in _rows(token):
            value, *rest = [self.part(_without_comma(cell)) for cell in row]
            first = value.comparison()
            condition = (rest or [value])[0]
            found.append(condition._case(first))
            if condition.here.kind != "end" or value.here.kind != "end":
                raise (condition if value.here.kind == "end" else value).leftover()
        return self._choice(found, token)

    def cases_in_text(self) -> Expression:
        """``{ z if z > 0; 0 otherwise``, with or without the bracket that closes."""
        opening = self.taken()
        found: list[Row] = []
        with self.within("{"):
            if self.here.kind == "matrix":  # \left\{ \begin{array} … \right.
                inner = self.part((self.taken(),))
                inner.tokens[0] = replace(inner.tokens[0], kind="cases")
                return self._closed(inner.case_table(), opening)
            while not self.sees("}") and self.here.kind != "end":
                found.append(self._case_in_text(self.comparison()))
                if not self.accepts(";", ","):
                    break
        return self._closed(self._choice(found, opening), opening)

    def _closed(self, found: Expression, opening: Token) -> Expression:
        if self.here.kind != "end":
            self.closes("}", opening)
        return found

    def _case_in_text(self, value: Expression) -> Row:
        """A case whose condition may stand after a comma, where the next case may stand, too."""
        if not self.sees(","):
            return self._case(value)
        start = self.at
        self.taken()
        if self.here.kind == "word" and self.here.text in CONDITIONS | OTHERWISE:
            return self._case(value)
        following = self.comparison()
        if isinstance(following, Compare):
            return value, following
        self.at = start
        return _split(value)

    def _case(self, value: Expression) -> Row:
        """A value with the condition that stands here, with or without "if"."""
        if self._is_otherwise(0):
            self._skip_words()
            return value, None
        self.skip_conditions()
        if not self.starts() and not self.sees("-") and self.here.kind != "number":
            return _split(value)
        condition = self.comparison()
        if not isinstance(condition, Compare):
            raise self.error("claims.condition", self.tokens[self.at - 1])
        self.skip_conditions()
        return value, condition

    def skip_conditions(self) -> None:
        """Pass the words that stand before or, in Korean, after a condition."""
        while self.here.kind == "word" and self.here.text in CONDITIONS:
            self.taken()

    def _is_otherwise(self, ahead: int) -> bool:
        """Whether "otherwise", perhaps in brackets, stands here."""
        token = self.ahead(ahead)
        if ahead == 0 and self.sees("("):
            token = self.ahead()
        return token.kind == "word" and token.text in OTHERWISE and not self.names.has(token.text)

    def _skip_words(self) -> None:
        bracketed = self.accepts("(")
        self.taken()
        while self.here.kind == "word":
            self.taken()
        if bracketed:
            self.accepts(")")

    def _choice(self, rows: Sequence[Row], token: Token) -> Expression:
        """The cases: the last one holds otherwise."""
        if len(rows) < 2:
            raise self.error("claims.cases", token)
        conditions = [condition for _, condition in rows]
        if None in conditions[:-1]:
            raise self.error("claims.cases", token)
        if conditions[-1] is not None and not _same_sides(conditions):
            raise self.error("claims.otherwise", token)
        first = [condition for condition in conditions[:-1] if condition is not None]
        return chosen(first, [value for value, _ in rows])


def _rows(token: Token) -> list[list[tuple[Token, ...]]]:
    """The cells of a table, row by row."""
    cells, rows = list(token.parts), []
    for width in map(int, token.text.split(",")) if token.text else ():
        rows.append(cells[:width])
        cells = cells[width:]
    return rows


def _without_comma(cell: tuple[Token, ...]) -> tuple[Token, ...]:
    return cell[:-1] if cell and cell[-1].text in (",", ";") else cell


def _same_sides(conditions: Sequence[Expression | None]) -> bool:
    """Whether all conditions compare the same two things, so that the last one is the rest."""
    sides = {(c.left, c.right) for c in conditions if isinstance(c, Compare)}
    return len(sides) == 1


def _split(value: Expression) -> Row:
    """``z (z > 0)`` is a value and its condition."""
    if isinstance(value, Negative):
        inner, found = _split(value.operand)
        return (value, None) if found is None else (Negative(inner), found)
    if isinstance(value, Compare):
        return Number(1), value
    if isinstance(value, Multiply) and isinstance(value.factors[-1], Compare):
        rest = value.factors[:-1]
        return (rest[0] if len(rest) == 1 else Multiply(rest, value.arrays)), value.factors[-1]
    return value, None
