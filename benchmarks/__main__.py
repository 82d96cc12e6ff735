"""``python -m benchmarks NAME``: run one benchmark, or list them."""

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.timing import check_environment

#: Modules that benchmarks share.
SHARED = ("__main__", "race", "sequence_workloads", "timing", "workloads")
names = sorted(
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if not module.ispkg and module.name not in SHARED
)
if len(sys.argv) < 2 or sys.argv[1] not in names:
    raise SystemExit(f"Usage: python -m benchmarks NAME, where NAME is one of {', '.join(names)}.")
check_environment()
name = sys.argv.pop(1)
importlib.import_module(f"benchmarks.{name}").main()
