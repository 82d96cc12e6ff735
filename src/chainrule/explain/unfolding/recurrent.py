"""Recurrent layers, unfolded in time: the same weights at every step.

With ``x⁽ᵗ⁾`` what comes in at step ``t``, from 1::

    RNN       z⁽ᵗ⁾ = x⁽ᵗ⁾ W + h⁽ᵗ⁻¹⁾ U + b          h⁽ᵗ⁾ = φ(z⁽ᵗ⁾)
    LSTM      z⁽ᵗ⁾ = x⁽ᵗ⁾ W + h⁽ᵗ⁻¹⁾ U + b          its columns are those of i, f, g, o
              i, f, o = σ(z),  g = tanh(z)           c⁽ᵗ⁾ = f c⁽ᵗ⁻¹⁾ + i g,  h⁽ᵗ⁾ = o tanh(c⁽ᵗ⁾)
    GRU       z⁽ᵗ⁾ = x⁽ᵗ⁾ W + b,  v⁽ᵗ⁾ = h⁽ᵗ⁻¹⁾ U    their columns are those of r, u, g
              r, u = σ(z + v),  g = tanh(z + r v)    h⁽ᵗ⁾ = (1 − u) g + u h⁽ᵗ⁻¹⁾

Before the first step the state is 0, if none is given: then its terms are left out there.

A step of time is part of the name of a call, ``forget_gate(3)``: no function of a user has such a
name.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence

from chainrule.explain.unfolding.called import Called, NotTextbook
from chainrule.graph import Tensor, call, concatenate
from chainrule.graph.ops.elementwise import sigmoid, tanh
from chainrule.nn.activations import activation

__all__ = ["LONGEST", "cell", "layer"]

#: A sequence of more steps is not written out.
LONGEST = 8
#: For the blocks of an LSTM that may see its cell state, their rows in the peepholes' weights.
PEEPHOLES = {0: 0, 1: 1, 3: 2}
#: The time of a cell that stands alone.
ANY = "t"

#: Output and, of an LSTM, cell state; ``None`` is 0.
State = tuple[Tensor | None, ...]
Weights = Mapping[str, Tensor]
Step = Callable[[Called, Weights, Tensor, State, str], State]


def cell(called: Called) -> Sequence[Tensor]:
    """One step."""
    weights = _weights(called, "")
    state = [tensor for name, tensor in called.given.items() if name.partition(".")[0] == "state"]
    called.only(*weights, "x", "state", "state.")
    kind = called.name.removesuffix("Cell")
    after = STEPS[kind](called, weights, called.given["x"], tuple(state), ANY)
    return [leaf for leaf in after if leaf is not None]


def layer(called: Called) -> Sequence[Tensor]:
    """All steps of all cells: the outputs, and the last state of each cell."""
    called.only("cells.", "x", "initial", "initial.")
    rows: list[Tensor] = []
    x = called.given["x"]
    length = x.shape[1]
    if length > LONGEST:
        raise NotTextbook(length)
    directions = 2 if called.option("bidirectional", "False") == "True" else 1
    cells = sorted({int(name.split(".")[1]) for name in called.given if name.startswith("cells.")})
    initial = iter([t for name, t in called.given.items() if name.startswith("initial")])
    states: list[State] = []
    for first in cells[::directions]:
        rows = rows or [_part(x, t) for t in range(length)]
        made = []
        for index in cells[first : first + directions]:
            weights = _weights(called, f"cells.{index}.")
            begin = _beginning(called, initial)
            backwards = index % directions == 1
            outputs, last = _along(called, weights, rows, begin, backwards)
            made.append(outputs)
            states.append(last)
        rows = [_beside(parts) for parts in zip(*made, strict=True)]
    leaves = [leaf for state in states for leaf in state if leaf is not None]
    return [call("sequence", "sequence", _sequence, *rows), *leaves]


def _weights(called: Called, prefix: str) -> Weights:
    own = ("weight", "recurrent", "bias", "recurrent_bias", "peepholes")
    return {name: called.given[prefix + name] for name in own if prefix + name in called.given}


def _beginning(called: Called, initial: Iterator[Tensor]) -> State:
    """The state before the first step: one was given to each cell, or none was."""
    return tuple(next(initial, None) for _ in range(2 if called.name == "LSTM" else 1))


def _along(
    called: Called, weights: Weights, rows: Sequence[Tensor], state: State, backwards: bool
) -> tuple[list[Tensor], State]:
    """One cell along all steps: its outputs, and its last state."""
    order = range(len(rows))
    outputs = list(rows)
    for t in reversed(order) if backwards else order:
        state = STEPS[called.name](called, weights, rows[t], state, str(t + 1))
        assert state[0] is not None
        outputs[t] = state[0]
    return outputs, state


# ---------------------------------------------------------------------- the steps of each cell
def _rnn(called: Called, weights: Weights, x: Tensor, state: State, t: str) -> State:
    function = activation(called.option("activation", "tanh"))
    z = _sum(weights, x, state[0], t)
    name = getattr(function, "__name__", "activation")
    return (call(f"{name}({t})", name, function, z),)


def _lstm(called: Called, weights: Weights, x: Tensor, state: State, t: str) -> State:
    h, c = state
    z = _sum(weights, x, h, t)
    seen = {"peepholes": weights["peepholes"]} if "peepholes" in weights else {}
    given = {"i": _gate("input", 0, 4, t, {"z": z, **_known(c=c, **seen)})}
    given["g"] = _gate("candidate", 2, 4, t, {"z": z})
    if c is not None:
        given |= {"c": c, "f": _gate("forget", 1, 4, t, {"z": z, "c": c, **seen})}
    c = call(f"cell_state({t})", "cell state", _remembered, given)
    o = _gate("output", 3, 4, t, {"z": z, "c": c, **seen})
    h = call(f"hidden_state({t})", "hidden state", _put_out, {"o": o, "c": c})
    return h, c


def _remembered(given: Weights) -> Tensor:
    """``f c + i g``."""
    new = given["i"] * given["g"]
    return given["f"] * given["c"] + new if "f" in given else new


def _put_out(given: Weights) -> Tensor:
    """``o tanh(c)``."""
    return given["o"] * tanh(given["c"])


def _gru(called: Called, weights: Weights, x: Tensor, state: State, t: str) -> State:
    (h,) = state
    own = {name: weights[name] for name in ("weight", "bias") if name in weights}
    label = "x W + b" if "bias" in own else "x W"
    z = call(f"Linear({t})", label, _linear, {**own, "x": x})
    before = called.option("reset", "after") == "before"
    recurrent = weights["recurrent"]
    sums = {"z": z}
    if h is not None:
        product = _two_blocks if before else _all_blocks
        own = {"h": h, "recurrent": recurrent}
        sums["v"] = call(f"recurrent_product({t})", "h U", product, own)
    r, u = (_gate(name, place, 3, t, sums) for place, name in enumerate(("reset", "update")))
    bias = {name: weights[name] for name in ("recurrent_bias",) if name in weights}
    inner = {"z": z, **_known(h=h), "recurrent": recurrent} if before else {**sums, **bias}
    candidate = _reset_before if before else _reset_after
    g = call(f"candidate({t})", "candidate", candidate, {**inner, "r": r})
    new = call(f"hidden_state({t})", "hidden state", _mixed, {"u": u, "g": g, **_known(h=h)})
    return (new,)


def _known(**tensors: Tensor | None) -> Weights:
    """Those that there are."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _all_blocks(given: Weights) -> Tensor:
    return given["h"] @ given["recurrent"]


