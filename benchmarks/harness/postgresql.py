"""A PostgreSQL server with a new, empty cluster, which lives as long as the benchmark does.

It listens on a Unix socket in a temporary folder, on the core of the load.
"""

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.cores import load_core, running_on
from benchmarks.harness.question import START_SECONDS, CaseFailedError

PROGRAMS = ("initdb", "postgres", "pg_isready")
USER = "postgres"
POLL_SECONDS = 0.05


def find_programs() -> list[str | None]:
    """Return the paths of PROGRAMS; Debian does not put them on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([os.environ["PATH"], *map(str, folders)])
    return [shutil.which(name, path=path) for name in PROGRAMS]


@functools.cache
def start_server() -> str:
    """Start the server on the first call; return the folder of its socket."""
    initdb, postgres, is_ready = find_programs()
    if initdb is None or postgres is None or is_ready is None:
        raise CaseFailedError("PostgreSQL's server is not installed")
    folder = tempfile.TemporaryDirectory(prefix="benchmark-postgresql-")
    atexit.register(folder.cleanup)
    options = _other_user(folder.name)
    data = f"{folder.name}/data"
    command = [initdb, f"--username={USER}", "--auth=trust", "--no-sync", data]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder.name, **options)
    command = [postgres, "-D", data, "-k", folder.name, "-c", "listen_addresses="]
    with running_on(load_core()):
        server = subprocess.Popen(
            [*command, "-c", "fsync=off"],
            cwd=folder.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
        )  # fmt: skip
    atexit.register(_end, server)
    _wait_until_ready([is_ready, "--quiet", "--host", folder.name], server)
    return folder.name


def _other_user(folder: str) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as the user of its package."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_until_ready(command: list[str], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.call(command) != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise CaseFailedError("PostgreSQL does not start")
        time.sleep(POLL_SECONDS)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Shut down at once: after SIGTERM it would wait for its clients."""
    server.send_signal(signal.SIGINT)
    server.wait()
