"""What has to hold over many reloads, upgrades and deaths; NGXLOOP_FULL_COUNTS=1 for many more."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.serving.load import Load
from tests.serving.support import http_get, open_links, wait_gone

IS_FULL = bool(os.environ.get("NGXLOOP_FULL_COUNTS"))
RELOAD_COUNT = 50 if IS_FULL else 6
KILL_COUNT = 100 if IS_FULL else 5
WARM_UP_COUNT = 3  # reloads after which the master has allocated what it needs
GROWTH_BYTES = 2 * 2**20
YOUNG_SECONDS = 5.5  # above the age at which a death counts as young, and is followed by a delay


class Master:
    """The master process as the kernel sees it."""

    def __init__(self, pid):
        self._pid = pid
        self._folder = Path(f"/proc/{pid}")

    def fds(self):
        return sorted(link.split(":")[0] for link in open_links(self._pid))

    def thread_count(self):
        return len(list((self._folder / "task").iterdir()))

    def rss_bytes(self):
        return int((self._folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def settled(server, generation):
    """Wait until only the newest generation is left, and its master has closed what it may."""
    for one in range(max(1, generation - 2), generation):
        await asyncio.to_thread(wait_gone, *server.worker_pids(one))
    await asyncio.to_thread(server.caught_up)


@pytest.mark.complaint(6)
@pytest.mark.complaint(13)
@pytest.mark.timeout(900)
async def test_reloads_lose_no_request_and_leave_nothing_in_the_master(serve):
    options = ["--workers", "2", "--idle-grace", "0.1"]
    server = await asyncio.to_thread(serve("web_asgi:app", *options).serving)
    master = Master(server.pid)
    async with Load(server.url, fresh_count=2, kept_count=2).running() as load:
        for generation in range(2, RELOAD_COUNT + 2):
            server.send(signal.SIGHUP)
            await asyncio.to_thread(server.logged, rf"reloaded: generation {generation} serves")
            await load.answered(server.worker_pids(generation))
            await settled(server, generation)
            assert master.thread_count() == 1
            if generation == WARM_UP_COUNT:
                fds, rss_bytes = master.fds(), master.rss_bytes()
    assert load.failures == []
    assert master.fds() == fds
    assert master.rss_bytes() - rss_bytes < GROWTH_BYTES
    print(f"\n{RELOAD_COUNT} reloads, {sum(load.answers.values())} requests, none failed;")
    print(f"master: {len(fds)} fds, 1 thread, {master.rss_bytes() - rss_bytes:+d} bytes")


@pytest.mark.complaint(9)
@pytest.mark.timeout(900)
async def test_idle_workers_that_are_killed_cost_no_request(serve):
    """Those clients keep their connections, so that it is known who is idle."""
    options = ["--workers", "8", "--status-bind", "127.0.0.1:0"]
    server = await asyncio.to_thread(serve("web_asgi:app", *options).serving)
    master = Master(server.pid)
    host, _, port = server.status_address.rpartition(":")
    async with Load(server.url, fresh_count=0, kept_count=2).running() as load:
        await load.answered(server.worker_pids(1))
        await asyncio.to_thread(server.caught_up)
        fds, rss_bytes = master.fds(), master.rss_bytes()
        killed = set()
        for _ in range(KILL_COUNT):
            victim = await asyncio.to_thread(oldest_idle, (host, int(port)), load, killed)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
            await asyncio.to_thread(server.logged, rf"\(process {victim}\) was killed by SIGKILL")
            await asyncio.to_thread(server.logged, r"worker 1\.\d ready")
        await asyncio.to_thread(server.caught_up)
    assert load.failures == []
    assert master.fds() == fds
    assert master.rss_bytes() - rss_bytes < GROWTH_BYTES
    print(f"\n{KILL_COUNT} kills, {sum(load.answers.values())} requests, none failed")


def oldest_idle(status_address, load, killed):
    """Return the process without a connection that has lived longest; in full, no young one.

    The report can be older than the last death, if the master is slow.
    """
    while True:
        workers = json.loads(http_get(status_address, "/status.json")[1])["workers"]
        idle = [
            one
            for one in workers
            if one["state"] == "ready"
            and not one["connections"]
            and one["pid"] not in {*load.answers, *killed}
        ]
        oldest = max(idle, key=lambda one: one["age"], default=None)
        if oldest and (not IS_FULL or oldest["age"] > YOUNG_SECONDS):
            return oldest["pid"]


@pytest.mark.complaint(15)
def test_killed_master_leaves_the_port_within_the_graceful_timeout(serve):
    server = serve("web_asgi:app", "--workers", "4", "--graceful-timeout", "2").serving()
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    wait_gone(*server.worker_pids(1))
    assert re.findall("did not exit", server.log) == []
    serve("web_asgi:app", "--bind", server.addresses[0]).serving()
