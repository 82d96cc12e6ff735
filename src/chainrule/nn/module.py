"""The module: a frozen dataclass that is a tree.

A layer is written as a class with annotated fields and a ``__call__`` whose body is its mathematics::

    class Linear(nn.Module):
        weight: cr.Tensor      # (in, out)
        bias: cr.Tensor        # (out,)

        def __call__(self, x):
            return x @ self.weight + self.bias

Fields that hold tensors, modules, or containers of these are the children of the tree; every other
field is an option and part of the tree's shape. In a graph each call of a module is one named step,
so derivations, drawings and errors speak of ``hidden.0`` and ``Linear(784, 128)``.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, dataclass_transform

from chainrule.errors import ChainruleError, OptionError
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import Tensor
from chainrule.graph.trace import call
from chainrule.trees import tree_leaves

__all__ = ["Module", "has_random_layers", "submodules"]


class _ModuleType(type):
    """Seals an instance once its ``__init__`` has run."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        module = super().__call__(*arguments, **options)
        module._seal()
        return module


@dataclass_transform(eq_default=False)
class Module(metaclass=_ModuleType):
    """Base class of layers and models.

    A subclass becomes a dataclass: it gets an ``__init__`` with one argument per field unless it
    defines its own. Instances do not change; ``replace`` returns a changed copy.

    Attributes
    ----------
    random
        Class attribute: True for a layer that draws random numbers when it is handed a key.
    fixed
        Class attribute: names of fields whose tensors are never trained, such as a dropout rate.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> class Scale(nn.Module):
    ...     factor: cr.Tensor
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> layer = Scale(cr.tensor(3.0))
    >>> layer(2.0).item(), cr.tree_paths(layer)
    (6.0, ['factor'])
    """

    random: ClassVar[bool] = False
    fixed: ClassVar[tuple[str, ...]] = ()

    _children: tuple[str, ...] = dataclasses.field(init=False, repr=False)
    _frozen: frozenset[str] = dataclasses.field(init=False, repr=False)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own_init = "__init__" in cls.__dict__
        dataclasses.dataclass(init=not own_init, eq=False, repr=False)(cls)
        if "__call__" in cls.__dict__:
            cls.__call__ = _named_call(cls.__dict__["__call__"])  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if "_children" in self.__dict__:
            raise OptionError("nn.sealed", who=type(self).__name__, name=name)
        object.__setattr__(self, name, value)

    def _seal(self) -> None:
        values = {name: self.__dict__[name] for name in field_names(type(self))}
        children = tuple(name for name, value in values.items() if holds_tensors(value))
        for name, value in values.items():
            if name not in children:
                _check_option(type(self).__name__, name, value)
        object.__setattr__(self, "_frozen", frozenset(self.fixed))
        object.__setattr__(self, "_children", children)

    # ------------------------------------------------------------------ the tree
    def tree_flatten(self) -> tuple[tuple[str, ...], list[Any], Any]:
        """Names and values of the children; the options and frozen names as the rest."""
        options = tuple(
            (name, self.__dict__[name])
            for name in field_names(type(self))
            if name not in self._children
        )
        return self._children, [self.__dict__[n] for n in self._children], (options, self._frozen)

    @classmethod
    def tree_unflatten(cls, aux: Any, names: Sequence[str], children: Sequence[Any]) -> Self:
        """A module of this class with the given children, made without ``__init__``."""
        options, frozen = aux
        module = object.__new__(cls)
        module.__dict__.update(options)
        module.__dict__.update(zip(names, children, strict=True))
        module.__dict__.update(_frozen=frozen, _children=tuple(names))
        return module

    @staticmethod
    def tree_frozen(aux: Any) -> frozenset[str]:
        """Names of the children that are not trained."""
        return aux[1]  # type: ignore[no-any-return]

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed.

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.replace(bias=cr.ones(1)).bias.item()
        1.0
        """
        unknown = set(changes) - set(field_names(type(self)))
        if unknown:
            raise OptionError("nn.no_field", who=type(self).__name__, names=sorted(unknown))
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(changes)
        children = tuple(n for n in field_names(type(self)) if holds_tensors(copy.__dict__[n]))
        copy.__dict__["_children"] = children
        return copy

    def __repr__(self) -> str:
        shown = (f"{n}={short(self.__dict__[n])}" for n in field_names(type(self)))
        return f"{type(self).__name__}({', '.join(shown)})"


@functools.cache
def field_names(cls: type) -> tuple[str, ...]:
    """The fields of a module class, in order."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return tuple(f.name for f in fields if not f.name.startswith("_"))


