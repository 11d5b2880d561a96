"""Clients of the service that know the worker of their connection, and what of theirs has failed.

A request may fail only if its worker was killed while it was in flight. On a kept connection the
worker is the one of the answer before. A fresh connection that fails before its first answer does
not know its worker: it is excused if some worker was killed while it was open.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator

_ANSWER_SECONDS = 120.0  # workers that are killed again and again come back later each time
_SETTLE_SECONDS = 0.5  # between a kill and the moment at which the client sees it, at most


class Kills:
    """Which workers were killed, and when."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}

    def note(self, pid: int) -> None:
        """A worker is killed next."""
        self._times[pid] = time.monotonic()

    @property
    def count(self) -> int:
        """How many were killed."""
        return len(self._times)

    def excuse(self, pid: int, began: float) -> bool:
        """Say whether a request that began then may have failed; pid 0 for a worker not known."""
        if pid:
            return pid in self._times
        return any(when >= began - _SETTLE_SECONDS for when in self._times.values())


class Clients:
    """Ask as long as the block of running() lasts."""

    def __init__(self, host: str, port: int, kills: Kills) -> None:
        self._host = host
        self._port = port
        self._kills = kills
        self.answer_count = 0
        self.excused_count = 0
        self.failures: list[str] = []
        self._is_over = False

    @contextlib.contextmanager
    def running(self, fresh_count: int, kept_count: int) -> Iterator[None]:
        """Run some clients; those in the middle of a request end it."""
        kinds = [False] * fresh_count + [True] * kept_count
        self._tasks = [asyncio.ensure_future(self._ask_again_and_again(kept)) for kept in kinds]
        yield
        self._is_over = True

    async def ended(self) -> None:
        """Wait for the last answers."""
        await asyncio.gather(*self._tasks)

    async def _ask_again_and_again(self, is_kept: bool) -> None:
        while not self._is_over:
            pid, began = 0, time.monotonic()
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    is_open = True
                    while is_open and not self._is_over:
                        began = time.monotonic()
                        async with asyncio.timeout(_ANSWER_SECONDS):
                            pid, is_open = await _ask(reader, writer, is_kept)
                        self.answer_count += 1
                        await asyncio.sleep(0.001)
                finally:
                    writer.close()
            except (OSError, EOFError, ValueError) as error:
                self._note(pid, began, error)

    def _note(self, pid: int, began: float, error: Exception) -> None:
        if not isinstance(error, TimeoutError) and self._kills.excuse(pid, began):
            self.excused_count += 1
        else:
            seconds = time.monotonic() - began
            self.failures.append(f"{error!r} after {seconds:.2f} s, of worker {pid or 'unknown'}")


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_kept: bool
) -> tuple[int, bool]:
    """Ask once; return the process id of the worker, and whether the connection stays open."""
    choice = b"keep-alive" if is_kept else b"close"
    writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: %b\r\n\r\n" % choice
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200 "):
        raise ValueError(head.split(b"\r\n")[0].decode())
    if b"transfer-encoding: chunked" in head:
        body = await reader.readexactly(int(await reader.readline(), 16))
        await reader.readuntil(b"0\r\n\r\n")
    else:
        _, _, rest = head.partition(b"content-length: ")
        body = await (reader.readexactly(int(rest.split(b"\r\n")[0])) if rest else reader.read())
    return int(body), is_kept and b"connection: close" not in head
