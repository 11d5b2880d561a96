"""The C programs of benchmarks/load: compiled when needed, run on the core of the load."""

import os
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.harness.contenders import ROOT
from benchmarks.harness.cores import load_core
from benchmarks.harness.messages import Message
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.question import CaseFailedError, Effort

SOURCES = ROOT / "benchmarks" / "load"
BUILD = ROOT / "build" / "bench"
COMPILER_FLAGS = ("-O2", "-Wall", "-Wextra", "-std=gnu11")
LIBRARIES = {"tls_generator": ("-lssl", "-lcrypto")}
WARMUP_SHARE = 0.2


class CompilerError(Exception):
    """The load programs could not be compiled; the text is one line for the user."""


@cache
def load_program(name: str) -> str:
    """Return the path of a load program, compiled anew if any source is newer."""
    program = BUILD / name
    newest = max(path.stat().st_mtime for path in SOURCES.glob("*.[ch]"))
    if not program.exists() or program.stat().st_mtime < newest:
        _compile(SOURCES / f"{name}.c", program)
    return str(program)


def generate_load(
    host: str,
    port: int,
    connections: int,
    size: int,
    mode: str,
    effort: Effort,
    program: str = "generator",
) -> Message:
    """Run the closed-loop generator against an address and return its figures.

    Args:
        host: an IPv4 address, or the path of a Unix socket, to which port is nothing.
    """
    numbers = (port, connections, size, effort.seconds, effort.seconds * WARMUP_SHARE)
    command = [load_program(program), host, *map(str, numbers), mode]
    with MeasuredProcess(command, load_core(), effort.limit_seconds) as process:
        figures = process.receive()
    if figures["stalled"]:
        raise CaseFailedError(f"{figures['stalled']} of {connections} connections got no reply")
    return figures


@cache
def has_header(name: str) -> bool:
    """Tell whether the compiler finds a header of a library."""
    command = [*_compiler(), "-E", "-x", "c", "-include", name, os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "cc"))


def _compile(source: Path, program: Path) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        output = Path(scratch) / program.name
        command = [*_compiler(), *COMPILER_FLAGS, "-o", str(output), str(source)]
        command += LIBRARIES.get(source.stem, ())
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompilerError(f"cannot compile {source.name} ({error}); set CC") from error
        output.replace(program)
