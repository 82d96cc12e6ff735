"""Writing on: a model continues a prompt, one symbol at a time, if need be by a source.

All of it is one compiled function. A source is read once, by the encoder, and so are its keys and
values for the decoder. The prompt goes through the model at once and fills a cache of
keys and values; then a loop, one step for each symbol, goes on until there are enough or all
sequences have ended. Weights and options are inputs of that function: models of the same shape
share its code, and another temperature compiles nothing.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines import Compiled, compile
from chainrule.engines.choose import checked_engine, chosen_engine
from chainrule.errors import DataError, OptionError, ShapeError
from chainrule.graph import keys
from chainrule.graph.functions import all, arange, isfinite, take, take_along_axis
from chainrule.graph.loops import while_loop
from chainrule.graph.node import Graph
from chainrule.graph.ops.elementwise import log, maximum, where
from chainrule.graph.ops.reductions import argmax, argsort, cumsum, max, sum
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.activations import softmax
from chainrule.nn.attention import Cache
from chainrule.nn.checks import check_sizes, is_number
from chainrule.nn.embedding import checked_ids
from chainrule.nn.recurrent.lengths import checked_lengths, pad_sequences
from chainrule.nn.transformer.language_model import LanguageModel
from chainrule.nn.transformer.positions import PositionTable
from chainrule.nn.transformer.seq2seq import Seq2Seq

__all__ = ["generate", "next_probabilities"]

#: Prompts and caches have a power of two of places, from these on, so that little is compiled.
SMALLEST_PROMPT, SMALLEST_CACHE = 8, 32


def generate(
    model: LanguageModel | Seq2Seq,
    prompt: Any,
    steps: int,
    *,
    source: Any = None,
    source_lengths: ArrayLike | None = None,
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
        The language model, or the sequence-to-sequence model.
    prompt
        Ids ``(time,)``; or a batch of them, ``(batch, time)`` or a list of sequences that may be of
        different length. Each has one symbol at least.
    steps
        How many symbols to draw.
    source
        What a :class:`Seq2Seq` reads, as for ``prompt``: a source for every prompt. One prompt goes
        with all sources, and one source with all prompts.
    source_lengths
        Integers ``(batch,)``, if ``source`` is an array with padding: how many places are real.
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
        See :func:`chainrule.compile`. ``"auto"`` compiles as soon as that would have paid for the
        symbols drawn so far and now from models of this shape.

    Returns
    -------
    Tensor
        The new ids (int64), without the prompt: ``(n,)`` for one prompt (and one source),
        ``(batch, n)`` for several, with ``n = steps``, or less if all sequences have ended. After
        the end of a sequence its stop symbol is repeated.

    Raises
    ------
    ShapeError
        If prompt and steps together are longer than the model's table of positions, or if there
        is not a source for every prompt.
    DataError
        If an id is out of range, or the model's logits are not finite.
    OptionError
        If an option is out of range, or a source is given or missing.

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
    >>> model = nn.Seq2Seq(11, 16, 2, 1, time=8, rng=0)
    >>> nn.generate(model, [10], 4, source=[[1, 2, 3], [4]], greedy=True).shape
    (2, 4)
    """
    check_sizes("generate(model, prompt, steps)", steps)
    checked_engine(engine)
    _check_model(model, source, source_lengths)
    ids, lengths, single = _prompts(prompt)
    checked_ids(model.embedding, ids, model.symbols)
    needed = ids.shape[1] + steps
    _check_time(model.position_table, needed)
    read: _Source | None = None
    if isinstance(model, Seq2Seq):
        read, one = _source(model, source, source_lengths)
        ids, lengths, *pair = _paired(ids, lengths, *read)
        read, single = _Source(*pair), single and one
    choice = _choice(model.symbols, temperature, top_k, top_p)
    stops = _stops(stop, model.symbols)
    task = _Task(
        _padded(ids, _room(model.position_table, ids.shape[1], SMALLEST_PROMPT)),
        lengths,
        read,
        asarray(np.int64(steps)),
        asarray(np.isin(np.arange(model.symbols), stops)),
    )
    key = keys.key(int(checked_rng(rng).integers(2**63)))
    nothing = _nothing(len(ids), _room(model.position_table, needed, SMALLEST_CACHE), key)
    arguments = model, task, None if greedy else choice, nothing
    written = _compiled(_engine(engine, steps, arguments))(*arguments)
    if not written.finite.item():
        raise DataError("nn.logits_finite")
    new = written.new.numpy()[:, : written.drawn.item()]
    return asarray(new[0] if single else new)


