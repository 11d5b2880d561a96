"""How the loop learns that a process has ended, where asyncio has other ways or none."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.conformance.test_processes import is_gone, is_zombie_or_gone, start
from tests.support.leaks import fds_opened_since, open_fds
from tests.support.waiting import DEADLINE, turns, wait_until, wait_until_blocking
from tests.transports.unclosed import clear_and_collect

PIPE = asyncio.subprocess.PIPE

has_watchers = pytest.mark.skipif(sys.version_info >= (3, 14), reason="child watchers are gone")


def refusing(error):
    """Return a stand-in for os.pidfd_open that fails."""

    def pidfd_open(pid, flags=0):
        raise OSError(error, os.strerror(error))

    return pidfd_open


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM, errno.EMFILE])
async def test_process_without_pidfd_is_waited_for_by_thread(monkeypatch, error):
    monkeypatch.setattr(os, "pidfd_open", refusing(error))
    process = await asyncio.create_subprocess_shell("cat; exit 3", stdin=PIPE, stdout=PIPE)
    assert any(f"wait-{process.pid}" in thread.name for thread in threading.enumerate())

    assert await process.communicate(b"data") == (b"data", None)
    assert process.returncode == 3


async def test_process_without_pidfd_whose_status_is_lost_is_255(monkeypatch, caplog):
    monkeypatch.setattr(os, "pidfd_open", refusing(errno.ENOSYS))
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
    with caplog.at_level(logging.WARNING, "asyncio"):
        process.kill()
        with contextlib.suppress(ChildProcessError):  # the thread waits as well
            os.waitpid(process.pid, 0)
        assert await process.wait() == 255
    assert "will report returncode 255" in caplog.text


def test_process_without_pidfd_is_reaped_though_loop_is_closed(monkeypatch, loop, caplog):
    monkeypatch.setattr(os, "pidfd_open", refusing(errno.ENOSYS))
    ends = [*loop.run_until_complete(start("sleep", "1000", stdin=None, stdout=None, stderr=None))]
    pid = ends[0].get_pid()
    waiting = next(thread for thread in threading.enumerate() if f"wait-{pid}" in thread.name)
    loop.close()
    with caplog.at_level(logging.WARNING, "asyncio"):
        os.kill(pid, signal.SIGKILL)
        waiting.join(DEADLINE)  # until then it holds the transport, too
    assert not waiting.is_alive()
    assert is_gone(pid)
    assert "is closed" in caplog.text
    with pytest.warns(ResourceWarning, match="unclosed|is still running"):
        clear_and_collect(ends)
    subprocess._cleanup()


def test_loop_may_close_while_process_runs(loop):
    before = open_fds()
    ends = [*loop.run_until_complete(start("sleep", "1000"))]
    pid = ends[0].get_pid()
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed|is still running"):
        clear_and_collect(ends)

    wait_until_blocking(lambda: is_zombie_or_gone(pid))
    subprocess._cleanup()
    assert is_gone(pid)
    assert not fds_opened_since(before)


async def test_status_that_popen_has_taken_is_not_lost(caplog):
    transport, protocol = await start("sh", "-c", "exit 5", stdin=None, stdout=None, stderr=None)
    process = transport.get_extra_info("subprocess")
    with caplog.at_level(logging.WARNING, "asyncio"):
        process.wait()
        await protocol.closed
    assert transport.get_returncode() == 5
    assert not caplog.records


async def test_pipe_that_cannot_be_connected_leaves_nothing(monkeypatch):
    pids = []
    popen = subprocess.Popen
    loop = asyncio.get_running_loop()

    def remembering(*args, **options):
        process = popen(*args, **options)
        pids.append(process.pid)
        return process

    def refuse(*args, **options):
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(subprocess, "Popen", remembering)
    monkeypatch.setattr(loop, "_make_read_pipe_transport", refuse)
    before = open_fds()
    with pytest.raises(OSError, match="no memory"):
        await start("sleep", "1000")

    assert is_gone(pids[0])
    await wait_until(lambda: not fds_opened_since(before))


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_process_that_cannot_be_watched_is_killed(monkeypatch):
    pids = []

    def refuse(thread):
        pids.append(int(thread.name.rpartition("-")[2]))
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(os, "pidfd_open", refusing(errno.EMFILE))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = open_fds()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await start("sleep", "1000")

    await wait_until(lambda: is_zombie_or_gone(pids[0]))
    await wait_until(lambda: not fds_opened_since(before))


async def test_stop_in_start_while_grandchild_keeps_output_open_ends():
    task = asyncio.create_task(start("sh", "-c", "sleep 1000 & echo $! >&2; wait"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("turn_count", range(1, 5))
async def test_start_that_is_cancelled_a_second_time_leaves_nothing(turn_count):
    before = open_fds()
    task = asyncio.create_task(start("sleep", "1000"))
    await turns(1)
    task.cancel()
    await turns(turn_count)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await wait_until(lambda: not fds_opened_since(before))


@has_watchers
async def test_no_child_watcher_is_made_or_asked():
    policy = asyncio.get_event_loop_policy()
    watcher = policy._watcher
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0
    assert policy._watcher is watcher


@has_watchers
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_chosen_child_watcher_watches():
    pids = []

    class Watching(asyncio.ThreadedChildWatcher):
        def add_child_handler(self, pid, callback, *args):
            pids.append(pid)
            super().add_child_handler(pid, callback, *args)

    former = asyncio.get_event_loop_policy()._watcher
    asyncio.set_child_watcher(Watching())
    try:
        process = await asyncio.create_subprocess_exec("false")
        assert await process.wait() == 1
        assert pids == [process.pid]
    finally:
        asyncio.set_child_watcher(former)


@pytest.mark.parametrize("count", range(5))
async def test_a_start_ends_when_all_tasks_are_cancelled(count):
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec("sleep", "1000", stdin=PIPE, stdout=PIPE)
    )
    await turns(count)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}  # as asyncio.run() does at its end
    for task in tasks:
        task.cancel()

    _, running = await asyncio.wait(tasks, timeout=DEADLINE)

    assert not running
    assert starting.cancelled()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
