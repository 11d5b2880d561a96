"""A master with workers that share listening sockets, for the tests of the accept gates.

Rules. It is a program: workers are forked here, in a process with one thread, and not in pytest's.
Its only argument is a JSON object, see main(). It reads a JSON command a line from stdin, does it,
and writes a JSON answer a line to stdout. The end of stdin kills all workers.
"""

import asyncio
import ctypes
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import ngxloop
from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import DRAINING, READY, Scoreboard

BACKLOG = 2048
LINE_BYTES = 4096


class Greeter(asyncio.Protocol):
    """Tells the client which worker it has reached; then echoes."""

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(bytes([self._slot]))

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Worker:
    """One forked process: a loop, its gate, its servers, and the orders of the master."""

    def __init__(self, options: Any, board: Scoreboard, slot: int, control: socket.socket) -> None:
        self._board = board
        self._slot = slot
        self._control = control
        self._servers: list[asyncio.Server] = []
        self._loop: Any = ngxloop.new_event_loop()
        board.claim(slot, os.getpid())
        limit = options["worker_connections"]
        heartbeat = options["heartbeat"]
        gate = make_gate(
            options["mode"], board, slot, worker_connections=limit, heartbeat=heartbeat
        )
        self._loop.set_accept_gate(gate)

    def run(self, sockets: list[socket.socket]) -> None:
        """Serve until killed."""
        self._loop.run_until_complete(self._start(sockets))
        self._loop.run_forever()

    async def _start(self, sockets: list[socket.socket]) -> None:
        for sock in sockets:
            make_server = self._loop.create_server
            if sock.family == socket.AF_UNIX:
                make_server = self._loop.create_unix_server
            server = await make_server(lambda: Greeter(self._slot), sock=sock, backlog=BACKLOG)
            self._servers.append(server)
        self._loop.add_reader(self._control, self._obey)
        self._board.set_state(self._slot, READY)
        self._answer("ready")

    def _obey(self) -> None:
        name, *arguments = json.loads(self._control.recv(LINE_BYTES))
        self._answer(getattr(self, f"do_{name}")(*arguments))

    def _answer(self, value: Any) -> None:
        self._control.send(json.dumps(value).encode())

    def do_block(self) -> str:
        """Keep the loop from turning until the next order."""
        self._answer("blocked")
        self._control.setblocking(True)
        self._control.recv(LINE_BYTES)
        self._control.setblocking(False)
        return "unblocked"

    def do_urge(self) -> None:
        """Take what waits, as a master asks for that sees connections which nobody takes."""
        self._board.wake(urge=True)

    def do_scribble(self, byte: int) -> None:
        """Write the same byte all over the shared memory."""
        (line,) = [
            line
            for line in Path("/proc/self/maps").read_text().splitlines()
            if line.endswith("/dev/zero (deleted)")
        ]
        first, end = (int(address, 16) for address in line.split()[0].split("-"))
        ctypes.memset(first, byte, end - first)

    def do_drain(self) -> None:
        """Take nothing new."""
        self._board.set_state(self._slot, DRAINING)

    def do_close(self) -> None:
        """Close all servers."""
        for server in self._servers:
            server.close()

    def do_limit_fds(self, room: int) -> None:
        """Let the process open so many fds more, and lift the limit with room = -1."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = hard
        if room >= 0:
            names = os.listdir("/proc/self/fd")  # with the one that lists, which is closed again
            used = {int(name) for name in names if Path("/proc/self/fd", name).is_symlink()}
            limit = 0
            while limit - len([fd for fd in used if fd < limit]) < room:
                limit += 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))

    def do_replace_socket(self, number: int) -> None:
        """Close a listening socket behind the loop's back; its number is another file now."""
        sockets = [listener for server in self._servers for listener in server.sockets]
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, sockets[number].fileno(), inheritable=False)
        os.close(null)

    def do_fork(self) -> int:
        """Fork a process that closes the loop it has inherited; return its exit status."""
        pid = os.fork()
        if pid == 0:
            self._loop.stop()
            self._loop._run_once()
            asyncio.events._set_running_loop(None)
            self._loop._thread_id = None
            self._loop.close()
            os._exit(0)
        return os.waitpid(pid, 0)[1]


class Master:
    """The parent of the workers; its methods are the commands."""

    def __init__(self, options: Any) -> None:
        self.sockets = [make_socket(place) for place in options["listeners"]]
        self.board = Scoreboard(options["workers"])
        self.board.open_wakeup_fds(options["workers"])
        self.controls: list[socket.socket] = []
        self.pids: list[int] = []
        for slot in range(options["workers"]):
            self._spawn(options, slot)
        for slot in range(options["workers"]):
            self._receive(slot)

    def _spawn(self, options: Any, slot: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            try:
                theirs.setblocking(False)
                Worker(options, self.board, slot, theirs).run(self.sockets)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)
        theirs.close()
        self.controls.append(ours)
        self.pids.append(pid)

    def _receive(self, slot: int) -> Any:
        return json.loads(self.controls[slot].recv(LINE_BYTES))

    def read(self) -> dict[str, Any]:
        """Return the scoreboard."""
        slots = [self.board.read(slot) for slot in range(self.board.slot_count)]
        return {"slots": slots, "mutex_pid": self.board.mutex_pid}

    def tell(self, slot: int, *order: Any) -> Any:
        """Let a worker do something; return its answer."""
        self.controls[slot].send(json.dumps(order).encode())
        return self._receive(slot)

    def kill(self, slot: int) -> None:
        """Kill a worker; it stays a zombie until reap()."""
        os.kill(self.pids[slot], signal.SIGKILL)
        os.waitid(os.P_PID, self.pids[slot], os.WEXITED | os.WNOWAIT)

    def reap(self, slot: int) -> None:
        """Bury a killed worker."""
        os.waitpid(self.pids[slot], 0)

    def release(self, slot: int) -> bool:
        """Take its slot back from a worker."""
        return self.board.release(slot, self.pids[slot])

    def set_state(self, slot: int, state: int) -> None:
        """Set the state of a worker that knows nothing of it."""
        self.board.set_state(slot, state)

    def freeze(self, slot: int) -> None:
        """Stop a worker's process."""
        os.kill(self.pids[slot], signal.SIGSTOP)
        os.waitid(os.P_PID, self.pids[slot], os.WSTOPPED)

    def thaw(self, slot: int) -> None:
        """Let a stopped process go on."""
        os.kill(self.pids[slot], signal.SIGCONT)


def make_socket(place: str) -> socket.socket:
    """Listen at a path, or for an empty one at a free port of the loopback."""
    sock = socket.socket(socket.AF_UNIX if place else socket.AF_INET)
    sock.bind(place or ("127.0.0.1", 0))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def main() -> None:
    """Serve as the argument says: mode, workers, worker_connections, listeners."""
    options = json.loads(sys.argv[1])
    master = Master(options)
    addresses = [sock.getsockname() for sock in master.sockets]
    fds = [sock.fileno() for sock in master.sockets]
    print(json.dumps({"pids": master.pids, "addresses": addresses, "fds": fds}), flush=True)
    try:
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(master, name)(*arguments)), flush=True)
    finally:
        for pid in master.pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
