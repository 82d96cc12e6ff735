"""Attention: every query takes a weighted mean of the values, weighted by how well its key fits.

With queries ``Q`` ``(T, d)``, keys ``K`` ``(S, d)`` and values ``V`` ``(S, dᵥ)``::

    A = Q Kᵀ / √d                 scores, (T, S)
    P = softmax(A)                weights: each row sums to 1
    Y = P V                       (T, dᵥ)

A mask takes keys out of a row before the softmax. A key that no query may look at is never
multiplied with anything, so what stands there (NaN, too) changes neither results nor gradients; and
a row without any key gives 0 with the gradient 0.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph import keys as random
from chainrule.graph.functions import any as any_of
from chainrule.graph.functions import arange
from chainrule.graph.loops import scan
from chainrule.graph.ops.elementwise import tanh, where
from chainrule.graph.ops.joining import concatenate, pad
from chainrule.graph.ops.movement import moveaxis, swapaxes
from chainrule.graph.spec import Shape, broadcast_shapes
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.graph.trace import call, recompute
from chainrule.nn.activations import softmax
from chainrule.nn.attention.masks import allowed_rows, causal_mask, checked_mask
from chainrule.nn.checks import is_number
from chainrule.nn.dropout import Dropout

__all__ = ["Scale", "attended", "attention"]

Scale: TypeAlias = float | Literal["auto"] | None

#: How many queries are done at once where that is not said, and how many a block has beyond that.
ALL_AT_ONCE, AUTO_BLOCK = 512, 128
#: Into how many parts queries are cut that look at their past only, from so many to so many of
#: them. The first parts see few keys: four parts do 5/8 of the work.
PARTS, CUT_FROM, CUT_TO = 4, 256, 1024


def attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    causal: bool = False,
    scale: Scale = "auto",
    softcap: float | None = None,
    dropout: ArrayLike = 0.0,
    key: Tensor | None = None,
    weights: bool = False,
    block: int | Literal["auto"] | None = "auto",
) -> Any:
    """Dot-product attention: ``softmax(Q Kᵀ · scale) V``.

    Parameters
    ----------
    q
        Queries ``(…, T, d)``.
    k, v
        Keys ``(…, S, d)`` and values ``(…, S, dv)``. Leading axes broadcast. With three axes or
        more, axis -3 is that of the heads: there may be fewer heads of ``k`` and ``v``, each of
        which serves as many neighbouring heads of ``q`` (grouped-query attention).
    mask
        Booleans that broadcast to ``(…, T, S)``, True where a query may look at a key, as for
        PyTorch's ``scaled_dot_product_attention``. Or floats, which are added to the scores: -inf
        is False, but 0.0 is not.
    causal
        Whether a query may look at keys up to its own place only. If there are more keys than
        queries, the queries are the last places (:func:`chainrule.nn.causal_mask`; PyTorch takes
        them for the first).
    scale
        What scores are multiplied with: ``"auto"`` is ``1/√d``, ``None`` is unscaled.
    softcap
        If given, scores become ``c tanh(score / c)`` and so stay between ``±c``.
    dropout
        Rate of the dropout of weights; there is none without a ``key``.
    key
        A random key.
    weights
        Whether to return ``P``, too.
    block
        Whether to go through the queries in blocks of so many rows, each of which is computed again
        on the way back: memory then grows with ``T``, not with ``T²``. ``None``: all at once, as
        with ``weights``. ``"auto"``: all at once up to 512 queries, else in blocks of 128; if
        ``causal``, from 256 to 1024 queries in four parts, of which the first see few keys.
        Results agree to rounding, but dropout draws other numbers.

    Returns
    -------
    Tensor or (Tensor, Tensor)
        ``(…, T, dv)``; with ``weights`` also ``(…, T, S)``, after dropout.

    Raises
    ------
    ShapeError
        If the shapes do not fit together, or there is no query or no key.
    DtypeError
        If the tensors are not of one floating type, or the mask is of integers.
    DataError
        If the mask holds NaN or +inf.
    OptionError
        If ``scale``, ``softcap`` or ``block`` is not a positive number, ``causal`` not a truth
        value, or the rate not from 0 to below 1.

    References
    ----------
    Bahdanau, Cho & Bengio (2015), "Neural machine translation by jointly learning to align and
    translate"; scaled: Vaswani et al. (2017), "Attention is all you need", eq. 1; grouped: Ainslie
    et al. (2023), "GQA"; softcap: Gemma Team (2024), "Gemma 2".

    Examples
    --------
    >>> from chainrule import nn
    >>> q, k, v = [[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[10.0], [20.0]]
    >>> nn.attention(q, k, v).item(), nn.attention(q, k, v, mask=[[True, False]]).item()
    (15.0, 10.0)
    """
    return attended(
        q,
        k,
        v,
        mask=mask,
        causal=causal,
        scale=scale,
        softcap=softcap,
        dropout=dropout,
        key=key,
        weights=weights,
        block=block,
    )


def attended(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    causal: bool = False,
    scale: Scale = "auto",
    softcap: float | None = None,
    dropout: ArrayLike = 0.0,
    key: Tensor | None = None,
    weights: bool = False,
    block: int | Literal["auto"] | None = "auto",
    clean: bool = False,
) -> Any:
    """:func:`attention`, whose docstring says what everything is.

    ``clean``: keys and values that no query may look at are numbers: nothing has to be done about
    them.
    """
    q, k, v, causal = asarray(q), asarray(k), asarray(v), _checked_causal(causal)
    scores = _checked_scores(q, k, v)
    mask = None if mask is None else checked_mask("attention", mask, scores)
    rate = Dropout(dropout)
    drop = None if key is None else rate
    t, s = scores[-2:]
    parts = PARTS if causal and block == "auto" and CUT_FROM <= t <= min(s, CUT_TO) else 1
    recipe = Recipe(
        _checked_scale(scale, q.shape[-1]),
        _checked_softcap(softcap),
        causal,
        None if weights or parts > 1 else _checked_block(block, t),
        1 if weights else parts,
        clean,
    )
    tensors = {"q": q, "k": k, "v": v, "mask": mask, "dropout": drop, "key": key}
    y, p = call("attention", str(recipe), recipe, tensors)
    return (y, p) if weights else y


@dataclass(frozen=True)
class Recipe:
    """What attention computes, apart from the tensors."""

    scale: float | None
    softcap: float | None
    causal: bool
    block: int | None
    parts: int = 1
    clean: bool = False

    def __call__(self, tensors: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """The result; and the weights, if they were all there at once."""
        q, k, v, mask = (tensors[name] for name in ("q", "k", "v", "mask"))
        if mask is not None and not self.clean:
            k, v = (_seen(x, _allowed(mask)) for x in (k, v))
        seen = {**tensors, "k": k, "v": v}
        t, s = q.shape[-2], k.shape[-2]
        if self.parts > 1:
            return self._in_parts(seen), None
        if self.block is None:
            return self._rows(seen, causal_mask(t, s) if self.causal else None, t <= s)
        return self._in_blocks(seen, self.block), None

    def _rows(
        self, tensors: dict[str, Any], past: Tensor | None, filled: bool
    ) -> tuple[Tensor, Tensor]:
        """Some rows: the result and the weights. ``filled``: no row of ``past`` is empty."""
        q, k, v, mask = (tensors[name] for name in ("q", "k", "v", "mask"))
        allowed = past
        a = self._scores(q, k)
        if mask is not None:
            allowed = _allowed(mask) if past is None else _allowed(mask) & past
            a = a if mask.dtype.kind == "b" else a + mask.astype(a.dtype)
        p = softmax(a) if allowed is None else _masked_softmax(a, allowed, filled and mask is None)
        if tensors["dropout"] is not None:
            p = tensors["dropout"](p, key=tensors["key"])
        return _product(p, v), p

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How well each query fits each key."""
        a = _product(q, swapaxes(k, -1, -2))
        a = a if self.scale is None else a * self.scale
        return a if self.softcap is None else self.softcap * tanh(a / self.softcap)

    def _in_parts(self, tensors: dict[str, Any]) -> Tensor:
        """The result of queries that see their past only: each part with the keys that it sees."""
        q, mask = tensors["q"], tensors["mask"]
        t, s = q.shape[-2], tensors["k"].shape[-2]
        cuts = [round(i * t / self.parts) for i in range(self.parts + 1)]
        drawn = tensors["key"]
        keys = [None] * self.parts if drawn is None else list(random.split(drawn, self.parts))
        made = []
        for first, last, key in zip(cuts, cuts[1:], keys, strict=False):
            seen = s - t + last
            part = {"q": q[..., first:last, :], "key": key}
            part |= {name: tensors[name][..., :seen, :] for name in ("k", "v")}
            if mask is not None:
                rows = mask if mask.shape[-2] == 1 else mask[..., first:last, :]
                part["mask"] = rows if mask.shape[-1] == 1 else rows[..., :seen]
            made.append(self._rows({**tensors, **part}, causal_mask(last - first, seen), True)[0])
        return concatenate(made, -2)

    def _in_blocks(self, tensors: dict[str, Any], size: int) -> Tensor:
        """The result, a block of rows at a time; the way back computes each block again."""
        q, k, mask = (tensors[name] for name in ("q", "k", "mask"))
        t, s = q.shape[-2], k.shape[-2]
        count = -(-t // size)
        rows = {"first": arange(0, count * size, size), "q": _blocks(q, count, size)}
        if mask is not None and mask.shape[-2] > 1:
            rows["mask"] = _blocks(mask, count, size)
        if tensors["dropout"] is not None:
            rows["key"] = random.split(tensors["key"], count)

        @recompute
        def attention_block(row: dict[str, Tensor]) -> Tensor:
            past = allowed_rows(row["first"], size, t, s) if self.causal else None
            return self._rows({**tensors, **row}, past, t <= s)[0]

        _, y = scan(lambda nothing, row: (nothing, attention_block(row)), (), rows)
        y = moveaxis(y, 0, -3)
        return y.reshape(*y.shape[:-3], count * size, y.shape[-1])[..., :t, :]

    def __str__(self) -> str:
        return "attention(q, k, v, causal=True)" if self.causal else "attention(q, k, v)"


# ---------------------------------------------------------------------- the parts
def _allowed(mask: Tensor) -> Tensor:
    """A mask as booleans."""
    return mask if mask.dtype.kind == "b" else mask > -np.inf


def _seen(x: Tensor, allowed: Tensor) -> Tensor:
    """Keys or values with 0 in the place of those that no query may look at.

    NaN times a weight of 0 would be NaN.
    """
    seen = allowed if allowed.shape[-2] == 1 else any_of(allowed, axis=-2, keepdims=True)
    if seen.ndim > 2 and seen.shape[-3] not in (1, x.shape[-3]):
        seen = any_of(seen, axis=-3, keepdims=True)  # heads of queries that share these keys
    return where(swapaxes(seen, -1, -2), x, 0)


def _masked_softmax(a: Tensor, allowed: Tensor, filled: bool) -> Tensor:
    """The softmax over what is allowed; a row where nothing is gives 0, unless all are ``filled``.

    The lowest number in the place of -inf, whose differences would be NaN in such a row.
    """
    p = softmax(where(allowed, a, float(np.finfo(a.dtype).min)))
    return p if filled else where(allowed, p, 0)


def _product(x: Tensor, y: Tensor) -> Tensor:
    """``x y`` with the heads of ``x`` that share a head of ``y`` in one product."""
    if x.ndim < 3 or y.ndim < 3 or x.shape[-3] == y.shape[-3]:
        return x @ y
    *batch, heads, rows, inner = x.shape
    shared = y.shape[-3]
    grouped = x.reshape(*batch, shared, heads // shared * rows, inner) @ y
    return grouped.reshape(*batch, heads, rows, y.shape[-1])


def _blocks(x: Tensor, count: int, size: int) -> Tensor:
    """Rows ``(…, T, n)`` as blocks ``(count, …, size, n)``, the last one filled up with 0."""
    missing = count * size - x.shape[-2]
    if missing:
        x = pad(x, [*[(0, 0)] * (x.ndim - 2), (0, missing), (0, 0)])
    return moveaxis(x.reshape(*x.shape[:-2], count, size, x.shape[-1]), -3, 0)


# ---------------------------------------------------------------------- checks
def _checked_scores(q: Tensor, k: Tensor, v: Tensor) -> Shape:
    """The shape of the scores; raises unless queries, keys and values fit together."""
    shapes = q.shape, k.shape, v.shape
    if not q.dtype == k.dtype == v.dtype or not q.spec.is_float:
        raise DtypeError("nn.attention_types", q=q.spec, k=k.spec, v=v.spec)
    fits = all(len(shape) >= 2 and shape[-2] >= 1 for shape in shapes)
    fits = fits and q.shape[-1] == k.shape[-1] and k.shape[:-1] == v.shape[:-1]
    if not fits:
        raise ShapeError("nn.attention_shapes", q=q.shape, k=k.shape, v=v.shape)
    lead, lead_of_keys = q.shape[:-2], k.shape[:-2]
    if lead and lead_of_keys and lead[-1] != lead_of_keys[-1]:
        if lead[:-1] != lead_of_keys[:-1] or lead_of_keys[-1] < 1 or lead[-1] % lead_of_keys[-1]:
            raise ShapeError("nn.attention_heads", q=q.shape, k=k.shape)
    else:
        lead = broadcast_shapes("attention", lead, lead_of_keys)
    return (*lead, q.shape[-2], k.shape[-2])


def _checked_scale(scale: Scale, d: int) -> float | None:
    if isinstance(scale, str) and scale == "auto":
        return 1 / math.sqrt(d)
    if scale is None:
        return None
    if not is_number(scale) or float(scale) <= 0:
        raise OptionError("nn.scale", got=_shown(scale))
    return float(scale)


def _checked_softcap(softcap: float | None) -> float | None:
    if softcap is not None and (not is_number(softcap) or softcap <= 0):
        raise OptionError("nn.softcap", got=repr(softcap))
    return None if softcap is None else float(softcap)


def _checked_causal(causal: bool) -> bool:
    if not isinstance(causal, (bool, np.bool_)):
        raise OptionError("nn.causal", got=_shown(causal))
    return bool(causal)


def _checked_block(block: int | Literal["auto"] | None, queries: int) -> int | None:
    if block == "auto":
        return AUTO_BLOCK if queries > ALL_AT_ONCE else None
    if block is None:
        return None
    if not is_number(block) or int(block) != block or block < 1:
        raise OptionError("nn.block", got=repr(block))
    return min(int(block), queries)


def _shown(value: Any) -> str:
    """A value as it would be typed; an array, which would fill the screen, as type and shape."""
    shape = getattr(value, "shape", ())
    return f"{type(value).__name__}{list(shape)}" if shape else repr(value)
