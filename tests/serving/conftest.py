"""Fixtures for tests that run a whole ngxloop-serve."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serving.support import APPS, Server

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start ngxloop-serve for an application in apps/, on a free port; kill it after the test."""
    servers: list[Server] = []

    def start(app: str, *options: str, **process: Any) -> Server:
        arguments = [app, *options]
        if "--app-dir" not in options:
            arguments += ["--app-dir", str(APPS)]
        if "--bind" not in options:
            arguments += ["--bind", "127.0.0.1:0"]
        servers.append(Server(arguments, **process))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
