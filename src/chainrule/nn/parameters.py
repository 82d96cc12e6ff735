"""Parameters of a model by path: which are trained, which are fixed, which are shared."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from chainrule.errors import PathError, ShapeError, suggest
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.trees import tree_at, tree_flatten, tree_paths, tree_replace, tree_unflatten

__all__ = ["Tied", "freeze", "parameter_count", "parameters", "partition", "tie", "unfreeze"]


def parameters(model: Any) -> dict[str, Tensor]:
    """The trained tensors of a model, by path.

    Examples
    --------
    >>> from chainrule import nn
    >>> list(nn.parameters(nn.Linear(2, 1, rng=0)))
    ['weight', 'bias']
    """
    return partition(model)[0]


def parameter_count(model: Any) -> int:
    """How many numbers are trained.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.parameter_count(nn.MLP(64, [64], 10, rng=0))
    4810
    """
    return sum(value.size for value in parameters(model).values())


def partition(model: Any) -> tuple[dict[str, Tensor], Callable[[dict[str, Tensor]], Any]]:
    """The trained tensors by path, and a function that puts such tensors back into the model.

    Integer tensors and frozen ones are fixed: they stay in the model.

    Examples
    --------
    >>> from chainrule import nn
    >>> trained, rebuild = nn.partition(nn.freeze(nn.MLP(2, [3], 1, rng=0), "hidden.0"))
    >>> list(trained)
    ['output.weight', 'output.bias']
    """
    leaves, definition = tree_flatten(model)
    flags = zip(leaves, definition.trainable, strict=True)
    trained = [flag and isinstance(x, Tensor) and x.dtype.kind == "f" for x, flag in flags]
    rows = list(zip(definition.paths, leaves, trained, strict=True))

    def rebuild(values: dict[str, Tensor]) -> Any:
        new = (values[path] if chosen else leaf for path, leaf, chosen in rows)
        return tree_unflatten(definition, new)

    return {path: leaf for path, leaf, chosen in rows if chosen}, rebuild


def freeze(model: Any, *patterns: str) -> Any:
    """A copy of the model in which the named tensors are not trained.

    Parameters
    ----------
    model
        A module.
    *patterns
        Paths of tensors or of modules, ``*`` matching anything: ``"hidden.0"``, ``"*.bias"``.
        Without any, the whole model is frozen.

    Raises
    ------
    PathError
        If a pattern matches nothing; the message suggests near paths.

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.freeze(nn.MLP(2, [3], 1, rng=0), "*.bias")
    >>> list(nn.parameters(model))
    ['hidden.0.weight', 'output.weight']
    """
    return _marked(model, patterns or ("*",), frozen=True)


def unfreeze(model: Any, *patterns: str) -> Any:
    """A copy of the model in which the named tensors are trained again; see :func:`freeze`.

    What a layer declares as ``fixed``, such as a dropout rate, stays fixed.

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.freeze(nn.Linear(2, 1, rng=0))
    >>> list(nn.parameters(nn.unfreeze(model, "bias")))
    ['bias']
    """
    return _marked(model, patterns or ("*",), frozen=False)


def _marked(model: Any, patterns: tuple[str, ...], frozen: bool) -> Any:
    paths = tree_paths(model)
    chosen: set[str] = set()
    for pattern in patterns:
        matches = [p for p in paths if fnmatchcase(p, pattern) or fnmatchcase(p, f"{pattern}.*")]
        if not matches:
            raise PathError("trees.path", path=pattern, hint=suggest(pattern, paths), known=paths[:8])
        chosen.update(matches)
    return _with_marks(model, "", chosen, frozen)


def _with_marks(tree: Any, prefix: str, chosen: set[str], frozen: bool) -> Any:
    """Rebuild the modules of a tree whose own tensors are among the chosen paths."""
    if isinstance(tree, Module):
        copy = object.__new__(type(tree))
        copy.__dict__.update(tree.__dict__)
        marks = set(tree._frozen)
        for name in tree._children:
            path = f"{prefix}{name}"
            child = tree.__dict__[name]
            if isinstance(child, Tensor) and path in chosen:
                marks = marks | {name} if frozen else marks - ({name} - set(tree.fixed))
            copy.__dict__[name] = _with_marks(child, f"{path}.", chosen, frozen)
        copy.__dict__["_frozen"] = frozenset(marks)
        return copy
    if isinstance(tree, dict):
        return {k: _with_marks(v, f"{prefix}{k}.", chosen, frozen) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_with_marks(v, f"{prefix}{i}.", chosen, frozen) for i, v in enumerate(tree)]
        return type(tree)(items)
    return tree


class Tied(Module):
    """A model in which one tensor takes its value from another; made by :func:`tie`."""

    model: Any
    target: str
    source: str
    through: Callable[[Tensor], Tensor]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        value = self.through(tree_at(self.model, self.source))
        return tree_replace(self.model, self.target, value)(*arguments, **options)


def tie(
    model: Any,
    target: str,
    source: str,
    through: Callable[[Tensor], Tensor] = lambda weight: weight,
) -> Tied:
    """A model in which the tensor at ``target`` is that at ``source``: one leaf used twice.

    Parameters
    ----------
    model
        A module.
    target
        Path of the tensor that is given up.
    source
        Path of the tensor that stands in its place; its gradient sums both uses.
    through
        What to apply on the way, such as a transpose: ``lambda w: w.T``.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> from chainrule import nn
    >>> autoencoder = nn.MLP(4, [2], 4, rng=0)
    >>> tied = nn.tie(autoencoder, "output.weight", "hidden.0.weight", lambda w: w.T)
    >>> nn.parameter_count(autoencoder), nn.parameter_count(tied)
    (22, 14)
    """
    wanted, got = tree_at(model, target), through(tree_at(model, source))
    if wanted.spec != got.spec:
        raise ShapeError("nn.tie", target=target, wanted=wanted.spec, source=source, got=got.spec)
    return Tied(tree_replace(model, target, None), target, source, through)
