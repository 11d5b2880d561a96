"""What programs bind is bound once: by address, over respawns and reloads, errors as asyncio's."""

import json
import os
import signal
import socket
import stat
import time

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.programs_support import PROGRAMS, is_refused
from tests.serving.support import DEADLINE, connect, receive_line
from tests.support.addresses import free_address, own_host
from tests.support.sockets import needs_ipv6

SEVERAL = str(PROGRAMS / "several.py")
UDP_ECHO = str(PROGRAMS / "udp_echo.py")
LOCAL = {"host": own_host(), "port": 0}


@pytest.fixture
def several(serve):
    """Start several.py with the servers in its argument."""

    def start(*servers, workers=2, options=()):
        text = json.dumps(servers)
        options = ("--workers", str(workers), "--log-level", "debug", *options)
        server = serve(*options, SEVERAL, text, program=True).serving()
        where = server.addresses[0]
        first = where.removeprefix("unix:") if where.startswith("unix:") else addresses(server)[0]
        answers_of_all(first, workers, lambda answer: answer["count"] == len(servers))
        server.read_log()
        return server

    return start


def ask(address):
    """Return what a worker answers."""
    with connect(address) as sock:
        return json.loads(receive_line(sock))


def command(address, text):
    """Let the only worker do something, and wait until it has."""
    with connect(address) as sock:
        receive_line(sock)
        sock.sendall(text.encode() + b"\n")
        assert receive_line(sock) == b"done\n"


def answers_of_all(address, count, is_good=lambda answer: True):
    """Ask until so many workers have given a good answer; return one of each."""
    answers = {}
    deadline = time.monotonic() + DEADLINE
    while len(answers) < count:
        assert time.monotonic() < deadline, answers
        found = ask(address)
        if is_good(found):
            answers[found["pid"]] = found
    return list(answers.values())


def addresses(server):
    """Return where the program listens, as the log says."""
    found = [text.rpartition(":") for text in server.addresses]
    return [(host.strip("[]"), int(port)) for host, _, port in found]


def test_each_request_for_port_0_is_one_port_for_all_workers(several):
    server = several(["tcp", LOCAL], ["tcp", LOCAL])
    first, second = addresses(server)
    assert first[1] != second[1]
    answers = answers_of_all(first, 2)
    assert answers[0]["names"] == answers[1]["names"] == [list(first), list(second)]
    assert len(answers_of_all(second, 2)) == 2


def test_a_socket_that_a_program_binds_to_port_0_has_one_port_for_all_workers(several):
    server = several(["socket", {"address": ["127.0.0.1", 0]}])
    (address,) = addresses(server)
    assert [answer["names"] for answer in answers_of_all(address, 2)] == 2 * [[list(address)]]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"host": ["127.0.0.1", "::1"], "port": 0}, marks=needs_ipv6),
        {"host": "localhost", "port": 0},
        pytest.param({"host": "::1", "port": 0}, marks=needs_ipv6),
        {**LOCAL, "reuse_port": True},
        {**LOCAL, "backlog": 7},
    ],
    ids=["v4 and v6", "name", "v6", "reuse_port", "backlog"],
)
def test_whatever_create_server_binds_is_shared(several, options):
    server = several(["tcp", options])
    for address in addresses(server):
        assert len(answers_of_all(address, 2)) == 2


def test_a_unix_server_is_shared_and_its_file_lives_as_long_as_the_master(several, tmp_path):
    path = str(tmp_path / "server.sock")
    server = several(["unix", {"path": path}])
    assert len(answers_of_all(path, 2)) == 2
    before = os.stat(path).st_ino
    server.send(signal.SIGHUP)
    for _ in range(2):
        server.logged(r"worker 1\.\d \(process \d+\) exited with code 0")
    assert os.stat(path).st_ino == before
    assert len(answers_of_all(path, 2)) == 2
    assert server.end() == 0
    assert not os.path.exists(path)


def test_the_file_of_a_dead_unix_server_is_replaced_and_no_other_file(several, serve, tmp_path):
    dead, text = tmp_path / "dead.sock", tmp_path / "text"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(dead))
    text.write_text("precious")
    several(["unix", {"path": str(dead)}])
    assert stat.S_ISSOCK(dead.stat().st_mode)
    specification = json.dumps([["unix", {"path": str(text)}]])
    refused = serve(SEVERAL, specification, program=True)
    assert refused.ended() == 7
    assert f"Address {str(text)!r} is already in use" in refused.log
    assert text.read_text() == "precious"


