"""From LLVM's IR to machine code that can be called."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from chainrule.engines.native.target import Target, host

__all__ = ["Code", "assembly", "build", "load", "object_code"]


class Code:
    """Machine code of a module; keeps it alive as long as one of its functions may be called."""

    def __init__(self, engine: llvm.ExecutionEngine, module: llvm.ModuleRef) -> None:
        self._engine, self._module = engine, module

    def function(self, name: str, *kinds: Any) -> Callable[..., Any]:
        """A callable that releases the GIL; ``kinds`` are the ctypes of its arguments."""
        return ctypes.CFUNCTYPE(None, *kinds)(self._engine.get_function_address(name))


def build(module: ir.Module, target: Target) -> Code:
    """Compile a module."""
    return load(object_code(module, target))


def object_code(module: ir.Module, target: Target) -> bytes:
    """A module as an object file.

    The IR arrives vectorised and unrolled, so LLVM's optimiser is left out: it adds compile time
    and no speed. The code generator runs at level 2: level 0 keeps nothing in registers. It does
    without its reduction of strength in loops, which takes half of the time and finds nothing:
    pointers move along with the loops already.
    """
    machine, parsed = _parsed(module, target)
    with _option("disable-lsr"):
        code: bytes = machine.emit_object(parsed)
    return code


def assembly(module: ir.Module, target: Target) -> str:
    """The same code for people to read; the target may be another machine."""
    machine, parsed = _parsed(module, target)
    with _option("disable-lsr"):
        text: str = machine.emit_assembly(parsed)
    return text


def _parsed(module: ir.Module, target: Target) -> tuple[llvm.TargetMachine, llvm.ModuleRef]:
    """A code generator, and a module that it can read."""
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, jit=True
    )
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    return machine, parsed


@contextmanager
def _option(name: str) -> Iterator[None]:
    """An option of LLVM that is off by default; others in this process should not notice."""
    llvm.set_option("", f"-{name}=true")
    try:
        yield
    finally:
        llvm.set_option("", f"-{name}=false")


def load(code: bytes) -> Code:
    """The functions of an object file, ready to be called."""
    host()  # LLVM has to know this machine
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    empty = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine, empty)
