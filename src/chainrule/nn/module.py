"""The module: a frozen dataclass that is a tree.

A layer is a class with annotated fields and a ``__call__`` whose body is its mathematics::

    class Linear(nn.Module):
        weight: cr.Tensor  # (in, out)
        bias: cr.Tensor  # (out,)

        def __call__(self, x):
            return x @ self.weight + self.bias

Fields that hold tensors, modules, or containers of these are the children of the tree; every other
field is an option and part of the tree's shape. In a graph each call of a module is one named step,
so derivations, drawings and errors speak of ``hidden.0`` and ``Linear(784, 128)``.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, dataclass_transform

from chainrule.errors import ChainruleError, OptionError, suggest
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import call
from chainrule.nn.containers import Function, is_container, items, map_items, named_items
from chainrule.nn.text import constructor_form, short
from chainrule.trees import tree_flatten

__all__ = ["Module", "has_random_layers", "submodules"]


class _ModuleType(type):
    """Seals an instance once its ``__init__`` has run."""

    if not TYPE_CHECKING:  # type checkers read the ``__init__`` of the class instead

        def __call__(cls, *arguments: Any, **options: Any) -> Any:
            module = super().__call__(*arguments, **options)
            module._seal()
            return module


@dataclass_transform(eq_default=False, field_specifiers=(dataclasses.field,))
class Module(metaclass=_ModuleType):
    """Base class of layers and models.

    A subclass becomes a dataclass: it gets an ``__init__`` with one argument per field, unless it
    or a class that it derives from defines one by hand. Instances do not change; :meth:`replace`
    returns a changed copy. They are compared by identity.

    A field may hold a tensor, a module, a container (tuple, dict) of tensors, modules and
    functions, or an option: anything that can be hashed. A list becomes a tuple. A number or an
    array for a field that is annotated as a tensor becomes one. A layer with parameters stands at
    one place only: to use its weights twice, call it twice, or see :func:`chainrule.nn.tie`.

    Attributes
    ----------
    random
        Class attribute: True for a layer that draws random numbers when it is handed a key.
    fixed
        Class attribute: names of fields whose tensors are never trained, such as a dropout rate.

    Raises
    ------
    OptionError
        If an instance is changed, a declared field has no value, an undeclared one has, or a value
        fits none of the kinds above.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> class Scale(nn.Module):
    ...     factor: cr.Tensor
    ...
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> layer = Scale(3.0)
    >>> layer(2.0).item(), cr.tree_paths(layer)
    (6.0, ['factor'])
    """

    random: ClassVar[bool] = False
    fixed: ClassVar[tuple[str, ...]] = ()

    _own_init: ClassVar[bool] = False
    _children: tuple[str, ...]
    _frozen: frozenset[str]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        # An __init__ written by hand is inherited; a dataclass would put a generated one over it.
        cls._own_init = cls._own_init or "__init__" in cls.__dict__
        dataclasses.dataclass(init=not cls._own_init, eq=False, repr=False)(cls)
        cls.fixed = tuple(dict.fromkeys(name for base in cls.__mro__ for name in _fixed(base)))
        _check_names(cls, cls.fixed)
        if "__call__" in cls.__dict__:
            cls.__call__ = _named_call(cls.__dict__["__call__"])  # type: ignore[method-assign]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """What the layer computes; every subclass that is called defines it."""
        raise OptionError("nn.no_call", who=type(self).__name__)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_children" in self.__dict__:
            self._refuse_change(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse_change(name)

    def _refuse_change(self, name: str) -> NoReturn:
        raise OptionError("nn.sealed", who=type(self).__name__, name=name)

    def _seal(self) -> None:
        cls = type(self)
        for name in self.__dict__:
            cached = isinstance(getattr(cls, name, None), functools.cached_property)
            if name not in field_names(cls) and not cached:
                raise OptionError("nn.undeclared", who=cls.__name__, name=name)
        for name in field_names(cls):
            if not hasattr(self, name):
                raise OptionError("nn.unset", who=cls.__name__, name=name)
        values = {name: getattr(self, name) for name in field_names(cls)}
        self._fill(values, frozenset(cls.fixed))

    def _fill(self, values: Mapping[str, Any], frozen: frozenset[str]) -> None:
        """Set all fields; from then on the module does not change."""
        kept = {name: _accepted(type(self), name, value) for name, value in values.items()}
        children = tuple(name for name, value in kept.items() if holds_tensors(value))
        _check_not_shared(type(self), {name: kept[name] for name in children})
        self.__dict__.update(kept, _frozen=frozen, _children=children)

    # ------------------------------------------------------------------ the tree
    def tree_flatten(self) -> tuple[tuple[str, ...], list[Any], Any]:
        """Names and values of the children; the options and frozen names as the rest."""
        values = self.__dict__
        options = tuple(
            (name, values[name]) for name in field_names(type(self)) if name not in self._children
        )
        children = [Function.hide(values[name]) for name in self._children]
        return self._children, children, (options, self._frozen)

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
        """Paths, from this module on, of the tensors that are not trained."""
        return aux[1]  # type: ignore[no-any-return]

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; what is frozen stays frozen.

        Raises
        ------
        OptionError
            If there is no such field, or it does not take such a value.

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.replace(bias=cr.ones(1)).bias.item()
        1.0
        """
        cls = type(self)
        _check_names(cls, changes)
        copy = object.__new__(cls)
        kept = {name: self.__dict__[name] for name in field_names(cls)}
        copy._fill({**kept, **changes}, self._frozen)
        return copy

    def __repr__(self) -> str:
        parts = [f"{name}={short(self.__dict__[name])}" for name in field_names(type(self))]
        return constructor_form(type(self).__name__, parts)


