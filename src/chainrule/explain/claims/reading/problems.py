"""What cannot be read: an error that quotes the part, says where it stands, and offers a mend."""

from chainrule.errors import FormulaError

__all__ = ["LENGTH", "LEVELS", "check_size", "unreadable"]

#: The longest formula, in characters, and the deepest nesting that are read.
LENGTH = 10_000
LEVELS = 64


def unreadable(
    key: str, source: str, start: int, end: int | None = None, /, **values: object
) -> FormulaError:
    """The error about ``source[start:end]``, to be raised.

    Parameters
    ----------
    key
        The message in the catalogue; its fields ``part`` and ``position`` are filled here.
    source
        The whole formula.
    start, end
        Where the part begins and ends; by default it is one character.
    **values
        The message's other fields.
    """
    stop = start + 1 if end is None else max(end, start + 1)
    part = source[start:stop].strip()
    if not part:  # where the formula ends, all of it is quoted
        part, start = source.strip(), len(source) - len(source.lstrip())
    return FormulaError(key, part=_short(part), position=start + 1, **values)


def check_size(source: str) -> None:
    """Raise if a formula is empty, too long, or nested too deeply to be read."""
    if not source.strip():
        raise FormulaError("claims.empty")
    if len(source) > LENGTH:
        raise FormulaError("claims.long", length=len(source), most=LENGTH)
    level = 0
    for place, letter in enumerate(source):
        level += (letter in "([{") - (letter in ")]}")
        if level > LEVELS:
            raise unreadable("claims.deep", source, place, levels=LEVELS)


def _short(part: str, most: int = 40) -> str:
    return part if len(part) <= most else f"{part[: most - 1]}…"
