"""A loop for tests that run it themselves."""

from collections.abc import Iterator

import pytest

from ngxloop import EventLoop
from tests.support.loops import RecordingFactory

make_loop = RecordingFactory("ngxloop", EventLoop)


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """Give a loop that the test runs itself; it is closed at the end."""
    loop = make_loop()
    yield loop
    loop.close()