def holds_tensors(value: Any) -> bool:
    """Whether a field's value is a tensor, a module, or a container with one of these inside."""
    if isinstance(value, (Tensor, Module)):
        return True
    if isinstance(value, dict):
        return any(map(holds_tensors, value.values()))
    return isinstance(value, (list, tuple)) and any(map(holds_tensors, value))


def _check_option(who: str, name: str, value: Any) -> None:
    """Options are compared and hashed with the tree's shape, so arrays and lists will not do."""
    try:
        hash(value)
    except TypeError:
        raise OptionError("nn.option", who=who, name=name, got=type(value).__name__) from None


def short(value: Any) -> str:
    """A field's value for a repr: tensors as their spec."""
    if isinstance(value, (Tensor, Spec)):
        return repr(value.spec) if isinstance(value, Tensor) else repr(value)
    if isinstance(value, tuple) and holds_tensors(value):
        return f"({', '.join(map(short, value))})"
    return getattr(value, "__name__", None) or repr(value)


# ---------------------------------------------------------------------- calling
def _named_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a ``__call__`` so that it is one step in graphs and lends its name to errors."""
    parameters = tuple(inspect.signature(function).parameters)[1:]

    def body(module: Module, named: dict[str, Any], rest: tuple[Any, ...]) -> Any:
        try:
            return function(module, *rest, **named)
        except ChainruleError as error:
            _add_path(error, module)
            raise

    @functools.wraps(function)
    def wrapper(module: Module, *arguments: Any, **options: Any) -> Any:
        # By name, so that a graph can say what each input of the call is.
        named, rest = options, arguments
        if len(arguments) <= len(parameters) and not _variadic(function):
            named, rest = {**dict(zip(parameters, arguments, strict=False)), **options}, ()
        try:
            if any(_is_symbolic(leaf) for leaf in tree_leaves((module, named, rest))):
                return call(type(module).__name__, repr(module), body, module, named, rest)
            return body(module, named, rest)
        except ChainruleError as error:
            error.raised_in = module
            raise

    return wrapper


@functools.cache
def _variadic(function: Callable[..., Any]) -> bool:
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    return bool(kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY})


def _is_symbolic(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_symbolic


def _add_path(error: ChainruleError, parent: Module) -> None:
    """Put the place in ``parent`` of the module that raised in front of the error's path."""
    for path, child in submodules(parent):
        if child is error.raised_in and path:
            error.path = (path, *error.path)
            return


def submodules(tree: Any, prefix: str = "") -> list[tuple[str, Module]]:
    """All modules in a tree with their paths, outer ones first.

    Examples
    --------
    >>> from chainrule import nn
    >>> [path for path, _ in nn.submodules(nn.MLP(2, [3], 1, rng=0))]
    ['', 'hidden.0', 'output']
    """
    found: list[tuple[str, Module]] = []
    items: list[tuple[Any, Any]] = []
    if isinstance(tree, Module):
        found.append((prefix, tree))
        items = [(name, tree.__dict__[name]) for name in tree._children]
    elif isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, (list, tuple)):
        items = list(enumerate(tree))
    for name, child in items:
        found += submodules(child, f"{prefix}.{name}" if prefix else str(name))
    return found


def has_random_layers(model: Any) -> bool:
    """Whether a model holds a layer that draws random numbers in training, such as dropout.

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.has_random_layers(nn.MLP(2, [3], 1, dropout=0.5, rng=0))
    True
    """
    return any(module.random for _, module in submodules(model))
