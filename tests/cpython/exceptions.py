"""The interpreter's tests that do not pass on ngxloop's loop, or are not run: each with its reason.

Rules. Every module that is not in NOT_RUN runs. A pattern (fnmatch) names tests as
MODULE.CLASS.METHOD. Every test it matches must fail in the versions given: one that passes, or a
pattern that matches nothing, is stale and fails the run. Tests that would hang, end the process or
disturb others in it are not run at all; only those may say `runs=False`.
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


OTHER_SYSTEM = "for another operating system"
PRIVATE_CLASSES = "takes asyncio's private classes apart, which ngxloop has none of"

# Modules that are not run.
NOT_RUN = {
    "test_proactor_events": PRIVATE_CLASSES,
    "test_selector_events": PRIVATE_CLASSES,
    "test_windows_events": OTHER_SYSTEM,
    "test_windows_utils": OTHER_SYSTEM,
}

# Modules that need no loop, and would pass on any.
LOOPLESS = {"test_pep492", "test_protocols", "test_runners", "test_tools", "test_transports"}

PRIVATE_ACCEPT = "calls _accept_connection: private to CPython's loop"
PRIVATE_SIGNALS = "puts mocks into asyncio.unix_events, or calls _handle_signal: private to it"
PRIVATE_SENDFILE = "calls _sock_sendfile_native_impl: private to CPython's loop"
PRIVATE_LAYER = "wraps asyncio.sslproto.SSLProtocol.connection_made to find a transport"
PRIVATE_PIPES = "takes asyncio's private pipe transports apart; watches whatever has the number 5"
PRIVATE_WATCHER = "looks into loop._watcher, where CPython's own loop keeps its child watcher"
WRONG_NUMBER = "gives a transport the number of no file, which is refused (docs/differences.md)"

LISTED: list[Listed] = [
    Listed("test_base_events.*.test_accept_connection_*", PRIVATE_ACCEPT),
    Listed(
        "test_unix_events.SelectorEventLoopSignalTests.test_add_signal_handler", PRIVATE_SIGNALS
    ),
    Listed("test_unix_events.*SignalTests.test_add_signal_handler_install_*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_add_signal_handler_setup_error", PRIVATE_SIGNALS),
    Listed("test_unix_events.SelectorEventLoopSignalTests.test_close*", PRIVATE_SIGNALS),
    Listed("test_unix_events.SelectorEventLoopSignalTests.test_handle_signal_*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler_2", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler_error*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_blocking_error", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_cancel*", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_exception", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_os_error_*", PRIVATE_SENDFILE),
    Listed(
        "test_unix_events.*SendfileTests.test_sock_sendfile_not_available",
        "takes the system call out of the names of asyncio.unix_events: private to it",
    ),
    Listed("test_unix_events.Unix*PipeTransportTests.*", PRIVATE_PIPES, runs=False),
    Listed(
        "test_unix_events.PidfdChildWatcherTests.test_pidfd_closed_when_waitpid_raises",
        "waits for a call of os.waitpid(), which a mock stands for; ngxloop calls os.waitid()",
        since=(3, 14, 10),
        runs=False,
    ),
    Listed("test_subprocess.*WatcherTests.test_watcher_implementation", PRIVATE_WATCHER, (3, 14)),
    Listed(
        "test_subprocess.SubprocessThreadedWatcherTests.test_pid_not_reaped_before_exit_published",
        PRIVATE_WATCHER,
        since=(3, 14, 10),
    ),
    Listed(
        "test_sslproto.*.test_create_connection_ssl_failed_certificate_no_cycles",
        PRIVATE_LAYER,
        since=(3, 14, 10),
    ),
    Listed(
        "test_sslproto.*.test_connection_lost_when_busy",
        WRONG_NUMBER,
        since=(3, 12, 8),
        before=(3, 13),
    ),
    Listed("test_sslproto.*.test_connection_lost_when_busy", WRONG_NUMBER, since=(3, 13, 1)),
]
