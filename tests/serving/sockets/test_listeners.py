"""Listening sockets are opened all or none, with the right options, and cleaned up."""

import asyncio
import os
import socket
import stat

import pytest

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.options.binds import parse_bind
from ngxloop.serving.sockets.listeners import Listeners, Opened
from ngxloop.serving.sockets.opening import open_listeners
from tests.support.addresses import free_address
from tests.support.sockets import needs_ipv6


def open_all(*texts, mode=0o666, pause=lambda seconds: False, known=None):
    return open_listeners([parse_bind(text) for text in texts], 50, mode, pause, known)


@pytest.fixture
def opened():
    kept = []

    def start(*texts, **options):
        kept.append(open_all(*texts, **options))
        return kept[-1]

    yield start
    for listeners in kept:
        listeners.close()


def test_socket_is_bound_listening_nonblocking_and_closed_on_exec(opened):
    (sock,) = opened("127.0.0.1:0").sockets
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert not sock.getblocking()
    assert not sock.get_inheritable()


def test_description_names_the_real_port_and_can_be_bound(opened):
    name = f"unix:@ngxloop-test-{os.getpid()}"
    listeners = opened("127.0.0.1:0", name)
    first, second = listeners.describe()
    assert parse_bind(first).port == listeners.sockets[0].getsockname()[1]
    assert second == name


@needs_ipv6
def test_ipv4_and_ipv6_wildcards_share_a_port(opened):
    (first,) = opened("0.0.0.0:0").describe()  # free on all hosts, says the kernel
    port = parse_bind(first).port
    assert opened(f"[::]:{port}").describe() == [f"[::]:{port}"]


def test_empty_host_is_every_ipv4_address(opened):
    assert opened(":0").sockets[0].getsockname()[0] == "0.0.0.0"


def test_listen_does_not_touch_the_queue(opened):
    (sock,) = opened("127.0.0.1:0").sockets
    before = queue_limit_of(sock)
    sock.listen(1)
    assert queue_limit_of(sock) == before == 50


async def test_asyncio_server_leaves_the_queue_alone(opened):
    (sock,) = opened("127.0.0.1:0").sockets
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=sock, backlog=3)
    assert queue_limit_of(sock) == 50
    server.close()
    await server.wait_closed()


def test_address_in_use_is_tried_again_until_it_is_free(opened):
    other = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{other.getsockname()[1]}"
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            other.close()
        return False

    assert opened(address, pause=pause).describe() == [address]
    assert pauses == [0.5, 0.5, 0.5]


def test_address_in_use_is_given_up_after_five_attempts():
    pauses = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(StartError) as caught:
            open_all("127.0.0.1:0", address, pause=lambda seconds: bool(pauses.append(seconds)))
    assert caught.value.code == ExitCode.ADDRESS_IN_USE
    assert address in caught.value.line
    assert len(pauses) == 4


def test_signal_while_waiting_for_an_address_gives_up_without_an_error():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(StartError) as caught:
            open_all(address, pause=lambda seconds: True)
    assert caught.value.code == ExitCode.OK


def test_unix_socket_has_its_mode_whatever_the_umask(opened, tmp_path):
    old_mask = os.umask(0o077)
    try:
        opened(f"unix:{tmp_path}/a", mode=0o660)
    finally:
        assert os.umask(old_mask) == 0o077
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o660


def test_stale_unix_socket_is_replaced(opened, tmp_path):
    path = str(tmp_path / "a")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    opened(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_close_removes_the_file_but_not_a_successors(tmp_path):
    path = tmp_path / "a"
    first = open_all(f"unix:{path}")
    path.unlink()
    second = open_all(f"unix:{path}")
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_close_in_a_forked_process_leaves_the_file(tmp_path):
    path = tmp_path / "a"
    listeners = open_all(f"unix:{path}")
    pid = os.fork()
    if pid == 0:
        listeners.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.exists()
    listeners.close()


def test_failure_closes_what_was_open_and_removes_its_file(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(StartError):
        open_all(f"unix:{path}", "192.0.2.1:0")
    assert not path.exists()


def test_inherited_file_is_not_removed(tmp_path):
    path = tmp_path / "a"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        listeners = open_all(f"fd://{os.dup(sock.fileno())}")
    assert listeners.describe() == [f"unix:{path}"]
    listeners.close()
    assert path.exists()


def test_inherited_datagram_socket_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(StartError) as caught:
        open_all(f"fd://{os.dup(sock.fileno())}")
    assert caught.value.code == ExitCode.BAD_ADDRESS


def test_inherited_listening_socket_keeps_its_queue():
    with socket.create_server(("127.0.0.1", 0), backlog=7) as sock:
        listeners = open_all(f"fd://{os.dup(sock.fileno())}")
        assert queue_limit_of(sock) == 7
        listeners.close()


def test_folder_without_permission_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:  # to whom nothing is forbidden
        os.seteuid(65534)
    try:
        with pytest.raises(StartError) as caught:
            open_all(f"unix:{tmp_path}/a")
    finally:
        os.seteuid(user)
    assert caught.value.code == ExitCode.NO_PERMISSION
    assert f"no permission to bind unix:{tmp_path}/a" in caught.value.line


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["127.0.0.1:{port}", "localhost:{port}"], "localhost:{port} and 127.0.0.1:{port} are"),
        (["127.0.0.1:{port}", "0.0.0.0:{port}"], "0.0.0.0:{port} and 127.0.0.1:{port} are"),
        (["unix:{path}/a", "unix:{path}/./a"], "unix:{path}/./a and unix:{path}/a are"),
    ],
)
def test_own_clash_is_told_at_once(tmp_path, texts, words):
    names = {"port": free_address()[1], "path": tmp_path}
    with pytest.raises(StartError) as caught:
        open_all(*[text.format(**names) for text in texts], pause=None)
    assert words.format(**names) in caught.value.line
    assert "give one of them" in caught.value.line


def test_known_socket_by_another_name_is_the_same_socket(opened):
    (sock,) = opened("127.0.0.1:0").sockets
    port = sock.getsockname()[1]
    known = Listeners([Opened("127.0.0.1:0", sock)])
    new = opened(f"127.0.0.1:{port}", known=known, pause=None)
    assert new.sockets == [sock]


def test_known_socket_listens_again_when_the_backlog_is_another_one(opened):
    old = opened("127.0.0.1:0")
    binds = [parse_bind("127.0.0.1:0")]
    assert open_listeners(binds, 60, 0o666, known=old).sockets == old.sockets
    assert queue_limit_of(old.sockets[0]) == 60


def test_sockets_that_the_successor_does_not_have_are_closed(opened, tmp_path):
    old = opened("127.0.0.1:0", f"unix:{tmp_path}/a")
    kept, gone = old.sockets
    new = opened("127.0.0.1:0", f"unix:{tmp_path}/b", known=old)
    old.close(keep=new)
    assert (kept.fileno() >= 0, gone.fileno()) == (True, -1)
    assert not (tmp_path / "a").exists()


def test_failure_with_known_sockets_leaves_those_alone(opened, tmp_path):
    old = opened("127.0.0.1:0", f"unix:{tmp_path}/a")
    with pytest.raises(StartError):
        opened("127.0.0.1:0", f"unix:{tmp_path}/a", "192.0.2.1:0", known=old)
    assert all(sock.fileno() >= 0 for sock in old.sockets)
    assert (tmp_path / "a").exists()


def queue_limit_of(sock):
    """Return the limit of the accept queue: tcpi_sacked, for a listening socket."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[28:32], "little")
