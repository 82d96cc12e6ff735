"""Parameters of a model by path: which are trained, which are fixed, which are shared."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from chainrule.errors import OptionError, PathError, ShapeError, suggest
from chainrule.graph.tensor import Tensor
from chainrule.nn.activations import identity
from chainrule.nn.module import Module
from chainrule.trees import (
    TreeDef,
    tree_at,
    tree_flatten,
    tree_paths,
    tree_replace,
    tree_unflatten,
)

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
    trained = [flag and isinstance(leaf, Tensor) and leaf.spec.is_float for leaf, flag in flags]
    rows = list(zip(definition.paths, leaves, trained, strict=True))

    def rebuild(values: dict[str, Tensor]) -> Any:
        new = (values[path] if chosen else leaf for path, leaf, chosen in rows)
        return tree_unflatten(definition, new)

    return {path: leaf for path, leaf, chosen in rows if chosen}, rebuild


# ---------------------------------------------------------------------- frozen tensors
def freeze(model: Any, *patterns: str) -> Any:
    """A copy of the model in which the named tensors are not trained.

    The mark is kept by the module that owns the tensor: it stays where that module is taken out of
    the model, or put into another one.

    Parameters
    ----------
    model
        A module, or a container of modules.
    *patterns
        Paths of tensors or of modules, ``*`` matching anything: ``"hidden.0"``, ``"*.bias"``.
        Without any, the whole model is frozen.

    Raises
    ------
    PathError
        If a pattern matches nothing; the message suggests near paths.
    OptionError
        If a tensor is in no module, so that nothing could remember the mark.

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.freeze(nn.MLP(2, [3], 1, rng=0), "*.bias")
    >>> list(nn.parameters(model))
    ['hidden.0.weight', 'output.weight']
    """
    return _with_marks(model, patterns, frozenset.union)


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
    return _with_marks(model, patterns, frozenset.difference)


Change = Callable[[frozenset[str], frozenset[str]], frozenset[str]]


def _with_marks(model: Any, patterns: tuple[str, ...], change: Change) -> Any:
    leaves, definition = tree_flatten(model)
    marked, ownerless = _marked(definition, _chosen(definition.paths, patterns), change)
    if ownerless:
        raise OptionError("nn.ownerless", path=min(ownerless))
    return tree_unflatten(marked, leaves)


def _chosen(paths: list[str], patterns: tuple[str, ...]) -> frozenset[str]:
    """The paths that match a pattern, or that lie below one that does."""
    chosen: set[str] = set()
    for pattern in patterns or ("*",):
        matches = [p for p in paths if fnmatchcase(p, pattern) or fnmatchcase(p, f"{pattern}.*")]
        if not matches and patterns:
            hint = suggest(pattern, paths)
            raise PathError("trees.path", path=pattern, hint=hint, known=paths[:8])
        chosen.update(matches)
    return frozenset(chosen)


def _marked(
    definition: TreeDef, chosen: frozenset[str], change: Change
) -> tuple[TreeDef, frozenset[str]]:
    """A tree's shape with its modules' marks changed, and the chosen paths that no module owns."""
    if definition.kind is None:
        return definition, chosen
    children, own = [], set()
    for name, child in zip(definition.names, definition.children, strict=True):
        marked, ownerless = _marked(child, _below(str(name), chosen), change)
        children.append(marked)
        own |= {f"{name}.{path}" if path else str(name) for path in ownerless}
    aux = definition.aux
    if issubclass(definition.kind, Module):
        options, marks = aux
        fixed = definition.kind.fixed
        aux = options, change(marks, frozenset(p for p in own if p.partition(".")[0] not in fixed))
        own = set()
    return definition._replace(children=tuple(children), aux=aux), frozenset(own)


def _below(name: str, paths: frozenset[str]) -> frozenset[str]:
    """Those of the paths that begin with ``name``, without it."""
    return frozenset(path[len(name) + 1 :] for path in paths if f"{path}.".startswith(f"{name}."))


# ---------------------------------------------------------------------- tied tensors
class Tied(Module):
    """A model in which one tensor takes its value from another; made by :func:`tie`.

    Examples
    --------
    >>> from chainrule import nn
    >>> tied = nn.tie(nn.MLP(2, [2], 2, rng=0), "output.weight", "hidden.0.weight")
    >>> list(nn.parameters(tied))
    ['model.hidden.0.weight', 'model.hidden.0.bias', 'model.output.bias']
    """

    model: Any
    target: str
    source: str
    through: Callable[[Tensor], Tensor]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The model's output."""
        return self.untied()(*arguments, **options)

    def untied(self) -> Any:
        """The model itself, with the tensor at ``target`` in its place.

        Examples
        --------
        >>> from chainrule import nn
        >>> tied = nn.tie(nn.MLP(2, [2], 2, rng=0), "output.weight", "hidden.0.weight")
        >>> tied.untied()
        MLP(2, [2], 2, activation="relu")
        """
        value = self.through(tree_at(self.model, self.source))
        return tree_replace(self.model, self.target, value)


def tie(
    model: Any,
    target: str,
    source: str,
    through: Callable[[Tensor], Tensor] = identity,
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
        What to apply on the way, such as a transpose: ``lambda weight: weight.T``.

    Raises
    ------
    PathError
        If there is no tensor at one of the paths.
    ShapeError
        If shapes or types do not fit.

    Examples
    --------
    >>> from chainrule import nn
    >>> autoencoder = nn.MLP(4, [2], 4, rng=0)
    >>> tied = nn.tie(autoencoder, "output.weight", "hidden.0.weight", lambda weight: weight.T)
    >>> nn.parameter_count(autoencoder), nn.parameter_count(tied)
    (22, 14)
    """
    wanted, given = _tensor_at(model, target), _tensor_at(model, source)
    if target == source:
        raise OptionError("nn.tie_itself", path=target)
    got = through(given)
    if wanted.spec != got.spec:
        raise ShapeError("nn.tie", target=target, wanted=wanted.spec, source=source, got=got.spec)
    return Tied(tree_replace(model, target, None), target, source, through)


def _tensor_at(model: Any, path: str) -> Tensor:
    found = tree_at(model, path)
    if not isinstance(found, Tensor):
        paths = tree_paths(model)
        raise PathError("trees.path", path=path, hint=suggest(path, paths), known=paths[:8])
    return found
