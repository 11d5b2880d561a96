"""How many calls that send a process makes, as strace sees them."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from benchmarks.harness.question import CaseFailedError

TRACED = "sendto,sendmsg,write,writev"
WAIT_SECONDS = 30.0


class Sends:
    """The number, once the process is no longer traced."""

    count = 0


@contextlib.contextmanager
def counted_sends(pid: int) -> Iterator[Sends]:
    """Trace a process during the block."""
    if shutil.which("strace") is None:
        raise CaseFailedError("strace is not installed")
    sends = Sends()
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(tempfile.NamedTemporaryFile("r"))
        command = ["strace", "-f", "-e", f"trace={TRACED}", "-o", lines.name, "-p", str(pid)]
        tracer = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        assert tracer.stderr is not None
        try:
            if "attached" not in (line := tracer.stderr.readline()):
                raise CaseFailedError(f"strace cannot trace: {line.strip()}")
            yield sends
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            sends.count = sum("(" in line and "resumed" not in line for line in lines)


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
