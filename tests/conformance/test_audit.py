"""What audit hooks see of a connection that a loop makes."""

import pytest

from tests.support.programs import run_program

# A hook cannot be taken out again, so each program is a process of its own.
PROGRAM = """
import asyncio, contextlib, gc, socket, sys
from tests.support.loops import LOOPS

seen = []

def hook(event, arguments):
    if event in ("socket.__new__", "socket.connect"):
        sock, *rest = arguments
        seen.append((event, isinstance(sock, socket.socket), *rest))
        if event == "socket.connect":
            kept.append(sock)
            assert sock.gettimeout() == 0
            if rest[0] == ("127.0.0.1", 9):
                raise PermissionError("not there")

class Protocol(asyncio.Protocol):
    def connection_lost(self, exc):
        lost.set_result(exc)

async def main():
    global lost
    loop = asyncio.get_running_loop()
    lost = loop.create_future()
    transport, _ = await loop.create_connection(Protocol, {host!r}, port)
    assert transport.get_extra_info("sockname")[1] == kept[0].getsockname()[1]
    transport.close()
    await lost
    assert kept[0].fileno() == -1
    with contextlib.suppress(PermissionError):
        await loop.create_connection(Protocol, "127.0.0.1", 9)
        raise AssertionError("connected")
    assert kept[1].fileno() == -1

kept = []
with socket.create_server(("127.0.0.1", 0)) as listener:
    port = listener.getsockname()[1]
    loop = LOOPS[{name!r}]()
    sys.addaudithook(hook)
    loop.run_until_complete(main())
    loop.close()

for event, is_socket, *rest in seen:
    print(event, is_socket, *[str(item).replace(str(port), "PORT") for item in rest])
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_audit_hook_sees_a_connection_and_may_forbid_it(loop_factory, host):
    output = run_program(PROGRAM.format(name=loop_factory.name, host=host))

    events = [line for line in output.splitlines() if line.startswith("socket.connect")]
    assert events == [
        f"socket.connect True ('{host}', PORT)",
        "socket.connect True ('127.0.0.1', 9)",
    ]
    assert output.count("socket.__new__ True") == 2
