"""On what was measured: machine, kernel, Python, compiler, commit."""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.harness.contenders import ROOT
from benchmarks.harness.cores import all_cores, load_core, measured_core
from benchmarks.harness.usage import InstructionCounter

Facts = dict[str, str]


def describe_machine() -> Facts:
    """Return what a reader needs to judge the figures, in the order to print it."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": f"{len(all_cores())} (measured on {_list(measured_core())}, "
        f"load on {_list(load_core())})",
        "memory": _field("/proc/meminfo", "MemTotal") or "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": " ".join(sys.version.split()),
        "python's build": describe_build(),
        "compiler": _first_line([*shlex.split(os.environ.get("CC", "cc")), "--version"]),
        "commit": describe_commit(),
        "load average": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "instruction counter": "counts" if _counts_instructions() else "not available",
    }


def describe_build() -> str:
    """Return how the interpreter was built: ratios to programs in C depend on it."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS"))
    found = {
        "profile-guided optimisation": "--enable-optimizations" in options,
        "link-time optimisation": "--with-lto" in options,
        "a shared library": bool(sysconfig.get_config_var("Py_ENABLE_SHARED")),
    }
    return ", ".join(f"{'with' if is_so else 'without'} {name}" for name, is_so in found.items())


def describe_commit() -> str:
    """Return the commit of the checkout, marked if files differ from it."""
    commit = _first_line(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"])
    changed = _first_line(
        ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"], empty=""
    )
    return f"{commit} with changes" if changed else commit


def _list(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))


def _counts_instructions() -> bool:
    counter = InstructionCounter()
    try:
        return bool(counter.read())
    finally:
        counter.close()


def _field(path: str, name: str) -> str | None:
    """Return a field of one of the kernel's `name : value` files."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _first_line(command: list[str], empty: str = "unknown") -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return empty
    return done.stdout.strip().partition("\n")[0] or empty
