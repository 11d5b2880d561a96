"""python -m tests.stress.service SEED: what an operator and bad luck do to a service, at random.

Reloads, upgrades of the master and changes of the number of workers follow each other in random
order, while workers are killed, clients ask, a status client closes early and the control socket
gets nonsense. No request may fail but those in flight in a killed worker, and the descriptors,
threads and memory of the master stay as they are. 0 if all this was so.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.serving.support import Server
from tests.stress.service.clients import Clients, Kills
from tests.stress.service.visitors import close_early, send_nonsense
from tests.support.addresses import free_bind

APPS = Path(__file__).parents[2] / "serving" / "apps"
WORKERS = 4
_ORDER_SECONDS = 180.0  # until an order has an outcome
_CALM_SECONDS = 120.0  # until all workers serve and nothing else is left
_MOST_GROWTH_KIB = 4096  # of a master's memory between two moments of calm
_LINE_BYTES = 2**20
_LOOKS = 20  # at the descriptors of a master; the fewest count
_LOOK_SECONDS = 0.02


class Ordeal:
    """One service and all that happens to it."""

    def __init__(self, seed: int, folder: str) -> None:
        self._random = random.Random(seed)
        self._control = f"{folder}/control"
        self._pidfile = f"{folder}/pid"
        self.kills = Kills()
        self.refusals: list[str] = []  # orders that were not carried out: a killed worker's doing
        self.failures: list[str] = []
        options = ["--workers", str(WORKERS), "--bind", free_bind(), "--status-bind", free_bind()]
        options += ["--control-socket", self._control, "--pidfile", self._pidfile]
        self.server = Server([*options, "--app-dir", str(APPS), "web_asgi:app"])
        self.server.serving()
        self.clients = Clients(*self.server.address, self.kills)

    @property
    def master(self) -> int:
        """The process id of the master of now."""
        return int(Path(self._pidfile).read_text())

    async def run(self, hups: int, upgrades: int, kills: int, scales: int) -> None:
        """Let everything happen, then look whether something has grown."""
        orders = ["reload"] * hups + ["upgrade"] * upgrades + ["scale"] * scales
        self._random.shuffle(orders)
        host, _, port = self.server.status_address.rpartition(":")
        visitors = [
            asyncio.ensure_future(close_early(host, int(port), self._random)),
            asyncio.ensure_future(send_nonsense(self._control, self._random)),
            asyncio.ensure_future(self._read_log()),
        ]
        with self.clients.running(fresh_count=3, kept_count=3):
            await asyncio.gather(self._order(orders), self._kill(kills, len(orders)))
            await self._calm()
            before = await self._measure()
            rest = [order for order in orders if order != "upgrade"][:20]
            await asyncio.gather(self._order(rest), self._kill(len(rest), len(rest)))
            await self._calm()
            self._compare(before, await self._measure())
        for visitor in visitors:
            visitor.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)
        await self.clients.ended()

    async def _read_log(self) -> None:
        """Keep the pipe empty: a master that cannot write its log waits."""
        while True:
            self.server.read_log()
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End the service."""
        pid = self.master
        os.kill(pid, signal.SIGTERM)
        while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid):
            await asyncio.sleep(0.05)

    # Orders ------------------------------------------------------------------------------------

    async def _order(self, orders: list[str]) -> None:
        self._left = len(orders)
        for order in orders:
            if order == "upgrade":
                await self._upgrade()
            else:
                count = {"count": self._random.randint(2, 8)} if order == "scale" else {}
                await self._give(order, **count)
            self._left -= 1

    async def _upgrade(self) -> None:
        """Start a new master, again if its first workers were killed, and end the old one."""
        old = self.master
        while not await self._give("upgrade"):
            await asyncio.sleep(0.1)
        os.kill(old, signal.SIGQUIT)
        while os.path.exists(f"/proc/{old}") and not _is_zombie(old):
            await asyncio.sleep(0.01)

    async def _give(self, order: str, **fields: Any) -> bool:
        """Give an order, and wait for its outcome; False if it was not carried out."""
        answer = await self._ask(command=order, **fields)
        if not answer["ok"]:
            self.refusals.append(f"{order}: {answer['error']}")
        return bool(answer["ok"])

    async def _ask(self, **command: Any) -> dict[str, Any]:
        """Send a command until it is answered: others may take all sessions for themselves."""
        end = time.monotonic() + _ORDER_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError):
                async with asyncio.timeout(_ORDER_SECONDS):
                    reader, writer = await asyncio.open_unix_connection(
                        self._control, limit=_LINE_BYTES
                    )
                    writer.write(json.dumps(command).encode() + b"\n")
                    line = await reader.readline()
                    writer.close()
                if line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"no answer to {command}")

    # Kills -------------------------------------------------------------------------------------

    async def _kill(self, count: int, order_count: int) -> None:
        """Kill so many workers, evenly over the orders."""
        for number in range(count):
            while self._left > 0 and (order_count - self._left) * count < number * order_count:
                await asyncio.sleep(0.005)
            await asyncio.sleep(self._random.random() * 0.05)
            await self._kill_one()

    async def _kill_one(self) -> None:
        while True:
            status = (await self._ask(command="status"))["result"]
            pids = [one["pid"] for one in status["workers"] if one["state"] == "ready"]
            if pids:
                pid = self._random.choice(pids)
                self.kills.note(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return
            await asyncio.sleep(0.01)

    # What is left ------------------------------------------------------------------------------

    async def _calm(self) -> None:
        """Have as many workers as at first, all of them ready, and wait until no other is left."""
        await self._give("scale", count=WORKERS)
        await self._give("reload")
        end = time.monotonic() + _CALM_SECONDS
        while time.monotonic() < end:
            workers = (await self._ask(command="status"))["result"]["workers"]
            if [one["state"] for one in workers] == ["ready"] * WORKERS:
                return
            await asyncio.sleep(0.1)
        self.failures.append("the service does not calm down")

    async def _measure(self) -> dict[str, int]:
        """Return what the master has: the least of some looks, for visitors come and go."""
        looks = []
        for _ in range(20):
            looks.append(_look_at(self.master))
            await asyncio.sleep(0.05)
        return {name: min(look[name] for look in looks) for name in looks[0]}

    def _compare(self, before: dict[str, int], after: dict[str, int]) -> None:
        print(f"the master had {before}, has {after}", flush=True)
        for name, most in (("descriptors", 0), ("threads", 0), ("memory_kib", _MOST_GROWTH_KIB)):
            if after[name] > before[name] + most:
                self.failures.append(f"{name}: {before[name]}, then {after[name]}")


def _look_at(pid: int) -> dict[str, int]:
    """Return what a process has; it may have a file or a connection open for a moment."""
    counts = []
    for _ in range(_LOOKS):
        counts.append(_count_descriptors(pid))
        time.sleep(_LOOK_SECONDS)
    status = Path(f"/proc/{pid}/status").read_text()
    found = {name: int(number) for name, number in re.findall(r"(\w+):\s+(\d+)", status)}
    return {"descriptors": min(counts), "threads": found["Threads"], "memory_kib": found["VmRSS"]}


def _count_descriptors(pid: int) -> int:
    """Count open files but wakeup_fds (eventfd), which stay for the most workers there were."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += "[eventfd]" not in os.readlink(f"/proc/{pid}/fd/{name}")
    return count


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    return True


async def _undergo(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        ordeal = Ordeal(options.seed, folder)
        began = time.monotonic()
        try:
            await ordeal.run(options.hups, options.upgrades, options.kills, options.scales)
            await ordeal.end()
        except AssertionError as error:
            ordeal.failures.append(str(error))
        finally:
            log = ordeal.server.read_log()
            ordeal.server.close()
    clients = ordeal.clients
    failures = [*ordeal.failures, *clients.failures, *re.findall(r".*Traceback.*", log)]
    print(
        f"seed {options.seed}: {clients.answer_count} answers in {time.monotonic() - began:.0f} s, "
        f"{ordeal.kills.count} workers killed with {clients.excused_count} requests in flight, "
        f"{len(ordeal.refusals)} orders refused, {len(failures)} failures"
    )
    print(*sorted(set(ordeal.refusals)), *failures[:50], sep="\n")
    if failures and options.log:
        Path(options.log).write_text(log)
    return 1 if failures else 0


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.service")
    parser.add_argument("seed", type=int, help="what is done follows from it")
    parser.add_argument("--hups", type=int, default=50)
    parser.add_argument("--upgrades", type=int, default=20)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--scales", type=int, default=50)
    parser.add_argument("--log", help="a file for the master's log if something has failed")
    return asyncio.run(_undergo(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
