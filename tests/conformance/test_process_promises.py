"""Subprocesses: the order of their callbacks, signals after their end, what Popen takes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import RecordingProcess
from tests.support.waiting import DEADLINE, turns, wait_until


@contextlib.asynccontextmanager
async def started(source: str, **options):
    """Start a Python program; give its transport and protocol; it is closed at the end."""
    loop = asyncio.get_running_loop()
    command = [sys.executable, "-S", "-c", source]
    transport, protocol = await loop.subprocess_exec(RecordingProcess, *command, **options)
    try:
        yield transport, protocol
    finally:
        transport.close()
        await protocol.closed


async def output_of(source: str, **options) -> bytes:
    """Run a Python program to its end and return its standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", source, stdout=subprocess.PIPE, **options
    )
    output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0
    return output


async def test_a_process_transport_is_an_asyncio_subprocess_transport():
    async with started("pass") as (transport, protocol):
        assert isinstance(transport, asyncio.SubprocessTransport)
        assert transport.get_pid() > 0
        await protocol.closed


async def test_the_callbacks_of_a_process_come_in_their_order():
    async with started("import os; os.write(1, b'out'); os.write(2, b'err')") as (
        transport,
        protocol,
    ):
        await protocol.closed

        assert protocol.calls[0] == "connection_made"
        assert protocol.calls[-1] == "connection_lost"
        assert protocol.calls.count("exited") == 1
        for fd in (1, 2):
            assert protocol.calls.index(f"data {fd}") < protocol.calls.index(f"lost {fd}")
        assert protocol.output == {1: b"out", 2: b"err"}
        assert transport.get_returncode() == 0


@pytest.mark.parametrize("method", ["kill", "terminate", "send_signal"])
async def test_a_signal_to_a_process_that_has_ended_does_no_harm(method):
    async with started("pass") as (transport, protocol):
        await protocol.closed
        arguments = [signal.SIGTERM] if method == "send_signal" else []

        with pytest.raises(ProcessLookupError):
            getattr(transport, method)(*arguments)
        assert transport.get_returncode() == 0


@pytest.mark.parametrize("method", ["kill", "terminate"])
async def test_no_signal_goes_to_the_number_of_a_process_that_was_reaped(method, monkeypatch):
    if is_stdlib(asyncio.get_running_loop()) and (3, 12, 2) <= sys.version_info < (3, 14, 10):
        pytest.skip("asyncio sends it")
    sent = []
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "sleep 60 & exit 0", stdout=subprocess.PIPE, start_new_session=True
    )
    await wait_until(lambda: process.returncode is not None)
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: sent.append(pid))
        getattr(process, method)()
    assert sent == []
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()


async def test_wait_ends_while_a_grandchild_holds_a_pipe():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 13, 1):
        pytest.skip("asyncio waits for the pipes, too")
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "sleep 60 & echo; wait", stdout=subprocess.PIPE, start_new_session=True
    )
    await process.stdout.readline()  # the grandchild exists
    process.kill()
    assert await asyncio.wait_for(process.wait(), DEADLINE) == -signal.SIGKILL
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()


async def test_a_cancelled_wait_does_not_disturb_another_one():
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
    first, second = (asyncio.create_task(process.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    process.stdin.close()
    assert await asyncio.wait_for(second, DEADLINE) == 0
    assert first.cancelled()


async def test_what_a_cancelled_communicate_has_read_is_returned_by_the_next():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio loses it")
    their_end, our_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo first; read line; echo $line", stdin=their_end, stdout=subprocess.PIPE
    )
    os.close(their_end)
    fed, feed = [], process.stdout.feed_data
    process.stdout.feed_data = lambda data: (fed.append(data), feed(data))
    first = asyncio.create_task(process.communicate())
    await wait_until(lambda: b"".join(fed) == b"first\n")
    await turns(3)  # the reader has taken it
    first.cancel()
    await asyncio.wait([first])
    os.write(our_end, b"second\n")
    os.close(our_end)
    output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert output == b"first\nsecond\n"


async def test_a_signal_that_ends_a_process_is_its_return_code():
    async with started("import time; time.sleep(60)") as (transport, protocol):
        transport.kill()
        await protocol.closed

        assert transport.get_returncode() == -signal.SIGKILL


async def test_close_ends_a_process_that_still_runs():
    async with started("import time; time.sleep(60)") as (transport, protocol):
        pid = transport.get_pid()
        transport.close()
        await protocol.closed

        def gone():
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            return False

        await wait_until(gone)


async def test_input_reaches_the_process():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(b"hello " * 100_000), DEADLINE)

    assert output == b"HELLO " * 100_000


async def test_the_shell_runs_a_command():
    process = await asyncio.create_subprocess_shell("printf '%s' one; exit 3", stdout=-1)
    output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)

    assert (output, process.returncode) == (b"one", 3)


async def test_a_process_can_open_its_output_again():
    source = "open('/dev/stdout', 'w').write('opened')"
    assert await output_of(source) == b"opened"


OPTIONS = {
    "env": (
        {"env": {**os.environ, "COLOUR": "red"}}, "import os; print(os.environ['COLOUR'])", "red",
    ),
    "environ": ({"env": os.environ}, "import os; print('PATH' in os.environ)", "True"),
    "cwd": ({"cwd": "/"}, "import os; print(os.getcwd())", "/"),
    "umask": ({"umask": 0o077}, "import os; print(oct(os.umask(0)))", "0o77"),
    "session": (
        {"start_new_session": True}, "import os; print(os.getsid(0) == os.getpid())", "True",
    ),
    "group": ({"process_group": 0}, "import os; print(os.getpgid(0) == os.getpid())", "True"),
    "stderr": (
        {"stderr": subprocess.STDOUT}, "import os; os.write(2, b'both\\n')", "both",
    ),
    "preexec": ({"preexec_fn": lambda: os.umask(0o022)}, "import os; print(os.umask(0))", "18"),
    "pipesize": ({"pipesize": 1 << 16}, "print('good')", "good"),
    "executable": ({"executable": sys.executable}, "print('good')", "good"),
    "pass_fds": ({"pass_fds": (1,)}, "print('good')", "good"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
async def test_what_popen_takes_is_taken(name):
    options, source, expected = OPTIONS[name]

    assert (await output_of(source, **options)).decode().strip() == expected


@pytest.mark.parametrize(
    "options", [{"universal_newlines": True}, {"shell": True}, {"bufsize": 1}, {"text": True},
                {"encoding": "utf-8"}, {"errors": "strict"}], ids=lambda o: next(iter(o))
)  # fmt: skip
async def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        async with started("pass", **options):
            pass


async def test_a_program_that_is_not_there_is_refused():
    loop = asyncio.get_running_loop()
    with pytest.raises(FileNotFoundError):
        await loop.subprocess_exec(RecordingProcess, "/no/such/program")


async def test_many_processes_at_once_all_end():
    async def run(number):
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"exit {number}", stdout=subprocess.DEVNULL
        )
        return await asyncio.wait_for(process.wait(), DEADLINE)

    assert await asyncio.gather(*(run(number) for number in range(20))) == list(range(20))
