"""Subprocesses: subprocess_exec, subprocess_shell and asyncio.subprocess."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.support import loops
from tests.support.leaks import fds_opened_since, open_fds
from tests.support.protocols import RecordingProcess
from tests.support.waiting import DEADLINE, wait_until, wait_until_blocking

PIPE = asyncio.subprocess.PIPE


async def start(*command, **options):
    """Return the transport and protocol of a program."""
    return await asyncio.get_running_loop().subprocess_exec(RecordingProcess, *command, **options)


def is_zombie_or_gone(pid):
    """Tell whether a process has ended, without reaping it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def is_gone(pid):
    """Tell whether a process has been reaped."""
    return not os.path.exists(f"/proc/{pid}")


# ---- what comes back


async def test_a_process_is_written_to_and_read():
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    data = os.urandom(500_000)

    output, _ = await process.communicate(data)

    assert output == data
    assert process.returncode == 0


async def test_a_shell_runs_a_command():
    process = await asyncio.create_subprocess_shell(
        "echo out; echo err >&2; exit 7", stdout=PIPE, stderr=PIPE
    )

    assert await process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 7


async def test_stderr_may_go_to_stdout():
    process = await asyncio.create_subprocess_shell(
        "echo out; echo err >&2", stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )

    assert await process.communicate() == (b"out\nerr\n", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1])
async def test_a_process_that_a_signal_ends_has_its_negative_number(number):
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    process.send_signal(number)

    assert await process.wait() == -number


async def test_the_callbacks_of_a_process_come_in_their_order():
    _, protocol = await start("sh", "-c", "echo data; exec sleep 0", stdin=None)
    await protocol.closed

    calls = protocol.calls
    assert calls[0] == "connection_made"
    assert calls[-1] == "connection_lost"
    assert sorted(calls[1:-1]) == ["data 1", "exited", "lost 1", "lost 2"]
    assert calls.index("data 1") < calls.index("lost 1")


async def test_what_comes_before_connection_made_is_kept_for_later():
    class Late(RecordingProcess):
        def connection_made(self, transport):
            assert not self.calls
            super().connection_made(transport)

    _, protocol = await asyncio.get_running_loop().subprocess_exec(Late, "echo", "at once")
    await protocol.closed
    assert protocol.output[1] == b"at once\n"


async def test_a_process_transport_is_an_asyncio_subprocess_transport():
    transport, protocol = await start("true")

    assert isinstance(transport, asyncio.SubprocessTransport)
    assert isinstance(transport.get_extra_info("subprocess"), subprocess.Popen)
    assert isinstance(transport.get_pipe_transport(0), asyncio.WriteTransport)
    assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
    assert transport.get_pid() == transport.get_extra_info("subprocess").pid
    await protocol.closed
    assert transport.get_returncode() == 0


async def test_a_process_can_open_its_standard_streams_again():
    process = await asyncio.create_subprocess_shell(
        "read word < /dev/stdin; echo $word > /dev/stdout; echo err > /proc/self/fd/2",
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )

    assert await process.communicate(b"hello\n") == (b"hello\n", b"err\n")


async def test_a_program_that_does_not_exist_raises_and_leaves_nothing():
    before = open_fds()
    with pytest.raises(FileNotFoundError):
        await start("/no/such/program")
    await asyncio.sleep(0)
    assert not fds_opened_since(before)


async def test_a_signal_to_a_process_that_has_ended_does_no_harm():
    transport, protocol = await start("true", stdin=None, stdout=None, stderr=None)
    wait_until_blocking(lambda: is_zombie_or_gone(transport.get_pid()))
    transport.terminate()
    await protocol.closed
    with contextlib.suppress(ProcessLookupError):  # none from Python 3.15 on
        transport.kill()


async def test_every_argument_of_popen_arrives(tmp_path):
    process = await asyncio.create_subprocess_exec(
        "named-so",
        "-c",
        "echo $0 $WORD; pwd; umask; ps -o pgid= -p $$ >/dev/null; echo $(($(ulimit -n) > 0))",
        executable="/bin/sh",
        cwd=tmp_path,
        env=os.environ | {"WORD": "word"},
        umask=0o27,
        start_new_session=True,
        close_fds=True,
        restore_signals=True,
        pipesize=8192,
        stdout=PIPE,
    )
    output, _ = await process.communicate()

    assert output.decode().split() == ["named-so", "word", str(tmp_path), "0027", "1"]


