"""HTTP clients that ask as fast as they can, and remember every request that failed.

POST, because aiohttp would silently repeat a GET whose connection was closed under it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp


class Load:
    """The running clients, what they got and what failed."""

    def __init__(
        self, url: str, fresh_count: int, kept_count: int, path: str | None = None
    ) -> None:
        self._url = url
        self._path = path  # of a Unix socket, to which all goes then
        self._fresh_count = fresh_count
        self._kept_count = kept_count
        self.answers: dict[int, int] = {}  # worker's process id -> how many
        self.failures: list[str] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Ask while the block runs."""
        clients = [self._ask(fresh) for fresh in self._kinds()]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client) for client in clients]
            yield self
            for task in tasks:
                task.cancel()

    async def answered(self, pids: list[int]) -> None:
        """Wait until each of the workers has answered some request."""
        while not set(pids) & self.answers.keys():
            await asyncio.sleep(0)

    async def answered_more(self, count: int) -> None:
        """Wait for more answers, of any worker."""
        wanted = sum(self.answers.values()) + count
        while sum(self.answers.values()) < wanted:
            await asyncio.sleep(0)

    def _kinds(self) -> list[bool]:
        return [True] * self._fresh_count + [False] * self._kept_count

    async def _ask(self, fresh: bool) -> None:
        connector = self._connector(fresh)
        async with aiohttp.ClientSession(connector=connector) as session:
            while True:
                try:
                    async with session.post(self._url) as answer:
                        pid = int(await answer.text())
                        answer.raise_for_status()
                except (aiohttp.ClientError, ValueError) as error:
                    self.failures.append(repr(error))
                else:
                    self.answers[pid] = self.answers.get(pid, 0) + 1

    def _connector(self, fresh: bool) -> aiohttp.BaseConnector:
        if self._path is not None:
            return aiohttp.UnixConnector(self._path, force_close=fresh, limit=1)
        return aiohttp.TCPConnector(force_close=fresh, limit=1)
