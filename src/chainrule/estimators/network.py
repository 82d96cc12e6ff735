"""The network of an estimator: how it begins, its weights as arrays, what it puts out."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule import nn
from chainrule.errors import OptionError
from chainrule.graph import Tensor
from chainrule.graph.tensor import ArrayLike
from chainrule.trees import tree_leaves

__all__ = [
    "LOGISTIC",
    "Activation",
    "activations_of",
    "called",
    "dense",
    "initial_network",
    "outputs",
    "sizes_of",
    "slices",
    "weights_of",
    "with_weights",
]

Activation: TypeAlias = str | Callable[..., Any]

#: scikit-learn's name for the sigmoid.
LOGISTIC = "logistic"
#: Numbers of a dense block: what a sparse matrix is made dense in, and what is predicted at once.
BLOCK = 2**22


def sizes_of(hidden_layer_sizes: Any) -> list[int]:
    """The sizes of the hidden layers as a list; a number is one layer.

    Raises
    ------
    OptionError
        If a size is not a whole number of at least 1.

    Examples
    --------
    >>> from chainrule.estimators.network import sizes_of
    >>> sizes_of(100), sizes_of((64, 32))
    ([100], [64, 32])
    """
    many = np.ndim(hidden_layer_sizes) > 0
    sizes = list(hidden_layer_sizes) if many else [hidden_layer_sizes]
    for size in sizes:
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise OptionError("estimators.sizes", got=hidden_layer_sizes)
    return [int(size) for size in sizes]


def activations_of(activation: Any, layers: int) -> list[Activation]:
    """An activation for each hidden layer, by our names.

    Raises
    ------
    OptionError
        If a list has not one for each layer, or a name is unknown.

    Examples
    --------
    >>> from chainrule.estimators.network import activations_of
    >>> activations_of("logistic", 2), activations_of(["relu", "tanh"], 2)
    (['sigmoid', 'sigmoid'], ['relu', 'tanh'])
    """
    single = isinstance(activation, str) or callable(activation)
    chosen = [activation] * layers if single else list(activation)
    if len(chosen) != layers:
        raise OptionError("estimators.activations", wanted=layers, got=len(chosen))
    named = ["sigmoid" if name == LOGISTIC else name for name in chosen]
    for name in named:
        nn.activation(name)
    return named


def initial_network(
    random: np.random.RandomState,
    sizes: Sequence[int],
    activations: Sequence[Activation],
    dropout: float,
    dtype: np.dtype[Any],
) -> nn.MLP:
    """A network with scikit-learn's first weights, drawn in its order.

    Weights and biases are uniform between ``±√(6 / (n_in + n_out))``, with 2 in place of 6 for the
    sigmoid (Glorot & Bengio 2010, eq. 16); so one ``random_state`` begins alike in both libraries.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.network import initial_network
    >>> initial_network(np.random.RandomState(0), [4, 8, 3], ["relu"], 0.0, np.dtype("float64"))
    MLP(4, [8], 3, activation="relu")
    """
    coefs, intercepts = [], []
    following = [*activations, activations[-1] if activations else "identity"]
    for n_in, n_out, phi in zip(sizes, sizes[1:], following, strict=False):
        bound = math.sqrt((2.0 if phi == "sigmoid" else 6.0) / (n_in + n_out))
        coefs.append(random.uniform(-bound, bound, (n_in, n_out)).astype(dtype, copy=False))
        intercepts.append(random.uniform(-bound, bound, n_out).astype(dtype, copy=False))
    network = nn.MLP(
        sizes[0],
        list(sizes[1:-1]),
        sizes[-1],
        activation=list(activations),
        init="zeros",
        dropout=dropout,
        dtype=dtype,
    )
    return with_weights(network, coefs, intercepts)


def weights_of(network: nn.MLP) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and biases, layer by layer.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.estimators.network import weights_of
    >>> weights, biases = weights_of(nn.MLP(2, [3], 1, rng=0))
    >>> [weight.shape for weight in weights], [bias.shape for bias in biases]
    ([(2, 3), (3, 1)], [(3,), (1,)])
    """
    layers = (*network.hidden, network.output)
    biases = [layer.bias for layer in layers]
    return [layer.weight for layer in layers], [bias for bias in biases if bias is not None]


def with_weights(
    network: nn.MLP, coefs: Sequence[ArrayLike], intercepts: Sequence[ArrayLike]
) -> nn.MLP:
    """The network with other weights and biases, layer by layer.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.estimators.network import with_weights
    >>> with_weights(nn.MLP(1, [], 1), [np.array([[2.0]])], [np.array([1.0])])([[3.0]]).item()
    7.0
    """
    layers = tuple(nn.Linear.of(w, b) for w, b in zip(coefs, intercepts, strict=True))
    return network.replace(hidden=layers[:-1], output=layers[-1])


def outputs(network: Any, x: Any) -> np.ndarray:
    """What the last layer puts out for rows, in blocks of bounded size.

    Parameters
    ----------
    network
        A model whose output has one row for each row of ``x``.
    x
        ``[N, D]``, dense or sparse.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.estimators.network import outputs
    >>> outputs(nn.MLP(2, [3], 1, rng=0, dtype=np.float64), np.zeros((5, 2))).shape
    (5, 1)
    """
    widest = max(size for leaf in tree_leaves(network) for size in leaf.shape)
    blocks = [network(dense(x[rows])).numpy() for rows in slices(x.shape[0], widest)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def called(network: Any, x: Any, key: Any = None) -> Tensor:
    """The network's output for features that may be several arrays, such as padded sequences.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.estimators.network import called
    >>> called(nn.MLP(2, [3], 1, rng=0), [[0.0, 0.0]]).shape
    (1, 1)
    """
    inputs = x if isinstance(x, tuple) else (x,)
    answer: Tensor = network(*inputs, key=key)
    return answer


def slices(rows: int, columns: int) -> Iterator[slice]:
    """The rows of a table in blocks that hold a bounded number of numbers.

    Examples
    --------
    >>> from chainrule.estimators.network import slices
    >>> list(slices(10, 2**20))
    [slice(0, 4, None), slice(4, 8, None), slice(8, 10, None)]
    """
    step = max(1, BLOCK // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def dense(x: Any) -> np.ndarray:
    """Rows as an array, which a sparse matrix has a method for."""
    made: np.ndarray = x.toarray() if hasattr(x, "toarray") else x
    return made