async def test_fds_are_passed_and_process_groups_set():
    read_end, write_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import os; os.write({write_end}, b'%d %d' % (os.getpgid(0), os.getpid()))",
        pass_fds=[write_end],
        process_group=0,
    )
    await process.wait()
    group, pid = os.read(read_end, 100).split()
    os.close(read_end)
    os.close(write_end)
    assert group == pid


# ---- ends that are seen late, elsewhere, or not at all


async def test_an_output_that_a_grandchild_keeps_open_holds_back_connection_lost():
    transport, protocol = await start("sh", "-c", "sleep 1000 & echo $!")
    await wait_until(lambda: "exited" in protocol.calls and protocol.output[1])
    assert "connection_lost" not in protocol.calls
    assert transport.get_returncode() == 0

    os.kill(int(protocol.output[1]), signal.SIGKILL)
    await protocol.closed


async def test_a_status_that_somebody_else_has_taken_is_255(caplog):
    if sys.version_info < (3, 12) and loops.is_stdlib(asyncio.get_running_loop()):
        pytest.skip("a thread waits for the process, and takes its status first")
    transport, protocol = await start("cat", stdout=None, stderr=None)
    pid = transport.get_pid()
    with caplog.at_level(logging.WARNING, "asyncio"):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        await protocol.closed

    assert transport.get_returncode() == 255
    assert "will report returncode 255" in caplog.text


async def test_a_process_that_ends_before_it_is_watched_is_noticed(monkeypatch):
    popen = subprocess.Popen

    def wait_for_the_end(*args, **options):
        process = popen(*args, **options)
        wait_until_blocking(lambda: is_zombie_or_gone(process.pid))
        return process

    monkeypatch.setattr(subprocess, "Popen", wait_for_the_end)
    _, protocol = await start("echo", "early")
    await protocol.closed
    assert protocol.output[1] == b"early\n"


async def test_200_processes_at_once():
    async def run(number):
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", f"echo {number}; exit {number}", stdout=PIPE
        )
        output, _ = await process.communicate()
        return int(output), process.returncode

    before = open_fds()
    results = await asyncio.gather(*map(run, range(200)))

    assert results == [(number, number) for number in range(200)]
    await wait_until(lambda: not fds_opened_since(before))


def test_a_loop_in_another_thread_runs_processes(loop_factory):
    results = []

    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        results.append(await process.communicate(b"from a thread"))

    def run():
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE)
    assert results == [(b"from a thread", None)]


# ---- closing and cancelling


async def test_close_kills_the_process():
    before = open_fds()
    transport, protocol = await start("sleep", "1000")
    transport.close()
    transport.close()
    await protocol.closed

    assert transport.get_returncode() == -signal.SIGKILL
    assert transport.is_closing()
    await wait_until(lambda: not fds_opened_since(before))


@pytest.mark.parametrize("turn_count", range(8))
async def test_cancelling_the_start_leaves_no_process_and_no_fd(turn_count, monkeypatch):
    pids = []
    popen = subprocess.Popen

    def remembering(*args, **options):
        process = popen(*args, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", remembering)
    before = open_fds()
    task = asyncio.create_task(start("sleep", "1000"))
    for _ in range(turn_count):
        await asyncio.sleep(0)
    task.cancel()
    try:
        transport, _ = await task
    except asyncio.CancelledError:
        pass
    else:
        transport.close()

    await wait_until(lambda: all(is_gone(pid) for pid in pids))
    await wait_until(lambda: not fds_opened_since(before))


async def test_a_forked_child_does_not_kill_what_its_parent_started():
    transport, protocol = await start("sleep", "1000", stdin=None, stdout=None, stderr=None)
    child = os.fork()
    if child == 0:
        try:
            del transport, protocol
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert not is_zombie_or_gone(transport.get_pid())
    transport.kill()
    await protocol.closed
    assert transport.get_returncode() == -signal.SIGKILL
