"""Fixtures for tests that run a whole ngxloop-serve."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serving.complaints import COMPLAINTS
from tests.serving.support import APPS, Server

Serve = Callable[..., Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark for a complaint that is not in the table."""
    for item in items:
        for mark in item.iter_markers("complaint"):
            assert mark.args[0] in COMPLAINTS, f"{item.nodeid}: no complaint {mark.args[0]}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start ngxloop-serve for an application in apps/, on a free port; kill it after the test."""
    servers: list[Server] = []

    def start(
        app: str | None,
        *options: str,
        program: bool = False,
        bind: str | None = "127.0.0.1:0",
        **process: Any,
    ) -> Server:
        arguments = [*([app] if app else []), *options]
        if program:  # its options stand before it, its own arguments behind it
            servers.append(Server(arguments, **process))
            return servers[-1]
        if "--app-dir" not in options:
            arguments += ["--app-dir", str(APPS)]
        if "--bind" not in options and bind is not None:
            arguments += ["--bind", bind]
        servers.append(Server(arguments, **process))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
