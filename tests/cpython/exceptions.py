"""The interpreter's tests that do not pass on ngxloop's loop: every one, with its reason.

Rules. A pattern (fnmatch) names tests as MODULE.CLASS.METHOD. Every test it matches must fail in
the versions given: one that passes, or a pattern that matches nothing, is stale and fails the run.
Tests that would hang or end the process are not run at all; only those may say `runs=False`.
"""

import dataclasses
import fnmatch
import sys


@dataclasses.dataclass(frozen=True)
class Listed:
    """A pattern of test ids, why these tests fail, and in which versions of Python."""

    pattern: str
    reason: str
    since: tuple[int, ...] = (3, 11)
    before: tuple[int, ...] = (4,)
    runs: bool = True

    def applies(self) -> bool:
        return self.since <= sys.version_info[:3] < self.before

    def matches(self, test_id: str) -> bool:
        return fnmatch.fnmatchcase(test_id, self.pattern)


NO_PIPES = "needs pipe transports, which are not built yet"
NO_PROCESSES = "needs subprocesses, which are not built yet"

LISTED: list[Listed] = [
    Listed("test_events.*EventLoopTests.test_bidirectional_pty", NO_PIPES),
    Listed("test_events.*EventLoopTests.test_read_pipe", NO_PIPES),
    Listed("test_events.*EventLoopTests.test_read_pty_output", NO_PIPES),
    Listed("test_events.*EventLoopTests.test_unclosed_pipe_transport", NO_PIPES),
    Listed("test_events.*EventLoopTests.test_write_p*", NO_PIPES),
    Listed("test_streams.StreamTests.test_read_all_from_pipe_reader", NO_PIPES),
    Listed("test_events.*EventLoopTests.test_subprocess_close_*", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_exec", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_exitcode", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_interactive", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_kill", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_send_signal", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_shell", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_stderr*", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_terminate", NO_PROCESSES),
    Listed("test_events.*EventLoopTests.test_subprocess_wait_no_same_group", NO_PROCESSES),
    Listed(
        "test_events.*EventLoopTests.test_timeout_rounding",
        "counts calls of _run_once, and names _selector: private to CPython's loop",
    ),
]
