"""Run a scenario again and again, each time with another call failing; judge each run.

A program of its own, which tests.faults.running starts with the library loaded. It prints each
combination before it is tried, so that the last line names the one that crashed or hung.

Usage: python -m tests.faults.exploring LOOP DEPTH SCENARIO CALL[:ERRNO[:NUMBERS]]
"""

import asyncio
import faulthandler
import gc
import os
import sys
from typing import Any

from tests.faults.checks import ALLOWED, Check
from tests.faults.errors import ERRORS, TOLD, TRANSPARENT
from tests.faults.injection import VARIABLE, Board, Rule
from tests.faults.scenarios import SCENARIOS
from tests.support.leaks import fds_opened_since, open_fds
from tests.support.loops import LOOPS

# Seconds that a run may take until it counts as hung. Ample: only a run that fails reaches it.
HANG_SECONDS = float(os.environ.get("FAULTS_HANG_SECONDS", "10"))

# Waits of the loop in one run until it counts as spinning; the longest scenario needs 1,500.
WAIT_COUNT_MAX = 10_000


class Run:
    """One run of a scenario under one rule, and what was wrong with it."""

    def __init__(self, loop_name: str, scenario: str, rule: Rule, board: Board) -> None:
        self.problems: list[str] = []
        self.check = Check()
        self._reports: list[dict[str, Any]] = []
        self._scenario = scenario
        self._main = SCENARIOS[scenario]
        self._factory = LOOPS[loop_name].factory
        self._rule = rule
        self._board = board
        self.hits = 0

    def execute(self) -> None:
        """Run it disturbed, then once more on the same loop, undisturbed."""
        fds = open_fds()
        sys.unraisablehook = self._ignored
        faulthandler.dump_traceback_later(2 * HANG_SECONDS, exit=True)
        if self._scenario == "nothing":
            self._make_and_close()
        else:
            self._run_on_loop()
        faulthandler.cancel_dump_traceback_later()
        gc.collect()
        if leaked := fds_opened_since(fds):
            self.problems.append(f"left open: {leaked}")

    def _ignored(self, args: Any) -> None:
        """Take note of an exception that nobody could be told of.

        Not of a socket that was left to the garbage collector: BaseEventLoop.create_server() does
        so when it cannot listen. The descriptors are counted anyway.
        """
        text = repr(args.exc_value)
        if not text.startswith("ResourceWarning('unclosed <socket.") and not text.startswith(
            'ResourceWarning("unclosed <socket.'
        ):
            self.problems.append(f"ignored: {text}")

    def _make_and_close(self) -> None:
        try:
            with (
                self._board.armed(self._rule),
                asyncio.Runner(loop_factory=self._factory) as runner,
            ):
                runner.run(self._main(self.check))
        except OSError as error:
            self.check.told(error)
        except Exception as error:
            self.problems.append(f"the loop raised {error!r}")
        self.hits = self._board.hits()

    def _run_on_loop(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _loop, context: self._reports.append(context))
            runner.run(asyncio.sleep(0))  # makes the pipe for signals; `nothing` disturbs that
            with self._board.armed(self._rule):
                self._run_main(runner, self.check)
            self.hits = self._board.hits()
            self._judge()
            self._reports.clear()
            again = Check()
            self._run_main(runner, again)
            if again.errors or again.missing or again.wrong or self._reports:
                self.problems.append(
                    f"afterwards, undisturbed: {again.errors} {again.wrong} {self._reports}, "
                    f"{again.missing} bytes missing"
                )

    def _run_main(self, runner: asyncio.Runner, check: Check) -> None:
        async def guarded() -> None:
            try:
                async with asyncio.timeout(HANG_SECONDS) as limit:
                    await self._main(check)
            except Exception as error:
                if limit.expired():
                    self.problems.append("hung")
                elif isinstance(error, ALLOWED):
                    check.told(error)
                else:
                    self.problems.append(f"raised {error!r}")
            if left := asyncio.all_tasks() - {asyncio.current_task()}:
                self.problems.append(f"tasks left: {left}")

        try:
            runner.run(guarded())
        except Exception as error:
            self.problems.append(f"the loop itself was ended by {error!r}")

    def _judge(self) -> None:
        counts = self._board.counts()
        waits = sum(counts.get(call, 0) for call in ("epoll_wait", "epoll_pwait2"))
        if waits > WAIT_COUNT_MAX:
            self.problems.append(f"the loop spins: {waits} waits")
        self.problems += self.check.wrong
        for context in self._reports:
            error = context.get("exception")
            if not isinstance(error, ALLOWED) or self._rule.error is None:
                self.problems.append(f"reported: {context}")
        told = [*self.check.errors, *(context.get("exception") for context in self._reports)]
        seen = self.check.errors or self.check.missing
        if seen and (not self.hits or is_transparent(self._scenario, self._rule)):
            self.problems.append(
                f"nothing should be seen of it, but {self.check.errors}, "
                f"{self.check.missing} bytes missing"
            )
        if self.check.missing and not told:
            self.problems.append(f"{self.check.missing} bytes are missing and nothing tells why")


def is_transparent(scenario: str, rule: Rule) -> bool:
    """Return True if a program must see nothing of the fault."""
    call, error, _ = str(rule).split(":")
    if f"{scenario}-{call}" in TOLD:
        return False
    return error in TRANSPARENT.get(call, ()) or error in TRANSPARENT["*"]


def rules_of(text: str, depth: int) -> list[list[Rule]]:
    """Return the rules to try for CALL or CALL:ERRNO[:NUMBERS], in rows that end unhit."""
    call, *rest = text.split(":")
    if len(rest) == 2:
        return [[Rule.parse(text, os.getpid())]]
    errors = rest or ERRORS[call]
    return [
        [Rule.parse(f"{call}:{error}:{n}", os.getpid()) for n in range(1, depth + 1)]
        for error in errors
    ]


def main(loop_name: str, depth: str, scenario: str, *faults: str) -> int:
    """Try all faults; return the exit code."""
    board = Board(os.environ[VARIABLE])
    quiet = Run(loop_name, scenario, Rule("rename"), board)  # imports, caches, first use
    quiet.execute()
    print(f"{scenario} undisturbed: {board.counts()}", *quiet.problems, sep="\n    ! ")
    failed = bool(quiet.problems)
    gc.freeze()
    for row in (row for fault in faults for row in rules_of(fault, int(depth))):
        hit_count = 0
        for rule in row:
            print(f"{scenario} {rule}", end=" ", flush=True)
            run = Run(loop_name, scenario, rule, board)
            run.execute()
            hit_count += run.hits
            print(f"hit {run.hits}, told {run.check.errors}", *run.problems, sep="\n    ! ")
            failed = failed or bool(run.problems)
            if not run.hits:
                break
        if not hit_count:
            print(f"    ! never hit: {scenario} makes no such call")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