# ---------------------------------------------------------------------- fields
@functools.cache
def field_names(cls: type) -> tuple[str, ...]:
    """The fields of a module class, in order."""
    return tuple(field.name for field in dataclasses.fields(cls))


def _fixed(base: type) -> tuple[str, ...]:
    """What one class of a family declares as fixed."""
    declared: tuple[str, ...] = base.__dict__.get("fixed", ())
    return declared


def _check_names(cls: type, names: Any) -> None:
    for name in names:
        if name not in field_names(cls):
            hint = suggest(name, field_names(cls))
            raise OptionError("nn.no_field", who=cls.__name__, name=name, hint=hint)


@functools.cache
def _tensor_fields(cls: type) -> frozenset[str]:
    """Fields whose annotation says that they hold a tensor, or a tensor or nothing."""
    wanted = set()
    for field in dataclasses.fields(cls):
        text = field.type if isinstance(field.type, str) else _annotation(field.type)
        parts = {part.strip().rpartition(".")[2] for part in text.split("|")}
        if "Tensor" in parts and parts <= {"Tensor", "None"}:
            wanted.add(field.name)
    return frozenset(wanted)


def _annotation(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _accepted(cls: type, name: str, value: Any) -> Any:
    """A field's value as the module keeps it; raises if it can be neither child nor option."""
    if name in _tensor_fields(cls) and value is not None and not _is_node(value):
        return asarray(value)
    value = _without_lists(value)
    if holds_tensors(value):
        _check_children(cls, name, value)
    else:
        _check_option(cls, name, value)
    return value


def _without_lists(value: Any) -> Any:
    """Lists as tuples, also inside containers: a module does not change."""
    return map_items(_without_lists, value) if is_container(value) else value


def holds_tensors(value: Any) -> bool:
    """Whether a field's value is a tensor, a module, or a container with one of these inside."""
    if is_container(value):
        return any(map(holds_tensors, items(value)))
    return isinstance(value, Tensor) or _is_node(value)


def _is_node(value: Any) -> bool:
    """Whether a value is an inner node of a tree by its own methods, such as a module."""
    return hasattr(value, "tree_flatten") and not isinstance(value, type)


def _check_children(cls: type, name: str, value: Any) -> None:
    """Only tensors are leaves: a number beside them would be neither trained nor an option."""
    if is_container(value):
        for item in items(value):
            _check_children(cls, name, item)
    elif value is not None and not (
        isinstance(value, Tensor) or _is_node(value) or callable(value)
    ):
        raise OptionError("nn.contents", who=cls.__name__, name=name, got=repr(value))


def _check_not_shared(cls: type, children: dict[str, Any]) -> None:
    """A layer with parameters stands at one place: at two, its copies would drift apart."""
    place: dict[int, str] = {}
    for path, module in submodules(children):
        first = place.setdefault(id(module), path)
        if first != path and any(tree_flatten(module)[1].trainable):
            who, layer = cls.__name__, _label(module)
            raise OptionError("nn.shared", who=who, layer=layer, first=first, second=path)


def _check_option(cls: type, name: str, value: Any) -> None:
    """Options are compared and hashed with the tree's shape, so arrays and dicts will not do."""
    try:
        hash(value)
    except TypeError:
        got = type(value).__name__
        raise OptionError("nn.option", who=cls.__name__, name=name, got=got) from None


# ---------------------------------------------------------------------- calling
def _label(module: Module) -> str:
    """How errors and graphs call a module: in constructor form, where that is short."""
    text = repr(module)
    return text if "\n" not in text else f"{type(module).__name__}(…)"


def _named_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a ``__call__`` so that it is one step in graphs and lends its name to errors."""
    names = _positional_names(function)

    def body(module: Module, named: dict[str, Any], rest: tuple[Any, ...]) -> Any:
        try:
            return function(module, *rest, **named)
        except ChainruleError as error:
            _add_path(error, module)
            raise

    @functools.wraps(function)
    def wrapper(module: Module, *arguments: Any, **options: Any) -> Any:
        # By name, so that a graph can say what each input of the call is.
        given = dict(zip(names, arguments, strict=False))
        if len(given) == len(arguments) and given.keys().isdisjoint(options):
            options, arguments = {**given, **options}, ()
        try:
            if _any_symbolic((module, *options.values(), *arguments)):
                name = type(module).__name__
                return call(name, _label(module), body, module, options, arguments)
            return body(module, options, arguments)
        except ChainruleError as error:
            error.raised_in = module
            raise

    return wrapper


def _positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names by which positional arguments can be given too, ``self`` excluded."""
    named = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            break
        named.append(parameter.name)
    return tuple(named)


def _any_symbolic(values: Iterable[Any]) -> bool:
    """Whether a symbolic tensor is anywhere in these trees."""
    for value in values:
        if isinstance(value, Tensor):
            if value.is_symbolic:
                return True
        elif isinstance(value, Module):
            if _any_symbolic([value.__dict__[name] for name in value._children]):
                return True
        elif is_container(value) and _any_symbolic(items(value)):
            return True
    return False


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
    children: list[tuple[Any, Any]] = []
    if isinstance(tree, Module):
        found.append((prefix, tree))
        children = [(name, tree.__dict__[name]) for name in tree._children]
    elif is_container(tree):
        children = named_items(tree)
    for name, child in children:
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
