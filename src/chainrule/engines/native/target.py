"""The CPU that code is generated for: vector width, registers, name and features."""

from dataclasses import dataclass, field, replace
from functools import cache

import llvmlite.binding as llvm

__all__ = ["Target", "host"]


@dataclass(frozen=True)
class Target:
    """What the code generator has to know about a CPU.

    Attributes
    ----------
    vector_bytes
        Bytes in one vector register: 64 (AVX-512), 32 (AVX2), 16 (NEON, SSE).
    registers
        Number of vector registers.
    cpu, features
        LLVM's name of the CPU and its feature string.
    triple
        LLVM's name of the architecture and the system; by default those of this process. Two
        systems on one CPU cannot run each other's code.
    """

    vector_bytes: int
    registers: int
    cpu: str
    features: str
    triple: str = field(default_factory=llvm.get_process_triple)

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``aarch64``, which Apple calls ``arm64``."""
        name = self.triple.partition("-")[0]
        return "aarch64" if name == "arm64" else name

    def lanes(self, item_bytes: int) -> int:
        """How many items fit one vector register."""
        return self.vector_bytes // item_bytes


@cache
def host(widest: int = 64) -> Target:
    """The machine that we run on; ``widest`` limits the vector width in bytes (for tests)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    cpu = llvm.get_host_cpu_name()
    if features.get("avx512f") and features.get("avx512vl") and widest >= 64:
        return Target(64, 32, cpu, features.flatten())
    for name in list(features):
        if name.startswith("avx512") or (widest < 32 and name.startswith("avx")):
            features[name] = False
    if features.get("avx2") and features.get("fma"):
        return Target(32, 16, cpu, features.flatten())
    # Not by "neon": every such CPU has it, and LLVM does not know the features of all of them.
    narrow = Target(16, 16, cpu, features.flatten(), llvm.get_process_triple())
    return replace(narrow, registers=32) if narrow.architecture == "aarch64" else narrow
