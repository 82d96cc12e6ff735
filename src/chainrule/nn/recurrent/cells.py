"""Recurrent cells: one step along a sequence.

A cell takes what comes in and its state before the step, and gives its state after it. What the
input has to do with it, ``z = x W + b``, does not depend on the state; so a layer computes that for
all steps at once, and :meth:`Cell.step` starts from ``z``.

Weights are stored as ``(in, gates · units)``, one block of columns per gate. They begin as in
Keras, gate by gate: the input's by Glorot & Bengio (2010), the recurrent ones orthogonal (Saxe,
McClelland & Ganguli 2014), so that a state neither grows nor shrinks on its way through time, and
biases at 0, but for the forget gate's.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from chainrule.errors import OptionError, ShapeError
from chainrule.graph.functions import zeros, zeros_like
from chainrule.graph.ops.elementwise import sigmoid, tanh
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import broadcast_to
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.activations import Activation
from chainrule.nn.activations import activation as activation_named
from chainrule.nn.checks import check_sizes, checked_dtype, checked_rows, is_number
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.module import Module
from chainrule.nn.recurrent.options import check_options
from chainrule.nn.text import constructor_form, short
from chainrule.trees import tree_leaves

__all__ = ["Cell", "GRUCell", "LSTMCell", "LSTMState", "RNNCell", "State"]


class LSTMState(NamedTuple):
    """The state of an LSTM: what it puts out, and what it remembers.

    Attributes
    ----------
    h
        The output of the last step, ``(batch, units)``.
    c
        The cell state, ``(batch, units)``.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LSTMCell(3, 4, rng=0).initial(2).c.shape
    (2, 4)
    """

    h: Tensor
    c: Tensor


State: TypeAlias = Tensor | LSTMState


class Cell(Module):
    """Base class of recurrent cells.

    Attributes
    ----------
    weight
        ``W``, of shape ``(inputs, gates · units)``.
    recurrent
        ``U``, of shape ``(units, gates · units)``.
    bias
        ``b``, of shape ``(gates · units,)``, or ``None``.
    blocks
        Class attribute: what the blocks of columns of ``W``, ``U`` and ``b`` are for, in order.
    """

    blocks: ClassVar[tuple[str, ...]] = ()

    weight: Tensor
    recurrent: Tensor
    bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        bias: bool = True,
        init: str | Initializer = "xavier_uniform",
        recurrent_init: str | Initializer = "orthogonal",
        rng: Any = None,
        dtype: Any = np.float32,
        **unknown: Any,
    ) -> None:
        who = f"{type(self).__name__}({inputs}, {units})"
        check_options(who, unknown, type(self).__init__, Cell.__init__)
        check_sizes(who, inputs, units)
        dtype, generator = checked_dtype(who, dtype), checked_rng(rng)

        def drawn(draw: Initializer, shape: tuple[int, int]) -> Tensor:
            parts = [asarray(draw(generator, shape, dtype), dtype) for _ in self.blocks]
            if any(part.shape != shape for part in parts):
                raise ShapeError("nn.init_shape", who=who, wanted=shape, got=parts[0].shape)
            return concatenate(parts, axis=1)

        self.weight = drawn(initializer(init), (inputs, units))
        self.recurrent = drawn(initializer(recurrent_init), (units, units))
        self.bias = zeros(len(self.blocks) * units, dtype) if bias else None

    @property
    def inputs(self) -> int:
        """How many numbers come in at every step."""
        return self.weight.shape[-2]

    @property
    def units(self) -> int:
        """How many numbers the cell puts out at every step."""
        return self.recurrent.shape[-2]

    def __call__(self, x: ArrayLike, state: Any) -> Any:
        """The state after a step; ``x`` is ``(batch, inputs)``, the state ``(batch, units)``."""
        z = self.project(x)
        return self.step(z, self.checked_state(state, z.shape[:-1]))

    def project(self, x: ArrayLike) -> Tensor:
        """``z = x W + b``, the input's part in all gates; ``x`` may hold any number of steps."""
        z = checked_rows(self, x, self.weight) @ self.weight
        return z if self.bias is None else z + self.bias

    def step(self, z: Tensor, state: Any) -> Any:
        """The state after a step, of ``z`` as :meth:`project` gives it."""
        raise NotImplementedError

    def gates(self, x: ArrayLike, state: Any) -> dict[str, Tensor]:
        """The values of the gates in a step, by name, each ``(batch, units)``."""
        z = self.project(x)
        return self.opened(z, self.checked_state(state, z.shape[:-1]))

    def opened(self, z: Tensor, state: Any) -> dict[str, Tensor]:
        """The values of the gates, of ``z`` as :meth:`project` gives it."""
        raise NotImplementedError

    def initial(self, batch: int) -> Any:
        """The state before the first step of so many sequences: zeros."""
        return self._zeros((self._checked_batch(batch),))

    def output(self, state: Any) -> Tensor:
        """What the cell puts out when it is in this state: ``h``."""
        h: Tensor = state
        return h

    def checked_state(self, state: Any, rows: Sequence[int]) -> Any:
        """The state with tensors as leaves; raises unless it has a row for every row of ``x``."""
        (h,) = self._checked_leaves(state, rows, "h")
        return h

    def _checked_leaves(self, state: Any, rows: Sequence[int], *names: str) -> list[Tensor]:
        wanted = self.recurrent.spec.with_shape((*rows, self.units))
        leaves = [asarray(leaf) for leaf in tree_leaves(state)]
        specs = [leaf.spec for leaf in leaves]
        if specs != [wanted] * len(names):
            expected, got = ", ".join(names), ", ".join(map(repr, specs))
            raise ShapeError("nn.cell_state", who=self, names=expected, wanted=wanted, got=got)
        return leaves

    def _checked_batch(self, batch: int) -> int:
        integer = isinstance(batch, (int, np.integer)) and not isinstance(batch, bool)
        if not integer or batch < 0:
            raise OptionError("nn.batch", who=self, got=repr(batch))
        return int(batch)

    def _zeros(self, rows: Sequence[int]) -> Tensor:
        # Made from a weight, so that a graph holds one zero and not an array of them.
        return broadcast_to(zeros_like(self.recurrent[0, : self.units]), (*rows, self.units))

    def options(self) -> list[str]:
        """The options that are not the default, as in a constructor's call."""
        return [] if self.bias is not None else ["bias=False"]

    def __repr__(self) -> str:
        if not hasattr(self.weight, "shape"):
            return super().__repr__()  # the weights were mapped to something else
        parts = [str(self.inputs), str(self.units), *self.options()]
        return constructor_form(type(self).__name__, parts)


