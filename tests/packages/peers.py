"""Real peers for the packages' tests: database servers of this machine, each for one test.

Rules. In the suite a package or a server that is missing skips the test. The stage `packages` of
.ci/run sets NGXLOOP_NEED_PACKAGES, and then it fails: there everything was installed before.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.addresses import free_address
from tests.support.waiting import wait_until_blocking

NEEDED = bool(os.environ.get("NGXLOOP_NEED_PACKAGES"))

# Where Debian keeps PostgreSQL's programs, which are not on PATH.
POSTGRESQL = Path("/usr/lib/postgresql")


def need(package: str) -> ModuleType:
    """Import a package, or skip the module that asks."""
    if NEEDED:
        return __import__(package, fromlist=["_"])
    return pytest.importorskip(package)


def need_program(name: str, *places: Path) -> str:
    """Return the path of a program, or skip."""
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)]))
    if path is None:
        assert not NEEDED, f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return path


@contextlib.contextmanager
def running(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """Run a program while the test needs it; what it prints is shown if it does not start."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def accepts(family: int, address: object) -> bool:
    """Tell whether a server listens at the address."""
    with socket.socket(family) as sock:
        return sock.connect_ex(address) == 0


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Run Redis; give the host, the port and the socket file on which it listens."""
    (host, port), path = free_address(), str(folder / "redis")
    options = ["--bind", host, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    command = [need_program("redis-server"), "--port", str(port), "--unixsocket", path, *options]
    with running(command) as process:
        wait_until_blocking(
            lambda: accepts(socket.AF_UNIX, path) or process.poll() is not None, "redis-server"
        )
        assert process.poll() is None, "redis-server does not start"
        yield host, port, path


@contextlib.contextmanager
def postgresql_server(folder: Path) -> Iterator[Path]:
    """Run PostgreSQL with a new cluster in an empty folder; give the folder of its socket.

    PostgreSQL refuses to run as root: then it runs as the user postgres.
    """
    places = sorted(POSTGRESQL.glob("*/bin"))
    names = ("initdb", "postgres", "pg_isready")
    initdb, postgres, is_ready = (need_program(name, *places) for name in names)
    options = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    subprocess.run(
        [initdb, "--username=postgres", "--auth=trust", "--no-sync", data],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **options,
    )  # fmt: skip
    command = [postgres, "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
    with running([*command, "-c", "fsync=off"], cwd=folder, **options) as process:
        ask = [is_ready, "--quiet", "--host", str(folder)]
        wait_until_blocking(
            lambda: subprocess.call(ask) == 0 or process.poll() is not None, "postgres"
        )
        assert process.poll() is None, "postgres does not start"
        yield folder
