"""Tables as features and targets: CSV, Parquet, any dataframe; one encoder that is kept.

``load_table`` reads a table for training, ``encode_table`` another one for prediction, by what was
learned from the first. Both go through it in chunks, so a file may be as large as the disk; in
memory lie the features and one chunk.
"""

from chainrule.data.tables.encoder import TableEncoder
from chainrule.data.tables.load import (
    Encoded,
    LoadedTable,
    encode_table,
    fit_encoder,
    load_table,
    open_table,
)
from chainrule.data.tables.passes import Rows
from chainrule.data.tables.scan import Scan, scan
from chainrule.data.tables.source import Progress, Table
from chainrule.data.tables.target import Target, Task

__all__ = [
    "Encoded",
    "LoadedTable",
    "Progress",
    "Rows",
    "Scan",
    "Table",
    "TableEncoder",
    "Target",
    "Task",
    "encode_table",
    "fit_encoder",
    "load_table",
    "open_table",
    "scan",
]
