"""What is left of a loop when its run, or the interpreter, ends early."""

import asyncio
import gc
import signal
import socket
import sys

import pytest

from tests.support.programs import run_program
from tests.support.protocols import RecordingProtocol
from tests.support.streams import address_of
from tests.support.waiting import turns

SHUTDOWN = "on interpreter shutdown stage, skipping signal handlers removal"

# The policy keeps the loop until the modules that it is made of have been taken apart.
UNCLOSED = """
import asyncio, importlib, warnings

warnings.simplefilter("ignore")
module = importlib.import_module("{name}")
loop = module.new_event_loop()
loop.set_debug(False)  # which would log the closing, and there is no logging any more
asyncio.set_event_loop(loop)
run = lambda: loop.run_until_complete(asyncio.sleep(0))
run()
"""


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_a_main_task_that_an_exit_exception_left_pending_is_dropped_without_a_report(
    loop_factory, exception, reports
):
    loop = loop_factory()

    async def main():
        loop.call_soon(leave)
        await loop.create_future()

    def leave():
        raise exception

    with pytest.raises(exception):
        loop.run_until_complete(main())
    loop.close()
    gc.collect()

    assert not [r for r in reports if "Task was destroyed" in r["message"]]
    reports.clear()


def test_a_loop_closed_while_the_interpreter_ends_warns_and_leaves_signals_alone(loop, monkeypatch):
    loop.add_signal_handler(signal.SIGUSR1, print)
    ignoring = signal.getsignal(signal.SIGUSR1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "is_finalizing", lambda: True)
            with pytest.warns(ResourceWarning, match=SHUTDOWN):
                loop.close()
        assert signal.getsignal(signal.SIGUSR1) is ignoring
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)


def test_a_loop_that_nobody_closes_says_nothing_when_the_interpreter_ends(loop_factory):
    assert run_program(UNCLOSED.format(name=loop_factory.name)) == ""


async def test_create_server_returns_when_the_loop_has_turned_once():
    loop = asyncio.get_running_loop()
    seen = []
    loop.call_soon(seen.append, "turned")
    server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0, start_serving=True)

    assert seen == ["turned"]
    assert server.is_serving()
    server.close()
    await server.wait_closed()


async def test_a_server_closed_before_the_loop_turns_has_accepted_nobody():
    made = []
    loop = asyncio.get_running_loop()

    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            made.append(transport)

    server = await loop.create_server(Protocol, "127.0.0.1", 0)
    with socket.create_connection(address_of(server)):
        server.close()
        await turns(5)

    assert made == []
