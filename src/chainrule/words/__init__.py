"""The message catalogue: every sentence that the library says, in English and Korean.

A message has a key ``room.name``: ``name`` is a table in ``words/room.toml`` with the entries
``en`` and ``ko``, both templates for :meth:`str.format`. The files are read when the first message
of a room is needed, so that importing the library costs nothing.
"""

import os
import tomllib
from functools import cache
from importlib import resources

LANGUAGES = ("en", "ko")
ENVIRONMENT_VARIABLE = "CHAINRULE_LANG"

__all__ = ["ENVIRONMENT_VARIABLE", "LANGUAGES", "language", "text"]


def language() -> str:
    """The language of messages: ``$CHAINRULE_LANG`` (``en`` or ``ko``), English where it is unset.

    Examples
    --------
    >>> from chainrule import words
    >>> words.language() in words.LANGUAGES
    True
    """
    wanted = os.environ.get(ENVIRONMENT_VARIABLE, "en")[:2].lower()
    return wanted if wanted in LANGUAGES else "en"


def text(key: str, lang: str | None = None, /, **values: object) -> str:
    """The message ``key`` with ``values`` put in.

    Parameters
    ----------
    key
        ``room.name``, for instance ``"graph.broadcast"``.
    lang
        ``"en"`` or ``"ko"``; by default :func:`language`.
    **values
        What the template's fields stand for.

    Examples
    --------
    >>> from chainrule import words
    >>> words.text("graph.symbolic_repr", "en")
    'symbolic'
    """
    room, _, name = key.partition(".")
    return _room(room)[name][lang or language()].format(**values)


@cache
def _room(room: str) -> dict[str, dict[str, str]]:
    source = resources.files(__name__).joinpath(f"{room}.toml").read_text(encoding="utf-8")
    return tomllib.loads(source)
