"""Fixtures for tests that run a whole ngxloop-serve."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.complaints import COMPLAINTS
from tests.serving.faulty_support import FaultyMaster
from tests.serving.support import APPS, Server, public_copy
from tests.serving.untrusted import NOBODY, SAFE, SERVE
from tests.support.addresses import free_bind

Serve = Callable[..., Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark for a complaint that is not in the table."""
    for item in items:
        for mark in item.iter_markers("complaint"):
            assert mark.args[0] in COMPLAINTS, f"{item.nodeid}: no complaint {mark.args[0]}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start ngxloop-serve for an application in apps/, at an address that nothing else uses.

    It is killed after the test.
    """
    servers: list[Server] = []

    def start(
        app: str | None,
        *options: str,
        program: bool = False,
        bind: str | None = "",
        **process: Any,
    ) -> Server:
        arguments = [*([app] if app else []), *options]
        if program:  # its options stand before it, its own arguments behind it
            servers.append(Server(arguments, **process))
            return servers[-1]
        if "--app-dir" not in options:
            arguments += ["--app-dir", str(APPS)]
        if "--bind" not in options and bind is not None:
            arguments += ["--bind", bind or free_bind()]
        servers.append(Server(arguments, **process))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class ServeAs:
    """Start ngxloop-serve with a --user, from a folder that every user may read."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self._serve = serve
        self.folder = folder
        self.apps = folder / "apps"
        public_copy(folder)

    def __call__(self, user: str, app: str, *options: str) -> Server:
        where = ("--app-dir", str(self.apps))
        return self._serve(app, "--user", user, *where, *options, root=self.folder)


@pytest.fixture
def serve_as(serve: Serve) -> Iterator[ServeAs]:
    """Give ServeAs: neither the project's folder nor those of pytest need be for everybody."""
    with tempfile.TemporaryDirectory(dir=public_parent()) as name:
        yield ServeAs(serve, Path(name))


def public_parent() -> Path:
    """Return a folder for temporary files that every user may enter."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        folder = Path(name)
        if folder.is_dir() and all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents)):
            return folder
    pytest.skip("every folder for temporary files is closed to other users")


@pytest.fixture
def ours() -> Iterator[Path]:
    """A folder that everybody can read, and of all users only root, or ours, can write.

    It is not below pytest's own one, which another pytest of the same user closes when it starts.
    """
    with tempfile.TemporaryDirectory(dir=public_parent()) as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def theirs(ours: Path) -> Path:
    """A folder of the workers' user."""
    folder = ours / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def start_in(ours, monkeypatch):
    """Start a master in a folder; it is killed after the test."""
    servers = []

    def run(*options, folder=ours, program=SAFE, variables=None):
        with monkeypatch.context() as inside:
            inside.chdir(folder)
            inside.delenv("PWD", raising=False)
            for name, value in (variables or {}).items():
                inside.setenv(name, value)
            servers.append(Server([*SERVE, *options], program=program))
        return servers[-1]

    yield run
    for server in servers:
        server.close()


@pytest.fixture
def start_faulty(tmp_path: Path) -> Iterator[Callable[[Any], FaultyMaster]]:
    """Start masters with handlers that raise; close them at the end."""
    masters: list[FaultyMaster] = []

    def start(options: Any) -> FaultyMaster:
        folder = tmp_path / str(len(masters))
        folder.mkdir()
        masters.append(FaultyMaster(folder, options))
        masters[-1].server.serving()
        return masters[-1]

    yield start
    for master in masters:
        master.close()
