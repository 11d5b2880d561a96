"""A master with handlers that raise (faulty_master.py), for test_guards.py and test_audit.py."""

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path

from tests.serving.support import APPS, DEADLINE, Server, connect, receive_line

PROGRAM = Path(__file__).parent / "faulty_master.py"
TICKS = os.sysconf("SC_CLK_TCK")
MANY = 1000


class FaultyMaster:
    """A running faulty master, and the folder that its handlers and its application obey."""

    def __init__(self, folder, options):
        self.folder = folder
        self.plan_count = 0
        self.worker = 0  # the process that serves before something fails
        self.keeper = 0  # the one that was killed; it is a child until the master has reaped it
        self.answer = None  # to the client that was there when it failed
        self.control = str(folder / "control")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.setblocking(False)
        variables = [
            f"FAULTY_FOLDER={folder}",
            f"FAULTY_PLAN={folder / 'plan'}",
            f"NOTIFY_SOCKET={folder / 'notify'}",
            "WATCHDOG_USEC=200000",
        ]
        is_program = "main" in options
        arguments = ["--app-dir", str(APPS), *options]
        arguments += [] if is_program else ["--bind", "127.0.0.1:0"]
        arguments += ["--status-bind", "127.0.0.1:0", "--control-socket", self.control]
        if not options or options[-1] != "--":
            arguments = ["faulty:main" if is_program else "faulty:Obey", *arguments]
        self.server = Server(
            arguments, wrapper=["env", *variables], program=[sys.executable, str(PROGRAM)]
        )

    def close(self):
        self.server.close()
        self.notify.close()

    def let_fail(self, name, times, pid=0):
        self.plan_count += 1
        plan = self.folder / "new"
        plan.write_text(f"{pid or self.server.pid},{name},{times},{self.plan_count}")
        plan.rename(self.folder / "plan")

    def let_work(self):
        (self.folder / "plan").unlink()

    @property
    def raised(self):
        """How often the handler has raised."""
        try:
            return int((self.folder / f"count-{self.plan_count}").read_text() or 0)
        except FileNotFoundError:
            return 0

    @property
    def address(self):
        return self.server.address

    @property
    def status_address(self):
        host, _, port = self.server.status_address.rpartition(":")
        return host, int(port)

    def command(self, **fields):
        """Send a command over the control socket; return the answer, None if there is none."""
        with connect(self.control) as sock:
            sock.sendall(json.dumps(fields).encode() + b"\n")
            line = receive_line(sock)
        return json.loads(line) if line else None

    @property
    def status(self):
        return self.command(command="status")["result"]

    def workers(self):
        return [one["pid"] for one in self.status["workers"] if one["state"] == "ready"]

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def tell(self, line):
        """Let a worker do something; return its process id."""
        with connect(self.address) as sock:
            pid = int(receive_line(sock))
            sock.sendall(line)
        return pid


def until(condition, what):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def until_ready(master, count=1, other_than=()):
    """Wait for so many workers; return their process ids."""
    found = []

    def is_ready():
        with contextlib.suppress(OSError):
            found[:] = master.workers()
            return len(found) == count and not set(found) & set(other_than)

    until(is_ready, "workers to be ready")
    return found


def reloads(master):
    master.server.logged(r"reloaded: generation \d+ serves")
