"""The packages whose own tests are run on ngxloop, and which of these tests exercise an event loop.

A suite that is long runs in .ci/nightly, the others in .ci/run. What is left out has a reason:

- Files that are not named try no loop: parsers, formats, command lines, other frameworks.
- asyncssh: authentication and SFTP, hundreds of tests of what its other files do with a loop.
- pytest-asyncio: what reads its options and marks; each of its tests is a run of pytest.
- redis: what needs a cluster, a module of the server or another package.
- websockets: its source distribution has no tests; test_websockets.py tries it.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Suite:
    """A package, and which of its tests exercise an event loop."""

    package: str
    tests: tuple[str, ...]  # files and folders in `folder`
    options: tuple[str, ...] = ()  # of pytest
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)  # test ids, with reasons
    is_long: bool = True
    time_limit: int = 600  # seconds that one run on one loop may take
    folder: str = "."  # where pytest is started, in the source distribution
    hidden: str = ""  # a folder of sources that would be imported in place of the installed package
    needs: str = ""  # a program without which the suite is skipped
    beside: tuple[str, ...] = ()  # what is installed for this suite alone: others must not see it
    on_asyncio: str = "own_loop_asyncio"  # the plugin for each loop
    on_ours: str = "own_loop_ngxloop"

    def selection(self) -> list[str]:
        """Return pytest's arguments for the whole suite."""
        return [*self.options, *(f"--deselect={test}" for test in self.left_out), *self.tests]


SUITES = [
    Suite(
        "anyio",
        (
            "tests/streams",
            "tests/test_sockets.py",
            "tests/test_subprocesses.py",
            "tests/test_signals.py",
        ),
        ("-k", "asyncio and not uvloop and not eager and not ipv6", "-p", "no:asyncio"),
        is_long=False,
        time_limit=240,
    ),
    Suite(
        "looptime",
        ("tests",),
        (),
        {"tests/test_chronometers.py": "measures what time.sleep() takes"},
        is_long=False,
        time_limit=240,
    ),
    Suite("nest_asyncio", ("tests/nest_test.py",), is_long=False, time_limit=240),
    Suite("nest_asyncio2", ("tests/nest_test.py",), is_long=False, time_limit=240),
    Suite(
        "uvicorn",
        ("tests/protocols", "tests/test_server.py", "tests/test_ssl.py"),
        ("-p", "no:asyncio"),
        is_long=False,
        time_limit=240,
    ),
    Suite(
        "uvloop",
        ("tests",),
        (
            "-k",
            "not AIO",
        ),
        {
            "tests/test_libuv_api.py": "libuv's version and its functions",
            "tests/test_fs_event.py": "libuv's file events, which asyncio does not have",
            "tests/test_cython.py": "uvloop's own compiled helpers",
            "tests/test_sourcecode.py": "uvloop's source text",
            "tests/test_runner.py": "flake8 and mypy on uvloop's sources",
            "tests/test_testbase.py": "the tests of uvloop's test base",
            "tests/test_dealloc.py": "counts uvloop's objects",
        },
        hidden="uvloop",
        time_limit=1200,
        beside=("uvloop", "pyOpenSSL"),
        on_asyncio="own_loop_asyncio_in_uvloop",
        on_ours="own_loop_ngxloop_in_uvloop",
    ),
    Suite(
        "aiohttp",
        (
            "tests/test_web_server.py",
            "tests/test_web_functional.py",
            "tests/test_web_sendfile_functional.py",
            "tests/test_web_websocket_functional.py",
            "tests/test_web_runner.py",
            "tests/test_web_protocol.py",
            "tests/test_client_functional.py",
            "tests/test_client_ws_functional.py",
            "tests/test_client_connection.py",
            "tests/test_client_session.py",
            "tests/test_connector.py",
            "tests/test_run_app.py",
            "tests/test_proxy_functional.py",
            "tests/test_loop.py",
            "tests/test_test_utils.py",
            "tests/test_tcp_helpers.py",
            "tests/test_resolver.py",
            "tests/test_streams.py",
        ),
        ("-p", "no:asyncio", "-p", "no:anyio"),
        hidden="aiohttp",
        beside=("freezegun", "proxy.py>=2.4.4rc5"),
        time_limit=1200,
    ),
    Suite("hypercorn", ("tests/asyncio", "tests/e2e")),
    Suite(
        "httpcore",
        ("tests/_async", "tests/test_cancellations.py"),
        ("-k", "not trio", "-p", "no:asyncio"),
        beside=("pytest-httpbin", "socksio"),
    ),
    Suite(
        "asyncssh",
        (
            "tests/test_agent.py",
            "tests/test_channel.py",
            "tests/test_connection.py",
            "tests/test_forward.py",
            "tests/test_process.py",
            "tests/test_stream.py",
            "tests/test_subprocess.py",
            "tests/test_tuntap.py",
            "tests/test_x11.py",
        ),
        beside=("bcrypt",),
        time_limit=1200,
    ),
    Suite("aioquic", ("tests/test_asyncio.py", "tests/test_webtransport.py", "tests/test_h0.py")),
    Suite(
        "redis",
        tuple(
            f"tests/test_asyncio/test_{name}.py"
            for name in (
                "client",
                "commands",
                "connect",
                "connection",
                "connection_pool",
                "cwe_404",
                "encoding",
                "lock",
                "monitor",
                "pipeline",
                "pubsub",
                "retry",
                "scripting",
                "sentinel",
            )
        ),
        ("-m", "not redismod"),
        needs="redis-server",
        time_limit=1200,
    ),
    Suite(
        "aiosmtpd",
        ("aiosmtpd/tests",),
        beside=("setuptools<81",),  # its tests need pkg_resources, which newer ones do not have
    ),
    Suite(
        "pytest-asyncio",
        (
            "tests/async_fixtures",
            "tests/test_asyncio_fixture.py",
            "tests/test_event_loop_fixture.py",
            "tests/test_fixture_loop_scopes.py",
            "tests/test_set_event_loop.py",
            "tests/test_simple.py",
            "tests/test_subprocess.py",
            "tests/test_task_cleanup.py",
        ),
        hidden="pytest_asyncio",
        time_limit=1200,
    ),
]
