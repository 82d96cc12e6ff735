"""The learning-rate range test: the error at every rate, and the rates that stand out."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule import words
from chainrule.errors import DataError
from chainrule.report.blocks import Key, Picture, Prose, Section, Sentences
from chainrule.report.facts import Facts, as_rate_test
from chainrule.report.figures import (
    COLOURS,
    WIDTH,
    decimated,
    house_axes,
    line_style,
    log_axis,
    picture,
    plot_height,
    standalone,
)
from chainrule.report.text import number
from chainrule.train import RateTest

__all__ = ["rate_figure", "rates"]

#: Units: the height of the figure without labels, and what each label adds.
HEIGHT, LABEL = 215, 15
#: What a label needs of the width, and the share of the height that is left free below.
LABEL_WIDTH, BELOW = 0.4, 0.03
#: Errors of single steps beyond these shares need not be seen: the last ones explode.
SEEN = (0.02, 0.95)
#: Errors that differ by more than this factor are drawn on a logarithmic axis.
LOG_FACTOR = 10.0
PALE = 0.45


def rate_figure(result: RateTest | Mapping[str, Any], lang: str | None = None) -> str:
    """A figure of a learning-rate range test: SVG for a notebook or a file.

    The error of each step is pale, the smoothed one is not. Lines mark the suggested rate, the
    rates at which the error falls fastest and is lowest, and the one at which training explodes.

    Parameters
    ----------
    result
        From :func:`chainrule.train.find_learning_rate`, or its attributes as a mapping.
    lang
        ``"en"`` or ``"ko"``; by default :func:`chainrule.words.language`.

    Raises
    ------
    DataError
        If the result does not fit together, or training exploded before the second step.
    OptionError
        If ``lang`` is another language, or matplotlib, of ``chainrule[report]``, is not installed.

    Examples
    --------
    In a notebook, ``IPython.display.SVG(report.rate_figure(found))`` shows it.

    >>> import numpy as np
    >>> from chainrule import report
    >>> rates = np.geomspace(1e-4, 1, 50)
    >>> losses = 1 / (1 + 100 * rates)
    >>> found = {"rates": rates, "losses": losses, "smoothed": losses, "halfway": 0.01}
    >>> "suggested: 0.01</text>" in report.rate_figure(found, "en")
    True
    """
    found = vars(result) if isinstance(result, RateTest) else result
    facts = Facts("", "regression", lang or words.language(), rate_test=found)
    test = as_rate_test(found)
    if len(test.losses) < 2:
        raise DataError("report.rate_steps", steps=len(test.losses))
    own = zlib.crc32(test.losses.tobytes())  # a notebook may show several figures on one page
    return standalone(_picture(test, facts.lang, f"rate-test-{own:x}"))


def rates(facts: Facts) -> Section | None:
    """The section, or ``None`` where no rates were tried."""
    if facts.rate_test is None:
        return None
    lang, test = facts.lang, as_rate_test(facts.rate_test)
    blocks: list[Sentences | Picture | Prose] = [Sentences([test.sentence(lang)])]
    if len(test.losses) > 1:
        blocks.append(_picture(test, lang, "rate-test"))
        blocks.append(Prose(words.text("report.rate_note", lang), small=True))
    return Section("rates", words.text("report.rates", lang), blocks)


class Mark(NamedTuple):
    """A rate that stands out, and the line that shows it."""

    rate: float
    label: str
    colour: str
    is_main: bool = False


def _marks(test: RateTest, lang: str) -> list[Mark]:
    """From the largest rate on: where labels stand left of their lines, none crosses a line."""

    def label(key: str, rate: float) -> str:
        return words.text(key, lang, rate=number(rate, digits=2))

    found = []
    if (rate := test.halfway) is not None:
        found.append(Mark(rate, label("report.rate_suggested", rate), "validation", True))
    if (rate := test.steepest) is not None:
        found.append(Mark(rate, label("report.rate_steepest", rate), "muted"))
    if (rate := test.lowest) is not None:
        found.append(Mark(rate, label("report.rate_lowest", rate), "muted"))
    if (rate := test.diverges) is not None:
        found.append(Mark(rate, label("report.rate_diverges", rate), "wrong"))
    return sorted(found, reverse=True)


def _picture(test: RateTest, lang: str, name: str) -> Picture:
    marks = _marks(test, lang)
    size = (WIDTH, HEIGHT + LABEL * len(marks))
    low, high = _seen(test)
    is_steep = low > 0 and high > LOG_FACTOR * low

    def plot(axes: Any) -> None:
        loss = words.text("report.log_loss" if is_steep else "report.loss", lang)
        house_axes(axes, words.text("report.learning_rate", lang), loss)
        log_axis(axes, test.rates, "x")
        if is_steep:
            log_axis(axes, np.array([low, high]))
        pale = {"color": COLOURS["network"], "alpha": PALE, "linewidth": 1.0}
        axes.plot(*decimated(test.rates, test.losses), **pale)
        axes.plot(*decimated(test.rates, test.smoothed), **line_style("network"))
        row = LABEL / plot_height(size[1])
        axes.set_ylim(*_limits(low, high, row * (len(marks) + 0.5), is_steep))
        for place, mark in enumerate(marks):
            _draw(axes, mark, 1 - row * place)
            if mark.is_main:
                y = np.interp(mark.rate, test.rates, test.smoothed)
                axes.plot([mark.rate], [y], "o", color=COLOURS[mark.colour], markersize=6)

    keys = [
        Key(words.text("report.rate_each", lang), "pale"),
        Key(words.text("report.rate_smoothed", lang), "network"),
    ]
    description = words.text(
        "report.rate_described",
        lang,
        smallest=number(test.rates[0], digits=2),
        largest=number(test.rates[-1], digits=2),
        first=number(test.smoothed[0]),
        last=number(test.smoothed[-1]),
        marks="; ".join(mark.label for mark in reversed(marks)) or "–",
    )
    title = words.text("report.rate_title", lang)
    return picture(name, title, description, plot, size=size, keys=keys)


def _seen(test: RateTest) -> tuple[float, float]:
    """The errors between which the axis runs: all smoothed ones, and nearly all single ones."""
    low, high = np.quantile(test.losses, SEEN, method="nearest")
    return float(min(low, test.smoothed.min())), float(max(high, test.smoothed.max()))


def _limits(low: float, high: float, above: float, is_log: bool) -> tuple[float, float]:
    """The ends of an axis that leaves the share ``above`` of its height to labels."""
    if is_log:
        first, last = _limits(float(np.log(low)), float(np.log(high)), above, is_log=False)
        return float(np.exp(first)), float(np.exp(last))
    height = (high - low) / (1 - BELOW - above)
    return low - BELOW * height, high + above * height


def _draw(axes: Any, mark: Mark, top: float) -> None:
    """A line up to ``top``, a share of the height, and its label there, where there is room."""
    smallest, largest = np.log(axes.get_xlim())
    is_left = np.log(mark.rate) < smallest + LABEL_WIDTH * (largest - smallest)
    style = {"linewidth": 1.4} if mark.is_main else {"linewidth": 1, "linestyle": (0, (1.5, 2))}
    axes.axvline(mark.rate, 0, top, color=COLOURS[mark.colour], **style)
    axes.annotate(
        mark.label,
        (mark.rate, top),
        (4, 0) if is_left else (-4, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="top",
        color=COLOURS[mark.colour],
    )
