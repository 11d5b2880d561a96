"""How many system calls a process makes, as strace sees them: all, or those that send."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from benchmarks.harness.question import CaseFailedError

SENDING = "sendto,sendmsg,write,writev"
WAIT_SECONDS = 30.0


class Calls:
    """The number, once the process is no longer traced."""

    count = 0


def counted_sends(pid: int) -> contextlib.AbstractContextManager[Calls]:
    """Count the calls that send, during the block."""
    return counted_calls(pid, SENDING)


@contextlib.contextmanager
def counted_calls(pid: int, names: str = "all") -> Iterator[Calls]:
    """Trace a process during the block."""
    if shutil.which("strace") is None:
        raise CaseFailedError("strace is not installed")
    calls = Calls()
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(tempfile.NamedTemporaryFile("r"))
        command = ["strace", "-f", "-e", f"trace={names}", "-o", lines.name, "-p", str(pid)]
        tracer = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        assert tracer.stderr is not None
        try:
            if "attached" not in (line := tracer.stderr.readline()):
                raise CaseFailedError(f"strace cannot trace: {line.strip()}")
            yield calls
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            calls.count = sum("(" in line and "resumed" not in line for line in lines)


def exchange(address: tuple[str, int], request: bytes, end: bytes, count: int) -> None:
    """Send a request again and again on one connection, and wait for the end of each response."""
    with socket.create_connection(address, WAIT_SECONDS) as sock:
        for _ in range(count):
            sock.sendall(request)
            received = b""
            while not received.endswith(end):
                chunk = sock.recv(65536)
                if not chunk:
                    raise CaseFailedError(f"the server has closed the connection: {received!r}")
                received += chunk