def _parts(z: Tensor, count: int) -> list[Tensor]:
    """The blocks of the last axis."""
    units = z.shape[-1] // count
    return [z[..., i * units : (i + 1) * units] for i in range(count)]


class RNNCell(Cell):
    """The plain recurrent cell: ``h' = φ(x W + b + h U)``.

    Its gradient runs back through ``∂h'/∂h = diag(φ'(z)) Uᵀ`` once per step, for ``tanh``
    ``diag(1 - h'²) Uᵀ``: after many steps that product vanishes or explodes.

    Parameters
    ----------
    inputs, units
        How many numbers come in at every step, and how many the state has.
    activation
        ``"tanh"``, ``"relu"``, or any other (:func:`chainrule.nn.activation`).
    bias
        Whether there is a ``b``.
    init, recurrent_init
        How ``W`` and ``U`` begin (:func:`chainrule.nn.initializer`).
    rng
        Seed or generator, as SPEC 7.
    dtype
        float32 or float64.

    Raises
    ------
    ShapeError
        If ``x`` or the state does not fit.
    OptionError
        If a size is below 1, or there is no such option or name.

    References
    ----------
    Elman (1990), "Finding structure in time".

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> cell = nn.RNNCell(3, 4, rng=0)
    >>> cell, cell(cr.ones((2, 3)), cell.initial(2)).shape
    (RNNCell(3, 4), (2, 4))
    """

    blocks = ("candidate",)

    activation: Activation

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        activation: str | Activation = "tanh",
        **common: Any,
    ) -> None:
        super().__init__(inputs, units, **common)
        self.activation = activation_named(activation)

    def step(self, z: Tensor, state: Tensor) -> Tensor:
        """``φ(z + h U)``."""
        h: Tensor = self.activation(z + state @ self.recurrent)
        return h

    def opened(self, z: Tensor, state: Tensor) -> dict[str, Tensor]:
        """Nothing: this cell has no gates."""
        return {}

    def options(self) -> list[str]:
        """The options that are not the default, as in a constructor's call."""
        name = short(self.activation)
        return [*([f'activation="{name}"'] if name != "tanh" else []), *super().options()]