def test_an_address_in_use_is_the_error_that_asyncio_raises(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = {"host": "127.0.0.1", "port": port}
        server = serve("-w", "2", SEVERAL, json.dumps([["tcp", options]]), program=True)
        assert server.ended() == 7
    assert f"error while attempting to bind on address ('127.0.0.1', {port}): " in server.log
    assert "address already in use" in server.log
    assert "ngxloop-serve: " in server.log


def test_a_second_server_on_the_same_address_is_refused_as_without_us(serve, tmp_path):
    script = tmp_path / "twice.py"
    script.write_text(
        "import asyncio\n"
        "async def main():\n"
        "    first = await asyncio.start_server(print, '127.0.0.1', 0)\n"
        "    port = first.sockets[0].getsockname()[1]\n"
        "    again = await asyncio.start_server(print, '127.0.0.1', port)\n"
        "asyncio.run(main())\n"
    )
    server = serve("--ready-on", "start", str(script), program=True)
    server.logged("error while attempting to bind on address")


def test_a_server_that_is_closed_and_opened_again_listens_again(several):
    server = several(["tcp", LOCAL], ["tcp", LOCAL], workers=1)
    keeper, other = addresses(server)
    command(keeper, "close 1")
    server.logged(f"closed {other[0]}:")
    assert is_refused(other)
    again = json.dumps(["tcp", {"host": other[0], "port": other[1]}]).replace(" ", "")
    command(keeper, f"open {again}")
    assert ask(other)["names"] == [list(keeper), list(other)]


def test_a_server_that_one_worker_closes_stays_open_for_the_others(several):
    server = several(["tcp", LOCAL], ["tcp", LOCAL])
    keeper, other = addresses(server)
    command(keeper, "close 1")
    assert ask(other)["pid"] in server.worker_pids(1)


def test_a_respawned_worker_listens_at_the_same_port(several):
    server = several(["tcp", LOCAL], workers=1)
    (address,) = addresses(server)
    (old,) = server.worker_pids(1)
    os.kill(old, signal.SIGKILL)
    assert ask(address)["pid"] != old  # it waited in the queue


def test_a_reload_closes_what_the_new_program_does_not_ask_for(serve, tmp_path):
    script = tmp_path / "server.py"
    text = (
        "import asyncio, socket\n"
        "async def main():\n"
        "    server = await asyncio.start_server(print, %r, %d)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())\n"
    )
    first, second = free_address(), free_address()
    script.write_text(text % first)
    server = serve("-w", "2", "--log-level", "debug", str(script), program=True).serving()
    script.write_text(text % second)
    server.send(signal.SIGHUP)
    server.logged(f"closed {first[0]}:{first[1]}")
    assert addresses(server) == [first, second]
    assert is_refused(first)
    connect(second).close()


def test_bind_of_the_command_line_goes_before_the_program(several, tmp_path):
    path = str(tmp_path / "server.sock")
    server = several(
        ["unix", {"path": path}], options=("--bind", f"unix:{path}", "--socket-mode", "600")
    )
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert len(answers_of_all(path, 2)) == 2
    assert server.addresses == [f"unix:{path}"]


def test_a_client_that_binds_port_0_has_a_socket_of_its_own(serve, tmp_path):
    script = tmp_path / "server.py"
    script.write_text(
        "import asyncio\n"
        "async def handle(reader, writer):\n"
        "    port = writer.get_extra_info('sockname')[1]\n"
        "    if (await reader.read(1)) == b'a':\n"
        "        _, other = await asyncio.open_connection(\n"
        "            '127.0.0.1', port, local_addr=('127.0.0.1', 0))\n"
        "        writer.write(str(other.get_extra_info('sockname')[1]).encode() + b'\\n')\n"
        "        other.close()\n"
        "    writer.close()\n"
        "async def main():\n"
        "    server = await asyncio.start_server(handle, '127.0.0.1', 0)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())\n"
    )
    server = serve("-w", "2", str(script), program=True).serving()
    ports = set()
    for _ in range(8):
        with connect(server.address) as sock:
            sock.sendall(b"a")
            ports.add(int(receive_line(sock)))
    assert len(server.addresses) == 1
    assert server.address[1] not in ports
    assert len(ports) > 1


def test_datagram_sockets_are_shared_if_that_is_wanted(serve):
    host, port = free_address(socket.SOCK_DGRAM)
    options = ("-w", "3", "--share-datagrams")
    server = serve(*options, UDP_ECHO, host, str(port), program=True).serving()
    assert server.addresses == [f"{host}:{port}"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.sendto(b"hello", (host, port))
        assert client.recv(100) == b"hello"
    assert server.end() == 0
    assert "Traceback" not in server.log


def test_an_application_without_bind_listens_at_the_default_address(serve):
    app_dir = str(PROGRAMS.parent / "apps")
    server = serve("plain:Echo", "--app-dir", app_dir, "-w", "2", program=True)
    outcome = server.logged(r"master\[\d+\] serving |address 127\.0\.0\.1:8000 is in use")
    if "in use" in outcome.group():  # by another program of this machine
        assert server.ended() == ExitCode.ADDRESS_IN_USE
        return
    assert server.addresses == ["127.0.0.1:8000"]
    connect(("127.0.0.1", 8000)).close()
    assert server.end() == 0


def test_a_program_that_closes_its_sockets_by_itself_has_room_for_more(serve, tmp_path):
    script = tmp_path / "transfers.py"
    script.write_text(
        "import socket, sys, time\n"
        "for _ in range(1100):\n"  # more than a worker may have at once
        "    socket.create_server(('127.0.0.1', 0)).close()\n"
        "print('through', file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    server = serve(str(script), program=True)
    server.logged("through")


def test_an_address_that_is_none_is_the_error_of_bind(serve, tmp_path):
    script = tmp_path / "addresses.py"
    script.write_text(
        "import socket, sys\n"
        "for family, address in [(socket.AF_UNIX, '/' + 'a' * 300), \n"
        "                        (socket.AF_UNIX, sys.path[0] + '/a\\0b'),\n"
        "                        (socket.AF_INET, ('127.0.0.1', 70000))]:\n"
        "    try:\n"
        "        socket.socket(family).bind(address)\n"
        "    except Exception as error:\n"
        "        print('raised:', error, file=sys.stderr, flush=True)\n"
    )
    server = serve("--ready-on", "start", str(script), program=True)
    server.logged("raised: AF_UNIX path too long")
    server.logged("raised: ")
    server.logged("raised: bind.*: port must be 0-65535")