# ---------------------------------------------------------------------- the compiled function
class _Source(NamedTuple):
    """What to read, ``(batch, time)``, and how many places are real."""

    ids: Tensor
    lengths: Tensor


class _Task(NamedTuple):
    """What to write: prompts ``(batch, time)``, how many symbols, which ones end a sequence."""

    ids: Tensor
    lengths: Tensor
    source: _Source | None
    steps: Tensor
    stops: Tensor


class _Choice(NamedTuple):
    """How to draw; all symbols are possible where ``top_k`` and ``top_p`` are ``None``."""

    temperature: Tensor
    top_k: Tensor | None
    top_p: Tensor | None


class _Written(NamedTuple):
    """What is there after ``drawn`` symbols, of each sequence: the latest, and all of them."""

    drawn: Tensor
    symbols: Tensor
    ended: Tensor
    finite: Tensor
    key: Tensor
    new: Tensor


def _nothing(batch: int, room: int, key: Tensor) -> _Written:
    """The beginning, with places for so many symbols."""
    none = asarray(np.zeros(batch, np.int64)), asarray(np.zeros(batch, np.bool_))
    new = asarray(np.zeros((batch, room), np.int64))
    return _Written(asarray(np.int64(0)), *none, asarray(np.True_), key, new)


def _continued(
    model: LanguageModel | Seq2Seq, task: _Task, choice: _Choice | None, nothing: _Written
) -> _Written:
    """Prompts written on."""
    batch, room = nothing.new.shape
    write = _writer(model, task.source)

    def grown(written: _Written, logits: Tensor) -> _Written:
        key, now = keys.split(written.key)
        symbols = argmax(logits, axis=-1) if choice is None else _drawn(logits, choice, now)
        symbols = where(written.ended, written.symbols, symbols)
        return _Written(
            written.drawn + 1,
            symbols,
            written.ended | take(task.stops, symbols),
            written.finite & all(isfinite(logits)),
            key,
            where(arange(room) == written.drawn, symbols[:, None], written.new),
        )

    def goes_on(state: tuple[_Written, tuple[Cache, ...]]) -> Tensor:
        written, _ = state
        return (written.drawn < task.steps) & ~all(written.ended) & written.finite

    def step(state: tuple[_Written, tuple[Cache, ...]]) -> tuple[_Written, tuple[Cache, ...]]:
        written, cache = state
        logits, cache = write(written.symbols[:, None], None, cache)
        return grown(written, logits[:, 0]), cache

    everywhere, cache = write(task.ids, task.lengths, model.cache(batch, room))
    logits = take_along_axis(everywhere, task.lengths[:, None, None] - 1, axis=1)[:, 0]
    written: _Written = while_loop(goes_on, step, (grown(nothing, logits), cache))[0]
    return written


def _writer(model: LanguageModel | Seq2Seq, source: _Source | None) -> Callable[..., Any]:
    """From ids, lengths and a cache to logits and the cache with these ids."""
    if isinstance(model, LanguageModel):
        return lambda ids, lengths, cache: model(ids, lengths, cache=cache)
    context = model.read(*source) if source is not None else ()
    return lambda ids, lengths, cache: model(context, ids, None, lengths, cache=cache)


@cache
def _compiled(engine: str) -> Compiled:
    return compile(_continued, engine=engine)


def _engine(engine: str, steps: int, arguments: tuple[Any, ...]) -> str:
    """The engine that pays for so many symbols."""
    if engine != "auto":
        return engine
    step = _step_of(_compiled("interpret").graph(*arguments))
    if step not in _pays:
        if chosen_engine("auto", step, steps) == "interpret":
            return "interpret"
        _pays.add(step)
    return "native"


#: Steps that the native engine pays for; to ask again would take as long as some symbols.
_pays: set[Graph] = set()


def _step_of(graph: Graph) -> Graph:
    """What is done for each symbol."""
    (loop,) = (node for node in graph.nodes if node.op.name == "while")
    step: Graph = loop.attributes["body"]
    return step


# ---------------------------------------------------------------------- prompts and sources
def _check_model(model: Any, source: Any, lengths: ArrayLike | None) -> None:
    if not isinstance(model, (LanguageModel, Seq2Seq)):
        raise OptionError("nn.writer", got=model)
    reads = isinstance(model, Seq2Seq)
    if reads == (source is None) or (lengths is not None and not reads):
        call = "generate(model, prompt, steps" + (", source=...)" if reads else ")")
        raise OptionError("nn.source", who=model, kind=type(model).__name__, call=call)


