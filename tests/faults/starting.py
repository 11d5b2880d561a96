"""ngxloop-serve from its first step on while its calls fail, and the judge of how it ended.

A program of its own: it arms the board for itself once everything is imported, and serves.

Usage: python -m tests.faults.starting [workers/]CALL:ERRNO:N [arguments of ngxloop-serve]
"""

import contextlib
import os
import sys
from pathlib import Path

from ngxloop.cli import main
from tests.faults.injection import VARIABLE, Board, Rule
from tests.serving.support import APPS, DEADLINE, Server, connect, receive_line
from tests.support.waiting import wait_until_blocking


def start(board: Board, folder: Path, fault: str, *options: str) -> list[str]:
    """Start a server with files in a folder, a call of its master failing; return what is wrong."""
    program = [sys.executable, "-m", "tests.faults.starting", fault]
    files = ("--status-bind", f"unix:{folder}/status", "--bind", f"unix:{folder}/socket")
    files += ("--control-socket", f"{folder}/control", "--pidfile", f"{folder}/pid")
    arguments = ["plain:Echo", "--app-dir", str(APPS), "--workers", "1", *files, *options]
    server = Server(arguments, program=program)
    try:
        try:
            server.serving()
        except AssertionError:
            wrong = _judge_end(server)
        else:
            board.disarm()
            wrong = _end_served(server, folder)
    finally:
        server.close()
    return [*wrong, *_left_behind(board, folder)]


def _end_served(server: Server, folder: Path) -> list[str]:
    wrong = []
    try:
        with connect(str(folder / "socket")) as sock:
            if not receive_line(sock):
                wrong.append("it serves, but does not answer")
    except OSError as error:
        wrong.append(f"it serves, but a connection gets {error!r}")
    code = server.end()
    return wrong if code == 0 else [*wrong, f"it has served, but ended with code {code}"]


def _judge_end(server: Server) -> list[str]:
    code = server.ended()
    wrong = []
    if code <= 1:
        wrong.append(f"it has not served, and ended with code {code}")
    if "Traceback" in server.log:
        wrong.append("a traceback is no clear line")
    if not server.log.strip():
        wrong.append("nothing tells why")
    return [*wrong, server.log] if wrong else []


def _left_behind(board: Board, folder: Path) -> list[str]:
    wrong = []
    with contextlib.suppress(TimeoutError):
        wait_until_blocking(lambda: not processes_of(board), deadline=DEADLINE)
    if left := processes_of(board):
        wrong.append(f"processes are left: {left}")
    if files := [path.name for path in folder.iterdir()]:
        wrong.append(f"files are left: {sorted(files)}")
    return wrong


def processes_of(board: Board) -> list[int]:
    """Return the processes that the board can disturb, but for the test's own."""
    wanted = f"{VARIABLE}={board.path}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


if __name__ == "__main__":
    *others, text = sys.argv[1].split("/")
    pid = -os.getpid() if others else os.getpid()
    Board(os.environ[VARIABLE]).arm(Rule.parse(text, pid))
    main(sys.argv[2:])
