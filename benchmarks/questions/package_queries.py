"""How often does asyncpg call the kernel for a query to PostgreSQL, and what does it cost?

One connection over a Unix socket, one operation at a time: `fetchval` is a prepared query of one
number, `transaction` the same between BEGIN and COMMIT, `executemany` inserts 100 rows, `copy`
sends 1,000. `joining` is ngxloop after set_write_coalescing(True), compared with all loops as they
are.
Unit: microseconds of the client's CPU per operation; calls that send, and all system calls.
Leaves out: the server's CPU time, pools, TLS. Needs asyncpg and PostgreSQL's server.
"""

import asyncio
import importlib
import importlib.util
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.harness import messages, postgresql
from benchmarks.harness.child import start_child
from benchmarks.harness.coalescing import JOINING
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample
from benchmarks.harness.sends import counted_calls, counted_sends

PACKAGE = "asyncpg"
WAIT_SECONDS = 30.0
TRACED_OPERATIONS = 50

ROWS = [(number, "x" * 40) for number in range(1000)]
MANY_ROWS = 100

Operation = Callable[[Any], Awaitable[object]]


async def fetch_value(connection: Any) -> None:
    assert await connection.fetchval("select $1::int + 1", 1) == 2  # noqa: PLR2004 - one and one


async def in_transaction(connection: Any) -> None:
    async with connection.transaction():
        await fetch_value(connection)


async def insert_many(connection: Any) -> None:
    await connection.executemany("insert into facts values ($1, $2)", ROWS[:MANY_ROWS])


async def copy_rows(connection: Any) -> None:
    await connection.copy_records_to_table("facts", records=ROWS)


# What is done, and how often for each second of effort.
OPERATIONS: dict[str, tuple[Operation, int]] = {
    "fetchval": (fetch_value, 2000),
    "transaction": (in_transaction, 700),
    "executemany": (insert_many, 100),
    "copy": (copy_rows, 100),
}


class QueryQuestion(Question):
    """Operations of a client, measured and then traced twice."""

    metrics = (
        Metric("cpu_us", "cpu us", "lower", digits=1, compared=True),
        Metric("sends", "sends", "lower", digits=2),
        Metric("calls", "calls", "lower", digits=2),
    )

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        if "ngxloop" not in {loop.name for loop in loops}:
            return loops
        return (*(Contender(loop.name, loop.factory) for loop in loops), JOINING)

    def missing(self) -> str | None:
        if importlib.util.find_spec(PACKAGE) is None:
            return f"{PACKAGE} is not installed"
        if None in postgresql.find_programs():
            return "PostgreSQL's server is not installed"
        return None

    def versions(self, contenders: Sequence[Contender]) -> dict[str, str]:
        return {PACKAGE: str(importlib.import_module(PACKAGE).__version__)}

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        parameters = {"folder": postgresql.start_server()}
        with start_child(self, contender, Case(case.name, parameters), effort) as client:
            cpu_us = float(client.receive()["cpu_us"])
            with counted_sends(client.pid) as sends:
                client.send_line("go")
                client.receive()
            with counted_calls(client.pid) as calls:
                client.send_line("go")
                client.receive()
        return {
            "cpu_us": cpu_us,
            "sends": (sends.count - 1) / TRACED_OPERATIONS,
            "calls": calls.count / TRACED_OPERATIONS,
        }

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        loop = factory()
        asyncio.set_event_loop(loop)
        connection = loop.run_until_complete(connect(str(case.parameters["folder"])))
        operation, rate = OPERATIONS[case.name]
        count = max(1, int(seconds * rate))
        loop.run_until_complete(repeat(operation, connection, count))  # the warm-up
        before_ns = time.process_time_ns()
        loop.run_until_complete(repeat(operation, connection, count))
        used_ns = time.process_time_ns() - before_ns
        messages.send({"cpu_us": used_ns / count / 1e3})
        for _ in range(2):
            sys.stdin.readline()
            loop.run_until_complete(repeat(operation, connection, TRACED_OPERATIONS))
            messages.send({"done": True})
        loop.run_until_complete(connection.close())
        loop.close()


async def connect(folder: str) -> Any:
    connection = await importlib.import_module(PACKAGE).connect(
        host=folder, user=postgresql.USER, database="postgres", timeout=WAIT_SECONDS
    )
    await connection.execute("create temporary table facts (number int, text text)")
    return connection


async def repeat(operation: Operation, connection: Any, count: int) -> None:
    for _ in range(count):
        await operation(connection)


QUESTION = QueryQuestion([Case(name) for name in OPERATIONS])
