"""Check an installed ngxloop: it works, and nothing came along that is of no use to a user."""

import asyncio
import importlib.metadata
import sys
from pathlib import Path

import ngxloop

WANTED = {"ngxloop/py.typed", "ngxloop/core/reactor.pyi", "ngxloop/core/reactor.pxd"}
UNWANTED_SUFFIXES = {".c", ".pyx", ".h", ".o"}


async def main() -> type:
    """Return the class of the running loop."""
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop())


def check_files() -> None:
    """Look at what the wheel has put into the environment."""
    files = {str(path) for path in importlib.metadata.files("ngxloop") or []}
    assert not WANTED - files, f"missing: {WANTED - files}"
    unwanted = {name for name in files if Path(name).suffix in UNWANTED_SUFFIXES}
    folders = {name.split("/")[0] for name in files if not name.startswith("..")}
    assert not unwanted, f"not for users: {unwanted}"
    assert all(name.startswith("ngxloop") for name in folders), f"not ours to install: {folders}"


assert ngxloop.run(main()) is ngxloop.EventLoop
assert ngxloop.__version__ == importlib.metadata.version("ngxloop")
check_files()
print(f"ngxloop {ngxloop.__version__} works on Python {sys.version.split()[0]}")