def _two_blocks(given: Weights) -> Tensor:
    """``h U``, without the columns of the candidate."""
    return given["h"] @ given["recurrent"][:, : 2 * given["h"].shape[-1]]


def _reset_before(given: Weights) -> Tensor:
    """``tanh(z + (r h) U)``: the reset gate comes before the product."""
    two = 2 * given["r"].shape[-1]
    z = given["z"][:, two:]
    if "h" in given:
        z = z + (given["r"] * given["h"]) @ given["recurrent"][:, two:]
    return tanh(z)


def _reset_after(given: Weights) -> Tensor:
    """``tanh(z + r (v + b))``: the reset gate comes after the product ``v = h U``."""
    two = 2 * given["r"].shape[-1]
    z = given["z"][:, two:]
    inner = [given["v"][:, two:]] if "v" in given else []
    inner += [given["recurrent_bias"]] if "recurrent_bias" in given else []
    return tanh(z + given["r"] * functools.reduce(operator.add, inner)) if inner else tanh(z)


def _mixed(given: Weights) -> Tensor:
    """``(1 − u) g + u h``."""
    new = (1 - given["u"]) * given["g"]
    return new + given["u"] * given["h"] if "h" in given else new


# ---------------------------------------------------------------------- what they have in common
def _linear(given: Weights) -> Tensor:
    z = given["x"] @ given["weight"]
    return z + given["bias"] if "bias" in given else z


def _sum(weights: Weights, x: Tensor, h: Tensor | None, t: str) -> Tensor:
    """``z = x W + h U + b``."""

    def total(given: Weights) -> Tensor:
        z = given["x"] @ given["weight"]
        z = z + given["h"] @ given["recurrent"] if "h" in given else z
        return z + given["bias"] if "bias" in given else z

    names = ("weight", "bias") if h is None else ("weight", "recurrent", "bias")
    given = {name: weights[name] for name in names if name in weights}
    label = "x W" + (" + h U" if h is not None else "") + (" + b" if "bias" in given else "")
    found: Tensor = call(f"recurrent_sum({t})", label, total, {**given, **_known(x=x, h=h)})
    return found


def _gate(name: str, place: int, count: int, t: str, given: Weights) -> Tensor:
    """``σ`` of a block of columns, of a candidate ``tanh``; with peepholes ``σ(z + p c)``."""
    name = name if name == "candidate" else f"{name}_gate"

    def gate(given: Weights) -> Tensor:
        units = given["z"].shape[-1] // count
        blocks = [given[own][:, place * units : (place + 1) * units] for own in ("z", "v")
                  if own in given]  # fmt: skip
        z = functools.reduce(operator.add, blocks)
        if "peepholes" in given:
            z = z + given["peepholes"][PEEPHOLES[place]] * given["c"]
        return tanh(z) if name == "candidate" else sigmoid(z)

    if "c" not in given or "peepholes" not in given:
        given = {own: tensor for own, tensor in given.items() if own in ("z", "v")}
    found: Tensor = call(f"{name}({t})", name.replace("_", " "), gate, given)
    return found


def _part(x: Tensor, t: int) -> Tensor:
    """What comes in at a step."""
    found: Tensor = call(f"sequence_step({t + 1})", "step of the sequence", lambda x: x[:, t], x)
    return found


def _beside(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else concatenate(list(parts), axis=-1)


def _sequence(*rows: Tensor) -> Tensor:
    return concatenate([row[:, None] for row in rows], axis=1)


STEPS: Mapping[str, Step] = {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru}
