"""Derivatives and batching: transformations of graphs, and their use on functions of trees."""

from chainrule.autodiff.check import check_gradient
from chainrule.autodiff.forward import forward
from chainrule.autodiff.jacobians import hessian, hvp, jacobian
from chainrule.autodiff.reverse import reverse
from chainrule.autodiff.transforms import grad, jvp, value_and_grad, vjp, vmap
from chainrule.autodiff.vectorize import vectorize

__all__ = [
    "check_gradient",
    "forward",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "reverse",
    "value_and_grad",
    "vectorize",
    "vjp",
    "vmap",
]
