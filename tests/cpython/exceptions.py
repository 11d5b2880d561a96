"""The interpreter's tests that do not pass on ngxloop's loop, or are not run: each with its reason.

Rules. Every module that is not in NOT_RUN runs. A pattern (fnmatch) names tests as
MODULE.CLASS.METHOD. Every test it matches must fail in the versions given: one that passes, or a
pattern that matches nothing, is stale and fails the run. Tests that would hang, end the process or
disturb others in it are not run at all; only those may say `runs=False`.

For each reason: a minimal program, whose last line is what differs, and the tests that keep the
public promise behind it (in tests/conformance).

PRIVATE_CLASSES. The transports have classes of their own, and a loop has no table of transports.

    asyncio.selector_events._SelectorSocketTransport(loop, sock, protocol)  # AttributeError

PRIVATE_ACCEPT. The listener is compiled and accepts from the descriptor. Out of descriptors:
test_servers_without_fds.py.

    sock.accept.side_effect = OSError(errno.EMFILE, "")  # sock is a mock
    loop._accept_connection(factory, sock)  # AttributeError

PRIVATE_SIGNALS. What the operating system does is what counts: test_signals.py.

    with mock.patch("asyncio.unix_events.signal") as module:
        loop.add_signal_handler(signal.SIGHUP, callback)
    module.signal.assert_called()  # AssertionError: the real one was called

PRIVATE_SENDFILE. The same with real files and sockets: test_sendfile.py.

    loop._sock_sendfile_native_impl(future, None, sock, fd, 0, None, 8192, 0)  # AttributeError

PRIVATE_OS. Linux always has os.sendfile(); files that it refuses: test_sendfile_promises.py.

    with mock.patch("asyncio.unix_events.os", spec=[]):
        await loop.sock_sendfile(sock, file, fallback=False)  # sends; SendfileNotAvailableError

WAITS_FOR_PIDFD. A pid may become another process's, a pidfd cannot, and waitpid() takes none. The
pidfd is closed whatever the call does: ProcessHooks._pidfd_ready().

    with mock.patch.object(os, "waitpid", side_effect=OSError) as waitpid:
        await process.wait()
    waitpid.assert_called()  # AssertionError: os.waitid() was called

PRIVATE_WATCHER. The loop itself watches. A signal never goes to a pid that was reaped:
test_process_promises.py.

    loop._watcher  # AttributeError

PRIVATE_LAYER. TLS has a layer of its own. A failed handshake leaves no cycle:
test_tls_handshake.py.

    with mock.patch.object(asyncio.sslproto.SSLProtocol, "connection_made") as method:
        await loop.create_connection(asyncio.Protocol, host, port, ssl=context)
    method.assert_called()  # AssertionError

WRONG_NUMBER. asyncio makes a transport that never reads (docs/differences.md). A failed send ends a
TLS connection: test_when_output_leaves.py.

    sock.fileno.return_value = 12345  # sock is a mock; no file has this number
    loop._make_socket_transport(sock, protocol)  # OSError: fcntl(fd=12345) failed
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

PRIVATE_ACCEPT = "calls _accept_connection() with a mock of a socket: private to CPython's loop"
PRIVATE_SIGNALS = "replaces the module `signal` in the names of asyncio.unix_events"
PRIVATE_SENDFILE = "calls _sock_sendfile_native_impl(): a step of CPython's loop, not of its API"
PRIVATE_OS = "replaces the module `os` in the names of asyncio.unix_events"
WAITS_FOR_PIDFD = "expects a call of os.waitpid(); ngxloop waits for the pidfd, with os.waitid()"
PRIVATE_WATCHER = "asks for loop._watcher, where CPython's own loop keeps its child watcher"
PRIVATE_LAYER = "replaces SSLProtocol.connection_made() of asyncio.sslproto, to find a transport"
WRONG_NUMBER = "gives a transport the number of no file, which is refused"

LISTED: list[Listed] = [
    Listed("test_base_events.*.test_accept_connection_*", PRIVATE_ACCEPT),
    Listed("test_unix_events.*SignalTests.test_add_signal_handler_install_*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_add_signal_handler_setup_error", PRIVATE_SIGNALS),
    Listed("test_unix_events.SelectorEventLoopSignalTests.test_close*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler_2", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SignalTests.test_remove_signal_handler_error*", PRIVATE_SIGNALS),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_blocking_error", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_cancel*", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_exception", PRIVATE_SENDFILE),
    Listed("test_unix_events.*SendfileTests.test_sock_sendfile_os_error_*", PRIVATE_SENDFILE),
    Listed(
        "test_unix_events.*SendfileTests.test_sock_sendfile_not_available",
        PRIVATE_OS,
    ),
    Listed(
        "test_unix_events.PidfdChildWatcherTests.test_pidfd_closed_when_waitpid_raises",
        WAITS_FOR_PIDFD,
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