def _source(model: Seq2Seq, source: Any, lengths: ArrayLike | None) -> tuple[_Source, bool]:
    """A batch of sources, and whether there is one alone."""
    ids, found, single = _prompts(source)
    if lengths is not None:
        found = checked_lengths(model, lengths, ids.shape[:1], ids.shape[1])
    table, embedding, time = model.source_position_table, model.source_embedding, ids.shape[1]
    _check_time(table, time)
    real = np.arange(time) < found.numpy()[:, None]
    ids = checked_ids(embedding, np.where(real, ids.numpy(), 0), embedding.count)
    return _Source(_padded(ids, _room(table, time, SMALLEST_PROMPT)), found), single


def _paired(*tensors: Tensor) -> list[Tensor]:
    """Ids and lengths of prompts and of sources, with one of a kind repeated for all others."""
    prompts, sources = len(tensors[0]), len(tensors[-1])
    if prompts != sources and 1 not in (prompts, sources):
        raise ShapeError("nn.sources", prompts=prompts, sources=sources)
    batch = sources if prompts == 1 else prompts
    return [asarray(np.repeat(x.numpy(), batch // len(x), axis=0)) for x in tensors]


def _room(table: PositionTable | None, needed: int, smallest: int) -> int:
    """At least so many places, and no more than the model has positions."""
    room = smallest
    while room < needed:
        room *= 2
    return room if table is None else min(room, table.time)


def _padded(ids: Tensor, time: int) -> Tensor:
    return asarray(np.pad(ids.numpy(), ((0, 0), (0, time - ids.shape[1]))), np.int64)


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


def _check_time(table: PositionTable | None, time: int) -> None:
    if table is not None and time > table.time:
        raise ShapeError("nn.beyond_table", who=table, time=table.time, got=time)


# ---------------------------------------------------------------------- choosing
def _choice(symbols: int, temperature: float, top_k: int | None, top_p: float | None) -> _Choice:
    """Options as inputs of a graph."""
    _check_options(temperature, top_k, top_p)
    divisor = asarray(np.float64(temperature))
    if top_k is None and top_p is None:
        return _Choice(divisor, None, None)
    places = symbols if top_k is None else min(int(top_k), symbols)
    return _Choice(
        divisor, asarray(np.int64(places)), asarray(np.float64(np.inf if top_p is None else top_p))
    )


def _drawn(logits: Tensor, choice: _Choice, key: Tensor) -> Tensor:
    """Symbols ``(batch,)`` drawn by the softmax of their scores.

    That is where scores with Gumbel noise are largest (Maddison, Tarlow & Minka 2014, "A*
    sampling").
    """
    unit = maximum(keys.uniform(key, logits.shape, np.float64), 2.0**-54)  # log(0) is infinite
    return argmax(_scores(logits, choice) - log(-log(unit)), axis=-1)


def _scores(logits: Tensor, choice: _Choice) -> Tensor:
    """Logits, up to a constant, of what is drawn from: ``-inf`` where a symbol is left out."""
    z = logits.astype(np.float64)
    z = (z - max(z, axis=-1, keepdims=True)) / choice.temperature
    if choice.top_k is None or choice.top_p is None:
        return z
    order, places = argsort(-z), arange(z.shape[-1])
    p = where(places < choice.top_k, softmax(take_along_axis(z, order)), 0.0)
    p = p / sum(p, axis=-1, keepdims=True)
    kept = (places < choice.top_k) & (cumsum(p, axis=-1) - p < choice.top_p)
    rank = argsort(order)
    return where(rank < sum(kept, axis=-1, keepdims=True), z, -np.inf)


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
    z = np.asarray(logits, np.float64)
    choice = _choice(z.shape[-1], temperature, top_k, top_p)
    if not np.isfinite(z).all():
        raise DataError("nn.logits_finite")
    return softmax(_scores(asarray(z), choice)).numpy()


def _stops(stop: int | Collection[int] | None, symbols: int) -> np.ndarray:
    """Which symbols end a sequence, as ids."""
    found: list[Any] = [] if stop is None else [stop]
    if isinstance(stop, Collection) and not isinstance(stop, str):
        found = list(stop)
    fits = [is_number(one) and one == int(one) and 0 <= one < symbols for one in found]
    if False in fits:
        raise OptionError("nn.stop", symbols=symbols, got=found[fits.index(False)])
    return np.array(found, np.int64)


def _check_options(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not (is_number(temperature) and temperature > 0):
        raise OptionError("nn.temperature", got=temperature)
    if top_k is not None and not (is_number(top_k) and top_k >= 1 and top_k == int(top_k)):
        raise OptionError("nn.top_k", got=top_k)
    if top_p is not None and not (is_number(top_p) and 0 < top_p <= 1):
        raise OptionError("nn.top_p", got=top_p)
