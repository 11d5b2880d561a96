"""CPU time and instructions of a process."""

import ctypes
import os
import platform
import resource
import struct
from dataclasses import dataclass

# perf_event_open(2), include/uapi/linux/perf_event.h. The counter is opened directly because the
# perf tool counts whole processes, start-up included, and is not installed everywhere.
_SYSCALL_NUMBERS = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
_TYPE_HARDWARE = 0
_COUNT_INSTRUCTIONS = 1
_ATTRIBUTE_BYTES = 112  # PERF_ATTR_SIZE_VER5
_FLAG_INHERIT = 1 << 1
_FLAG_EXCLUDE_KERNEL = 1 << 5
_FLAG_EXCLUDE_HYPERVISOR = 1 << 6


@dataclass(frozen=True)
class Usage:
    """CPU seconds: in the program, and in the kernel on its behalf.

    The sum is exact; where the kernel accounts by ticks (CONFIG_TICK_CPU_ACCOUNTING), the split
    is sampled 100 to 1000 times a second, so it needs seconds, or several rounds, to settle.
    """

    user: float
    system: float

    def __add__(self, more: "Usage") -> "Usage":
        return Usage(self.user + more.user, self.system + more.system)

    def __sub__(self, before: "Usage") -> "Usage":
        """Return the difference; a sampled split may make a part of it a little negative: 0."""
        return Usage(max(0.0, self.user - before.user), max(0.0, self.system - before.system))

    def per(self, count: float) -> dict[str, float]:
        """Return microseconds per operation, as the metrics name them."""
        return {
            "cpu_us": (self.user + self.system) / count * 1e6,
            "user_us": self.user / count * 1e6,
            "system_us": self.system / count * 1e6,
        }


def own_usage() -> Usage:
    """Return what this process has used so far, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(usage.ru_utime, usage.ru_stime)


class InstructionCounter:
    """Counts user-space instructions of one process from now on; None where nothing counts."""

    def __init__(self, pid: int = 0) -> None:
        """Count process `pid` (its main thread and what that starts), 0 being this one."""
        self._fd = _open_counter(pid)

    def read(self) -> float | None:
        """Return the instructions so far, or None on a machine without counters."""
        if self._fd < 0:
            return None
        return float(struct.unpack("Q", os.read(self._fd, 8))[0])

    def close(self) -> None:
        """Give the counter back."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _open_counter(pid: int, kind: int = _TYPE_HARDWARE, config: int = _COUNT_INSTRUCTIONS) -> int:
    number = _SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        return -1
    flags = _FLAG_INHERIT | _FLAG_EXCLUDE_KERNEL | _FLAG_EXCLUDE_HYPERVISOR
    attribute = struct.pack("IIQQQQQ", kind, _ATTRIBUTE_BYTES, config, 0, 0, 0, flags)
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    # Arguments after the attribute: any cpu, no group, PERF_FLAG_FD_CLOEXEC.
    return int(ctypes.CDLL(None).syscall(number, buffer, pid, -1, -1, 8))