class LSTMCell(Cell):
    """Long short-term memory: a state that gates write to, keep and read.

    With ``i, f, g, o`` the blocks of ``x W + b + h U``::

        i = σ(i)    f = σ(f)    g = tanh(g)    o = σ(o)     input, forget, candidate, output
        c' = f c + i g                                      what is remembered
        h' = o tanh(c')                                     what is put out

    From ``c`` to ``c'`` the gradient is multiplied by ``f`` alone: where the forget gate is open,
    it goes back through any number of steps.

    Parameters
    ----------
    inputs, units
        How many numbers come in at every step, and how many each state has.
    forget_bias
        Where the forget gate's bias begins: at 1 it is half open, and the cell remembers from the
        start (Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015). PyTorch
        draws it around 0. Without biases there is none.
    peepholes
        Whether the gates see the cell state too: ``i`` and ``f`` see ``c``, ``o`` sees ``c'``, each
        through one weight per unit (Gers & Schmidhuber 2000).
    bias, init, recurrent_init, rng, dtype
        As for :class:`RNNCell`.

    Attributes
    ----------
    peepholes
        ``(3, units)``: the weights of the input, forget and output gate, which begin at 0; or
        ``None``.

    Raises
    ------
    ShapeError
        If ``x`` or the state does not fit.
    OptionError
        If a size is below 1, or there is no such option or name.

    References
    ----------
    Hochreiter & Schmidhuber (1997), "Long short-term memory"; with the forget gate by Gers,
    Schmidhuber & Cummins (2000), "Learning to forget".

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> cell = nn.LSTMCell(3, 4, rng=0)
    >>> state = cell(cr.ones((2, 3)), cell.initial(2))
    >>> state.h.shape, list(cell.gates(cr.ones((2, 3)), state))
    ((2, 4), ['input', 'forget', 'candidate', 'output'])
    """

    blocks = ("input", "forget", "candidate", "output")

    peepholes: Tensor | None

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        forget_bias: float = 1.0,
        peepholes: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(inputs, units, **common)
        if not is_number(forget_bias):
            who = f"LSTMCell({inputs}, {units})"
            raise OptionError("nn.forget_bias", who=who, got=repr(forget_bias))
        if self.bias is not None:
            starts = np.repeat([0.0, forget_bias, 0.0, 0.0], units)
            self.bias = asarray(starts, self.bias.dtype)
        self.peepholes = zeros((3, units), self.weight.dtype) if peepholes else None

    def step(self, z: Tensor, state: LSTMState) -> LSTMState:
        """``c' = f c + i g``, ``h' = o tanh(c')``."""
        gate = self.opened(z, state)
        c = gate["forget"] * state.c + gate["input"] * gate["candidate"]
        return LSTMState(gate["output"] * tanh(c), c)

    def opened(self, z: Tensor, state: LSTMState) -> dict[str, Tensor]:
        """The values of ``i``, ``f``, ``g`` and ``o``."""
        i, f, g, o = _parts(z + state.h @ self.recurrent, 4)
        if self.peepholes is not None:
            i, f = i + self.peepholes[0] * state.c, f + self.peepholes[1] * state.c
        i, f, g = sigmoid(i), sigmoid(f), tanh(g)
        if self.peepholes is not None:
            o = o + self.peepholes[2] * (f * state.c + i * g)
        return {"input": i, "forget": f, "candidate": g, "output": sigmoid(o)}

    def initial(self, batch: int) -> LSTMState:
        """The state before the first step of so many sequences: zeros."""
        rows = (self._checked_batch(batch),)
        return LSTMState(self._zeros(rows), self._zeros(rows))

    def output(self, state: LSTMState) -> Tensor:
        """What the cell puts out when it is in this state: ``h``."""
        return state.h

    def checked_state(self, state: Any, rows: Sequence[int]) -> LSTMState:
        """The state with tensors as leaves; raises unless it has a row for every row of ``x``."""
        return LSTMState(*self._checked_leaves(state, rows, "h", "c"))

    def options(self) -> list[str]:
        """The options that are not the default, as in a constructor's call."""
        return [*(["peepholes=True"] if self.peepholes is not None else []), *super().options()]


