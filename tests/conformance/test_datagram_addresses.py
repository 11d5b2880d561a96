"""Datagram endpoints: which addresses they send to: names, paths, the one they are connected to."""

import socket

import pytest

from tests.support.datagrams import (
    endpoint,
    udp_socket,
)
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until


async def test_datagrams_to_host_names_and_short_forms_are_resolved():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            port = peer.getsockname()[1]
            hosts = ["localhost", LOOPBACK, "127.1", LOOPBACK]
            for host in hosts:
                transport.sendto(host.encode(), (host, port))
            await turns(2)
            assert [peer.recv(100).decode() for _ in hosts] == hosts


async def test_a_host_that_cannot_be_resolved_goes_to_error_received():
    async with endpoint() as (transport, protocol, _):
        with udp_socket() as peer:
            transport.sendto(b"first", peer.getsockname())
            transport.sendto(b"lost", ("host.invalid", 1))
            transport.sendto(b"last", peer.getsockname())
            assert peer.recv(100) == b"first"
            await wait_until(lambda: protocol.errors, "the error")
            assert [type(error) for error in protocol.errors] == [socket.gaierror]
            assert peer.recv(100) == b"last"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (None, TypeError),
        ("127.0.0.1", TypeError),
        (("127.0.0.1",), TypeError),
        (("127.0.0.1", "80"), TypeError),
        (("127.0.0.1", 65536), OverflowError),
        (("127.0.0.1", -1), OverflowError),
    ],
    ids=repr,
)
async def test_an_address_of_a_wrong_type_is_reported_and_closes(address, error, reports):
    async with endpoint() as (transport, protocol, _):
        transport.sendto(b"hello", address)
        await protocol.closed
        assert type(protocol.lost_with) is error
    (report,) = reports
    assert report["message"] == "Fatal write error on datagram transport"
    assert report["exception"] is protocol.lost_with
    assert report["transport"] is transport
    assert report["protocol"] is protocol
    report.clear()
    reports.clear()


async def test_an_endpoint_with_a_remote_address_takes_no_other():
    with udp_socket() as peer:
        remote = peer.getsockname()
        async with endpoint(remote_addr=remote) as (transport, _, address):
            transport.sendto(b"to None")
            transport.sendto(b"to remote", remote)
            with pytest.raises(ValueError, match=r"^Invalid address: must be None or \('127"):
                transport.sendto(b"elsewhere", (LOOPBACK, 1))
            assert transport.get_extra_info("peername") == remote
            await turns(2)
            assert peer.recvfrom(100) == (b"to None", address)
            assert peer.recvfrom(100) == (b"to remote", address)


async def test_a_connected_socket_of_the_programs_own_sends_without_address():
    with udp_socket() as ours, udp_socket() as peer:
        ours.connect(peer.getsockname())
        async with endpoint(sock=ours) as (transport, _, address):
            transport.sendto(b"hello")
            transport.sendto(b"again", (LOOPBACK, 1))  # not looked at, as in asyncio
            await turns(2)
            assert [peer.recvfrom(100) for _ in range(2)] == [
                (b"hello", address),
                (b"again", address),
            ]


async def test_unix_endpoints_send_to_paths_and_abstract_names(tmp_path):
    path, abstract = str(tmp_path / "path"), "\0" + str(tmp_path)
    async with (
        endpoint(family=socket.AF_UNIX, local_addr=path) as (_, by_path, _),
        endpoint(family=socket.AF_UNIX, local_addr=abstract) as (_, by_name, _),
        endpoint(family=socket.AF_UNIX) as (transport, _, address),
    ):
        assert address == ""
        for target in (path, path.encode(), abstract, abstract.encode()):
            transport.sendto(b"hello", target)
        await wait_until(lambda: len(by_path.received) == len(by_name.received) == 2)
        assert by_path.received == by_name.received == [(b"hello", None)] * 2


async def test_a_unix_endpoint_can_be_connected(tmp_path):
    path = str(tmp_path / "path")
    async with endpoint(family=socket.AF_UNIX, local_addr=path) as (_, receiver, _):
        async with endpoint(family=socket.AF_UNIX, remote_addr=path) as (transport, _, _):
            assert transport.get_extra_info("peername") == path
            transport.sendto(b"hello")
            await wait_until(lambda: receiver.received, "the datagram")
        assert receiver.received == [(b"hello", None)]


async def test_a_path_that_is_too_long_goes_to_error_received():
    async with endpoint(family=socket.AF_UNIX) as (transport, protocol, _):
        transport.sendto(b"hello", "/" + "x" * 200)
        assert [str(error) for error in protocol.errors] == ["AF_UNIX path too long"]
        assert not transport.is_closing()
