"""The value of a mend, from the Python in which chainrule writes it, by PyTorch.

``to_python`` writes indices in square brackets, counted from 1, sums over an index as generators,
``f'`` as ``grad(f)`` and ``∂J/∂w`` as ``derivative(J, w)``. :class:`MendReader` reads that; a free
index makes an axis.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from .oracle import CONSTANTS, FUNCTIONS, SIZES, Claim, Reader, as_tensor, values_at

#: Reductions that a generator may stand in.
REDUCTIONS = {
    "sum": lambda terms: sum(terms[1:], start=terms[0]),
    "mean": lambda terms: torch.stack(terms).mean(0),
    "prod": lambda terms: torch.stack(terms).prod(0),
    "max": lambda terms: torch.stack(terms).amax(0),
}


def mended_at(claim: Claim, mend: str, inputs: Mapping[str, Tensor], truth: Tensor) -> Tensor:
    """What a mend gives at a point; a free index runs over the truth's axis of that letter."""
    assert claim.fact is not None
    if claim.kind == "shape":
        sizes = re.findall(r"\w+", mend.removeprefix("array"))
        return torch.tensor([SIZES.get(size) or int(size) for size in sizes])
    moving = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    with torch.enable_grad():
        values = values_at(claim.fact, moving)
        values.setdefault("I", torch.eye(truth.shape[-1] if truth.ndim else 1, dtype=torch.float64))
        body = ast.parse(mend.strip(), mode="eval").body
        if not _free(body) & set(claim.axes):
            return as_tensor(MendReader(values).read(body)).detach()
        places = product(*(range(1, size + 1) for size in truth.shape))
        elements = [
            as_tensor(
                MendReader({**values, **dict(zip(claim.axes, place, strict=True))}).read(body)
            )
            for place in places
        ]
    return torch.stack(elements).reshape(truth.shape).detach()


def _free(body: ast.AST) -> set[str]:
    """Letters that pick elements and over which no sum runs."""
    used: set[str] = set()
    for node in ast.walk(body):
        if isinstance(node, ast.Subscript):
            used |= _names(node.slice)
        if isinstance(node, ast.Compare):  # 1[i = j]
            used |= _names(node)
    bound = {
        name
        for node in ast.walk(body)
        if isinstance(node, ast.comprehension)
        for name in _names(node.target)
    }
    return used - bound


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


class MendReader(Reader):
    """Reads what ``to_python`` writes."""

    def read_name(self, node: ast.Name) -> Any:
        return self.value_of(node.id)

    def value_of(self, name: str) -> Any:
        for known in (name, name.replace("_", ""), name.rstrip("_"), {"lambda_": "lam"}.get(name)):
            if known in self.values:
                return self.values[known]
        return CONSTANTS[name]

    def read_unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.read(node.operand)
        return value if isinstance(node.op, ast.UAdd) else -value

    def read_attribute(self, node: ast.Attribute) -> Tensor:
        """The transpose of a vector is a row."""
        value = as_tensor(self.read(node.value))
        return value[None, :] if value.ndim == 1 else value.mT

    def read_binop(self, node: ast.BinOp) -> Any:
        if not isinstance(node.op, ast.MatMult):
            return super().read_binop(node)
        left, right = as_tensor(self.read(node.left)), as_tensor(self.read(node.right))
        if left.ndim == 0 or right.ndim == 0:
            return left * right
        column_times_row = left.ndim == 1 and right.ndim == 2 and right.shape[0] == 1
        return torch.outer(left, right[0]) if column_times_row else left @ right

    def read_subscript(self, node: ast.Subscript) -> Any:
        places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        indices = [self.read(place) for place in places]
        assert isinstance(node.value, ast.Name)
        name = node.value.id
        if name == "delta" and name not in self.values:  # Kronecker's
            return as_tensor(float(indices[0] == indices[1]))
        numbered = f"{name}{''.join(map(str, indices))}"
        if name not in self.values and numbered in self.values:
            return self.values[numbered]
        labelled = f"{name}_{''.join(map(str, indices))}"
        if name not in self.values and labelled in self.values:
            return self.values[labelled]
        return self.value_of(name)[tuple(int(index) - 1 for index in indices)]

    def read_call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Call):  # grad(f)(z)
            (function,) = node.func.args
            assert isinstance(function, ast.Name)
            return FUNCTIONS[f"{function.id}_prime"](*map(self.read, node.args))
        assert isinstance(node.func, ast.Name)
        if node.func.id == "derivative":
            return self._derivative(*node.args)
        if node.func.id in ("max", "min") and len(node.args) == 2:
            return FUNCTIONS[f"{node.func.id}imum"](*map(self.read, node.args))
        if node.args and isinstance(node.args[0], ast.GeneratorExp):
            return REDUCTIONS[node.func.id](self._terms(node.args[0]))
        return super().read_call(node)

    def _is_array(self, node: ast.AST) -> bool:
        """Whether ``W[1]`` is an element of ``W``, not a variable ``W_1``."""
        return isinstance(node, ast.Name) and node.id in self.values

    def _terms(self, node: ast.GeneratorExp) -> list[Tensor]:
        (loop,) = node.generators
        assert isinstance(loop.target, ast.Name) and isinstance(loop.iter, ast.Call)
        index, bounds = loop.target.id, loop.iter.args
        if len(bounds) == 2:
            numbers = range(int(self.read(bounds[0])), int(self.read(bounds[1])))
        else:
            numbers = range(1, self._length(node.elt, index) + 1)
        return [as_tensor(type(self)({**self.values, index: i}).read(node.elt)) for i in numbers]

    def _length(self, body: ast.AST, index: str) -> int:
        """How long the axis is that the index picks from."""
        for node in ast.walk(body):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
                places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                for axis, place in enumerate(places):
                    if isinstance(place, ast.Name) and place.id == index:
                        return int(self.value_of(node.value.id).shape[axis])
        raise LookupError(f"nothing says how far {index} runs")

    def _derivative(self, of: ast.AST, by: ast.AST) -> Tensor:
        """``∂ of / ∂ by`` through the definitions on the way."""
        picked = by if isinstance(by, ast.Subscript) and self._is_array(by.value) else None
        whole = self.read(picked.value if picked else by)
        value = as_tensor(self.read(of))
        rows = [
            torch.autograd.grad(element, whole, retain_graph=True, allow_unused=True)[0]
            for element in value.flatten()
        ]
        zero = torch.zeros_like(whole)
        found = torch.stack([zero if row is None else row for row in rows])
        found = found.reshape(value.shape + whole.shape)
        if picked is None:
            return found
        places = picked.slice.elts if isinstance(picked.slice, ast.Tuple) else [picked.slice]
        return found[(..., *(int(self.read(place)) - 1 for place in places))]
