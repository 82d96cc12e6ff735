"""How much better one model is than another on the same test rows, and how sure that is.

Test rows are drawn again and again with replacement, the same ones for both models (the paired
bootstrap: Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 13); the middle 95% of
the differences are the interval. Accuracy and R² need only sums over rows, so many rows are first
added up in blocks, chosen at random, and blocks are drawn in their place.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["FEWEST_ROWS", "Difference", "paired_difference"]

RESAMPLES, BLOCKS, SEED = 2000, 2000, 0
#: With fewer rows an interval would say more about the few than about the models.
FEWEST_ROWS = 10
#: Numbers held at a time.
CELLS = 2_000_000


@dataclass(frozen=True)
class Difference:
    """Our score minus theirs, and the 95% interval.

    Examples
    --------
    >>> from chainrule.report.difference import Difference
    >>> Difference(0.02, 0.01, 0.03).verdict, Difference(0.02, -0.01, 0.05).verdict
    (1, 0)
    """

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> int:
        """1 if ours is measurably better, -1 if theirs is, 0 if the rows cannot tell."""
        return int(self.low > 0) - int(self.high < 0)


def paired_difference(
    task: str, t: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> Difference | None:
    """The difference of accuracy, or of R² averaged over the targets that vary.

    Parameters
    ----------
    task
        ``"classification"`` or ``"regression"``.
    t, ours, theirs
        The truth and two predictions, ``[rows]`` or ``[rows, targets]``.

    Returns
    -------
    Difference or None
        ``None`` with fewer than ten rows, and where some draws hold one value of ``t`` only.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.report.difference import paired_difference
    >>> t = np.arange(40) % 2
    >>> found = paired_difference("classification", t, t, np.zeros_like(t))
    >>> found.value, found.verdict
    (0.5, 1)
    """
    if len(t) < FEWEST_ROWS:
        return None
    if task == "classification":
        sums = ((ours == t).astype(float) - (theirs == t))[:, None, None]
        difference = _mean
    else:
        sums = _terms(*(x.reshape(len(t), -1).astype(float) for x in (t, ours, theirs)))
        difference = _r_squared_difference
    counted = np.concatenate([sums, np.ones((len(t), sums.shape[1], 1))], axis=-1)
    blocks = _blocks(counted)
    low, high = _interval(blocks, difference)
    if not np.isfinite([low, high]).all():
        return None
    return Difference(float(difference(counted.sum(axis=0))), low, high)


def _terms(t: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Per row and target: what their errors have more than ours, and t and t² about its mean."""
    t0 = t.mean(axis=0)
    more = (theirs - t) ** 2 - (ours - t) ** 2
    terms = np.stack([more, t - t0, (t - t0) ** 2], axis=-1)
    varies = terms[..., 2].sum(axis=0) > 0
    return terms[:, varies] if varies.any() else terms


def _mean(sums: np.ndarray) -> np.ndarray:
    """``[..., 1, (sum, rows)]`` → ``[...]``."""
    mean: np.ndarray = sums[..., 0, 0] / sums[..., 0, 1]
    return mean


def _r_squared_difference(sums: np.ndarray) -> np.ndarray:
    """``[..., targets, terms]`` → ``[...]``: the means of t in a draw are those of the draw."""
    more, first, second, rows = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = second - first**2 / rows
        difference: np.ndarray = np.where(spread > 0, more / spread, np.nan).mean(axis=-1)
    return difference


def _blocks(rows: np.ndarray) -> np.ndarray:
    """Sums over blocks of rows, if there are many."""
    if len(rows) <= BLOCKS:
        return rows
    order = np.random.default_rng(SEED).permutation(len(rows))
    edges = np.linspace(0, len(rows), BLOCKS, endpoint=False).astype(int)
    sums: np.ndarray = np.add.reduceat(rows[order], edges, axis=0)
    return sums


def _interval(
    blocks: np.ndarray, difference: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    from scipy import stats

    def drawn(chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        """``chosen [..., draws]`` → the difference in every draw."""
        return difference(blocks[chosen].sum(axis=chosen.ndim - 1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # draws without a spread: their interval is NaN, or a point
        found = stats.bootstrap(
            (np.arange(len(blocks)),),
            drawn,
            n_resamples=RESAMPLES,
            batch=max(1, CELLS // blocks.size),
            vectorized=True,
            method="percentile",
            random_state=np.random.default_rng(SEED),
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
