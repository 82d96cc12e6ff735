"""What steps compute as formulas of whole arrays, where that is more than the name and its inputs.

``z⁽²⁾ = x⁽²⁾ w + h⁽¹⁾ u + b``, ``f⁽²⁾ = σ(z⁽²⁾₂:₄)``, ``c⁽²⁾ = f⁽²⁾ ⊙ c⁽¹⁾ + i⁽²⁾ ⊙ g⁽²⁾``. The
steps are those that :mod:`chainrule.explain.unfolding` makes, which have agreed with their layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Divide,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Negative,
    Number,
    Symbol,
    Transpose,
)
from chainrule.explain.walking.passing import role
from chainrule.explain.walking.walkthrough import Step, Value

__all__ = ["Naming", "whole_form"]

#: What a value is called.
Naming: TypeAlias = Callable[[Value], Expression]
#: A whole axis, as in code.
ALL = Symbol(":")


def whole_form(step: Step, name: Naming) -> Expression | None:
    """What a step of an unfolded layer computes; ``None`` for other steps.

    Parameters
    ----------
    step
        The step.
    name
        What each value is called.
    """
    form = FORMS.get(step.name)
    return None if form is None else form(_Form(step, name))


class _Form:
    def __init__(self, step: Step, name: Naming) -> None:
        self.step, self.name = step, name
        self.values = {role(step, i): value for i, value in enumerate(step.inputs)}

    def __contains__(self, own: str) -> bool:
        return own in self.values

    def __getitem__(self, own: str) -> Expression:
        return self.name(self.values[own])

    @property
    def only(self) -> Value:
        """The first input."""
        return self.step.inputs[0]

    def block(self, own: str, place: int, width: int) -> Expression:
        """Some columns of an input: ``z`` at ``[:, 2:4]``."""
        value, symbol = self.values[own], self[own]
        if value.shape[-1] == width or not isinstance(symbol, Symbol):
            return symbol
        rows = [ALL for size in value.shape[:-1] if size > 1]
        columns = Symbol(f"{place}:{place + width}")
        return replace(symbol, indices=(*rows, columns))

    def has(self, op: str) -> bool:
        """Whether there is such an operation in the step."""
        body = self.step.node.attributes["body"]
        return any(node.op.name == op for node in body.nodes)


def _total(*terms: Expression) -> Expression:
    return terms[0] if len(terms) == 1 else Add(terms)


def _both(*factors: Expression) -> Expression:
    return Multiply(factors, arrays=True)


# ---------------------------------------------------------------------- recurrent layers
def _recurrent_sum(form: _Form) -> Expression:
    terms = [MatMul(form["x"], form["weight"])]
    terms += [MatMul(form["h"], form["recurrent"])] if "h" in form else []
    return _total(*terms, *([form["bias"]] if "bias" in form else []))


def _recurrent_product(form: _Form) -> Expression:
    return MatMul(form["h"], form.block("recurrent", 0, form.step.output.shape[-1]))


def _sequence_step(form: _Form) -> Expression:
    symbol = form.name(form.only)
    places = (ALL, Number(int(form.step.time) - 1), ALL)
    kept = [i for i, n in zip(places, form.only.shape, strict=True) if n > 1]
    return replace(symbol, indices=tuple(kept)) if isinstance(symbol, Symbol) else symbol


def _sequence(form: _Form) -> Expression:
    return Matrix((tuple(map(form.name, form.step.inputs)),))


def _gate(place: int) -> Callable[[_Form], Expression]:
    """``σ`` of a block of columns, of a candidate ``tanh``."""

    def formula(form: _Form) -> Expression:
        units = form.step.output.shape[-1]
        begin = place * units
        terms = [form.block("z", begin, units)]
        if "peepholes" in form and isinstance(weights := form["peepholes"], Symbol):
            row = replace(weights, indices=(Number(min(place, 2)),))
            terms.append(_both(row, form["c"]))
        if form.step.name != "candidate":
            terms += [form.block("v", begin, units)] if "v" in form else []
            return Apply("sigmoid", (_total(*terms),))
        if "h" in form:
            columns = form.block("recurrent", begin, units)
            terms.append(MatMul(_both(form["r"], form["h"]), columns))
        elif "r" in form:
            inner = [form.block("v", begin, units)] if "v" in form else []
            inner += [form["recurrent_bias"]] if "recurrent_bias" in form else []
            terms += [_both(form["r"], _total(*inner))] if inner else []
        return Apply("tanh", (_total(*terms),))

    return formula


def _cell_state(form: _Form) -> Expression:
    new = _both(form["i"], form["g"])
    return Add((_both(form["f"], form["c"]), new)) if "f" in form else new


def _hidden_state(form: _Form) -> Expression:
    if "o" in form:
        return _both(form["o"], Apply("tanh", (form["c"],)))
    new = _both(Add((Number(1), Negative(form["u"]))), form["g"])
    return Add((new, _both(form["u"], form["h"]))) if "h" in form else new


# ---------------------------------------------------------------------- attention
def _projection(form: _Form) -> Expression:
    _, heads, _, width = form.step.output.shape
    begin = BLOCKS[form.step.name]
    if begin:  # keys and values have the same width, and stand behind the queries
        whole = form.values["weight"].shape[-1]
        begin = whole - (3 - begin) * heads * width
    columns = form.block("weight", begin, heads * width)
    terms: list[Expression] = [MatMul(form["x"], columns)]
    return _total(*terms, *([form.block("bias", begin, heads * width)] if "bias" in form else []))


def _scores(form: _Form) -> Expression:
    q, k = map(form.name, form.step.inputs[:2])
    product = MatMul(q, Transpose(k))
    width = Number(form.step.inputs[0].shape[-1])
    return Divide(product, Apply("sqrt", (width,))) if form.has("sqrt") else product


def _attention_weights(form: _Form) -> Expression:
    return Apply("softmax", (form.name(form.only),))


def _weighted_values(form: _Form) -> Expression:
    p, v = map(form.name, form.step.inputs[:2])
    return MatMul(p, v)


def _heads_joined(form: _Form) -> Expression:
    joined: Expression = form["r"]
    heads = form.values["r"].shape[1]
    if heads > 1 and isinstance(joined, Symbol):
        places = [replace(joined, indices=(Number(i),)) for i in range(heads)]
        joined = Matrix((tuple(places),))
    terms = [MatMul(joined, form["weight"])]
    return _total(*terms, *([form["bias"]] if "bias" in form else []))


#: Where the columns of queries, keys and values begin.
BLOCKS = MappingProxyType({"queries": 0, "keys": 1, "values": 2})
FORMS: Mapping[str, Callable[[_Form], Expression]] = MappingProxyType(
    {
        "recurrent_sum": _recurrent_sum,
        "recurrent_product": _recurrent_product,
        "sequence_step": _sequence_step,
        "sequence": _sequence,
        "input_gate": _gate(0),
        "forget_gate": _gate(1),
        "candidate": _gate(2),
        "output_gate": _gate(3),
        "reset_gate": _gate(0),
        "update_gate": _gate(1),
        "cell_state": _cell_state,
        "hidden_state": _hidden_state,
        "queries": _projection,
        "keys": _projection,
        "values": _projection,
        "scores": _scores,
        "attention_weights": _attention_weights,
        "weighted_values": _weighted_values,
        "heads_joined": _heads_joined,
    }
)
