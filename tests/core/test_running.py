"""run_forever and new loops where the process has no file descriptors left."""

import asyncio
import contextlib
import resource
import sys

import pytest

from ngxloop import EventLoop
from tests.support.leaks import open_fds


@contextlib.contextmanager
def fds_left(count: int):
    """Let the process open no more than `count` file descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = set(open_fds())
    free = (fd for fd in range(soft) if fd not in used)
    last = [next(free) for _ in range(count)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(last, default=-1) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("count", [0, 1])
def test_first_run_without_fds_raises_and_changes_nothing(loop, count):
    with fds_left(count), pytest.raises(OSError, match=r"pipe2\(\) failed: Too many open files"):
        loop.run_forever()

    assert not loop.is_running()
    assert asyncio._get_running_loop() is None
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.mark.parametrize("count", [0, 1])
def test_new_loop_without_fds_raises_and_leaves_nothing(count, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    with fds_left(count), pytest.raises(OSError, match="failed: Too many open files"):
        EventLoop()

    assert unraisable == []
