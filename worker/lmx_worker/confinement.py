"""Bounds for a process that looks at a model nobody has vouched for: it must not take the machine with it."""

import resource
import sys
from pathlib import Path

# Beyond what the process has when it begins. Inspecting a model of a trillion parameters took 350 MB.
EXTRA_ADDRESS_SPACE_BYTES = 4 * 1024**3
EXTRA_CPU_SECONDS = 120


def confine_process() -> None:
    """Bound this process for the rest of its life, as far as the limits it already has allow.

    Beyond the address space an allocation fails (Linux only: macOS does not enforce it); beyond the processor
    time SIGXCPU ends the process.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + EXTRA_CPU_SECONDS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + EXTRA_ADDRESS_SPACE_BYTES)


def _lower(kind: int, wanted: int) -> None:
    soft, hard = resource.getrlimit(kind)
    bounds = [limit for limit in (soft, hard, wanted) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(bounds), hard))
