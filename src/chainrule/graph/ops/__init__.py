"""The rows of the op table, by family; each public function applies its row.

Importing this package fills :data:`chainrule.graph.table.TABLE`, which is then closed.
"""

from chainrule.graph.ops import (
    elementwise,
    gather,
    joining,
    movement,
    products,
    random,
    reductions,
    structure,
)

__all__ = [
    "elementwise",
    "gather",
    "joining",
    "movement",
    "products",
    "random",
    "reductions",
    "structure",
]
