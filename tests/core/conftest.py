"""A loop for tests that run it themselves, and a look into it."""

import socket
from collections.abc import Callable, Iterator

import pytest

from ngxloop import EventLoop
from tests.probes.reactor import ReactorProbe
from tests.support.loops import RecordingFactory
from tests.support.sockets import unix_pair
from tests.support.turning import turn_by_parts

make_loop = RecordingFactory("ngxloop", EventLoop)


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """Give a loop that the test runs itself; it is closed at the end."""
    loop = make_loop()
    yield loop
    loop.close()


@pytest.fixture
def probe(loop: EventLoop) -> ReactorProbe:
    """Give a look into the loop."""
    return ReactorProbe(loop)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two connected sockets: ours and the peer's."""
    with unix_pair() as (ours, peer):
        yield ours, peer


@pytest.fixture(params=["_run_once", "parts"])
def turn(request: pytest.FixtureRequest, loop: EventLoop) -> Callable[[], None]:
    """Give a function that takes one turn: by itself, or made of parts."""
    return loop._run_once if request.param == "_run_once" else lambda: turn_by_parts(loop)
