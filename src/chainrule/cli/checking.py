"""``chainrule check``: whether a formula that somebody derived is right."""

from collections.abc import Sequence

from chainrule.cli.telling import write_out
from chainrule.errors import OptionError
from chainrule.explain.claims import check_claim

__all__ = ["RIGHT", "WRONG", "check_and_tell"]

#: The exit codes; a claim that cannot be read ends as every other mistake does, with 2.
RIGHT, WRONG = 0, 1


def check_and_tell(
    function: str,
    claim: str,
    wrt: str,
    shapes: Sequence[str],
    let: Sequence[str],
    random: Sequence[str],
    about: str,
    syntax: str,
) -> int:
    """Check a claim and print the verdict.

    Returns
    -------
    int
        0 if it is right, perhaps under a condition; 1 if it is wrong.
    """
    verdict = check_claim(
        function,
        claim,
        wrt=wrt or None,
        shapes=dict(named("--shape", one) for one in shapes) or None,
        let=list(let) or None,
        random=dict(named("--random", one) for one in random) or None,
        about=about or None,
        syntax=syntax or None,
    )
    write_out(f"{verdict}\n")
    return RIGHT if verdict else WRONG


def named(option: str, text: str) -> tuple[str, str]:
    """``x=n,d`` as a name and what it is."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise OptionError("cli.named", option=option, text=text)
    return name.strip(), value.strip()
