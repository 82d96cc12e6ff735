"""Writing on: a language model continues a prompt, one symbol at a time.

The prompt goes through the model at once and fills a cache of keys and values; then each symbol
costs one step, which is compiled once and serves every symbol.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.engines import compile
from chainrule.errors import DataError, OptionError, ShapeError
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import check_sizes
from chainrule.nn.recurrent.lengths import pad_sequences
from chainrule.nn.transformer.language_model import LanguageModel

__all__ = ["generate", "next_probabilities"]

#: The cache has a power of two of places, from this on, so that few steps are compiled.
SMALLEST_CACHE = 32


def generate(
    model: LanguageModel,
    prompt: Any,
    steps: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    greedy: bool = False,
    stop: int | Collection[int] | None = None,
    rng: Any = None,
    engine: str = "auto",
) -> Tensor:
    """Continue a prompt by symbols drawn from what the model thinks comes next.

    Parameters
    ----------
    model
        The language model.
    prompt
        Ids ``(time,)``; or a batch of them, ``(batch, time)`` or a list of sequences that may be of
        different length. Each has one symbol at least.
    steps
        How many symbols to draw.
    temperature
        Logits are divided by it: below 1 likely symbols become more likely, above 1 less.
    top_k
        Draw from the so many most likely symbols only.
    top_p
        Draw from the fewest most likely symbols only that together are at least so likely (nucleus
        sampling).
    greedy
        Take the most likely symbol in place of drawing.
    stop
        An id, or several, after which a sequence ends.
    rng
        Seed or generator, as SPEC 7. The same seed gives the same symbols.
    engine
        See :func:`chainrule.compile`.

    Returns
    -------
    Tensor
        The new ids (int64), without the prompt: ``(n,)`` for one prompt, ``(batch, n)`` for
        several, with ``n = steps``, or less if all sequences have ended. After the end of a
        sequence its stop symbol is repeated.

    Raises
    ------
    ShapeError
        If prompt and steps together are longer than the model's table of positions.
    DataError
        If an id is out of range, or the model's logits are not finite.
    OptionError
        If an option is out of range.

    References
    ----------
    Fan, Lewis & Dauphin (2018), "Hierarchical neural story generation" (top-k); Holtzman, Buys, Du,
    Forbes & Choi (2020), "The curious case of neural text degeneration" (top-p).

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.LanguageModel(64, 16, 2, 2, time=32, rng=0)
    >>> nn.generate(model, [1, 2, 3], 5, top_k=10, rng=0).shape
    (5,)
    >>> nn.generate(model, [[1, 2, 3], [4]], 5, greedy=True).shape
    (2, 5)
    """
    check_sizes("generate(model, prompt, steps)", steps)
    ids, lengths, single = _prompts(prompt)
    _check_time(model, int(lengths.numpy().max()) + steps)
    choose = _chooser(temperature, top_k, top_p, greedy, np.random.default_rng(rng))
    stops = [] if stop is None else [stop] if isinstance(stop, int) else list(stop)
    new = _written(model, ids, lengths, steps, choose, stops, engine)
    return asarray(new[0] if single else new)


def _written(
    model: LanguageModel,
    ids: Tensor,
    lengths: Tensor,
    steps: int,
    choose: Callable[[np.ndarray], np.ndarray],
    stops: Sequence[int],
    engine: str,
) -> np.ndarray:
    """The new ids ``(batch, n)``."""
    batch = ids.shape[0]
    cache = model.cache(batch, _cache_time(ids.shape[1] + steps))
    everywhere, cache = model(ids, lengths, cache=cache)
    logits = everywhere[np.arange(batch), lengths.numpy() - 1]
    step, ended = _step(model, engine), np.full(batch, -1)
    new: list[np.ndarray] = []
    while True:
        symbols = np.where(ended < 0, choose(logits.numpy()), ended)
        ended = np.where(np.isin(symbols, stops), symbols, ended)
        new.append(symbols)
        if len(new) == steps or (ended >= 0).all():
            return np.stack(new, axis=1)
        logits, cache = step(asarray(symbols[:, None]), cache)


@lru_cache(maxsize=2)  # the latest models: a step holds the weights, and is made once for each
def _step(model: LanguageModel, engine: str) -> Callable[..., Any]:
    def step(ids: Tensor, cache: Any) -> Any:
        logits, cache = model(ids, cache=cache)
        return logits[:, 0], cache

    return compile(step, engine=engine)


def _cache_time(needed: int) -> int:
    return max(SMALLEST_CACHE, 1 << (needed - 1).bit_length())


def _prompts(prompt: Any) -> tuple[Tensor, Tensor, bool]:
    """A batch of ids, how many of each are real, and whether there is one prompt alone."""
    if isinstance(prompt, (list, tuple)) and any(np.ndim(row) for row in prompt):
        ids, lengths = pad_sequences([asarray(row) for row in prompt])
        return ids, lengths, False
    ids = asarray(prompt)
    single = ids.ndim == 1
    ids = ids[None] if single else ids
    if ids.ndim != 2 or 0 in ids.shape:
        raise ShapeError("nn.prompt", got=asarray(prompt).shape)
    return ids, asarray(np.full(ids.shape[0], ids.shape[1])), single


def _check_time(model: LanguageModel, time: int) -> None:
    table = model.position_table
    if table is not None and time > table.time:
        raise ShapeError("nn.beyond_table", who=table, time=table.time, got=time)


# ---------------------------------------------------------------------- choosing
def _chooser(
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    greedy: bool,
    generator: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """How a symbol is chosen by its logits ``(batch, symbols)``."""

    def most_likely(logits: np.ndarray) -> np.ndarray:
        return np.asarray(_finite(logits).argmax(axis=-1))

    def drawn(logits: np.ndarray) -> np.ndarray:
        p = next_probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p)
        up_to = np.cumsum(p, axis=-1)
        level = generator.random(len(p)) * up_to[:, -1]
        return np.asarray((up_to > level[:, None]).argmax(axis=-1))

    next_probabilities(np.zeros((1, 1)), temperature=temperature, top_k=top_k, top_p=top_p)
    return most_likely if greedy else drawn


def next_probabilities(
    logits: ArrayLike,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """What :func:`chainrule.nn.generate` draws from: softmax, then the unlikely symbols left out.

    Parameters
    ----------
    logits
        ``(…, symbols)``.
    temperature, top_k, top_p
        See :func:`chainrule.nn.generate`; ``top_k`` comes before ``top_p``. Of symbols that are
        equally likely the first is kept.

    Returns
    -------
    numpy.ndarray
        Probabilities (float64) of the shape of the logits.

    Examples
    --------
    >>> from chainrule.nn.transformer.generation import next_probabilities
    >>> next_probabilities([0.0, 0.0, 5.0, 5.0], top_k=2).tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    _check_options(temperature, top_k, top_p)
    z = _finite(np.asarray(logits, np.float64)) / temperature
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    order = np.argsort(-z, axis=-1, kind="stable")
    likely = np.take_along_axis(p, order, axis=-1)
    if top_k is not None:
        likely[..., top_k:] = 0
    likely /= likely.sum(axis=-1, keepdims=True)
    if top_p is not None:
        before = np.cumsum(likely, axis=-1) - likely
        likely = np.where(before < top_p, likely, 0)
        likely /= likely.sum(axis=-1, keepdims=True)
    probabilities = np.empty_like(z)
    np.put_along_axis(probabilities, order, likely, axis=-1)
    return probabilities


def _check_options(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not 0 < temperature < np.inf:
        raise OptionError("nn.temperature", got=temperature)
    if top_k is not None and (isinstance(top_k, bool) or top_k != int(top_k) or top_k < 1):
        raise OptionError("nn.top_k", got=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise OptionError("nn.top_p", got=top_p)


def _finite(logits: np.ndarray) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise DataError("nn.logits_finite")
    return logits