class GRUCell(Cell):
    """The gated recurrent unit: two gates, and no state beside the output.

    With ``r, u, n`` the blocks of ``x W + b`` and ``U`` split alike::

        r = σ(r + h Uʳ)    u = σ(u + h Uᵘ)                  reset, update
        n = tanh(n + r (h Uⁿ + bⁿ))                         candidate, reset="after"
        n = tanh(n + (r h) Uⁿ)                              candidate, reset="before"
        h' = (1 - u) n + u h

    Parameters
    ----------
    inputs, units
        How many numbers come in at every step, and how many the state has.
    reset
        Whether the reset gate comes ``"after"`` the product with ``Uⁿ``, as in PyTorch, cuDNN and
        Keras, so that one product serves all gates; or ``"before"`` it, as in the paper.
    bias, init, recurrent_init, rng, dtype
        As for :class:`RNNCell`.

    Attributes
    ----------
    recurrent_bias
        ``bⁿ``, of shape ``(units,)``, begins at 0; ``None`` without biases and with
        ``reset="before"``, where ``b`` says as much.

    Raises
    ------
    ShapeError
        If ``x`` or the state does not fit.
    OptionError
        If a size is below 1, or there is no such option or name.

    References
    ----------
    Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", eqs. 5-8. (Others exchange ``u`` and ``1 - u``.)

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> cell = nn.GRUCell(3, 4, rng=0)
    >>> cell, cell(cr.ones((2, 3)), cell.initial(2)).shape
    (GRUCell(3, 4), (2, 4))
    """

    blocks = ("reset", "update", "candidate")

    recurrent_bias: Tensor | None
    reset: str

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        reset: str = "after",
        **common: Any,
    ) -> None:
        super().__init__(inputs, units, **common)
        if reset not in ("after", "before"):
            raise OptionError("nn.reset", who=f"GRUCell({inputs}, {units})", got=repr(reset))
        self.reset = reset
        after = self.bias is not None and reset == "after"
        self.recurrent_bias = zeros(units, self.weight.dtype) if after else None

    def step(self, z: Tensor, state: Tensor) -> Tensor:
        """``(1 - u) n + u h``."""
        gate = self.opened(z, state)
        update, candidate = gate["update"], gate["candidate"]
        return (1 - update) * candidate + update * state

    def opened(self, z: Tensor, state: Tensor) -> dict[str, Tensor]:
        """The values of ``r``, ``u`` and ``n``."""
        r, u, n = _parts(z, 3)
        if self.reset == "after":
            hr, hu, hn = _parts(state @ self.recurrent, 3)
            r, u = sigmoid(r + hr), sigmoid(u + hu)
            n = tanh(n + r * (hn if self.recurrent_bias is None else hn + self.recurrent_bias))
        else:
            two = 2 * self.units
            hr, hu = _parts(state @ self.recurrent[:, :two], 2)
            r, u = sigmoid(r + hr), sigmoid(u + hu)
            n = tanh(n + (r * state) @ self.recurrent[:, two:])
        return {"reset": r, "update": u, "candidate": n}

    def options(self) -> list[str]:
        """The options that are not the default, as in a constructor's call."""
        return [*(['reset="before"'] if self.reset == "before" else []), *super().options()]
